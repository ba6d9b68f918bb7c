"""More readers where answers leave doubt: one at a time, up to the most, then a tier up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit_jobs import readers
from audit_jobs.readers import consensus_of_votes
from backend.escalation import escalate
from backend.slices import LabelledSlices, labelled_slices
from backend.store.escalations import contested_task_ids
from backend.store.reports import CONSENSUS, reports
from backend.store.tables import TaskRow
from backend.store.votes import Vote
from backend.synchronisation import synchronise
from policies.domain import Purpose
from policies.schema import Policy
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

PEOPLE = ("ann", "bob", "cat", "dan")


def policy(most: int | None = 3, confidence: float = 0.95, **changes: Any) -> Policy:
    """Four general reviewers and a senior; every routed task asks for two of them at first."""
    tiers = [
        {
            "name": name,
            "reviewers": [f"{person}@example.com" for person in people],
            "cost_per_label": 1.0,
            "daily_capacity": 1_000,
        }
        for name, people in (("general", PEOPLE), ("senior", ("sue",)))
    ]
    agreement: dict[str, Any] = {"share": 1.0, "overlap": 2, "confidence": confidence}
    if most is not None:
        agreement["most"] = most
    return worked_policy(**({"tiers": tiers, "agreement": agreement} | changes))


def project(folder: Path, rules: Policy) -> WorkedProject:
    """People have agreed on twenty tasks, so that they are known to be good."""
    worked = worked_project(folder, rules)
    for name in ("cat", "dan"):
        worked.people[name] = worked.server.add_user(f"{name}@example.com")
    worked.add(["fruit"] * 60)
    worked.settle()
    for place, task_id in enumerate(sorted(worked.with_purpose(Purpose.AGREEMENT))[:20]):
        for person in (PEOPLE[place % 4], PEOPLE[(place + 1) % 4]):
            worked.server.submit(worked.people[person], task_id, "AB"[place % 2])
    worked.settle()
    return worked


def say(worked: WorkedProject, task_id: int, **words: str | None) -> None:
    for person, label in words.items():
        if label is None:
            worked.server.skip(worked.people[person], task_id)
        else:
            worked.server.submit(worked.people[person], task_id, label)
    worked.settle()


def next_task(worked: WorkedProject) -> int:
    return min(worked.with_purpose(Purpose.AGREEMENT))


def view(worked: WorkedProject, name: str) -> list[int]:
    view_id = worked.project.views[name]
    return [task.id for task in worked.tool.tasks_in_view(worked.project_id, view_id)]


def slices(worked: WorkedProject) -> LabelledSlices:
    with worked.runtime.reads() as session:
        return labelled_slices(session, worked.project, policy())


def stands(worked: WorkedProject, task_id: int) -> tuple[str | None, str | None, bool]:
    with worked.runtime.reads() as session:
        row = session.get_one(TaskRow, (worked.project_id, task_id))
        return row.escalated_to, row.settled_label, row.wants_reader


def test_two_who_differ_get_a_third_reader_who_settles_it(tmp_path: Path) -> None:
    worked = project(tmp_path, policy())
    task_id = next_task(worked)
    assert worked.server.tasks[task_id].overlap == 2
    say(worked, task_id, ann="A", bob="B")
    assert stands(worked, task_id) == (None, None, True)
    assert worked.server.tasks[task_id].overlap == 3
    assert task_id in view(worked, "general")
    assert worked.shown(task_id) == [("labelgate: general", False)]  # blind
    assert task_id not in slices(worked).training
    say(worked, task_id, cat="A")
    assert stands(worked, task_id) == (None, "A", False)
    assert slices(worked).training[task_id] == "A"
    assert task_id not in view(worked, "general")
    assert contested(worked) == []


def contested(worked: WorkedProject) -> list[int]:
    with worked.runtime.reads() as session:
        return contested_task_ids(session, worked.project_id)


def test_two_who_agree_are_enough(tmp_path: Path) -> None:
    worked = project(tmp_path, policy())
    task_id = next_task(worked)
    say(worked, task_id, ann="A", bob="A")
    assert stands(worked, task_id) == (None, "A", False)
    assert worked.server.tasks[task_id].overlap == 2


def test_doubt_after_the_last_reader_goes_a_tier_up(tmp_path: Path) -> None:
    worked = project(tmp_path, policy(most=4))
    task_id = next_task(worked)
    say(worked, task_id, ann="A", bob="B")
    say(worked, task_id, cat="A")
    if stands(worked, task_id)[2]:
        raise AssertionError("three readers of whom two agree are enough here")
    other = next_task(worked)
    worked.connect(policy(most=4, confidence=0.999999))
    worked.settle()
    say(worked, other, ann="A", bob="B")
    say(worked, other, cat="A")
    assert stands(worked, other) == (None, None, True)
    assert worked.server.tasks[other].overlap == 4
    say(worked, other, dan="B")
    assert stands(worked, other)[0] == "senior"
    assert other in view(worked, "senior")
    assert worked.server.tasks[other].overlap == 5
    say(worked, other, sue="B")
    assert slices(worked).training[other] == "B"
    assert contested(worked) == []


def test_a_skip_goes_up_at_once(tmp_path: Path) -> None:
    worked = project(tmp_path, policy())
    task_id = next_task(worked)
    say(worked, task_id, ann="A", bob=None)
    assert stands(worked, task_id)[0] == "senior"


def test_no_more_readers_are_asked_than_the_tier_has_whose_answers_count(tmp_path: Path) -> None:
    rules = policy(4, 0.999999, gold={"share": 0.2, "minimum": 0.8})
    worked = project(tmp_path, rules)
    gold = sorted(worked.with_purpose(Purpose.AGREEMENT))[:4]
    for task_id in gold:
        annotation = worked.server.submit(worked.people["sue"], task_id, "A")
        worked.server.mark_ground_truth(annotation)
        for person in ("cat", "dan"):  # neither counts from now on
            worked.server.submit(worked.people[person], task_id, "B")
    worked.settle()
    task_id = next_task(worked)
    say(worked, task_id, ann="A", bob="B")
    assert stands(worked, task_id)[0] == "senior"


def test_without_most_nobody_more_is_asked(tmp_path: Path) -> None:
    worked = project(tmp_path, policy(most=None))
    task_id = next_task(worked)
    say(worked, task_id, ann="A", bob="B")
    assert stands(worked, task_id)[0] == "senior"
    assert "state" in readers.run(worked.runtime, worked.project)
    with worked.runtime.reads() as session:
        assert reports(session, worked.project_id, CONSENSUS) == []


def test_nothing_is_decided_on_a_consensus_that_was_not_taken(tmp_path: Path) -> None:
    worked = project(tmp_path, policy())
    task_id = next_task(worked)
    worked.server.submit(worked.people["ann"], task_id, "A")
    worked.server.submit(worked.people["bob"], task_id, "B")
    synchronise(worked.runtime, worked.project)
    escalate(worked.runtime, worked.project)
    assert stands(worked, task_id) == (None, None, False)
    worked.settle()
    assert stands(worked, task_id) == (None, None, True)


def test_the_job_reads_nothing_where_nothing_is_new(tmp_path: Path) -> None:
    worked = project(tmp_path, policy())
    assert readers.run(worked.runtime, worked.project) == {"state": "nothing new"}


def test_an_answer_that_is_taken_back_brings_the_doubt_back(tmp_path: Path) -> None:
    worked = project(tmp_path, policy())
    task_id = next_task(worked)
    say(worked, task_id, ann="A", bob="B")
    say(worked, task_id, cat="A")
    worked.server.edit(worked.people["cat"], worked.server.tasks[task_id].annotations[-1].id, "B")
    worked.settle()
    assert stands(worked, task_id) == (None, "B", False)


@pytest.mark.parametrize(("labels", "winner"), [("AAB", "A"), ("ABB", "B"), ("AA", "A")])
def test_a_consensus_counts_its_answers_and_is_a_probability(labels: str, winner: str) -> None:
    others = [
        Vote(task_id=n, user_id=user, label="AB"[n % 2]) for n in range(20) for user in (1, 2, 3)
    ]
    mine = [Vote(task_id=99, user_id=user, label=each) for user, each in enumerate(labels, 1)]
    (found,) = consensus_of_votes([*others, *mine], [99])
    assert (found.task_id, found.label, found.answers) == (99, winner, len(labels))
    assert 0.5 < found.confidence <= 1
    assert consensus_of_votes(others, [99]) == []
