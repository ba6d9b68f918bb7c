"""Gold in the running system: mixed into queues, scored, and what follows for who fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit_jobs import gold
from audit_jobs.agreement import job as agreement
from backend.slices import LabelledSlices, labelled_slices
from backend.store.alerts import newest_alerts, open_alerts
from backend.store.annotators import stopped_users
from backend.store.corrections import corrections
from backend.store.figures import labels_since, strategies_since
from backend.store.gold import gold_tasks
from backend.store.open_decisions import open_decisions
from backend.store.reports import GOLD, newest_report
from backend.store.training import open_requests
from backend.store.votes import count_human_labels, count_new_labels
from policies.domain import Purpose
from policies.schema import Policy
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

PEOPLE = ("ann", "bob", "cat")


def policy(capacity: int = 40, **changes: Any) -> Policy:
    """Three general reviewers and a senior; a fifth of each day is gold."""
    tiers = [
        {
            "name": "general",
            "reviewers": [f"{person}@example.com" for person in PEOPLE],
            "cost_per_label": 1.0,
            "daily_capacity": capacity,
        },
        {
            "name": "senior",
            "reviewers": ["sue@example.com"],
            "cost_per_label": 2.0,
            "daily_capacity": capacity,
        },
    ]
    values: dict[str, Any] = {"tiers": tiers, "gold": {"share": 0.2, "minimum": 0.8}}
    return worked_policy(**(values | changes))


def project(folder: Path, rules: Policy, tasks: int = 60) -> WorkedProject:
    worked = worked_project(folder, rules)
    worked.people["cat"] = worked.server.add_user("cat@example.com")
    worked.add(["fruit"] * tasks)
    worked.settle()
    return worked


def routed(worked: WorkedProject, number: int) -> list[int]:
    return sorted(worked.with_purpose(Purpose.ROUTED))[:number]


def make_gold(worked: WorkedProject, number: int, person: str = "sue") -> list[int]:
    """Somebody answers tasks and marks the answers as ground truth: they are all A."""
    ids = routed(worked, number)
    for task_id in ids:
        annotation = worked.server.submit(worked.people[person], task_id, "A")
        worked.server.mark_ground_truth(annotation)
    worked.settle()
    return ids


def answer(worked: WorkedProject, task_ids: list[int], **words: str) -> None:
    for person, label in words.items():
        for task_id in task_ids:
            worked.server.submit(worked.people[person], task_id, label)
    worked.settle()


def view(worked: WorkedProject, name: str) -> list[int]:
    view_id = worked.project.views[name]
    return [task.id for task in worked.tool.tasks_in_view(worked.project_id, view_id)]


def slices(worked: WorkedProject, rules: Policy) -> LabelledSlices:
    with worked.runtime.reads() as session:
        return labelled_slices(session, worked.project, rules)


def report(worked: WorkedProject) -> dict[str, Any]:
    with worked.runtime.reads() as session:
        found = newest_report(session, worked.project_id, GOLD)
    assert found is not None
    return found.body


def stopped(worked: WorkedProject) -> list[str]:
    with worked.runtime.reads() as session:
        users = stopped_users(session, worked.project_id)
    return [name for name, user in worked.people.items() if user in users]


def test_gold_is_mixed_into_the_queue_blind_for_all_who_have_not_answered(tmp_path: Path) -> None:
    worked = project(tmp_path, policy())
    known = make_gold(worked, 10)
    here = [task_id for task_id in view(worked, "general") if task_id in known]
    # A fifth of 40 labels are 8 looks: two tasks for all three, and one more for two of them.
    overlaps = sorted(worked.server.tasks[task_id].overlap for task_id in here)
    assert overlaps == [3, 4, 4]
    for task_id in here:
        assert worked.shown(task_id) == [("labelgate: general", False)]
    places = [place for place, each in enumerate(view(worked, "general")) if each in known]
    assert places != list(range(len(places)))  # among the others, not before them
    assert len(view(worked, "general")) <= 40

    answer(worked, here, ann="A")
    assert sorted(worked.server.tasks[task_id].overlap for task_id in here) == overlaps
    assert set(here) <= set(view(worked, "general"))
    answer(worked, [task for task in here if worked.server.tasks[task].overlap == 4], bob="A")
    assert set(here) & set(view(worked, "general"))
    before = set(here)
    worked.clock.forward(86_400)
    worked.settle()
    again = {task_id for task_id in view(worked, "general") if task_id in known}
    assert again - before  # tomorrow has others for those who have answered these


def test_what_leaves_the_queue_is_labelled_again_and_the_day_remembers_it(tmp_path: Path) -> None:
    worked = project(tmp_path, policy(capacity=15))  # three looks a day: one for each
    known = make_gold(worked, 10)
    (first,) = [task_id for task_id in view(worked, "general") if task_id in known]
    answer(worked, [first], ann="A", bob="A", cat="A")
    assert not set(view(worked, "general")) & set(known)
    assert worked.server.tasks[first].is_labeled
    assert worked.shown(first) == []
    start = worked.clock().replace(hour=0)
    with worked.runtime.reads() as session:
        given = strategies_since(session, worked.project_id, start)["gold"]
        assert {given[worked.people[person]] for person in PEOPLE} == {1}
        assert sum(labels_since(session, worked.project_id, start).values()) == 13


def test_gold_teaches_once_and_counts_in_no_gain(tmp_path: Path) -> None:
    rules = policy(sampling={"random": 0.5, "known_failures": 0.5})
    worked = project(tmp_path, rules)
    worked.promote(certified=False)
    worked.settle()
    known = make_gold(worked, 10)
    before = slices(worked, rules)
    with worked.runtime.reads() as session:
        labels = count_new_labels(session, worked.project_id)
        corrected = corrections(session, worked.project_id)
    answer(worked, known, ann="A", bob="B")
    assert slices(worked, rules) == before  # two who say B do not outvote the truth
    with worked.runtime.reads() as session:
        assert count_new_labels(session, worked.project_id) == labels
        assert count_human_labels(session, worked.project_id) == labels + 20
        assert corrections(session, worked.project_id) == corrected
        assert not any(each.escalated for each in open_decisions(session, worked.project_id))


def test_control_and_holdout_keep_their_tasks(tmp_path: Path) -> None:
    rules = policy(control={"share": 0.3}, holdout={"share": 0.2})
    worked = project(tmp_path, rules)
    task_id = worked.with_purpose(Purpose.CONTROL)[0]
    annotation = worked.server.submit(worked.people["sue"], task_id, "B")
    worked.server.mark_ground_truth(annotation)
    worked.settle()
    answer(worked, [task_id], ann="A", bob="A")
    assert slices(worked, rules).control == {task_id: "B"}


def test_who_fails_gold_stops_counting_until_it_is_made_good(tmp_path: Path) -> None:
    rules = policy(capacity=400)
    worked = project(tmp_path, rules, tasks=90)
    known = make_gold(worked, 30)
    alone = routed(worked, 3)
    answer(worked, alone, bob="B")
    assert {slices(worked, rules).training.get(task_id) for task_id in alone} == {"B"}
    answer(worked, known[:4], ann="A", bob="B")
    assert stopped(worked) == ["bob"]
    user = worked.people["bob"]
    (why,) = report(worked)["stopped"]
    assert why == {
        "user_id": user,
        "why": "0 of 4 gold answers are right, the policy asks for 80%",
    }
    with worked.runtime.reads() as session:
        alert = open_alerts(session, worked.project_id)["gold", f"user {user}"]
    assert alert.says == (
        f"the answers of user {user} have stopped counting: 0 of 4 gold answers are right, the "
        "policy asks for 80%. They count again once 80% of that person's newest 50 gold answers "
        "are right; gold tasks stay in the queue for that"
    )
    # What bob alone had answered is open again, and Label Studio hands it to somebody else.
    assert not set(alone) & set(slices(worked, rules).training)
    assert set(alone) <= set(worked.decisions())
    assert {worked.server.tasks[task_id].overlap for task_id in alone} == {2}
    assert set(alone) <= set(view(worked, "general"))
    answer(worked, alone[:1], ann="A")
    assert slices(worked, rules).training[alone[0]] == "A"
    assert alone[0] not in view(worked, "general")
    answer(worked, alone[1:2], bob="B")  # a second answer of the same person counts no more
    assert alone[1] in view(worked, "general")

    answer(worked, known[4:20], bob="A")  # 16 of 20
    assert stopped(worked) == []
    with worked.runtime.reads() as session:
        newest = newest_alerts(session, worked.project_id)["gold", f"user {user}"]
        assert (newest.opened, newest.says) == (False, f"user {user} counts again")
    assert slices(worked, rules).training[alone[2]] == "B"
    assert not set(alone[1:]) & set(worked.decisions())


def test_whoever_is_out_proves_settles_and_agrees_with_nothing(tmp_path: Path) -> None:
    rules = policy(400, agreement={"share": 1.0, "overlap": 2}, control={"share": 0.3})
    worked = project(tmp_path, rules, tasks=90)
    known = sorted(worked.with_purpose(Purpose.AGREEMENT))[:4]
    for task_id in known:
        annotation = worked.server.submit(worked.people["sue"], task_id, "A")
        worked.server.mark_ground_truth(annotation)
    control = worked.with_purpose(Purpose.CONTROL)[0]
    read = sorted(worked.with_purpose(Purpose.AGREEMENT))[10]
    answer(worked, [control], bob="B")
    assert slices(worked, rules).control == {control: "B"}
    answer(worked, [read], bob="B")
    answer(worked, known, bob="B")
    assert stopped(worked) == ["bob"]
    assert slices(worked, rules).control == {}
    answer(worked, [read], ann="A")
    assert worked.server.tasks[read].overlap == 3  # bob's own, ann's and one more
    assert not worked.server.tasks[read].is_labeled
    answer(worked, [read], cat="A")
    with worked.runtime.reads() as session:
        assert not any(each.escalated for each in open_decisions(session, worked.project_id))
    assert slices(worked, rules).training[read] == "A"
    measured = agreement.run(worked.runtime, worked.project)
    assert measured["answers"] == 2  # ann's and cat's; bob's answers to gold are left out


def test_a_change_of_who_counts_asks_for_a_training(tmp_path: Path) -> None:
    worked = project(tmp_path, policy(retrain={"minimum_labels": 1}))
    worked.promote(certified=False)
    worked.settle()
    known = make_gold(worked, 5)
    answer(worked, known, bob="B")
    with worked.runtime.reads() as session:
        (request,) = open_requests(session, worked.project_id)
    assert request.reason == f"gold changed whether user {worked.people['bob']} counts"


def test_the_truth_of_a_listed_task_is_what_the_top_tier_says(tmp_path: Path) -> None:
    worked = project(tmp_path, policy())
    first, second = routed(worked, 2)
    worked.connect(policy(gold={"tasks": [first, second], "share": 0.2}))
    answer(worked, [first, second], ann="B")
    assert report(worked)["waiting"] == [first, second]
    answer(worked, [first], sue="A")
    with worked.runtime.reads() as session:
        (task,) = gold_tasks(session, worked.project_id)
    assert (task.task_id, task.label, task.authors) == (
        first,
        "A",
        frozenset([worked.people["sue"]]),
    )
    assert report(worked)["waiting"] == [second]
    (score,) = report(worked)["annotators"]  # the senior is not measured by her own word
    assert (score["user_id"], score["score"]["value"]) == (worked.people["ann"], 0.0)
    assert first not in view(worked, "senior")
    assert first in view(worked, "general")  # bob and cat have not answered it


def test_two_truths_that_differ_are_none(tmp_path: Path) -> None:
    worked = project(tmp_path, policy())
    task_id = make_gold(worked, 1)[0]
    annotation = worked.server.submit(worked.people["ann"], task_id, "B")
    worked.server.mark_ground_truth(annotation)
    worked.settle()
    assert report(worked)["conflicting"] == [task_id]
    with worked.runtime.reads() as session:
        assert gold_tasks(session, worked.project_id) == []
    worked.server.mark_ground_truth(annotation, marked=False)
    worked.settle()
    assert report(worked)["conflicting"] == []
    assert report(worked)["tasks"] == 1


def test_without_gold_the_job_keeps_no_report(tmp_path: Path) -> None:
    worked = project(tmp_path, worked_policy())
    assert gold.run(worked.runtime, worked.project) == {"state": "no gold"}
    with worked.runtime.reads() as session:
        assert newest_report(session, worked.project_id, GOLD) is None


def test_a_policy_without_a_minimum_lets_everybody_count_again(tmp_path: Path) -> None:
    worked = project(tmp_path, policy())
    answer(worked, make_gold(worked, 5), bob="B")
    assert stopped(worked) == ["bob"]
    worked.connect(policy(gold={"share": 0.2}))
    worked.settle()
    assert stopped(worked) == []


@pytest.mark.parametrize("capacity", [1, 7, 40])
def test_a_day_is_never_longer_than_its_capacity(tmp_path: Path, capacity: int) -> None:
    worked = project(tmp_path, policy(capacity=capacity))
    make_gold(worked, 20)
    worked.clock.forward(86_400)  # sue's own labels were yesterday's
    worked.settle()
    assert 0 < len(view(worked, "general")) <= capacity
