"""Inferences in the store: each id once, whoever comes first, and rows as the database has them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from backend.store.bulk import bulk_insert
from backend.store.inference_tables import InferenceRow
from backend.store.inference_tokens import TokenOwner, make_token, revoke_tokens, token_owner
from backend.store.inferences import (
    Inference,
    Intake,
    projects_with_inferences,
    ready_rows,
    store_inferences,
    write_alone,
)
from tests.fakes.databases import NOW, PROJECT_ID, Database, after


def inference(number: int, at: datetime | None = NOW, score: float | None = 0.5) -> Inference:
    return Inference(
        inference_id=f"id-{number}",
        model_version="v1",
        predicted="A",
        score=score,
        data={"text": f"é {number}"},
        data_sha256="0" * 64,
        slices={"country": "DE"},
        at=at,
    )


def store(database: Database, *inferences: Inference, project_id: int = PROJECT_ID) -> Intake:
    rows = ready_rows(database.engine.dialect, project_id, inferences, after(1))
    with database.sessions.begin() as session:
        write_alone(session, project_id)
        return store_inferences(session, project_id, inferences, after(1), rows)


def ids(database: Database, project_id: int = PROJECT_ID) -> list[str]:
    with database.reads() as session:
        rows = select(InferenceRow.inference_id).where(InferenceRow.project_id == project_id)
        return list(session.scalars(rows.order_by(InferenceRow.id)))


def test_a_row_comes_back_as_the_orm_has_it(database: Database) -> None:
    store(database, inference(1, at=None), inference(2))
    with database.reads() as session:
        first, second = session.scalars(select(InferenceRow).order_by(InferenceRow.id))
    assert (first.data, first.slices) == ({"text": "é 1"}, {"country": "DE"})
    assert (first.at, first.received_at, second.at) == (after(1), after(1), NOW)
    assert (first.state, first.share, first.task_id) == ("waiting", None, None)


def test_nothing_is_stored_of_nothing(database: Database) -> None:
    assert store(database) == Intake(stored=0, known=0, conflicts=0, conflicting=())


def test_ids_are_those_of_a_project(database: Database) -> None:
    database.add_project(2)
    store(database, inference(1))
    assert store(database, inference(1), project_id=2).stored == 1
    with database.reads() as session:
        assert projects_with_inferences(session) == [1, 2]


def test_more_ids_than_a_statement_takes_are_all_looked_up(database: Database) -> None:
    many = [inference(number) for number in range(12_000)]
    assert store(database, *many[:6_000]).stored == 6_000
    assert store(database, *many) == Intake(stored=6_000, known=6_000, conflicts=0, conflicting=())


def test_of_two_who_come_at_once_one_is_first(database: Database) -> None:
    """Every id is stored by exactly one of them, and what the other is told is true."""
    batches = [[inference(n, score=s) for n in range(200)] for s in (0.1, 0.1, 0.2, 0.2)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda batch: store(database, *batch), batches))
    assert sum(each.stored for each in found) == 200
    assert sum(each.known for each in found) == 200
    assert sum(each.conflicts for each in found) == 400
    assert sorted(ids(database)) == sorted(f"id-{number}" for number in range(200))


def test_a_transaction_that_fails_stores_nothing(database: Database) -> None:
    def fail() -> None:
        with database.sessions.begin() as session:
            store_inferences(session, PROJECT_ID, [inference(1)], NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert ids(database) == []


def test_on_postgresql_values_go_by_name_and_times_as_times() -> None:
    insert = bulk_insert(postgresql.dialect(), InferenceRow, ("inference_id", "data", "at"))  # type: ignore[no-untyped-call]  # its own
    assert insert.statement.startswith("INSERT INTO inferences (inference_id, data, at) VALUES (")
    assert "%(inference_id)s" in insert.statement
    assert "RETURNING" not in insert.statement
    assert insert.ready([("x", {"a": 1}, NOW), ("y", None, NOW)]) == [
        {"inference_id": "x", "data": '{"a":1}', "at": NOW},
        {"inference_id": "y", "data": None, "at": NOW},
    ]


def test_on_postgresql_a_project_is_written_to_by_one_at_a_time() -> None:
    held = select(InferenceRow.id).with_for_update(key_share=True)
    text = str(held.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]  # its own
    assert text.endswith("FOR NO KEY UPDATE")


def test_tokens_are_those_of_a_project(database: Database) -> None:
    database.add_project(2)
    with database.sessions.begin() as session:
        first = make_token(session, 1, NOW)
        second = make_token(session, 2, NOW)
        assert revoke_tokens(session, 1, after(1)) == 1
    with database.reads() as session:
        assert token_owner(session, first) == TokenOwner(project_id=1, revoked=True)
        assert token_owner(session, second) == TokenOwner(project_id=2, revoked=False)
        assert token_owner(session, "") is None
