"""More audits among what stands: drawn as told, delivered blind, answered like any other."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from backend.delivery import AUDIT_VIEW
from backend.extra_audits import claim_due, draw_due, draw_extra
from backend.prelabels import marker
from backend.store.audits import exposures
from backend.store.decisions import current_decisions
from backend.store.ledger import LedgerEntry
from backend.store.ledger_check import verify_ledger
from backend.store.promise_tables import FreezeRow
from backend.store.tables import TaskRow
from policies.audit_plan import EXTRA_AUDIT
from policies.domain import Outcome, Purpose
from tests.fakes.label_studio_server import ROBOT_ID
from tests.fakes.worked_project import WorkedProject, looks_as_wished, worked_policy, worked_project

DAY = 86_400.0


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Accepts of which hardly any were drawn, because the policy caps the share."""
    audit = {"share": 0.05, "per_label": 0, "most": 0.05}
    made = worked_project(tmp_path, worked_policy(audit=audit))
    made.promote()
    made.add(["fruit", "motor"] * 40)
    made.settle()
    return made


def entries(worked: WorkedProject) -> dict[int, LedgerEntry]:
    with worked.runtime.reads() as session:
        return {e.decision.task_id: e for e in current_decisions(session, worked.project_id)}


def standing(worked: WorkedProject) -> dict[int, LedgerEntry]:
    return {
        k: e
        for k, e in entries(worked).items()
        if e.decision.outcome is Outcome.ACCEPT and e.decision.purpose is Purpose.ROUTED
    }


def extra(worked: WorkedProject) -> dict[int, LedgerEntry]:
    return {k: e for k, e in entries(worked).items() if e.decision.rule == EXTRA_AUDIT}


def test_a_dry_run_says_what_is_drawn_and_changes_nothing(worked: WorkedProject) -> None:
    before = entries(worked)
    told = draw_extra(worked.runtime, worked.project, 10, dry_run=True)
    assert entries(worked) == before
    done = draw_extra(worked.runtime, worked.project, 10)
    assert done == told
    assert (done.drawn, sum(done.by_label.values()), done.frozen) == (10, 10, 0)
    assert done.by_label == {
        label: sum(e.decision.label == label for e in extra(worked).values()) for label in "AB"
    }


def test_they_become_blind_audits_and_stay_while_versions_change(worked: WorkedProject) -> None:
    stood = standing(worked)
    draw_extra(worked.runtime, worked.project, 10)
    drawn = extra(worked)
    assert drawn.keys() <= stood.keys()
    for task_id, entry in drawn.items():
        decision, before = entry.decision, stood[task_id].decision
        assert (decision.outcome, decision.purpose, decision.tier) == (
            Outcome.ACCEPT,
            Purpose.AUDIT,
            "senior",
        )
        assert (decision.label, entry.grounds) == (before.label, stood[task_id].grounds)
        first, share = 1 - before.inclusion_probability, decision.inclusion_probability
        assert share > 10 / len(stood) > first
        assert first <= decision.draw < share
    worked.settle()
    assert looks_as_wished(worked) == []
    for task_id in drawn:
        assert worked.said(task_id, ROBOT_ID) == []
        assert worked.shown(task_id) == [(marker(AUDIT_VIEW), False)]
    worked.certify("v1", 0.71)
    worked.promote()
    worked.settle()
    assert {k: e.seq for k, e in extra(worked).items()} == {k: e.seq for k, e in drawn.items()}
    task_id = next(iter(drawn))
    worked.server.submit(worked.people["sue"], task_id, str(drawn[task_id].decision.label))
    worked.settle()
    assert task_id in worked.deliveries()
    with worked.runtime.reads() as session:
        assert verify_ledger(session, worked.project_id).broken_seq is None


def test_another_policy_decides_them_anew_and_the_draw_is_kept(worked: WorkedProject) -> None:
    draw_extra(worked.runtime, worked.project, 10)
    drawn = extra(worked)
    audit = {"share": 0.05, "per_label": 0, "most": 0.05, "second_share": 0.2}
    worked.connect(worked_policy(audit=audit))
    worked.certify("v1")
    worked.settle()
    now = entries(worked)
    for task_id, entry in drawn.items():
        assert now[task_id].decision.rule == "auto_accept"
        assert now[task_id].decision.purpose is Purpose.AUDIT
        assert now[task_id].decision.draw == entry.decision.draw
        assert now[task_id].decision.inclusion_probability == pytest.approx(
            entry.decision.inclusion_probability
        )


def test_only_labels_that_were_asked_for_and_no_more_than_there_are(
    worked: WorkedProject,
) -> None:
    some = draw_extra(worked.runtime, worked.project, 5, ["A"])
    assert some.by_label == {"A": 5}
    rest = draw_extra(worked.runtime, worked.project, 10_000)
    assert rest.drawn == rest.among == some.among - 5 + rest.by_label["B"]
    assert standing(worked) == {}
    assert draw_extra(worked.runtime, worked.project, 5).drawn == 0
    with worked.runtime.reads() as session:
        known = exposures(session, worked.project_id, sorted(extra(worked)))
    assert set(known.shares[-3:].tolist()) == {1.0}


def test_a_frozen_accept_is_let_go(worked: WorkedProject) -> None:
    ids = sorted(standing(worked))
    with worked.runtime.sessions.begin() as session:
        freeze = FreezeRow(
            project_id=worked.project_id,
            number=1,
            model_version="v1",
            policy_hash=worked.project.policy_hash,
            evidence={},
            answers=0,
            left_control=[],
            tasks=len(ids),
            why="export",
            frozen_at=worked.clock(),
        )
        session.add(freeze)
        session.flush()
        session.execute(update(TaskRow).where(TaskRow.task_id.in_(ids)).values(freeze_id=freeze.id))
    done = draw_extra(worked.runtime, worked.project, 6)
    assert (done.drawn, done.frozen) == (6, 6)
    worked.settle()
    assert looks_as_wished(worked) == []
    open_now = worked.decisions()
    assert extra(worked).keys() <= open_now.keys()
    assert not (set(ids) - extra(worked).keys()) & open_now.keys()


def test_a_task_that_a_person_labelled_meanwhile_is_left_alone(worked: WorkedProject) -> None:
    told = draw_extra(worked.runtime, worked.project, 10, dry_run=True)
    for task_id in sorted(standing(worked)):
        worked.server.submit(worked.people["ann"], task_id, "A")
    with worked.runtime.sessions.begin() as session:
        session.execute(update(TaskRow).values(human_labels=1))
    assert told.drawn == 10
    assert draw_extra(worked.runtime, worked.project, 10).drawn == 0


def test_the_job_draws_what_no_new_accept_will_bring(worked: WorkedProject) -> None:
    assert claim_due(worked.runtime, worked.project) == 0  # tasks came today
    assert draw_due(worked.runtime, worked.project) == {"drawn": 0}
    worked.clock.forward(2 * DAY)
    due = claim_due(worked.runtime, worked.project)
    assert due == -(-len(standing(worked)) // 20)  # 65 are lacking, the policy's most is 5 %
    assert draw_due(worked.runtime, worked.project)["drawn"] == due
    worked.connect(worked_policy(auto_accept="never"))
    assert claim_due(worked.runtime, worked.project) == 0


def test_before_a_model_serves_nothing_is_due(tmp_path: Path) -> None:
    empty = worked_project(tmp_path)
    assert claim_due(empty.runtime, empty.project) == 0
    assert draw_extra(empty.runtime, empty.project, 3).as_json() == {
        "drawn": 0,
        "among": 0,
        "by_label": {},
        "frozen": 0,
        "stream": "extra_audit 0",
    }
