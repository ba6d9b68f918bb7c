"""Contested tasks: one tier up, blind, open again; nobody learns from them until settled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit_jobs.agreement import job as agreement
from audit_jobs.audits import job as audit
from backend.certification import slice_is_open
from backend.escalation import escalate
from backend.queueing import contested_first
from backend.routing import route
from backend.slices import LabelledSlices, labelled_slices
from backend.store.decisions import current_decisions
from backend.store.escalations import contested_task_ids, count_escalated, weighable_tasks
from backend.store.events import add_event
from backend.store.figures import project_figures
from backend.store.ledger import LedgerEntry, newest_seq
from backend.store.ledger_check import verify_ledger
from backend.synchronisation import synchronise
from policies.domain import Outcome, Purpose
from policies.schema import Policy
from tests.backend.test_queueing import open_decision
from tests.fakes.label_studio_server import ROBOT_ID
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

PEOPLE = {"general": ("ann", "bob"), "domain": ("dom", "dot"), "senior": ("sue",)}


def policy(*names: str, limits: dict[str, dict[str, Any]] | None = None, **changes: Any) -> Policy:
    """The named tiers; every routed task asks for two answers."""
    tiers = [
        {
            "name": name,
            "reviewers": [f"{person}@example.com" for person in PEOPLE[name]],
            "cost_per_label": 1.0,
            "daily_capacity": 1_000,
            **(limits or {}).get(name, {}),
        }
        for name in names or PEOPLE
    ]
    values: dict[str, Any] = {"tiers": tiers, "agreement": {"share": 1.0, "overlap": 2}}
    return worked_policy(**(values | changes))


def project(folder: Path, rules: Policy, kinds: tuple[str, ...] = ("music",)) -> WorkedProject:
    worked = worked_project(folder, rules)
    for name in ("dom", "dot"):
        worked.people[name] = worked.server.add_user(f"{name}@example.com")
    worked.connect(rules)
    worked.add(list(kinds) * 30)
    worked.settle()
    return worked


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    return project(tmp_path, policy())


def say(worked: WorkedProject, task_id: int, **words: str | None) -> None:
    """Who says what of a task (None: skips it), then a round of jobs."""
    for person, label in words.items():
        if label is None:
            worked.server.skip(worked.people[person], task_id)
        else:
            worked.server.submit(worked.people[person], task_id, label)
    worked.settle()


def delete(worked: WorkedProject, annotation_id: int) -> None:
    worked.server.delete_annotation(annotation_id)
    detail = {"annotation_ids": [annotation_id]}
    with worked.runtime.sessions.begin() as session:
        add_event(session, worked.project_id, "ANNOTATIONS_DELETED", detail, worked.clock())


def entry(worked: WorkedProject, task_id: int) -> LedgerEntry:
    with worked.runtime.reads() as session:
        found = current_decisions(session, worked.project_id)
        return next(each for each in found if each.decision.task_id == task_id)


def view(worked: WorkedProject, name: str) -> list[int]:
    view_id = worked.project.views[name]
    return [task.id for task in worked.tool.tasks_in_view(worked.project_id, view_id)]


def contested(worked: WorkedProject) -> list[int]:
    with worked.runtime.reads() as session:
        return contested_task_ids(session, worked.project_id)


def slices(worked: WorkedProject, rules: Policy | None = None) -> LabelledSlices:
    with worked.runtime.reads() as session:
        return labelled_slices(session, worked.project, rules or policy())


def task_for(worked: WorkedProject, purpose: Purpose) -> int:
    return worked.with_purpose(purpose)[0]


def test_a_disagreement_goes_up_blind_and_comes_back_settled(worked: WorkedProject) -> None:
    task_id = task_for(worked, Purpose.AGREEMENT)
    before = entry(worked, task_id)
    say(worked, task_id, ann="A")
    assert slices(worked).training == {task_id: "A"}  # alone it is not contested
    say(worked, task_id, bob="B")
    after = entry(worked, task_id)
    assert (after.decision.rule, after.decision.tier) == ("escalation", "domain")
    assert after.decision.reason == "2 answers differ: 'A', 'B': domain settles it"
    assert (after.decision.purpose, after.decision.draw) == (
        before.decision.purpose,
        before.decision.draw,
    )
    assert after.grounds == before.grounds
    assert contested(worked) == [task_id]
    assert slices(worked).training == {}
    assert view(worked, "domain") == [task_id]
    assert task_id not in view(worked, "general")
    assert worked.shown(task_id) == [("labelgate: domain", False)]
    assert worked.server.tasks[task_id].overlap == 3

    say(worked, task_id, dom="B")
    assert contested(worked) == []
    assert slices(worked).training == {task_id: "B"}
    assert view(worked, "domain") == []
    assert entry(worked, task_id) == after  # a settled task needs no second decision
    with worked.runtime.reads() as session:
        assert verify_ledger(session, worked.project_id).broken_seq is None


def test_the_figures_show_who_settles_what(tmp_path: Path) -> None:
    worked = project(tmp_path, policy(limits={"domain": {"daily_capacity": 1}}))
    for task_id in worked.with_purpose(Purpose.AGREEMENT)[:3]:
        say(worked, task_id, ann="A", bob="B")
    with worked.runtime.reads() as session:
        figures = project_figures(session, worked.project)
    queues = {each.name: each for each in figures.queues}
    assert {name: each.escalated for name, each in queues.items() if each.escalated} == {
        "domain": 3
    }
    assert (queues["domain"].open, queues["domain"].answered) == (1, 0)
    assert figures.waiting == 2  # contested and in no view


def test_the_figures_of_agreement_count_every_vote(worked: WorkedProject) -> None:
    task_id = task_for(worked, Purpose.AGREEMENT)
    say(worked, task_id, ann="A", bob="B")
    assert agreement.run(worked.runtime, worked.project)["answers"] == 2
    say(worked, task_id, dom="B")
    assert agreement.run(worked.runtime, worked.project)["answers"] == 3


def test_the_job_says_what_it_did_and_does_it_once(worked: WorkedProject) -> None:
    first, second = worked.with_purpose(Purpose.AGREEMENT)[:2]
    for task_id in (first, second):
        worked.server.submit(worked.people["ann"], task_id, "A")
        worked.server.submit(worked.people["bob"], task_id, "B")
    synchronise(worked.runtime, worked.project)
    nobody: dict[str, Any] = {"tasks": 0, "first": []}
    assert escalate(worked.runtime, worked.project) == {
        "escalated": 2,
        "settled": 0,
        "waiting": 2,
        "wanting_a_reader": 0,
        "skipped_at_the_top": nobody,
    }
    with worked.runtime.reads() as session:
        entries = newest_seq(session, worked.project_id)
        assert count_escalated(session, worked.project_id) == {"domain": 2}
    assert escalate(worked.runtime, worked.project)["escalated"] == 0
    worked.server.submit(worked.people["dom"], first, "A")
    worked.server.skip(worked.people["dot"], second)
    synchronise(worked.runtime, worked.project)
    assert escalate(worked.runtime, worked.project) == {
        "escalated": 1,  # a skip takes it on to the top
        "settled": 1,
        "waiting": 1,
        "wanting_a_reader": 0,
        "skipped_at_the_top": nobody,
    }
    worked.server.skip(worked.people["sue"], second)
    synchronise(worked.runtime, worked.project)
    said = escalate(worked.runtime, worked.project)
    assert said["skipped_at_the_top"] == {"tasks": 1, "first": [second]}
    assert said["waiting"] == 1
    with worked.runtime.reads() as session:
        assert newest_seq(session, worked.project_id) == entries + 1


def test_a_skipped_task_waits_for_the_next_tier_whatever_model_comes(tmp_path: Path) -> None:
    worked = project(tmp_path, policy("general", "senior"), ("fruit", "music"))
    task_id = task_for(worked, Purpose.AGREEMENT)
    say(worked, task_id, ann=None)
    assert entry(worked, task_id).decision.reason == "skipped by general: senior settles it"
    assert view(worked, "senior") == [task_id]
    assert worked.server.tasks[task_id].overlap == 1
    decided = entry(worked, task_id)
    worked.promote()
    worked.settle()
    assert entry(worked, task_id) == decided
    say(worked, task_id, sue="A")
    assert (contested(worked), slices(worked).training) == ([], {task_id: "A"})
    assert view(worked, "senior") == []


def test_what_the_top_tier_skips_stays_in_its_queue(tmp_path: Path) -> None:
    worked = project(tmp_path, policy("general", "senior"))
    task_id = task_for(worked, Purpose.AGREEMENT)
    say(worked, task_id, ann="A", bob="B")
    say(worked, task_id, sue=None)
    assert contested(worked) == [task_id]
    assert view(worked, "senior") == [task_id]
    say(worked, task_id, sue="B")  # on second thoughts
    assert slices(worked).training == {task_id: "B"}


def test_an_answer_from_outside_does_not_settle_and_the_task_opens_again(
    worked: WorkedProject,
) -> None:
    task_id = task_for(worked, Purpose.AGREEMENT)
    say(worked, task_id, ann="A", bob="B")
    worked.people["stranger"] = worked.server.add_user("stranger@example.com")
    say(worked, task_id, stranger="A")
    assert contested(worked) == [task_id]
    assert worked.server.tasks[task_id].overlap == 4
    assert view(worked, "domain") == [task_id]


def test_a_label_that_the_tier_may_not_decide_goes_up_with_the_first_answer(
    tmp_path: Path,
) -> None:
    worked = project(tmp_path, policy(limits={"general": {"labels": ["A"]}}))
    first, second = worked.with_purpose(Purpose.AGREEMENT)[:2]
    say(worked, first, ann="B")
    say(worked, second, ann="A", bob="A")
    assert contested(worked) == [first]
    assert entry(worked, first).decision.reason == (
        "general does not decide 'B': domain settles it"
    )
    assert worked.server.tasks[first].overlap == 2
    assert slices(worked).training == {second: "A"}


def test_what_is_settled_is_weighed_again_only_where_its_answers_changed(tmp_path: Path) -> None:
    worked = project(tmp_path, policy("general", "senior", limits={"general": {"labels": ["A"]}}))
    task_id = task_for(worked, Purpose.AGREEMENT)
    say(worked, task_id, ann="A", bob="A")

    def due() -> list[int]:
        with worked.runtime.reads() as session:
            found = weighable_tasks(session, worked.project_id, every=True)
        return [each.entry.decision.task_id for each in found]

    assert due() == []
    worked.server.edit(worked.people["bob"], worked.server.tasks[task_id].annotations[-1].id, "B")
    synchronise(worked.runtime, worked.project)
    assert due() == [task_id]
    worked.settle()
    assert contested(worked) == [task_id]


def test_who_belongs_to_two_tiers_speaks_for_the_more_expert_one(tmp_path: Path) -> None:
    people = {"general": ("ann", "bob", "sue"), "senior": ("sue",)}
    rules = policy("general", "senior")
    tiers = [
        tier.model_copy(update={"reviewers": tuple(f"{p}@example.com" for p in people[tier.name])})
        for tier in rules.tiers
    ]
    worked = project(tmp_path, rules.model_copy(update={"tiers": tuple(tiers)}))
    task_id = task_for(worked, Purpose.AGREEMENT)
    say(worked, task_id, ann="A", sue="B")
    assert contested(worked) == []
    assert slices(worked).training == {task_id: "B"}


def test_a_contested_control_task_is_no_evidence_yet(tmp_path: Path) -> None:
    rules = policy(control={"share": 0.3, "tier": "general"})
    worked = project(tmp_path, rules)
    task_id, *others = worked.with_purpose(Purpose.CONTROL)
    for other in others:
        say(worked, other, ann="A")
    say(worked, task_id, ann="A", bob="B")
    after = entry(worked, task_id).decision
    assert (after.purpose, after.tier) == (Purpose.CONTROL, "domain")
    assert view(worked, "domain") == [task_id]
    assert task_id not in view(worked, "Control")
    assert sorted(slices(worked, rules).control) == sorted(others)
    assert slice_is_open(rules, contested(worked))
    say(worked, task_id, dom="A")
    assert slices(worked, rules).control[task_id] == "A"


def test_an_escalated_audit_stays_an_audit(tmp_path: Path) -> None:
    rules = policy(audit={"share": 0.5, "tier": "domain"}, agreement={"share": 0.0})
    worked = project(tmp_path, rules, ("fruit", "motor"))
    worked.promote()
    worked.settle()
    task_id = task_for(worked, Purpose.AUDIT)
    label = str(entry(worked, task_id).decision.label)
    other = {"A": "B", "B": "A"}[label]
    say(worked, task_id, ann=other)  # no auditor
    assert audit.run(worked.runtime, worked.project)["audited"] == 0
    say(worked, task_id, dom=label, dot=other)
    after = entry(worked, task_id).decision
    assert (after.purpose, after.outcome, after.tier) == (
        Purpose.AUDIT,
        Outcome.ACCEPT,
        "senior",
    )
    assert after.label == label
    assert worked.said(task_id, ROBOT_ID) == []
    assert view(worked, "senior") == [task_id]
    assert audit.run(worked.runtime, worked.project)["audited"] == 0  # contested
    say(worked, task_id, sue=other)
    report = audit.run(worked.runtime, worked.project)
    assert (report["audited"], report["failed"]) == (1, [task_id])


def test_people_who_quarrel_over_an_accepted_label_take_it_back(tmp_path: Path) -> None:
    rules = policy(agreement={"share": 0.0})
    worked = project(tmp_path, rules, ("fruit", "motor"))
    worked.promote()
    worked.settle()
    task_id = next(each.id for each in worked.tasks if worked.said(each.id, ROBOT_ID))
    say(worked, task_id, ann=None)  # nobody asked ann
    assert worked.said(task_id, ROBOT_ID)
    say(worked, task_id, ann="A", bob="B")
    after = entry(worked, task_id).decision
    assert (after.outcome, after.tier) == (Outcome.REVIEW, "domain")
    assert worked.said(task_id, ROBOT_ID) == []
    assert view(worked, "domain") == [task_id]
    say(worked, task_id, dom="B")
    assert slices(worked, rules).training[task_id] == "B"


def test_without_the_tier_it_waits_for_it_is_decided_anew(worked: WorkedProject) -> None:
    quarrel, skipped = worked.with_purpose(Purpose.AGREEMENT)[:2]
    say(worked, quarrel, ann="A", bob="B")
    say(worked, skipped, ann=None)
    assert view(worked, "domain") == sorted([quarrel, skipped])
    worked.connect(policy("general", "senior"))
    worked.settle()
    for task_id in (quarrel, skipped):
        assert entry(worked, task_id).decision.tier == "senior"
        assert entry(worked, task_id).grounds.policy_hash == worked.project.policy_hash
    assert view(worked, "senior") == sorted([quarrel, skipped])


def test_a_policy_that_asks_for_less_consensus_does_not_settle_what_waits(
    worked: WorkedProject,
) -> None:
    task_id = task_for(worked, Purpose.AGREEMENT)
    say(worked, task_id, ann="A", bob="B")
    decided = entry(worked, task_id)
    worked.connect(policy(escalation={"minimum_consensus": 0.51, "on_skip": False}))
    worked.settle()
    assert entry(worked, task_id) == decided
    assert contested(worked) == [task_id]


def test_answers_that_are_taken_back_leave_a_task_as_any_other(worked: WorkedProject) -> None:
    task_id = task_for(worked, Purpose.AGREEMENT)
    say(worked, task_id, ann="A", bob="B")
    for annotation in list(worked.server.tasks[task_id].annotations):
        delete(worked, annotation.id)
    worked.settle()
    assert contested(worked) == []
    decision = entry(worked, task_id).decision
    assert (decision.rule, decision.tier) == ("no_model", "general")
    assert task_id in view(worked, "general")


def test_a_settlement_that_is_taken_back_leaves_the_task_contested(worked: WorkedProject) -> None:
    task_id = task_for(worked, Purpose.AGREEMENT)
    say(worked, task_id, ann="A", bob="B")
    say(worked, task_id, dom="B")
    delete(worked, worked.server.tasks[task_id].annotations[-1].id)
    worked.settle()
    assert contested(worked) == [task_id]
    assert view(worked, "domain") == [task_id]
    assert slices(worked).training == {}


def test_a_crash_before_routing_leaves_what_was_escalated(worked: WorkedProject) -> None:
    task_id = task_for(worked, Purpose.AGREEMENT)
    worked.server.submit(worked.people["ann"], task_id, "A")
    worked.server.submit(worked.people["bob"], task_id, "B")
    synchronise(worked.runtime, worked.project)
    escalate(worked.runtime, worked.project)
    assert route(worked.runtime, worked.project)["decided"] == 0
    worked.settle()
    assert view(worked, "domain") == [task_id]


@pytest.mark.parametrize(
    ("capacity", "escalated", "measured", "others"), [(10, 5, 5, 0), (4, 2, 2, 0), (30, 8, 12, 10)]
)
def test_escalated_tasks_come_before_all_but_the_slices(
    capacity: int, escalated: int, measured: int, others: int
) -> None:
    def many(start: int, number: int, purpose: Purpose, **more: Any) -> list[Any]:
        ids = range(start, start + number)
        return [replace(open_decision(each, purpose, 0.5), **more) for each in ids]

    decisions = [
        *many(1, 20, Purpose.ROUTED),
        *many(101, 12, Purpose.CONTROL),
        *many(201, 8, Purpose.ROUTED, escalated=True),
    ]
    rules = worked_policy(sampling={"random": 0.5, "uncertainty": 0.5})
    first, rest = contested_first(rules, decisions, capacity)
    assert [each.seq for each in first] == list(range(201, 201 + escalated))
    assert not any(each.escalated for each in rest)
    left = capacity - len(first)
    assert min(left, sum(each.purpose is Purpose.CONTROL for each in rest)) == measured
    assert max(0, left - measured) == others
