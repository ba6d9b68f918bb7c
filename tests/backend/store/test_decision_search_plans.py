"""An index finds what is searched in the ledger, on either engine."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from backend.store.decision_conditions import Asked, Order, Wanted
from backend.store.decision_search import TimeBox, search
from policies.domain import Outcome, Purpose
from tests.fakes.databases import PROJECT_ID, Database, database_at, sqlite_database
from tests.fakes.query_plans import Asked as Statements
from tests.fakes.query_plans import postgresql_scans, sqlite_steps, statements_of
from tests.real_servers import copied_database

SEARCH, LABEL, TASK = (
    "ix_decisions_search",
    "ix_decisions_short_label",
    "ix_decisions_project_id_task_id",
)
WANTED = [
    (Wanted(rule="x"), SEARCH),
    (Wanted(outcome=Outcome.ACCEPT, tier="x"), SEARCH),
    (Wanted(purpose=Purpose.CONTROL, current=False), SEARCH),
    (Wanted(model_version="v9"), SEARCH),
    (Wanted(policies=("a", "b")), SEARCH),
    (Wanted(score_from=0.2, score_to=0.3), SEARCH),
    (Wanted(label="x"), LABEL),
    (Wanted(task_id=1, current=False), TASK),
    (Wanted(human="dog", current=False), TASK),
    (Wanted(task_id=1), SEARCH),
    (Wanted(human="dog"), SEARCH),
]
TASKS = 30_000
# Two decisions a task, the later ones hold; every thousandth task has an answer.
FILLING = (
    """INSERT INTO tasks (project_id, task_id, data, created_at, human_labels, decision_seq,
        wants_reader, prelabelled)
    SELECT 1, n, '{}', now(), 0, :tasks + n, false, false FROM generate_series(1, :tasks) n""",
    """INSERT INTO decisions (project_id, seq, task_id, outcome, purpose, rule, reason, label,
        score, draw, inclusion_probability, model_version, policy_hash, decided_at, hash)
    SELECT 1, n, 1 + n % :tasks, 'review', 'routed', 'below', '', 'label ' || n % 50,
        random(), 0.5, 1, 'v1', 'p', now(), '' FROM generate_series(1, 2 * :tasks) n""",
    """INSERT INTO annotations (project_id, annotation_id, task_id, user_id, by_robot, label,
        result, was_cancelled, ground_truth, created_at, updated_at, first_seen_at, mirrored)
    SELECT 1, n, n, 3, false, CASE WHEN n % 1000 = 0 THEN 'dog' ELSE 'cat' END, '[]', false,
        false, now(), now(), now(), false FROM generate_series(1, :tasks) n""",
    "ANALYZE",
)


@pytest.fixture(scope="module")
def filled(postgresql_template: str) -> Iterator[Engine]:
    """A ledger on PostgreSQL that is large enough for its planner to want indices."""
    with copied_database(postgresql_template) as url:
        database = database_at(url)
        database.add_project()
        with database.engine.begin() as connection:
            for statement in FILLING:
                values = {"tasks": TASKS} if ":tasks" in statement else {}
                connection.execute(text(statement), values)
        yield database.engine
        database.engine.dispose()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Database]:
    """SQLite, which plans by the schema alone; one answer, so that tasks are looked up."""
    database = sqlite_database(tmp_path)
    database.add_project()
    database.add_tasks(1, 2)
    with database.engine.begin() as connection:
        for statement in (
            "UPDATE tasks SET decision_seq = task_id",
            """INSERT INTO decisions (project_id, seq, task_id, outcome, purpose, rule, reason,
                draw, inclusion_probability, policy_hash, decided_at, hash)
            SELECT 1, task_id, task_id, 'review', 'routed', 'below', '', 0.5, 1, 'p',
                '2026-01-01', '' FROM tasks""",
            """INSERT INTO annotations (project_id, annotation_id, task_id, user_id, by_robot,
                label, result, was_cancelled, ground_truth, created_at, updated_at, first_seen_at,
                mirrored)
            SELECT 1, 7, 2, 3, false, 'dog', '[]', false, false, '2026-01-01', '2026-01-01',
                '2026-01-01', false""",
        ):
            connection.execute(text(statement))
    yield database
    database.engine.dispose()


def searched(engine: Engine, wanted: Wanted, order: Order) -> Statements:
    """The statements of the search's first window, but those that load the page."""
    box = TimeBox(seconds=0.5, clock=map(float, itertools.count()).__next__)

    def ask(session: Session) -> None:
        search(session, PROJECT_ID, Asked(wanted=wanted, order=order), box)

    return [each for each in statements_of(engine, ask) if "LIMIT" in each[0]]


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize(("wanted", "index"), WANTED)
def test_sqlite_finds_them_by_an_index(
    small: Database, wanted: Wanted, index: str, order: Order
) -> None:
    steps = [
        f"{each} " for each in sqlite_steps(small.engine, searched(small.engine, wanted, order))
    ]
    decisions = [each for each in steps if " decisions " in each]
    assert decisions
    named = f"{'COVERING ' if index == SEARCH else ''}INDEX {index} "
    assert all(named in each for each in decisions if "ORDER BY" not in each), decisions
    by_number = "COVERING INDEX ix_tasks_project_id_decision_seq"
    tasks = [each for each in steps if " tasks " in each]
    assert all(by_number in each or "project_id=? AND task_id=?" in each for each in tasks), tasks


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("wanted", [each for each, _ in WANTED])
def test_postgresql_reads_no_table_from_end_to_end(
    filled: Engine, wanted: Wanted, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    # To a ledger of a million a window is what this one is to a small one.
    monkeypatch.setattr("backend.store.decision_search._FIRST_WINDOW", 1_024)
    asked = searched(filled, wanted, order)
    scans = postgresql_scans(filled, asked)
    assert {"decisions"} <= {each.table for each in scans}
    large = [each for each in scans if each.table in {"decisions", "tasks", "annotations"}]
    assert [each for each in large if each.kind == "Seq Scan"] == []
