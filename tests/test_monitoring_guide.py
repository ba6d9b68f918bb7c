"""The guide to monitoring: what it shows runs, and its figures and words are the code's."""

from __future__ import annotations

import json
import re
import shlex
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from audit_jobs.measures import decay, production_accuracy
from audit_jobs.monitoring.alerts import DECAY, DRIFT, ENOUGH_TO_END
from audit_jobs.monitoring.looks import MOST_READ
from backend.inferences.intake import MOST_IN_BATCH
from backend.inferences.retention import KEYS_KEPT
from backend.inferences.validation import FIELDS, intake_rules, read_inferences
from backend.store import inferences as store
from backend.store.inference_tasks import INFERENCE_KEY
from backend.web.production_metrics import production_gauges
from connectors.inference_files import COLUMNS
from connectors.inference_source import MOST_IDS
from labelgate import main
from policies.change_detection import THRESHOLD
from policies.domain import Estimate, column
from policies.loading import parse_policy
from policies.monitoring import Monitoring
from policies.stakes import floors_of

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
FLAT = " ".join(TEXT.split())
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
CONFIG = """<View><Text name="text" value="$text"/><Choices name="label" toName="text">
<Choice value="invoice"/><Choice value="refund"/></Choices></View>"""


def blocks(kind: str) -> list[str]:
    return [text for each, text in BLOCKS if each == kind]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "answers.csv").write_text(blocks("csv")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_the_example_prints_what_the_guide_shows() -> None:
    command, _, shown = blocks("console")[0].removeprefix("$ ").partition("\n")
    result = CliRunner().invoke(main, shlex.split(command)[1:])
    assert result.exit_code == 0
    assert result.output.startswith(shown)


@pytest.mark.usefixtures("folder")
def test_the_commands_on_a_file_run_and_the_others_are_there() -> None:
    lines = re.findall(r"^    labelgate (.*)$", TEXT, re.MULTILINE)
    inline = re.findall(r"`labelgate ([^`]*)`", FLAT)
    commands = [shlex.split(line.split("   ")[0]) for line in [*lines, *inline]]
    on_files = [command for command in commands if "evaluate" in command]
    assert (len(on_files), len(commands)) == (3, 14)
    for command in on_files:
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
    for command in commands:
        named = command[:1] if command[0] == "report" else command[:2]
        offered = CliRunner().invoke(main, [*named, "--help"])
        assert offered.exit_code == 0, offered.output
        options = [word for word in command if word.startswith("--")]
        assert [each for each in options if each not in offered.output] == []


@pytest.mark.usefixtures("folder")
def test_the_json_has_the_parts_that_the_guide_names() -> None:
    result = CliRunner().invoke(main, ["inferences", "evaluate", "answers.csv", "--json"])
    named = FLAT.split("With `--json` the same comes as JSON:")[1].split(".")[0]
    assert set(re.findall(r"`(\w+)`", named)) <= set(json.loads(result.output))


def test_the_sections_of_policies_are_right() -> None:
    preset = (ROOT / "policies" / "presets" / "low.yaml").read_text(encoding="utf-8")
    document = yaml.safe_load(preset)
    document["tiers"].append({**document["tiers"][-1], "name": "senior"})
    shown: set[str] = set()
    for section in blocks("yaml"):
        monitoring = yaml.safe_load(section)
        shown |= monitoring["monitoring"].keys()
        assert parse_policy(json.dumps({**document, "tests": [], **monitoring}))
    told = shown | set(re.findall(r"`(\w+)[`:]", TEXT))
    assert told >= Monitoring.model_fields.keys()


def test_the_batch_of_the_guide_is_taken() -> None:
    preset = (ROOT / "policies" / "presets" / "low.yaml").read_text(encoding="utf-8")
    items = json.loads(blocks("json")[0])["inferences"]
    taken = read_inferences(items, intake_rules(preset, CONFIG), datetime(2026, 12, 1, tzinfo=UTC))
    assert [each.predicted for each in taken] == ["invoice", "refund"]
    assert set(rows_of("| field | what |")) == set(FIELDS) >= set(COLUMNS)
    receipt = json.loads(FLAT.split("once the batch is on disk: `")[1].split("`")[0])
    assert receipt.keys() == {"received", "stored", "known", "conflicts", "conflicting"}


def test_the_client_of_the_guide_sends_what_it_adds(server: tuple[str, list[Any]]) -> None:
    address, bodies = server
    code = blocks("python")[0].replace("http://127.0.0.1:9090", address)
    exec(compile(code, "docs/monitoring.md", "exec"), {"token": "lgi_of_a_test"})  # noqa: S102 - ours
    sent = [each["id"] for body in bodies for each in body["inferences"]]
    assert sent == ["req-4711", "req-4712"]


@pytest.fixture
def server() -> Iterator[tuple[str, list[Any]]]:
    """An address that takes every batch, and what came."""
    bodies: list[Any] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            bodies.append(body)
            n = len(body["inferences"])
            counts = {"received": n, "stored": n, "known": 0, "conflicts": 0, "conflicting": []}
            content = json.dumps(counts).encode()
            self.send_response(202)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: Any) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Taking) as taking:
        thread = threading.Thread(target=taking.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{taking.server_port}", bodies
        taking.shutdown()
        thread.join()


def test_the_table_of_detection_times_is_that_of_the_measure() -> None:
    measured = re.findall(
        r"^(the policy's|its own) +(\d+) +([\d.]+) months, ([\d.]+) % +(\d+) % +(\d+) %$",
        decay.__doc__ or "",
        re.MULTILINE,
    )
    told = re.findall(
        r"^\| (the policy's|its own) \| (\d+) \| ([\d.]+) months, ([\d.]+) % "
        r"\| (\d+) % \| (\d+) % \|$",
        TEXT,
        re.MULTILINE,
    )
    assert len(told) == 6
    assert told == measured


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("baseline", "a_week", "months"),
    [(0.95, 50, 0.7), (0.95, 20, 1.7), (None, 50, 0.9), (None, 20, 2.3)],
)
def test_a_sudden_fall_is_found_as_soon_as_the_guide_says(
    baseline: float | None, a_week: int, months: float
) -> None:
    found = [days_until_found(seed, baseline, a_week) for seed in range(150)]
    assert np.median([days for days in found if days > 0]) / 30.4375 == pytest.approx(
        months, abs=0.25
    )
    assert f"{months:g}" in FLAT.split("in one day is found sooner")[1].split("Where some")[0]


def days_until_found(seed: int, baseline: float | None, a_week: int) -> float:
    """How long after a fall from 95 to 88 % on day 91 of a year the alarm sounds."""
    random = np.random.default_rng(seed)
    days = np.sort(random.uniform(0, 364, 52 * a_week))
    right = random.random(len(days)) < np.where(days < 91, 0.95, 0.88)
    names = column(["x"] * len(days))
    begin = np.datetime64("2026-01-01", "us")
    drawn = production_accuracy.Drawn(
        at=begin + (days * 86_400e6).astype("timedelta64[us]"),
        versions=names,
        predicted=names,
        shares=np.full(len(days), 0.01),
        truths=column(["x" if each else "y" for each in right]),
        right=right,
        slices={},
    )
    tripped_at = decay.decay_of(drawn, baseline, 0.02).tripped_at
    if tripped_at is None:
        return float("inf")
    return float((tripped_at - begin) / np.timedelta64(1, "D")) - 91


def test_the_numbers_of_the_guide_are_those_of_the_code() -> None:
    assert "93.9 to 96.7 %" in (production_accuracy.__doc__ or "")
    assert "93.9 to 96.7 %" in FLAT
    assert (MOST_IN_BATCH, MOST_IDS, KEYS_KEPT.days, MOST_READ) == (10_000, 100, 30, 2_000)
    assert (decay.FIRST, decay.NEWEST, ENOUGH_TO_END, THRESHOLD) == (200, 200, 50, 2_000)
    rule = Monitoring()
    assert (rule.retention_days, rule.each_class, rule.tolerated_drop) == (90, 10, 0.02)
    for stakes, words in (
        ("low", "0.5 % (at least 0.1 %)"),
        ("sensitive", "3 % (2 %)"),
        ("regulated", "15 % (10 %)"),
    ):
        floors = floors_of(stakes)
        assert floors is not None
        default, least = (
            f"{100 * share:g} %"
            for share in (floors.default_monitoring_share, floors.monitoring_share)
        )
        assert words.startswith(default)
        assert least in words
        assert words in TEXT


def test_the_words_of_the_guide_are_those_of_the_code() -> None:
    states = {store.WAITING, store.PASSED, store.DRAWN, store.PLACED, store.LOST}
    assert set(rows_of("| state | an answer that |")) == states
    gauges = {gauge.name for gauge in production_gauges([])}
    assert set(rows_of("| metric | labels | what |")) == {*gauges, "labelgate_inferences_total"}
    for word in (INFERENCE_KEY, DECAY, DRIFT):
        assert f"`{word}`" in TEXT
    now = Estimate(value=0.945, low=0.904, high=0.969, n=200)
    slope = Estimate(value=-0.002, low=-0.009, high=0.005, n=900)
    found = decay.Decay(
        baseline=decay.Baseline(accuracy=0.95, held=0.95, n=0),
        max_error_rate=0.07,
        watched=900,
        statistic=1.0,
        cause=None,
        tripped_at=None,
        since=None,
        now=now,
        later=now,
        slope=slope,
    )
    assert decay.says_of(found) in FLAT


def test_without_the_section_the_top_tier_verifies_the_default_blind() -> None:
    document = yaml.safe_load((ROOT / "policies/presets/sensitive.yaml").read_text("utf-8"))
    del document["monitoring"]
    policy = parse_policy(json.dumps(document))
    assert policy.monitoring.tier == policy.tiers[-1].name
    assert (policy.monitoring.share, policy.monitoring.show) == (0.03, False)


def rows_of(head: str) -> list[str]:
    """The first column of a table of the guide."""
    table = TEXT.split(head)[1].split("\n\n")[0]
    return re.findall(r"^\| `(\w+)` ", table, re.MULTILINE)
