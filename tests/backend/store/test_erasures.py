"""Entries of the ledger whose answers are erased: the chain holds, and shows any other change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select, update

from backend.store.embeddings import store_embeddings
from backend.store.erasures import erase_tasks, erase_vectors, gone_tasks
from backend.store.ledger import Grounds, append_decisions, entry_named, erasure_hash
from backend.store.ledger_check import check_entry, verify_end, verify_ledger
from backend.store.model_tables import EmbeddingRow
from backend.store.pseudonyms import renamed
from backend.store.tables import DecisionRow, TaskRow
from backend.store.tasks import StoredTask, mark_tasks_deleted, store_tasks
from policies.domain import Decision
from tests.fakes.databases import NOW, PROJECT_ID, Database, after
from tests.fakes.decisions import ACCEPTED

GROUNDS = Grounds(model_version="v1", policy_hash="policy-1", certificate_id=None)


def said(task_id: int) -> Decision:
    return replace(ACCEPTED, task_id=task_id, label=f"Ann of {task_id} Mill Lane")


@pytest.fixture
def ledger(database: Database) -> Database:
    """Ten tasks whose answers are texts; the first and the fifth were decided twice."""
    database.add_tasks(*range(1, 11))
    with database.sessions.begin() as session:
        decisions = [said(each) for each in (*range(1, 11), 1, 5)]
        append_decisions(session, PROJECT_ID, decisions, GROUNDS, NOW)
        mark_tasks_deleted(session, PROJECT_ID, [1, 5], NOW)
    return database


def erased(database: Database, *, answers: bool = True) -> int:
    with database.sessions.begin() as session:
        found = erase_tasks(session, PROJECT_ID, [1, 5], after(60), answers=answers)
    return found.decisions


def test_answers_are_gone_and_the_chain_holds(ledger: Database) -> None:
    with ledger.reads() as session:
        before = verify_ledger(session, PROJECT_ID)

    assert erased(ledger) == 4
    assert erased(ledger) == 0  # once more changes nothing

    with ledger.reads() as session:
        check = verify_ledger(session, PROJECT_ID)
        labels = list(session.scalars(select(DecisionRow.label).order_by(DecisionRow.seq)))
        assert verify_end(session, PROJECT_ID, 2).erased == 2
        entry = entry_named(session, PROJECT_ID, 1)
    assert check.broken_seq is None
    assert (check.head, check.entries, check.erased) == (before.head, 12, 4)
    assert [place for place, label in enumerate(labels, 1) if label is None] == [1, 5, 11, 12]
    assert entry is not None
    assert entry.erased


def test_the_chain_goes_on_after_an_erasure(ledger: Database) -> None:
    erased(ledger)
    with ledger.sessions.begin() as session:
        append_decisions(session, PROJECT_ID, [said(7)], GROUNDS, after(90))
    with ledger.reads() as session:
        assert verify_ledger(session, PROJECT_ID).entries == 13
        assert check_entry(session, PROJECT_ID, 12).holds
        assert check_entry(session, PROJECT_ID, 12).next_holds


@pytest.mark.parametrize(
    "changed",
    [
        {"outcome": "review"},
        {"label": "somebody else"},
        {"score": 0.1},
        {"hash": "f" * 64},
        {"erasure_hash": "f" * 64},
        {"erasure_hash": None},
    ],
    ids="-".join,
)
def test_what_is_left_of_an_erased_entry_cannot_be_changed(
    ledger: Database, changed: dict[str, object]
) -> None:
    erased(ledger)
    with ledger.sessions.begin() as session:
        session.execute(update(DecisionRow).where(DecisionRow.seq == 5).values(changed))
    with ledger.reads() as session:
        assert verify_ledger(session, PROJECT_ID).broken_seq == 5
        assert not check_entry(session, PROJECT_ID, 5).holds


@pytest.mark.parametrize(
    "changed",
    [
        {"label": "somebody else"},
        {"outcome": "review", "label": None, "part_scores": None, "signals": None},
    ],
    ids="-".join,
)
def test_a_seal_hides_no_change_of_an_entry_of_which_nothing_was_erased(
    ledger: Database, changed: dict[str, object]
) -> None:
    erased(ledger)
    with ledger.sessions.begin() as session:
        session.execute(update(DecisionRow).where(DecisionRow.seq == 7).values(changed))
        rows = session.execute(
            select(*DecisionRow.__table__.columns).where(DecisionRow.seq.in_([6, 7]))
        ).mappings()
        before, row = (dict(each) for each in rows)
        seal = erasure_hash(row, before["hash"])  # no secret is needed for it
        session.execute(update(DecisionRow).where(DecisionRow.seq == 7).values(erasure_hash=seal))
    with ledger.reads() as session:
        check = verify_ledger(session, PROJECT_ID)
        assert (check.broken_seq, check.erased) == (7, 0)
        assert verify_end(session, PROJECT_ID, 6).broken_seq == 7
        assert not check_entry(session, PROJECT_ID, 7).holds
        assert check_entry(session, PROJECT_ID, 6).next_holds is False


def test_labels_of_a_list_stay(ledger: Database) -> None:
    assert erased(ledger, answers=False) == 0
    with ledger.reads() as session:
        assert verify_ledger(session, PROJECT_ID).erased == 0
        row = session.get_one(TaskRow, (PROJECT_ID, 1))
        assert (row.data, row.erased_at) == ({}, after(60))


def test_only_what_is_gone_for_long_enough_is_due(ledger: Database) -> None:
    with ledger.reads() as session:
        assert gone_tasks(session, PROJECT_ID, None, after(-1), 10) == []
        assert gone_tasks(session, PROJECT_ID, None, NOW, 1) == [1]
        assert gone_tasks(session, PROJECT_ID, [5, 6], NOW, 10) == [5]
    erased(ledger)
    with ledger.reads() as session:
        assert gone_tasks(session, PROJECT_ID, None, NOW, 10) == []


def test_what_was_read_again_after_it_was_erased_is_due_again(ledger: Database) -> None:
    """A page of tasks that was read before they were deleted may be stored after the erasure."""
    erased(ledger)
    with ledger.sessions.begin() as session:
        store_tasks(session, PROJECT_ID, [StoredTask(id=5, data={"text": "Ann"})], after(61))
        assert gone_tasks(session, PROJECT_ID, None, NOW, 10) == [5]
    erased(ledger)
    with ledger.reads() as session:
        assert gone_tasks(session, PROJECT_ID, None, NOW, 10) == []
        assert session.get_one(TaskRow, (PROJECT_ID, 5)).data == {}


def test_texts_may_be_more_than_a_statement_takes(ledger: Database) -> None:
    """Five hundred tasks of a hundred and forty columns; PostgreSQL takes 65,535 values at once."""
    with ledger.sessions.begin() as session:
        store_embeddings(session, "encoder", {(69_999).to_bytes(32): b"vector"}, NOW)
        erase_vectors(session, [number.to_bytes(32) for number in range(70_000)])
        assert session.scalar(select(func.count()).select_from(EmbeddingRow)) == 0


@pytest.mark.parametrize(
    ("before", "after_"),
    [
        ({"user_id": 12, "n": 12}, {"user_id": -3, "n": 12}),
        ({"annotators": ["12", "120"]}, {"annotators": ["-3", "120"]}),
        (
            {"annotators": [{"rater": "12", "ratings": 12}]},
            {"annotators": [{"rater": "-3", "ratings": 12}]},
        ),
        ("user 12 counts again", "user -3 counts again"),
        ("gold changed whether user 7, 12 counts", "gold changed whether user 7, -3 counts"),
        ("users 120 and 12", "users 120 and -3"),
        ("12 tasks of user 120", "12 tasks of user 120"),
        ("gold.counting project=12 user=12:", "gold.counting project=12 user=-3:"),
        (
            {"value": 12.0, "labels": ["12"], "user_id": None},
            {"value": 12.0, "labels": ["12"], "user_id": None},
        ),
    ],
)
def test_a_number_is_replaced_where_it_is_a_person_and_nowhere_else(
    before: object, after_: object
) -> None:
    assert renamed(before, 12, -3) == after_
