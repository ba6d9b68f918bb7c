"""The filled store is a store like any other: its ledger holds, its jobs ran, its story is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit_jobs.jobs import JOBS
from backend.app import create_app
from backend.store.counts import all_counts
from backend.store.job_runs import recent_runs
from backend.store.ledger_check import verify_ledger
from backend.store.models import CHAMPION, KEPT, all_versions
from backend.store.reports import AGREEMENT, AUDIT, CYCLE, DRIFT, reports
from backend.store.suspensions import suspensions
from backend.store.tables import DecisionRow
from backend.versions import file_problem
from benchmarks.large_store import Filled, fill
from policies.stages import Stage
from tests.large_stores import DECISIONS


def test_every_ledger_holds(filled: Filled) -> None:
    with filled.stage.runtime.reads() as session:
        checks = [
            verify_ledger(session, each) for each in (filled.large, filled.new, filled.tripped)
        ]
    assert [check.why for check in checks] == [None, None, None]
    assert checks[0].entries >= DECISIONS


def test_a_decision_is_made_by_the_engine_as_often_as_was_asked(filled: Filled) -> None:
    with filled.stage.runtime.reads() as session:
        made = (
            session.query(DecisionRow)
            .filter(DecisionRow.project_id == filled.large, DecisionRow.rule != "escalation")
            .count()
        )
    assert made == DECISIONS


def test_versions_came_were_kept_back_and_can_be_read(filled: Filled) -> None:
    runtime = filled.stage.runtime
    with runtime.reads() as session:
        versions = all_versions(session, filled.large)
    states = [each.state for each in versions]
    assert len(versions) == 6
    assert (states[-1], states.count(CHAMPION), states.count(KEPT)) == (CHAMPION, 1, 1)
    assert [file_problem(runtime.settings, each) for each in versions] == [None] * 6


def test_jobs_ran_and_left_series(filled: Filled) -> None:
    with filled.stage.runtime.reads() as session:
        runs = recent_runs(session, 10_000)
        series = {
            kind: len(reports(session, filled.large, kind))
            for kind in (AGREEMENT, AUDIT, CYCLE, DRIFT)
        }
    assert {run.outcome for run in runs} == {"done"}
    assert {run.job for run in runs} <= JOBS.keys()
    assert all(length > 1 for length in series.values()), series


def test_the_small_projects_are_at_their_stages(filled: Filled) -> None:
    with filled.stage.runtime.reads() as session:
        counts = all_counts(session, [filled.new, filled.tripped])
        tripped = suspensions(session, filled.tripped)
    assert counts[filled.new].stage is Stage.NO_MODEL
    assert counts[filled.tripped].stage is Stage.SUSPENDED
    assert [each.rearmed_at for each in tripped] == [None]


def test_its_pages_are_there(filled: Filled) -> None:
    client = create_app(filled.stage.runtime).test_client()
    for path in ("/", "/jobs", "/metrics", f"/projects/{filled.large}"):
        assert client.get(path).status_code == 200


def test_the_same_seed_tells_the_same_story(filled: Filled, tmp_path: Path) -> None:
    again = fill(tmp_path, decisions=DECISIONS)
    heads = []
    for each in (filled, again):
        with each.stage.runtime.reads() as session:
            heads.append(verify_ledger(session, each.large).head)
    assert heads[0] == heads[1]


def test_too_few_decisions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least"):
        fill(tmp_path, decisions=100)
