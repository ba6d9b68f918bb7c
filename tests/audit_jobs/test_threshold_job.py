"""Once a night audits move thresholds: a new certification, a report, and tasks decided anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit_jobs.audits import thresholds
from backend.leasing import holding
from backend.store.certificates import StoredCertification, valid_certification
from backend.store.decisions import current_decisions
from backend.store.reports import THRESHOLD, Report, reports
from backend.store.suspensions import store_suspension
from policies.breaker import Suspension
from policies.domain import Outcome
from tests.audit_jobs.test_audit_job import OTHER, answer, policy, project
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

DAY = 24 * 3600


def run(worked: WorkedProject) -> list[dict[str, Any]]:
    moved: list[dict[str, Any]] = thresholds.run(worked.runtime, worked.project)["moved"]
    return moved


def certified(worked: WorkedProject, version: str = "v1") -> StoredCertification:
    with worked.runtime.reads() as session:
        found = valid_certification(session, worked.project_id, version, worked.project.policy_hash)
    assert found is not None
    return found


def in_force(worked: WorkedProject) -> float | None:
    return certified(worked).certification.thresholds["model", None]


def moves(worked: WorkedProject) -> list[Report]:
    with worked.runtime.reads() as session:
        return reports(session, worked.project_id, THRESHOLD)


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    return project(tmp_path, policy(), tasks=120)


def test_errors_raise_the_threshold_once_a_day(worked: WorkedProject) -> None:
    answer(worked, wrong=20, most=40)
    before = certified(worked)
    (moved,) = run(worked)
    assert moved["group"] == {"predictor": "model", "label": None}
    assert moved["from"] == 0.7
    assert 0.7 < moved["to"] <= 0.72
    assert (moved["evidence"]["audits"], moved["evidence"]["errors"]) == (40, 20)
    assert moved["bound"] == moved["evidence"]["error"]["low"] > 0.05
    after = certified(worked)
    assert (moved["certificate"], moved["replaces"]) == (after.id, before.id)
    assert in_force(worked) == moved["to"]
    assert after.certification.certificates[0].threshold == 0.7  # what was proved stays
    assert [each.body for each in moves(worked)] == [moved]
    assert run(worked) == []  # not twice a day
    worked.clock.forward(DAY)
    (again,) = run(worked)
    assert again["from"] == moved["to"]
    assert len(moves(worked)) == 2


def test_what_waits_is_decided_by_the_new_threshold(worked: WorkedProject) -> None:
    answer(worked, wrong=20, most=40)
    run(worked)
    worked.settle()
    newest = certified(worked)
    threshold = in_force(worked)
    with worked.runtime.reads() as session:
        entries = list(current_decisions(session, worked.project_id, labelled=False))
    accepts = [each for each in entries if each.decision.outcome is Outcome.ACCEPT]
    assert accepts
    assert {each.grounds.certificate_id for each in accepts} == {newest.id}
    assert {each.decision.threshold for each in accepts} == {threshold}


def test_clean_audits_lower_what_was_raised_and_stop_at_the_proof(worked: WorkedProject) -> None:
    rules = policy(audit={"share": 1.0, "most": 1.0, "second_share": 0.0, "step": 0.2})
    worked.connect(rules)
    worked.certify("v1")
    worked.settle()
    wrong = answer(worked, wrong=20, most=40)
    assert run(worked)[0]["to"] > 0.7
    for task_id in wrong[:20]:  # the auditor was mistaken
        annotation = worked.server.tasks[task_id].annotations[-1]
        said = worked.said(task_id, worked.people["sue"])[-1]
        worked.server.edit(worked.people["sue"], annotation.id, OTHER[str(said)])
    worked.settle()
    answer(worked)
    worked.clock.forward(DAY)
    (moved,) = run(worked)
    assert moved["to"] == 0.7
    assert moved["bound"] == moved["evidence"]["error"]["high"] <= 0.05
    assert certified(worked).certification.certificates[0].raised_to is None
    worked.clock.forward(DAY)
    assert run(worked) == []


def test_clean_audits_and_few_ones_move_nothing(worked: WorkedProject) -> None:
    before = certified(worked).id
    assert run(worked) == []
    answer(worked, wrong=10, most=10)
    assert run(worked) == []
    assert certified(worked).id == before
    assert moves(worked) == []


def test_a_suspended_group_is_left_alone(worked: WorkedProject) -> None:
    answer(worked, wrong=20, most=40)
    suspension = Suspension(
        id=0,
        model_version="v1",
        group=("model", None),
        since=worked.clock(),
        statistic=2001.0,
        audits=40,
        errors=20,
        good_until=None,
        why="too many errors",
    )
    with worked.runtime.sessions.begin() as session:
        store_suspension(session, worked.project_id, suspension)
    assert run(worked) == []


def test_one_process_at_a_time_moves_them(worked: WorkedProject) -> None:
    answer(worked, wrong=20, most=40)
    with holding(worked.runtime, f"thresholds {worked.project_id}") as lease:
        assert lease is not None
        found = thresholds.run(worked.runtime, worked.project)
    assert found == {"state": "another process moves them", "moved": []}
    assert len(run(worked)) == 1


def test_another_version_starts_from_what_it_proved(worked: WorkedProject) -> None:
    answer(worked, wrong=20, most=40)
    run(worked)
    worked.promote()
    worked.settle()
    worked.clock.forward(DAY)
    assert run(worked) == []
    assert certified(worked, "v2").certification.thresholds["model", None] == 0.7


@pytest.mark.parametrize("certified", [True, False])
def test_there_may_be_nothing_to_move(tmp_path: Path, *, certified: bool) -> None:
    rules = worked_policy() if certified else worked_policy(auto_accept="never")
    worked = worked_project(tmp_path, rules)
    assert run(worked) == []
    worked.promote(certified=False)
    assert run(worked) == []
