"""A migrated database for each test of the store, on any of its engines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from backend.store.columns import Base
from backend.store.engine import make_sessions
from backend.store.projects import ConnectedProject, store_policy, store_project
from backend.store.tasks import StoredTask, store_tasks
from tests.fakes.migrated import migrated_engine

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
PROJECT_ID = 1


@dataclass(frozen=True)
class Database:
    engine: Engine
    sessions: sessionmaker[Session]
    reads: sessionmaker[Session]

    def add_project(self, project_id: int = PROJECT_ID) -> ConnectedProject:
        project = ConnectedProject(
            id=project_id,
            title="store",
            label_config="<View/>",
            policy_text="text",
            policy_hash="policy-1",
            robot_id=9,
            views={"general": 11, "Control": 12},
            ml_backend_id=None,
            webhook_id=None,
            previous_settings={},
            last_task_id=0,
            synced_until=None,
        )
        with self.sessions.begin() as session:
            store_policy(session, "policy-1", "text", NOW)
            store_project(session, project, NOW)
        return project

    def add_tasks(self, *task_ids: int, project_id: int = PROJECT_ID) -> None:
        tasks = [StoredTask(id=each, data={"text": f"text {each}"}) for each in task_ids]
        with self.sessions.begin() as session:
            store_tasks(session, project_id, tasks, NOW)


def sqlite_database(folder: Path) -> Database:
    return database_at(f"sqlite:///{folder / 'store.db'}")


def database_at(url: str) -> Database:
    """The database of this URL, brought to the newest schema."""
    engine = migrated_engine(url)
    return Database(engine, *make_sessions(engine))


def empty(engine: Engine) -> None:
    """Delete every row of a database on PostgreSQL; new ones are numbered from 1 again."""
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            if connection.execute(table.delete()).rowcount and "id" in table.c:
                sequence = connection.scalar(
                    text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table.name}
                )
                if sequence is not None:
                    connection.execute(text(f"ALTER SEQUENCE {sequence} RESTART"))


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)
