"""How SQLite answers who looked at what: by seeks, however many labels there are."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from backend.store.oversight import overseen
from tests.fakes.migrated import migrated_engine
from tests.fakes.query_plans import sqlite_steps, statements_of


def test_labels_are_sought_by_task(tmp_path: Path) -> None:
    engine = migrated_engine(f"sqlite:///{tmp_path / 'labelgate.db'}")
    asked = statements_of(
        engine,
        lambda session: overseen(session, 1, datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC)),
    )
    statement = next(each for each in asked if each[0].lstrip().startswith("SELECT"))
    plan = sqlite_steps(engine, [statement])
    engine.dispose()
    (labels,) = [step for step in plan if "annotations" in step]
    assert "(project_id=? AND task_id=?)" in labels
    assert not [step for step in plan if step.startswith("SCAN") and "LEFT-JOIN" in step]
