"""The day's queues: within capacity, slices first, blind ones blind, moved with the grounds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.gold import RANKS
from backend.queueing import days_queue, place, pool_of, wishes_of
from backend.store.deliveries import Wish
from backend.store.figures import project_figures
from backend.store.open_decisions import OpenDecision
from policies.domain import MONITORED, SEEN, Outcome, Purpose
from tests.fakes.label_studio_server import ROBOT_ID
from tests.fakes.worked_project import (
    WorkedProject,
    looks_as_wished,
    worked_policy,
    worked_project,
)

SLICES = (Purpose.CONTROL, Purpose.HOLDOUT, Purpose.AUDIT, *MONITORED)


def open_decision(task_id: int, purpose: Purpose, score: float | None) -> OpenDecision:
    return OpenDecision(
        seq=task_id,
        task_id=task_id,
        outcome=Outcome.ACCEPT if purpose is Purpose.AUDIT else Outcome.REVIEW,
        purpose=purpose,
        tier="general",
        label=None if score is None else "A",
        score=score,
        draw=0.5,
        model_version="v1",
        signals={},
    )


decisions = st.lists(
    st.tuples(st.sampled_from(Purpose), st.none() | st.floats(0, 1)), max_size=40
).map(lambda rows: [open_decision(n, *row) for n, row in enumerate(rows, start=1)])


@given(decisions, st.integers(0, 50))
def test_a_queue_is_full_within_capacity_and_half_of_it_is_for_slices(
    given_decisions: list[OpenDecision], capacity: int
) -> None:
    policy = worked_policy(salt="salt")
    asked = days_queue(policy, given_decisions, pool_of(given_decisions, {}), capacity)
    queue = [each for each, _ in asked]
    assert all((part == "random") == (each.purpose in SLICES) for each, part in asked)
    assert len(queue) == min(capacity, len(given_decisions))
    assert len({each.task_id for each in queue}) == len(queue)
    wanted = sum(each.purpose in SLICES for each in given_decisions)
    got = sum(each.purpose in SLICES for each in queue)
    assert got >= min(wanted, (capacity + 1) // 2)
    routed = [each for each in queue if each.purpose not in SLICES]
    left = [e for e in given_decisions if e.purpose not in SLICES and e not in routed]
    if routed and left:  # the least sure come first, those without a score before all
        worst = max(-1.0 if each.score is None else each.score for each in routed)
        assert worst <= min(-1.0 if each.score is None else each.score for each in left)
    audits = [each for each in given_decisions if each.purpose is Purpose.AUDIT]
    if got < wanted and any(each not in queue for each in audits):
        assert all(e.purpose is Purpose.AUDIT for e in queue if e.purpose in SLICES)


@given(decisions, st.integers(0, 50))
def test_every_open_decision_has_one_wish_and_blind_ones_show_nothing(
    given_decisions: list[OpenDecision], capacity: int
) -> None:
    policy = worked_policy()
    wishes = wishes_of(policy, given_decisions, {"general": capacity, "senior": 5})
    assert [each.task_id for each in wishes] == [each.task_id for each in given_decisions]
    for wish, decision in zip(wishes, given_decisions, strict=True):
        if decision.purpose not in SEEN:
            assert (wish.label, wish.score, wish.model_version, wish.accepts) == (None,) * 3 + (
                False,
            )
        several = decision.purpose is Purpose.AGREEMENT and wish.marker is not None
        assert wish.overlap == (policy.agreement.overlap if several else 1)


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    made = worked_project(tmp_path, worked_policy(6, agreement={"share": 0.0}))
    made.promote()
    made.add(["fruit", "motor", "music"] * 20)
    return made


def wished(worked: WorkedProject, marker: str) -> list[Wish | object]:
    return [row for row in worked.deliveries().values() if row.marker == marker]


def test_capacity_is_a_days_and_labels_given_today_use_it_up(worked: WorkedProject) -> None:
    worked.settle()
    assert len(wished(worked, "general")) == 6
    assert len(wished(worked, "Control")) + len(wished(worked, "Audit")) == 6
    first = sorted(each for each, row in worked.deliveries().items() if row.marker == "general")
    for task_id in first[:4]:
        worked.server.submit(worked.people["ann"], task_id, "A")
    worked.settle()
    still = {each for each, row in worked.deliveries().items() if row.marker == "general"}
    assert still == set(first)  # four answered, two left: six for today
    worked.clock.forward(86_400)
    worked.settle()
    opened = worked.decisions()
    now = [e for e, row in worked.deliveries().items() if row.marker == "general" and e in opened]
    assert len(now) == 6
    assert looks_as_wished(worked) == []


def test_labels_from_before_the_connect_do_not_use_up_today(tmp_path: Path) -> None:
    worked = worked_project(tmp_path, worked_policy(6))
    worked.promote()
    for task_id in worked.add(["music"] * 40)[:20]:
        worked.server.submit(worked.people["ann"], task_id, "A")
    worked.clock.forward(86_400)
    worked.settle()
    assert len(wished(worked, "general")) == 6


def test_placing_is_not_done_twice_for_the_same_grounds(worked: WorkedProject) -> None:
    worked.settle()
    assert place(worked.runtime, worked.project) == {"changed": 0, "waiting": 0}


def test_a_promotion_moves_tasks_both_ways_and_leaves_equal_accepts_alone(
    tmp_path: Path,
) -> None:
    worked = worked_project(tmp_path, worked_policy())
    worked.promote("fruit", "motor")
    kinds = ["fruit", "motor", "music"]
    ids = worked.add(kinds * 20)
    kind_of = dict(zip(ids, kinds * 20, strict=True))
    worked.settle()

    def accepted(kind: str) -> set[int]:
        return {e for e in ids if kind_of[e] == kind and worked.said(e, ROBOT_ID)}

    fruit, motor = accepted("fruit"), accepted("motor")
    assert fruit
    assert motor
    assert not accepted("music")
    delivered = {e: worked.deliveries()[e].delivered_at for e in motor}
    worked.promote("music", "motor")
    worked.settle()
    assert not accepted("fruit")  # unsure now: withdrawn, and in the queue
    assert all(("labelgate: general", False) in worked.shown(e) for e in fruit)
    assert accepted("motor") == motor
    assert {e: worked.deliveries()[e].delivered_at for e in motor} == delivered
    music = accepted("music")
    assert music
    assert all(worked.shown(e) == [("v2", True)] for e in music)  # the marker is gone
    assert looks_as_wished(worked) == []


def test_figures_are_those_of_a_count_by_hand(worked: WorkedProject) -> None:
    worked.settle()
    decisions = worked.decisions()
    general = [e for e, row in worked.deliveries().items() if row.marker == "general"]
    worked.server.submit(worked.people["ann"], general[0], "A")
    robots = [task.id for task in worked.tasks if worked.said(task.id, ROBOT_ID)]
    worked.server.submit(worked.people["bob"], robots[0], "B")
    worked.settle()
    with worked.runtime.reads() as session:
        figures = project_figures(session, worked.project)
    assert (figures.tasks, figures.human_labels) == (60, 2)
    assert figures.accepted == len(robots) - 1
    placed = [row for row in worked.deliveries().values() if row.marker or row.accepts]
    labelled = {general[0], robots[0]}
    assert figures.waiting == 60 - len({row.task_id for row in placed} | labelled)
    queues = {queue.name: (queue.open, queue.answered) for queue in figures.queues}
    assert queues["general"] == (6 - 2, 1)  # two labels were given today
    assert queues["senior"] == (0, 0)
    assert sum(figures.decisions.values()) == 60
    accepts = [d for d in decisions.values() if d.outcome is Outcome.ACCEPT]
    of_routed = sum(d.purpose is Purpose.ROUTED for d in accepts)
    assert figures.decisions["accept/routed"] == of_routed
    assert figures.deliveries == worked.states()


def by_strategy(worked: WorkedProject) -> dict[str | None, set[int]]:
    found: dict[str | None, set[int]] = {}
    for task_id, row in worked.deliveries().items():
        if row.marker is not None:
            found.setdefault(row.strategy, set()).add(task_id)
    return found


def test_a_day_by_quotas_is_stored_with_the_reason_for_each_task(tmp_path: Path) -> None:
    shares = {"random": 0.4, "stratified": 0.6}
    worked = worked_project(
        tmp_path,
        worked_policy(
            20,
            auto_accept="never",
            sampling=shares,
            control={"share": 0.2, "tier": "general"},
            holdout={"share": 0.2, "tier": "general"},
        ),
    )
    worked.promote(certified=False)
    worked.add(["fruit", "fruit", "fruit", "motor"] * 30)
    worked.settle()
    found = by_strategy(worked)
    assert {part: len(tasks) for part, tasks in found.items()} == {"random": 8, "stratified": 12}
    decisions = worked.decisions()
    assert {decisions[task].purpose for task in found["random"]} <= set(SLICES)
    assert Counter(each.label for each in decisions.values()) == {"A": 90, "B": 30}
    assert Counter(decisions[task].label for task in found["stratified"]) == {"A": 9, "B": 3}
    assert looks_as_wished(worked) == []


def test_tasks_with_a_label_that_people_often_correct_are_asked_for(tmp_path: Path) -> None:
    shares = {"random": 0.2, "uncertainty": 0.4, "known_failures": 0.4}
    policy = worked_policy(10, auto_accept="never", sampling=shares)
    worked = worked_project(tmp_path, policy)
    worked.promote(certified=False)
    ids = worked.add(["fruit", "motor"] * 60)
    worked.settle()
    assert "known_failures" not in by_strategy(worked)
    predicted = {task: str(each.label) for task, each in worked.decisions().items()}
    for task_id in ids[:60]:  # whatever it takes for B is A, and it is right about A
        worked.server.submit(worked.people["ann"], task_id, "A")
    worked.clock.forward(86_400)
    worked.settle()
    asked = by_strategy(worked)["known_failures"]
    assert {predicted[task] for task in asked} == {"B"}
    # All slices are the seniors': of the general tier's places the two other parts have half each.
    assert len(asked & set(worked.decisions())) == 5


def test_a_view_hands_out_the_most_wanted_first(tmp_path: Path) -> None:
    worked = worked_project(tmp_path, worked_policy(12, agreement={"share": 0.3}))
    worked.promote()
    worked.add(["fruit", "motor", "music"] * 40)
    worked.settle()
    decisions, rows = worked.decisions(), worked.deliveries()
    view = worked.tool.tasks_in_view(worked.project_id, worked.project.views["general"])
    wished = [task.id for task in view]
    assert len(wished) == 12
    purposes = {decisions[task].purpose for task in wished}
    assert purposes == {Purpose.ROUTED, Purpose.AGREEMENT}  # some show an answer, some are blind
    scores = [decisions[task].score or 0.0 for task in wished]
    assert scores == sorted(scores)
    assert [rows[task].rank for task in wished] == [1 + RANKS * n // 12 for n in range(12)]


def test_a_task_keeps_its_rank_while_others_are_labelled(tmp_path: Path) -> None:
    worked = worked_project(tmp_path, worked_policy(10))
    worked.promote()
    worked.add(["music"] * 60)
    worked.settle()
    view = worked.project.views["general"]
    before = [task.id for task in worked.tool.tasks_in_view(worked.project_id, view)]
    revisions = {task: row.revision for task, row in worked.deliveries().items()}
    for task_id in before[:5]:
        worked.server.submit(worked.people["ann"], task_id, "A")
    worked.settle()
    after = [task.id for task in worked.tool.tasks_in_view(worked.project_id, view)]
    assert after == before[5:]
    assert {task: row.revision for task, row in worked.deliveries().items()} == revisions


@pytest.mark.parametrize(("by", "first"), [("least_confidence", 1), ("margin", 2), ("entropy", 3)])
def test_uncertainty_is_measured_as_the_policy_says(by: str, first: int) -> None:
    policy = worked_policy(sampling={"random": 0.1, "uncertainty": 0.9, "by": by})
    values = {1: (0.4, 0.3, 0.5), 2: (0.5, 0.1, 0.6), 3: (0.6, 0.2, 0.7)}
    rows = [
        replace(
            open_decision(task_id, Purpose.ROUTED, score),
            signals={"margin": margin, "entropy": entropy},
        )
        for task_id, (score, margin, entropy) in values.items()
    ]
    # A rule's answer has no margin: it stands by its score. No answer at all comes first.
    rows.append(open_decision(4, Purpose.ROUTED, 0.99))
    rows.append(open_decision(5, Purpose.ROUTED, None))
    queue = [each.task_id for each, _ in days_queue(policy, rows, pool_of(rows, {}), 5)]
    assert queue[:2] == [5, first]
    assert queue[-1] == 4


def test_labels_of_today_count_for_the_part_that_asked_for_them(tmp_path: Path) -> None:
    worked = worked_project(
        tmp_path,
        worked_policy(
            20,
            auto_accept="never",
            sampling={"random": 0.4, "uncertainty": 0.6},
            control={"share": 0.2, "tier": "general"},
            holdout={"share": 0.2, "tier": "general"},
        ),
    )
    worked.promote(certified=False)
    worked.add(["fruit", "motor"] * 60)
    worked.settle()
    morning = by_strategy(worked)
    assert {part: len(tasks) for part, tasks in morning.items()} == {"random": 8, "uncertainty": 12}
    for task_id in sorted(morning["random"])[:6]:
        worked.server.submit(worked.people["ann"], task_id, "A")
    worked.settle()
    # Fourteen are left of the day: two at random, not six, and the twelve uncertain ones.
    assert by_strategy(worked) == morning
    worked.clock.forward(86_400)
    worked.settle()
    opened = set(worked.decisions())
    tomorrow = {part: len(tasks & opened) for part, tasks in by_strategy(worked).items()}
    assert tomorrow == {"random": 8, "uncertainty": 12}
