"""Recall: exactly the accepts of the window, once, and people's work is left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.breakers.recall import Cause, recall
from backend.freezing import freeze_accepts
from backend.routing import route
from backend.store.deliveries import count_by_state
from backend.store.freezes import EXPORT
from backend.store.ledger import Grounds, append_decisions
from backend.store.ledger_check import verify_ledger
from backend.store.reports import RECALL, Report, reports
from backend.store.tables import DecisionRow, TaskRow
from connectors.annotation_tool import AnnotationToolUnavailableError
from policies.domain import Decision, Outcome, Purpose
from policies.recalls import Scope
from tests.fakes.accepting_project import accepting_project, accepts
from tests.fakes.interrupted_sessions import interrupted
from tests.fakes.label_studio_server import ROBOT_ID
from tests.fakes.worked_project import WorkedProject, looks_as_wished, worked_policy, worked_project

WHY = Cause(why="the guideline changed")
START = datetime(2026, 1, 1, tzinfo=UTC)
EVERYTHING = Scope(since=None)


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    return accepting_project(tmp_path)


def recalled(worked: WorkedProject) -> set[int]:
    return set(worked.with_purpose(Purpose.RECALL))


def told(worked: WorkedProject) -> list[Report]:
    with worked.runtime.reads() as session:
        return reports(session, worked.project_id, RECALL)


def test_accepts_go_blind_to_people_and_the_robot_takes_its_annotations_away(
    worked: WorkedProject,
) -> None:
    before = accepts(worked)
    found = recall(worked.runtime, worked.project, EVERYTHING, WHY)
    assert found.tasks == sum(found.by_label.values()) == len(before)
    assert recalled(worked) == before
    worked.settle()
    for task_id in before:
        assert worked.said(task_id, ROBOT_ID) == []
        assert worked.shown(task_id) == [("labelgate: general", False)]
    assert not looks_as_wished(worked)
    with worked.runtime.reads() as session:
        row = session.query(DecisionRow).filter_by(purpose="recall").order_by("seq").first()
        assert verify_ledger(session, worked.project_id).broken_seq is None
    assert row is not None
    assert (row.rule, row.outcome, row.predictor) == ("recall", "review", "model")
    assert row.label in {"A", "B"}
    assert "the guideline changed" in row.reason


def test_a_dry_run_changes_nothing(worked: WorkedProject) -> None:
    before = accepts(worked)
    found = recall(worked.runtime, worked.project, EVERYTHING, WHY, dry_run=True)
    assert found.tasks == len(before)
    assert found.oldest is not None
    assert accepts(worked) == before
    assert not told(worked)


def test_a_second_recall_finds_nothing(worked: WorkedProject) -> None:
    recall(worked.runtime, worked.project, EVERYTHING, WHY)
    assert recall(worked.runtime, worked.project, EVERYTHING, WHY).tasks == 0
    assert len(told(worked)) == 2  # begun and done


def test_people_who_answer_meanwhile_are_left_alone(worked: WorkedProject) -> None:
    standing = sorted(accepts(worked))
    worked.server.submit(worked.people["ann"], standing[0], "B")  # not synchronised yet
    recall(worked.runtime, worked.project, EVERYTHING, WHY)
    worked.settle()
    assert worked.said(standing[0], worked.people["ann"]) == ["B"]
    assert worked.said(standing[0], ROBOT_ID) == []
    assert worked.shown(standing[1]) == [("labelgate: general", False)]


def test_a_delivery_that_fails_half_way_is_made_good(worked: WorkedProject) -> None:
    before = accepts(worked)
    recall(worked.runtime, worked.project, EVERYTHING, WHY)
    worked.tool.fail_next("withdraw", AnnotationToolUnavailableError("gone"), afterwards=True)
    worked.settle()
    with worked.runtime.reads() as session:
        assert "pending" not in count_by_state(session, worked.project_id)
    assert recalled(worked) == before
    assert not looks_as_wished(worked)


def test_frozen_accepts_come_back_and_are_told(worked: WorkedProject) -> None:
    before = accepts(worked)
    freeze_accepts(worked.runtime, worked.project, why=EXPORT, until=worked.clock())
    found = recall(worked.runtime, worked.project, EVERYTHING, WHY)
    assert (found.frozen, found.freezes) == (len(before), {"1": len(before)})
    assert recalled(worked) == before


def test_a_task_that_was_never_accepted_by_that_version_stays(worked: WorkedProject) -> None:
    before = accepts(worked)
    assert recall(worked.runtime, worked.project, Scope(since=None, model_version="v9"), WHY) == (
        recall(worked.runtime, worked.project, Scope(since=worked.clock()), WHY)
    )
    assert accepts(worked) == before


def test_confirming_an_accept_does_not_make_it_newer(worked: WorkedProject) -> None:
    before = accepts(worked)
    worked.clock.forward(3600)
    later = worked.clock()
    worked.certify("v1", threshold=0.71)  # another certificate: everything is decided again
    worked.settle()
    assert accepts(worked)
    scope = Scope(since=later)
    assert recall(worked.runtime, worked.project, scope, WHY, dry_run=True).tasks <= len(
        accepts(worked) - before
    )


def test_what_was_recalled_is_not_accepted_again_by_the_same_version(
    worked: WorkedProject,
) -> None:
    before = accepts(worked)
    recall(worked.runtime, worked.project, EVERYTHING, WHY)
    worked.certify("v1", threshold=0.71)
    worked.settle()
    assert before <= recalled(worked)
    worked.promote()  # a later version decides them
    worked.settle()
    assert not recalled(worked)


class KilledError(Exception):
    """The process was ended."""


def killed() -> None:
    raise KilledError


def test_a_recall_that_was_cut_off_is_continued(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.breakers.recall.CHUNK", 10)
    before = accepts(worked)
    with pytest.raises(KilledError):
        recall(interrupted(worked.runtime, {4: killed}), worked.project, EVERYTHING, WHY)
    assert len(recalled(worked)) == 20
    found = recall(worked.runtime, worked.project, EVERYTHING, WHY)
    assert found.tasks == len(before)  # of the whole recall, not of its end alone
    assert recalled(worked) == before
    assert [each.body["state"] for each in told(worked)] == ["begun", "done"]


def test_two_recalls_at_once_take_nothing_twice(worked: WorkedProject) -> None:
    before = accepts(worked)

    def another() -> None:
        recall(worked.runtime, worked.project, EVERYTHING, WHY)

    recall(interrupted(worked.runtime, {2: another}), worked.project, EVERYTHING, WHY)
    with worked.runtime.reads() as session:
        rows = session.query(DecisionRow.task_id).filter_by(purpose="recall").all()
    assert sorted(row.task_id for row in rows) == sorted(before)
    assert [each.body["state"] for each in told(worked)] == ["begun", "done"]


def test_an_empty_project_has_nothing_to_recall(tmp_path: Path) -> None:
    made = worked_project(tmp_path)
    route(made.runtime, made.project)
    assert recall(made.runtime, made.project, EVERYTHING, WHY).tasks == 0


def test_the_tier_is_the_first_that_may_decide_the_label(tmp_path: Path) -> None:
    policy = worked_policy().model_dump(mode="json", by_alias=True, exclude_none=True)
    policy["tiers"][0]["labels"] = ["A"]
    made = worked_project(tmp_path, worked_policy(tiers=policy["tiers"]))
    made.promote()
    made.add(["fruit", "motor"] * 10)
    made.settle()
    recall(made.runtime, made.project, EVERYTHING, WHY)
    tiers = {(each.label, each.tier) for each in made.decisions().values() if each.tier}
    found = {(label, tier) for label, tier in tiers if label is not None}
    assert {("A", "general"), ("B", "senior")} <= found


# A decision of a task's history: what was decided, how many hours later, by which version.
HISTORY = st.lists(
    st.tuples(
        st.sampled_from(["accept", "accept", "audit", "review"]),
        st.sampled_from(["A", "B"]),
        st.sampled_from(["v1", "v2"]),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=5,
)
TASKS = st.lists(
    st.tuples(HISTORY, st.sampled_from(["open", "open", "labelled", "gone"])), max_size=8
)
HOUR = st.integers(-1, 20) | st.none()


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> WorkedProject:
    """A project whose ledger the property writes itself."""
    return worked_project(tmp_path_factory.mktemp("ledger"))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    tasks=TASKS,
    since=HOUR,
    until=HOUR,
    label=st.sampled_from(["A", "B", None]),
    version=st.sampled_from(["v1", "v2", None]),
)
def test_a_recall_gives_back_exactly_the_accepts_of_the_window(  # noqa: PLR0917 - the arguments of the property
    ledger: WorkedProject,
    tasks: list[Any],
    since: int | None,
    until: int | None,
    label: str | None,
    version: str | None,
) -> None:
    forget(ledger)
    wanted = set()
    for number, (history, fate) in enumerate(tasks, 1):
        write(ledger, number, history, fate)
        accepted = stands_since(history) if fate == "open" else None
        if accepted is None:
            continue
        of_scope = label in (None, history[-1][1]) and version in (None, history[-1][2])
        in_window = (since is None or accepted > since) and (until is None or accepted <= until)
        wanted |= {number} if of_scope and in_window else set()
    scope = Scope(since=hour(since), until=hour(until), label=label, model_version=version)
    found = recall(ledger.runtime, ledger.project, scope, WHY)
    assert found.tasks == len(wanted)
    with ledger.runtime.reads() as session:
        rows = session.query(DecisionRow.task_id).filter_by(rule="recall").order_by("seq").all()
        assert verify_ledger(session, ledger.project_id).broken_seq is None
    taken = [row.task_id for row in rows]
    assert sorted(taken) == sorted(wanted)
    ages = [stands_since(tasks[number - 1][0]) for number in taken]
    assert ages == sorted(ages, key=lambda age: age or 0)  # oldest first


def hour(number: int | None) -> datetime | None:
    return None if number is None else START + timedelta(hours=number)


def times(history: list[Any]) -> list[int]:
    return [sum(each[3] for each in history[: place + 1]) for place in range(len(history))]


def stands_since(history: list[Any]) -> int | None:
    """The hour since when a task's present label is accepted; None where it is not."""
    if history[-1][0] != "accept":
        return None
    first = len(history) - 1
    while first > 0 and history[first - 1][0] != "review":
        if history[first - 1][1:3] != history[-1][1:3]:
            break
        first -= 1
    return times(history)[first]


def forget(ledger: WorkedProject) -> None:
    with ledger.runtime.sessions.begin() as session:
        session.query(DecisionRow).delete()
        session.query(TaskRow).delete()


def write(ledger: WorkedProject, task_id: int, history: list[Any], fate: str) -> None:
    with ledger.runtime.sessions.begin() as session:
        task = TaskRow(
            project_id=ledger.project_id,
            task_id=task_id,
            data={"text": "apples"},
            created_at=START,
            deleted_at=START if fate == "gone" else None,
            human_labels=1 if fate == "labelled" else 0,
            freeze_id=None,
        )
        session.add(task)
        session.flush()
        for (kind, label, version, _), at in zip(history, times(history), strict=True):
            decision = Decision(
                task_id=task_id,
                outcome=Outcome.REVIEW if kind == "review" else Outcome.ACCEPT,
                purpose=Purpose.AUDIT if kind == "audit" else Purpose.ROUTED,
                tier=None if kind == "accept" else "senior",
                rule="auto_accept",
                reason="as it came",
                label=label,
                score=0.9,
                threshold=0.8,
                draw=0.5,
                inclusion_probability=0.9,
                predictor="model",
            )
            grounds = Grounds(model_version=version, policy_hash="p", certificate_id=None)
            moment = START + timedelta(hours=at)
            append_decisions(session, ledger.project_id, [decision], grounds, moment)
