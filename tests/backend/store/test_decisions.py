"""The decisions that hold for the tasks that are asked for, however many and in which order."""

from __future__ import annotations

import pytest

from backend.store.decisions import decisions_of
from backend.store.engine import for_lone_statements
from backend.store.ledger import append_decisions
from tests.backend.store.test_ledger import GROUNDS, append, decision
from tests.fakes.databases import NOW, PROJECT_ID, Database

DECIDED = [1, 2, 3, 4, 6, 7, 8, 500]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], []),
        ([3], [3]),
        ([5], []),
        ([2, 3, 4, 5, 6], [2, 3, 4, 6]),  # a range
        ([8, 2, 3, 1], [1, 2, 3, 8]),  # a range in which others stand
        ([1, 500], [1, 500]),  # far from each other
        ([3, 3, 4], [3, 4]),
        ([900, 901], []),
    ],
)
def test_those_that_were_asked_for_and_no_others(
    database: Database, asked: list[int], found: list[int]
) -> None:
    database.add_tasks(*DECIDED, 5)
    append(database, *(decision(task_id, label=f"of {task_id}") for task_id in DECIDED))
    with database.reads() as session:
        read = decisions_of(session, PROJECT_ID, asked)
        assert decisions_of(session, PROJECT_ID + 1, asked) == {}
    with for_lone_statements(database.reads).connect() as connection:
        assert decisions_of(connection, PROJECT_ID, asked) == read
    assert sorted(read) == found
    assert [read[task_id].label for task_id in found] == [f"of {task_id}" for task_id in found]


def test_a_lone_statement_waits_for_no_writer_and_sees_what_was_written(
    database: Database,
) -> None:
    database.add_tasks(1)
    lone = for_lone_statements(database.reads)
    with database.sessions.begin() as session:
        append_decisions(session, PROJECT_ID, [decision(1)], GROUNDS, NOW)
        with lone.connect() as connection:
            assert decisions_of(connection, PROJECT_ID, [1]) == {}
    with lone.connect() as connection:
        assert list(decisions_of(connection, PROJECT_ID, [1])) == [1]
    append(database, decision(1, label="B"))  # the connection that was given back holds nothing
    with lone.connect() as connection:
        assert decisions_of(connection, PROJECT_ID, [1])[1].label == "B"
