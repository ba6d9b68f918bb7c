"""Gold in a tier's day: who is asked for what, and how much of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from policies.gold import GoldDay, gold_places

_users = st.integers(1, 6)


@st.composite
def days(draw: st.DrawFn) -> GoldDay:
    people = draw(st.lists(_users, unique=True, max_size=6))
    given_today = draw(st.dictionaries(_users, st.integers(0, 4)))
    return GoldDay(
        reviewers=people,
        looks=draw(st.integers(0, 20)),
        given=given_today,
        room=draw(st.integers(0, 20)),
    )


_tasks = st.dictionaries(st.integers(1, 50), st.frozensets(_users), max_size=12)


def test_everybody_meets_the_same_tasks_first() -> None:
    day = GoldDay(reviewers=[1, 2, 3], looks=6, given={}, room=100)
    assert gold_places({10: set(), 11: set(), 12: set()}, day) == {10: 3, 11: 3}


def test_nobody_is_asked_what_he_has_answered() -> None:
    day = GoldDay(reviewers=[1, 2], looks=4, given={}, room=100)
    assert gold_places({10: {1}, 11: {2}, 12: set()}, day) == {11: 1, 12: 2, 10: 1}


def test_the_odd_look_goes_to_who_comes_first_today() -> None:
    tasks = {10: {2}, 11: {1}}
    assert gold_places(tasks, GoldDay(reviewers=[1, 2], looks=1, given={}, room=9)) == {10: 1}
    assert gold_places(tasks, GoldDay(reviewers=[2, 1], looks=1, given={}, room=9)) == {11: 1}


def test_a_tier_without_people_is_asked_nothing() -> None:
    day = GoldDay(reviewers=[], looks=5, given={}, room=9)
    assert gold_places({10: frozenset()}, day) == {}


@given(_tasks, days())
def test_no_more_is_asked_than_the_day_has(tasks: dict[int, frozenset[int]], day: GoldDay) -> None:
    places = gold_places(tasks, day)
    had = sum(day.given.get(user, 0) for user in day.reviewers)
    assert sum(places.values()) <= max(0, min(day.room, day.looks - had))
    for task_id, people in places.items():
        assert 1 <= people <= len(set(day.reviewers) - tasks[task_id])


@given(_tasks, days(), st.data())
def test_an_answer_only_uses_up_the_look_that_it_was_asked_for(
    tasks: dict[int, frozenset[int]], day: GoldDay, data: st.DataObject
) -> None:
    """Whoever answers, the day is not longer for it, and nobody is asked for more."""
    places = gold_places(tasks, day)
    if not places:
        return
    task_id = data.draw(st.sampled_from(sorted(places)))
    user = data.draw(st.sampled_from(sorted(set(day.reviewers) - tasks[task_id])))
    later = gold_places(
        tasks | {task_id: tasks[task_id] | {user}},
        GoldDay(
            reviewers=day.reviewers,
            looks=day.looks,
            given={**day.given, user: day.given.get(user, 0) + 1},
            room=day.room - 1,
        ),
    )
    assert sum(later.values()) <= sum(places.values())
