from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from backend.commands.policy import policy
from policies.loading import dump_policy
from tests.fakes.policy_documents import make_policy

NOBODY_ROUTED: dict[str, Any] = {"routes": [], "agreement": {"share": 0.0}}


def write_policy(file: Path, **changes: Any) -> Path:
    file.write_text(dump_policy(make_policy(**(NOBODY_ROUTED | changes))), encoding="utf-8")
    return file


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """3,000 tasks of a model that is wrong one time in two hundred."""
    rng = np.random.default_rng(3)
    file = tmp_path / "history.csv.gz"
    with gzip.open(file, "wt", encoding="utf-8", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["id", "predicted", "score", "label", "lead_time"])
        for number in range(3_000):
            said = "ab"[int(rng.integers(2))]
            truth = said if rng.random() > 0.005 else "ba"["ab".index(said)]
            writer.writerow([f"doc-{number}", said, f"{rng.uniform(0.8, 1):.4f}", truth, 36])
    return file


def run(*words: object) -> Result:
    return CliRunner().invoke(policy, ["plan", *map(str, words)])


def test_as_json(tmp_path: Path, history: Path) -> None:
    file = write_policy(tmp_path / "policy.yaml")
    result = run(file, "--history", history, "--json")
    assert result.exit_code == 0, result.output
    body = json.loads(result.stdout)
    assert body["tasks"] == 3_000
    assert body["accepted"] > 2_000
    assert 0.001 < body["expected_error"]["value"] < 0.01
    assert body["expected_error"]["n"] == body["accepted"]
    assert body["accepted"] + sum(body["review"].values()) == 3_000
    assert body["hours"]["senior"] == pytest.approx(body["review"]["senior"] / 100)
    assert body["cost"]["total"] == pytest.approx(
        0.1 * body["review"]["general"] + body["review"]["senior"]
    )
    assert body["cost_all_manual"] == pytest.approx(300)
    assert body["saving_share"] == pytest.approx(1 - body["cost"]["total"] / 300)
    assert body["changed"] is None
    assert run(file, "--history", history, "--json").stdout == result.stdout


def test_against_another_policy(tmp_path: Path, history: Path) -> None:
    file = write_policy(tmp_path / "policy.yaml")
    never = write_policy(tmp_path / "never.yaml", auto_accept="never")
    accepted = json.loads(run(file, "--history", history, "--json").stdout)["accepted"]
    result = run(file, "--history", history, "--against", never, "--json")
    changed = json.loads(result.stdout)["changed"]
    assert accepted < changed < accepted * 1.2  # the audited ones change too
    same = run(file, "--history", history, "--against", file, "--json")
    assert json.loads(same.stdout)["changed"] == 0


def test_as_text(tmp_path: Path, history: Path) -> None:
    result = run(write_policy(tmp_path / "policy.yaml"), "--history", history)
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert text.startswith("3,000 tasks, 2,")
    assert "control answers" in text
    assert "all by hand 300.00" in text
    never = write_policy(tmp_path / "never.yaml", auto_accept="never")
    text = " ".join(run(never, "--history", history).stdout.split())
    assert "nothing is accepted: the policy lets a person confirm every label" in text
    assert "errors among them unknown" in text


def test_too_few_answers_say_so(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text("id,predicted,score,label\n1,a,0.9,a\n2,a,0.9,b\n", encoding="utf-8")
    result = run(write_policy(tmp_path / "policy.yaml"), "--history", file)
    assert result.exit_code == 0
    assert "no threshold could be certified on 0 control answers" in result.stdout


def test_one_source_is_needed(tmp_path: Path, history: Path) -> None:
    file = write_policy(tmp_path / "policy.yaml")
    for words in ((), ("--history", history, "--project", 1)):
        result = run(file, *words)
        assert result.exit_code == 2
        assert "give one of --history FILE.csv and --project NUMBER" in result.stderr


def test_bad_files_are_named(tmp_path: Path, history: Path) -> None:
    file = write_policy(tmp_path / "policy.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text(file.read_text(encoding="utf-8").replace("low", "lo"), encoding="utf-8")
    for words in ((bad, "--history", history), (file, "--history", history, "--against", bad)):
        result = run(*words)
        assert result.exit_code == 1
        assert f"{bad}:2  stakes = 'lo'" in result.stderr
    result = run(file, "--history", tmp_path / "none.csv")
    assert result.exit_code == 1
    assert "none.csv  cannot be read: No such file or directory" in result.stderr
