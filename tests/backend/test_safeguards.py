"""Decisions heed what audits and breakers found: shares from the ledger, held accepts, recalls."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.answers import answer
from backend.breakers.recall import Cause, recall
from backend.queueing import wishes_of
from backend.routing import route
from backend.safeguards import lacking, undecided
from backend.serving import Snapshots
from backend.store.audits import audit_counts, exposures
from backend.store.decisions import current_decisions, decisions_of
from backend.store.ledger import Grounds, LedgerEntry
from backend.store.ledger_check import verify_ledger
from backend.store.open_decisions import OpenDecision
from backend.store.suspensions import (
    rearm_suspension,
    standing_suspensions,
    store_suspension,
)
from backend.store.tables import TaskRow
from connectors.label_studio.labeling import parse_labeling
from policies.breaker import SUSPENDED, Suspension
from policies.domain import Outcome, Purpose
from policies.loading import parse_policy
from policies.promises import AutoAccept, Group
from policies.recalls import Scope
from tests.fakes.label_studio_server import ROBOT_ID
from tests.fakes.worked_project import CONFIG, WorkedProject, worked_policy, worked_project

SMALL = {"share": 0.05, "per_label": 0}
PROMISE = {"max_error_rate": 0.05, "confidence": 0.95, "floor": 0.7}


def accepting(folder: Path, **changes: object) -> WorkedProject:
    """Forty of each kind, decided by a certified model."""
    made = worked_project(folder, worked_policy(audit=SMALL, **changes))  # type: ignore[arg-type]  # no capacity among them
    made.promote()
    made.add(["fruit", "motor"] * 40)
    made.settle()
    return made


def entries(worked: WorkedProject) -> dict[int, LedgerEntry]:
    with worked.runtime.reads() as session:
        return {e.decision.task_id: e for e in current_decisions(session, worked.project_id)}


def accepted(worked: WorkedProject) -> dict[int, LedgerEntry]:
    return {k: e for k, e in entries(worked).items() if e.decision.outcome is Outcome.ACCEPT}


def suspend(worked: WorkedProject, version: str, group: Group = ("model", None)) -> int:
    trip = Suspension(
        id=0,
        model_version=version,
        group=group,
        since=worked.clock(),
        statistic=2100.0,
        audits=200,
        errors=20,
        good_until=None,
        why="20 of 200 audits were wrong",
    )
    with worked.runtime.sessions.begin() as session:
        store_suspension(session, worked.project_id, trip)
    with worked.runtime.reads() as session:
        return standing_suspensions(session, worked.project_id, version)[-1].id


def to_decide(worked: WorkedProject, version: str) -> list[int]:
    policy = parse_policy(worked.project.policy_text)
    grounds = Grounds(
        model_version=version, policy_hash=worked.project.policy_hash, certificate_id=999
    )
    with worked.runtime.reads() as session:
        return undecided(session, worked.project, policy, grounds, parse_labeling(CONFIG))


def test_as_many_are_drawn_as_the_claim_needs_and_not_again(tmp_path: Path) -> None:
    worked = accepting(tmp_path)
    first = accepted(worked)
    audits = {k for k, e in first.items() if e.decision.purpose is Purpose.AUDIT}
    # 65 clean audits prove at most 5 % at 95 %; at most half of a batch is drawn.
    assert 0.25 < len(audits) / len(first) < 0.75
    shares = {e.decision.inclusion_probability for e in first.values()}
    assert shares == {0.5}
    one = next(iter(sorted(audits)))
    assert first[one].decision.reason.endswith(": the claim lacks 65)")
    worked.certify("v1", 0.71)
    route(worked.runtime, worked.project)
    again = accepted(worked)
    assert again.keys() == first.keys()
    assert all(again[k].seq > first[k].seq for k in first)
    assert {k: e.decision.purpose for k, e in again.items()} == {
        k: e.decision.purpose for k, e in first.items()
    }
    assert {k: e.decision.inclusion_probability for k, e in again.items()} == {
        k: e.decision.inclusion_probability for k, e in first.items()
    }
    with worked.runtime.reads() as session:
        counts = audit_counts(session, worked.project_id)
        known = exposures(session, worked.project_id, sorted(first))
        rule = parse_policy(worked.project.policy_text).auto_accept
        assert isinstance(rule, AutoAccept)
        assert lacking(session, worked.project_id, rule, "v1") == 65 - len(audits)
    assert sum(each.drawn for each in counts) == len(audits)
    assert len(known) == 2 * len(first)
    assert set(known.shares.tolist()) == {0.5}


def test_errors_ask_for_more_and_a_settled_audit_is_counted(tmp_path: Path) -> None:
    worked = accepting(tmp_path)
    audits = worked.with_purpose(Purpose.AUDIT)
    label = {k: str(e.decision.label) for k, e in entries(worked).items()}
    worked.server.submit(worked.people["sue"], audits[0], {"A": "B", "B": "A"}[label[audits[0]]])
    worked.server.submit(worked.people["sue"], audits[1], label[audits[1]])
    worked.settle()
    with worked.runtime.reads() as session:
        counts = audit_counts(session, worked.project_id)
        rule = parse_policy(worked.project.policy_text).auto_accept
        assert isinstance(rule, AutoAccept)
        # 149 audits with one error prove what 65 without any do.
        assert lacking(session, worked.project_id, rule, "v1") == 149 - len(audits)
    assert sum(each.wrong for each in counts) == 1
    assert sum(each.answered for each in counts) == 2


def test_audits_of_a_version_that_tripped_prove_nothing_of_the_next(tmp_path: Path) -> None:
    worked = accepting(tmp_path)
    suspend(worked, "v1")
    with worked.runtime.reads() as session:
        rule = parse_policy(worked.project.policy_text).auto_accept
        assert isinstance(rule, AutoAccept)
        assert lacking(session, worked.project_id, rule, "v2") == 65


def test_a_suspension_holds_accepts_and_stops_new_ones(tmp_path: Path) -> None:
    worked = accepting(tmp_path)
    before = entries(worked)
    trip = suspend(worked, "v1")
    new = worked.add(["fruit"] * 5)
    worked.settle()
    after = entries(worked)
    assert {k: after[k].seq for k in before} == {k: e.seq for k, e in before.items()}
    fresh = [after[task_id].decision for task_id in new]
    routed = [each for each in fresh if each.purpose is Purpose.ROUTED]
    assert {(each.rule, each.outcome) for each in routed} == {(SUSPENDED, Outcome.REVIEW)}
    assert "20 of 200 audits were wrong" in routed[0].reason
    # Another certificate decides the others anew, not the accepts, and not what it told already.
    worked.certify("v1", 0.72)
    worked.settle()
    later = entries(worked)
    assert all(later[k].seq == e.seq for k, e in accepted(worked).items())
    assert accepted(worked).keys() == {
        k for k, e in before.items() if e.decision.outcome is Outcome.ACCEPT
    }
    head = max(e.seq for e in later.values())
    worked.settle()
    assert max(e.seq for e in entries(worked).values()) == head
    with worked.runtime.sessions.begin() as session:
        rearm_suspension(session, trip, worked.clock())
    worked.settle()
    assert {entries(worked)[k].decision.rule for k in new} <= {
        "auto_accept",
        "control",
        "holdout",
    }
    with worked.runtime.reads() as session:
        assert verify_ledger(session, worked.project_id).broken_seq is None


def test_a_suspended_label_leaves_the_others_alone(tmp_path: Path) -> None:
    worked = accepting(tmp_path, auto_accept=PROMISE | {"each_label": True})
    suspend(worked, "v1", ("model", "A"))
    held = {k for k, e in accepted(worked).items() if e.decision.label == "A"}
    assert not held & set(to_decide(worked, "v1"))
    others = {k for k, e in accepted(worked).items() if e.decision.label == "B"}
    assert others <= set(to_decide(worked, "v1"))


@pytest.mark.parametrize(
    "promise",
    [
        "never",
        PROMISE | {"never": ["A", "B"]},
        PROMISE | {"floor": 0.999999},
    ],
)
def test_a_policy_that_accepts_no_such_thing_is_not_held_off(
    tmp_path: Path, promise: object
) -> None:
    worked = accepting(tmp_path)
    suspend(worked, "v1")
    standing = accepted(worked).keys()
    assert standing
    worked.connect(worked_policy(audit=SMALL, auto_accept=promise))
    assert standing <= set(to_decide(worked, "v1"))


def test_a_policy_that_changes_elsewhere_holds_what_stands(tmp_path: Path) -> None:
    worked = accepting(tmp_path)
    suspend(worked, "v1")
    standing = accepted(worked)
    worked.connect(worked_policy(audit=SMALL, auto_accept=PROMISE | {"max_error_rate": 0.04}))
    worked.settle()
    assert {k: e.seq for k, e in accepted(worked).items()} == {
        k: e.seq for k, e in standing.items()
    }


def test_another_version_decides_what_was_held(tmp_path: Path) -> None:
    worked = accepting(tmp_path)
    suspend(worked, "v1")
    standing = set(accepted(worked))
    assert not standing & set(to_decide(worked, "v1"))
    worked.promote()
    worked.settle()
    assert {entries(worked)[k].grounds.model_version for k in standing} == {"v2"}


def test_what_was_recalled_comes_first_and_stays(tmp_path: Path) -> None:
    worked = accepting(tmp_path)
    suspend(worked, "v1")
    stood = {k for k, e in accepted(worked).items() if e.decision.purpose is Purpose.ROUTED}
    scope = Scope(model_version="v1", since=None)
    recall(worked.runtime, worked.project, scope, Cause(why="a test"))
    worked.settle()
    now = entries(worked)
    assert {k for k, e in now.items() if e.decision.purpose is Purpose.RECALL} == stood
    assert {now[k].decision.tier for k in stood} == {"general"}
    worked.certify("v1", 0.72)
    head = {k: now[k].seq for k in stood}
    worked.settle()
    assert {k: entries(worked)[k].seq for k in stood} == head
    assert [worked.said(task_id, ROBOT_ID) for task_id in sorted(stood)] == [[]] * len(stood)


def waiting(task_id: int, purpose: Purpose, seq: int, *, escalated: bool = False) -> OpenDecision:
    return OpenDecision(
        seq=seq,
        task_id=task_id,
        outcome=Outcome.REVIEW,
        purpose=purpose,
        tier="general",
        label="A",
        score=0.9,
        draw=0.5,
        model_version="v1",
        signals={},
        escalated=escalated,
    )


def test_recalled_tasks_are_queued_before_the_routed_ones_oldest_first_and_blind() -> None:
    policy = worked_policy(sampling={"random": 0.5, "uncertainty": 0.5})
    decisions = [
        waiting(1, Purpose.ROUTED, 1),
        waiting(2, Purpose.RECALL, 9),
        waiting(3, Purpose.RECALL, 7),
        waiting(4, Purpose.ROUTED, 8, escalated=True),
        waiting(5, Purpose.RECALL, 8),
    ]
    wishes = {
        each.task_id: each for each in wishes_of(policy, decisions, {"general": 3, "senior": 9})
    }
    placed = [k for k, each in wishes.items() if each.marker is not None]
    assert sorted(placed) == [3, 4, 5]
    assert sorted(placed, key=lambda k: wishes[k].rank or 0) == [4, 3, 5]
    assert (wishes[3].strategy, wishes[3].label, wishes[3].marker) == ("recall", None, "general")


def test_predict_shows_no_accept_that_may_yet_be_drawn_and_nothing_blind(tmp_path: Path) -> None:
    worked = accepting(tmp_path)
    snapshot = Snapshots(worked.runtime).get(worked.project_id)
    now = entries(worked)
    tasks = [{"id": task.id, "data": task.data} for task in worked.tasks]

    def shown(*, known: bool) -> set[int]:
        with worked.runtime.reads() as session:
            found = decisions_of(session, worked.project_id, [task.id for task in worked.tasks])
        answers = answer(
            snapshot,
            snapshot.labeling,
            tasks,
            lambda path: path.encode(),
            lambda ids: {k: found[k] for k in ids} if known else {},
        )
        return {t.id for t, each in zip(worked.tasks, answers.results, strict=True) if each}

    routed = {k for k, e in now.items() if e.decision.purpose is Purpose.ROUTED}
    assert shown(known=True) == routed
    # Without the ledger whatever could be drawn is hidden: here just those that were.
    assert shown(known=False) <= routed
    # Who settles what others answered is as blind as they were; so is one more reader.
    contested, read_again = sorted(routed)[:2]
    with worked.runtime.sessions.begin() as session:
        session.get_one(TaskRow, (worked.project_id, contested)).escalated_to = "senior"
        session.get_one(TaskRow, (worked.project_id, read_again)).wants_reader = True
    assert shown(known=True) == routed - {contested, read_again}
    recall(
        worked.runtime, worked.project, Scope(model_version="v1", since=None), Cause(why="a test")
    )
    assert not shown(known=True) & set(accepted(worked))


def test_before_a_model_serves_there_is_nothing_to_heed(tmp_path: Path) -> None:
    worked = worked_project(tmp_path, worked_policy())
    worked.add(["fruit"] * 3)
    worked.settle()
    assert Snapshots(worked.runtime).get(worked.project_id).suspended == {}
    with worked.runtime.reads() as session:
        assert audit_counts(session, worked.project_id) == []
        assert len(exposures(session, worked.project_id, [1, 2, 3])) == 0
