"""``labelgate breaker`` and ``labelgate recall``: what they print, refuse and change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from backend.commands.breaker import breaker
from backend.commands.recall import recall_accepts
from backend.store.suspensions import store_suspension
from policies.breaker import Suspension
from policies.domain import Purpose
from tests.fakes.accepting_project import accepting_project, accepts
from tests.fakes.worked_project import WorkedProject

SINCE = "2026-01-01T00:00Z"


@pytest.fixture
def worked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkedProject:
    made = accepting_project(tmp_path)
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(made.runtime.settings.data_dir))
    monkeypatch.setenv("LABELGATE_WEBHOOK_SECRET", "the secret")
    return made


def run_breaker(*words: object) -> Result:
    return CliRunner().invoke(breaker, list(map(str, words)))


def run_recall(*words: object) -> Result:
    return CliRunner().invoke(recall_accepts, list(map(str, words)))


def states(*words: object) -> list[dict[str, Any]]:
    result = run_breaker("status", "--json", *words)
    assert result.exit_code == 0, result.output
    (project,) = json.loads(result.stdout)["projects"]
    found: list[dict[str, Any]] = project["breakers"]
    return found


def suspend(worked: WorkedProject) -> None:
    trip = Suspension(
        id=0,
        model_version="v1",
        group=("model", None),
        since=worked.clock(),
        statistic=2431.0,
        audits=131,
        errors=6,
        good_until=None,
        why="6 of 131 audits wrong",
    )
    with worked.runtime.sessions.begin() as session:
        store_suspension(session, worked.project_id, trip)


def test_a_suspension_is_shown_and_reset_once(worked: WorkedProject) -> None:
    assert states() == []  # no round has looked yet
    suspend(worked)
    (state,) = states("--project", worked.project_id)
    assert (state["state"], state["statistic"], state["limit"]) == ("suspended", 2431.0, 2000.0)
    assert (state["errors"], state["audits"], state["good_until"]) == (6, 131, None)
    words = run_breaker("status").stdout
    assert "v1: suspended, statistic 2,431.0 of 2,000, 6 of 131 audits wrong" in words
    assert "good until: no accept" in words

    done = run_breaker("reset", "--project", "worked", "--why", "new guideline")
    assert done.exit_code == 0, done.output
    assert "v1: waits for control answers given after" in done.stdout
    (state,) = states()
    assert (state["state"], state["reset_why"]) == ("reset", "new guideline")
    again = run_breaker("reset", "--project", "worked", "--why", "again")
    assert again.exit_code == 1
    assert "1 wait for a new certificate already" in again.output


def test_what_is_not_suspended_is_not_reset(worked: WorkedProject) -> None:
    assert (
        "nothing is suspended" in run_breaker("reset", "--project", "worked", "--why", "x").output
    )
    suspend(worked)
    other = run_breaker("reset", "--project", "worked", "--label", "A", "--why", "x")
    assert "no group of the label 'A' is suspended; suspended: v1" in other.output
    assert run_breaker("reset", "--project", "worked", "--why", " ").exit_code == 2
    assert run_breaker("status", "--project", "nobody").exit_code == 1


def test_a_dry_run_counts_by_label_and_a_recall_does_it(worked: WorkedProject) -> None:
    before = accepts(worked)
    words = ("--project", "worked", "--since", SINCE, "--why", "new guideline", "--json")
    dry = json.loads(run_recall(*words, "--dry-run").stdout)
    assert (dry["dry_run"], dry["tasks"]) == (True, len(before))
    assert set(dry["by_label"]) == {"A", "B"}
    assert dry["oldest"] <= dry["newest"]
    assert accepts(worked) == before
    told = run_recall(*words[:-1], "--label", "A")
    assert told.exit_code == 0, told.output
    assert f"{dry['by_label']['A']} accepts were taken back" in told.stdout
    assert len(worked.with_purpose(Purpose.RECALL)) == dry["by_label"]["A"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--since", "2026-01-01"), "names no time zone: write 2026-01-01T00:00Z"),
        (("--since", "soon"), "is no time"),
        (("--since", SINCE, "--until", "2025-01-01T00:00Z"), "is not after --since"),
        (("--since", SINCE, "--version", "v9"), "no version 'v9'; there are: v1"),
        (("--since", SINCE, "--label", "C"), "no label 'C'; there are: A, B"),
        (("--since", SINCE, "--why", ""), "say why"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    worked: WorkedProject, words: tuple[str, ...], said: str
) -> None:
    before = accepts(worked)
    result = run_recall("--project", "worked", "--why", "x", *words)
    assert result.exit_code != 0
    assert said in " ".join(result.output.split())
    assert accepts(worked) == before
