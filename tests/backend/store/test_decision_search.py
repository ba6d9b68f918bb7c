"""Searching the ledger: every filter against what the filter says, pages without gap or repeat."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from backend.store.annotators import store_stopped
from backend.store.decision_conditions import Asked, Order, Place, Wanted
from backend.store.decision_search import Found, TimeBox, search
from backend.store.ledger import Grounds, LedgerEntry, append_decisions
from backend.store.tables import AnnotationRow, DecisionRow
from policies.domain import Decision, Outcome, Purpose
from tests.fakes.databases import NOW, PROJECT_ID, Database, sqlite_database
from tests.fakes.decisions import ACCEPTED as A_DECISION

ENDLESS = TimeBox(seconds=None)
ACCEPTED = replace(A_DECISION, label="cat")
SENT = replace(
    ACCEPTED, outcome=Outcome.REVIEW, tier="general", rule="below_threshold", score=0.4, label="dog"
)


def append(
    database: Database,
    *decisions: Decision,
    version: str = "v1",
    policy: str = "policy-1",
    days: int = 0,
) -> None:
    known = {each.task_id for each in decisions}
    with database.reads() as session:
        stored = set(session.scalars(text("SELECT task_id FROM tasks")))
    database.add_tasks(*sorted(known - stored))
    grounds = Grounds(model_version=version, policy_hash=policy, certificate_id=None)
    with database.sessions.begin() as session:
        append_decisions(session, PROJECT_ID, decisions, grounds, NOW + timedelta(days=days))


def answer(database: Database, task_id: int, label: str | None, user_id: int = 3) -> None:
    with database.sessions.begin() as session:
        session.add(
            AnnotationRow(
                project_id=PROJECT_ID,
                annotation_id=1000 * user_id + task_id,
                task_id=task_id,
                user_id=user_id,
                by_robot=False,
                label=label,
                result=[],
                was_cancelled=False,
                ground_truth=False,
                created_at=NOW,
                updated_at=NOW,
                first_seen_at=NOW,
            )
        )


def found(database: Database, wanted: Wanted, **asked: Any) -> list[int]:
    with database.reads() as session:
        page = search(session, PROJECT_ID, Asked(wanted=wanted, **asked), ENDLESS)
    return [each.seq for each in page.entries]


@pytest.fixture
def ledger(database: Database) -> Database:
    """Five decisions on four tasks; the first one was replaced by the last."""
    append(database, ACCEPTED, replace(SENT, task_id=2))
    append(
        database,
        replace(SENT, task_id=3, purpose=Purpose.CONTROL, rule="control", score=None, label=None),
        replace(ACCEPTED, task_id=4, purpose=Purpose.AUDIT, tier="senior", score=0.95),
        version="v2",
        policy="policy-2",
        days=2,
    )
    append(database, replace(SENT, score=0.5), version="v2", policy="policy-2", days=4)
    return database


@pytest.mark.parametrize(
    ("wanted", "seqs"),
    [
        (Wanted(), [5, 4, 3, 2]),
        (Wanted(current=False), [5, 4, 3, 2, 1]),
        (Wanted(task_id=1), [5]),
        (Wanted(task_id=1, current=False), [5, 1]),
        (Wanted(task_id=99), []),
        (Wanted(label="dog"), [5, 2]),
        (Wanted(label="d" * 80), []),
        (Wanted(outcome=Outcome.ACCEPT), [4]),
        (Wanted(purpose=Purpose.CONTROL), [3]),
        (Wanted(tier="senior"), [4]),
        (Wanted(rule="below_threshold"), [5, 2]),
        (Wanted(model_version="v1"), [2]),
        (Wanted(policies=("policy-2", "policy-3")), [5, 4, 3]),
        (Wanted(policies=()), []),
        (Wanted(score_from=0.5), [5, 4]),
        (Wanted(score_to=0.45), [2]),
        (Wanted(score_from=0.4, score_to=0.5), [5, 2]),
        (Wanted(since=NOW + timedelta(days=2)), [5, 4, 3]),
        (Wanted(until=NOW + timedelta(days=2)), [2]),
        (Wanted(since=NOW + timedelta(days=1), until=NOW + timedelta(days=3)), [4, 3]),
        (Wanted(since=NOW + timedelta(days=9)), []),
        (Wanted(first_seq=3, last_seq=4), [4, 3]),
        (Wanted(label="dog", rule="control"), []),
    ],
)
def test_each_filter_finds_what_it_says(ledger: Database, wanted: Wanted, seqs: list[int]) -> None:
    assert found(ledger, wanted) == seqs


def test_by_score_the_highest_comes_first_and_what_has_none_is_left_out(ledger: Database) -> None:
    assert found(ledger, Wanted(), order=Order.SCORE) == [4, 5, 2]
    last = Place(seq=4, score=0.95)
    assert found(ledger, Wanted(), order=Order.SCORE, after=last) == [5, 2]
    assert found(ledger, Wanted(), order=Order.SCORE, before=Place(seq=2, score=0.4)) == [4, 5]


def test_what_people_said_counts_while_they_count(ledger: Database) -> None:
    answer(ledger, 2, "dog")
    answer(ledger, 4, "dog", user_id=4)
    answer(ledger, 3, None)
    assert found(ledger, Wanted(human="dog")) == [4, 2]
    assert found(ledger, Wanted(human="dog", label="cat")) == [4]
    assert found(ledger, Wanted(human="bird")) == []
    assert found(ledger, Wanted(human="dog", task_id=4)) == [4]
    assert found(ledger, Wanted(human="dog", task_id=1)) == []
    assert found(ledger, Wanted(human="dog", current=False)) == [4, 2]
    assert found(ledger, Wanted(human="b" * 80)) == []
    assert found(ledger, Wanted(differs=True)) == [4]
    with ledger.sessions.begin() as session:
        store_stopped(session, PROJECT_ID, {4: "unfit"}, NOW)
    assert found(ledger, Wanted(human="dog")) == [2]
    assert found(ledger, Wanted(differs=True)) == []
    with ledger.sessions.begin() as session:
        session.execute(update(AnnotationRow).values(deleted_at=NOW))
    assert found(ledger, Wanted(human="dog")) == []


def test_a_label_that_very_many_tasks_were_given_is_found_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.store.decision_search._MOST_LOOKED_UP", 2)
    append(database, *(replace(ACCEPTED, task_id=each) for each in range(1, 6)))
    for task_id in range(1, 5):
        answer(database, task_id, "dog")
    assert found(database, Wanted(human="dog")) == [4, 3, 2, 1]


def test_another_project_s_decisions_are_none_of_it(ledger: Database) -> None:
    ledger.add_project(2)
    with ledger.reads() as session:
        assert search(session, 2, Asked(wanted=Wanted())).entries == ()


def every_page(database: Database, asked: Asked, between: Callable[[], None]) -> list[LedgerEntry]:
    """All entries on the way from the first page to the last; something happens between pages."""
    entries: list[LedgerEntry] = []
    while True:
        with database.reads() as session:
            page = search(session, PROJECT_ID, asked, ENDLESS)
        entries += page.entries
        if not page.more:
            return entries
        between()
        last = page.entries[-1]
        asked = replace(asked, after=Place(seq=last.seq, score=last.decision.score))


SCORES = st.sampled_from([0.1, 0.5, 0.5, 0.9, None])
LABELS = st.sampled_from(["cat", "dog"])


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(1, 8), LABELS, SCORES), min_size=1, max_size=25),
    late=st.lists(st.tuples(st.integers(20, 30), LABELS, SCORES), max_size=6),
    limit=st.integers(1, 4),
    order=st.sampled_from(Order),
    label=st.sampled_from(["cat", None]),
    current=st.booleans(),
)
def test_following_next_visits_every_match_once_in_order_while_rows_are_appended(
    *,
    rows: list[tuple[int, str, float | None]],
    late: list[tuple[int, str, float | None]],
    limit: int,
    order: Order,
    label: str | None,
    current: bool,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite_database(Path(folder))
        database.add_project()
        made = [replace(ACCEPTED, task_id=t, label=n, score=s) for t, n, s in rows]
        append(database, *made)
        coming = iter([replace(ACCEPTED, task_id=t, label=n, score=s) for t, n, s in late])

        def one_more() -> None:
            for decision in itertools.islice(coming, 1):
                append(database, decision)

        wanted = Wanted(label=label, current=current)
        pages = every_page(database, Asked(wanted=wanted, order=order, limit=limit), one_more)
        database.engine.dispose()

    newest = {decision.task_id: seq for seq, decision in enumerate(made, 1)}
    expected = [
        seq
        for seq, decision in enumerate(made, 1)
        if (label is None or decision.label == label)
        and (not current or newest[decision.task_id] == seq)
        and (order is Order.NEWEST or decision.score is not None)
    ]
    seqs = [each.seq for each in pages]
    assert len(seqs) == len(set(seqs))
    assert sorted(seq for seq in seqs if seq <= len(made)) == expected
    keys = [(each.decision.score or 0.0, each.seq) for each in pages]
    by_order = keys if order is Order.SCORE else [(0.0, seq) for seq in seqs]
    assert by_order == sorted(by_order, reverse=True)


@pytest.mark.parametrize("order", list(Order))
def test_going_back_shows_the_page_before(database: Database, order: Order) -> None:
    append(database, *(replace(ACCEPTED, task_id=t, score=t / 10) for t in range(1, 8)))
    asked = Asked(wanted=Wanted(), order=order, limit=3)
    with database.reads() as session:
        first = search(session, PROJECT_ID, asked, ENDLESS)
        last = first.entries[-1]
        place = Place(seq=last.seq, score=last.decision.score)
        second = search(session, PROJECT_ID, replace(asked, after=place), ENDLESS)
        begin = second.entries[0]
        place = Place(seq=begin.seq, score=begin.decision.score)
        again = search(session, PROJECT_ID, replace(asked, before=place), ENDLESS)
    assert [each.seq for each in second.entries] == [4, 3, 2]
    assert again.entries == first.entries
    assert not again.more


class Ticking:
    """A clock that moves on by a second with every look."""

    def __init__(self) -> None:
        self._ticks = itertools.count()

    def __call__(self) -> float:
        return float(next(self._ticks))


def in_small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.store.decision_search._FIRST_WINDOW", 4)
    monkeypatch.setattr("backend.store.decision_search._SMALLEST_WINDOW", 3)


def searched_on(session: Session, asked: Asked) -> Iterator[Found]:
    """A search that has time for one window at a time, taken on until its end."""
    while True:
        page = search(session, PROJECT_ID, asked, TimeBox(seconds=0.5, clock=Ticking()))
        yield page
        if page.searched_to is None:
            return
        if asked.order is Order.SCORE:
            wanted = replace(asked.wanted, last_seq=page.searched_to - 1)
            asked = replace(asked, wanted=wanted)
        else:
            asked = replace(asked, after=Place(seq=page.searched_to))


@pytest.mark.parametrize("order", list(Order))
def test_a_search_without_time_says_how_far_it_came_and_goes_on_there(
    database: Database, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_small_windows(monkeypatch)
    rare = {2, 11, 19}
    made = [
        replace(ACCEPTED, task_id=t, rule="rare" if t in rare else "often") for t in range(1, 21)
    ]
    append(database, *made)
    with database.reads() as session:
        asked = Asked(wanted=Wanted(rule="rare"), order=order)
        pages = list(searched_on(session, asked))
    assert [each.searched_to for each in pages] == [17, 13, 9, 5, None]
    assert [[e.seq for e in each.entries] for each in pages] == [[19], [], [11], [], [2]]


def test_time_that_is_over_upwards_is_told_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_small_windows(monkeypatch)
    append(database, *(replace(ACCEPTED, task_id=t) for t in range(1, 21)))
    asked = Asked(wanted=Wanted(rule="none"), before=Place(seq=5))
    with database.reads() as session:
        page = search(session, PROJECT_ID, asked, TimeBox(seconds=0.5, clock=Ticking()))
    assert page.searched_to == 9


def test_the_decision_that_holds_is_told_from_those_before(ledger: Database) -> None:
    with ledger.reads() as session:
        tasks = session.execute(text("SELECT task_id, decision_seq FROM tasks"))
        newest: dict[int, int] = {task_id: seq for task_id, seq in tasks}  # noqa: C416 - rows
        rows = session.query(DecisionRow.seq, DecisionRow.task_id).all()
    assert {seq for seq, task_id in rows if newest[task_id] == seq} == set(found(ledger, Wanted()))
