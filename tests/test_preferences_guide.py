"""The guide to preferences: its files are read, its commands run, its figures are the code's."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from audit_jobs.preferences.command import COMMANDS
from backend.reward_scores import MOST_ITEMS
from connectors.label_studio.comparisons import comparisons_of
from connectors.label_studio.labeling import parse_labeling
from connectors.label_studio.preference_configs import pairwise_config
from connectors.trl import Format, Preferred, rows_of
from labelgate import main
from policies.domain import Outcome
from policies.explanations import run_tests
from policies.loading import parse_policy

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "preferences.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PROMPTS, JUDGED, UNJUDGED = (text for kind, text in BLOCKS if kind == "json")
(CONFIG,) = (text for kind, text in BLOCKS if kind == "xml")
(POLICY,) = (text for kind, text in BLOCKS if kind == "yaml")
CONSOLE = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMAND_LINES = [
    line.split("   ")[0] for line in re.findall(r"^    (labelgate .*)$", TEXT, re.MULTILINE)
]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("prompts", PROMPTS), ("judged", JUDGED), ("unjudged", UNJUDGED)):
        (tmp_path / f"{name}.jsonl").write_text(text, "utf-8")
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    return tmp_path


def run(command: str) -> str:
    words = shlex.split(command)
    assert words[0] == "labelgate"
    result = CliRunner().invoke(main, words[1:])
    assert result.exit_code == 0, f"{command}: {result.output}"
    return result.stdout


@pytest.mark.usefixtures("files")
def test_pairs_and_their_config_are_as_the_guide_shows() -> None:
    ((command, output),) = CONSOLE
    assert run(command) == output
    assert Path("config.xml").read_text("utf-8") == CONFIG == pairwise_config(ties=False)
    assert comparisons_of(parse_labeling(CONFIG), "prompt")


@pytest.mark.usefixtures("files")
def test_every_command_runs_in_the_order_of_the_guide() -> None:
    assert len(COMMAND_LINES) == len(COMMANDS) + 2
    assert {line.split()[2] for line in COMMAND_LINES} == set(COMMANDS)
    for command in COMMAND_LINES:
        assert run(command)


@pytest.mark.usefixtures("files")
def test_the_report_has_every_figure_of_the_table() -> None:
    report: dict[str, Any] = json.loads(run("labelgate preferences report judged.jsonl --json"))
    table = TEXT.split("| figure | read it as |")[1].split("\n\n")[0]
    named = re.findall(r"`([a-z_.]+)`", "\n".join(row.split("|")[1] for row in rows(table)))
    assert len(named) == 9
    for name in named:
        found: Any = report
        for key in name.split("."):
            assert key in found, name
            found = found[key]
    assert report["judges_detail"]["ann"]["accuracy"]["value"] == 1
    assert report["position_bias"]["swapped"]["place_kept"]["n"] == 3
    assert (report["pairs"], report["intransitivity"]) == (5, None)
    assert {"accuracy", "agreement", "quality", "ties"} <= report["judges_detail"]["ann"].keys()


@pytest.mark.usefixtures("files")
def test_the_policy_is_right_and_takes_no_preference_from_a_model() -> None:
    assert "is fine" in run("labelgate policy check policy.yaml")
    test = {
        "name": "no preference of a model",
        "prediction": {"label": "left", "score": 1.0},
        "expect": {"outcome": Outcome.REVIEW.value, "tier": "domain"},
    }
    policy = parse_policy(yaml.safe_dump({**yaml.safe_load(POLICY), "tests": [test]}))
    assert [each.wrong for each in run_tests(policy)] == [()]
    assert policy.preferences is not None
    assert not policy.shows_answers


def test_the_policy_is_the_preset_but_for_what_is_left_out() -> None:
    preset = yaml.safe_load((ROOT / "policies" / "presets" / "preference.yaml").read_text("utf-8"))
    shown = yaml.safe_load(POLICY)
    for tier in preset["tiers"]:
        del tier["seconds_per_label"]
    assert shown == {key: preset[key] for key in shown}


def test_exports_have_the_columns_of_the_table() -> None:
    pair = Preferred(
        pair_id="1",
        prompt="p",
        chosen="c",
        rejected="r",
        votes=(2, 1, 0),
        agreement=2 / 3,
        confidence=None,
    )
    table = TEXT.split("| `--format` |")[1].split("\n\n")[0]
    columns = {}
    for row in rows(table):
        _, name, own, beside, _ = row.split("|")
        columns[name.strip(" `")] = re.findall(r"`([a-z_]+)`", own + beside)
    assert set(columns) == {form.value for form in Format}
    for form in (Format.PREFERENCE, Format.UNPAIRED):
        assert columns[form.value] == list(rows_of(form, [pair])[0])
    assert re.search(r"\| `trl-conversational` \| the same as lists of .* \| the same \|", table)


def rows(table: str) -> list[str]:
    """The rows of a table, without its head and the line under it."""
    return [line for line in table.splitlines() if line.startswith("|") and "---" not in line]


def told_by(path: str) -> str:
    """The words of a module, on one line."""
    return " ".join((ROOT / path).read_text("utf-8").split())


def test_the_figures_of_the_guide_are_those_that_the_code_states() -> None:
    words = " ".join(TEXT.split())
    assert f"up to {MOST_ITEMS:,} at once" in words
    measures, rewards = "audit_jobs/measures/preferences", "backend/predictors/rewards"
    for path, stated, here in (
        (f"{rewards}/fitting.py", "70.0 to 73.1 % of the pairs", "70.0 to 73.1 % of the pairs"),
        (f"{rewards}/fitting.py", "0.18 to 0.19", "Brier score is .18 to .19"),
        (f"{rewards}/style.py", "right of 73 % of the pairs", "right of 73 % there"),
        (f"{rewards}/style.py", "length alone of 67 %", "length alone of 67 %"),
        (f"{rewards}/style.py", "words alone of 58 %", "words alone of 58 %"),
        (f"{rewards}/selection.py", "picked .897 .926 .952", ".926 and .922"),
        (f"{rewards}/selection.py", "picked .932 .958 .971", ".958 against .920"),
        (f"{rewards}/selection.py", "picked .788 .826 .877", ".826 against .836"),
        (f"{measures}/position.py", "one judge in 99 % at s = 1, in 83 % at s = 2.5", "in 99 %"),
        (f"{measures}/position.py", "in 96 % where gold is known", "with gold in 96 %"),
        (
            f"{measures}/verdicts.py",
            "in at most 1.4 % of such pairs",
            "in at most 1.4 % of such pairs",
        ),
        (f"{measures}/verdicts.py", "overruled in 7 %", "overruled in 7 %"),
        ("backend/prompt_leakage.py", "5 % each) 81 % of three", "5 % each, 81 % of the training"),
    ):
        assert stated in told_by(path), path
        assert here in words
