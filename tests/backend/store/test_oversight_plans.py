"""How SQLite answers who looked at what: by seeks, however many labels there are."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from backend.store.oversight import overseen
from tests.fakes.migrated import migrated_engine


def test_labels_are_sought_by_task(tmp_path: Path) -> None:
    engine = migrated_engine(f"sqlite:///{tmp_path / 'labelgate.db'}")
    asked: list[tuple[str, Any]] = []

    def listened(*given: Any) -> None:
        asked.append((given[2], given[3]))

    event.listen(engine, "before_cursor_execute", listened)
    with Session(engine) as session:
        assert overseen(session, 1, datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC)) == []
    event.remove(engine, "before_cursor_execute", listened)
    statement, values = next(each for each in asked if each[0].lstrip().startswith("SELECT"))
    with engine.connect() as connection:
        plan = [
            row.detail
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    engine.dispose()
    (labels,) = [step for step in plan if "annotations" in step]
    assert "(project_id=? AND task_id=?)" in labels
    assert not [step for step in plan if step.startswith("SCAN") and "LEFT-JOIN" in step]
