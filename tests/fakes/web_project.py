"""A connected project in a database of its own, with a real small model: what web tests run on."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from backend.app import create_app
from backend.predictors import artifacts
from backend.predictors.protocol import ModelInput
from backend.runtime import Runtime
from backend.settings import Settings
from backend.store.engine import make_sessions
from backend.store.models import CHAMPION, ModelVersion, next_number, store_version
from backend.store.projects import ConnectedProject, store_policy, store_project
from connectors.annotation_tool import AnnotationTool, AnnotationToolUnavailableError
from connectors.label_studio.labeling import InputKind
from policies.loading import parse_policy, policy_hash
from tests.fakes.migrated import migrated_engine
from tests.fakes.predictors import predictor_of

PROJECT_ID = 1
PROJECT = f"{PROJECT_ID}.1795358297"  # as Label Studio names it
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
    '<Choice value="A"/><Choice value="B"/></Choices></View>'
)
POLICY = """
project: web
stakes: low
tiers:
  - name: general
    reviewers: [a@example.com, b@example.com]
    cost_per_label: 0.1
    daily_capacity: 100
  - name: senior
    reviewers: [s@example.com]
    cost_per_label: 1
    daily_capacity: 20
auto_accept: never
"""
TEXTS = {"A": "apples and pears in the garden number", "B": "engines and wheels on the road number"}


@dataclass
class Clock:
    """A clock that stands still until it is told to move."""

    time: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class WebProject:
    """The runtime, its clock, and what tests change about the project."""

    runtime: Runtime
    clock: Clock

    def impatient(self) -> None:
        """From now on a locked database is given up at once, not after twenty seconds."""
        engine = self.runtime.sessions.kw["bind"]

        def give_up(connection: sqlite3.Connection, _record: object, _proxy: object) -> None:
            connection.execute("PRAGMA busy_timeout=0")

        event.listen(engine, "checkout", give_up)

    def app(self) -> Flask:
        app = create_app(self.runtime)
        app.testing = True
        return app

    def client(self) -> FlaskClient:
        return self.app().test_client()

    def connect(
        self, project_id: int = PROJECT_ID, *, config: str = CONFIG, policy: str = POLICY
    ) -> None:
        digest = policy_hash(parse_policy(policy))
        with self.runtime.sessions.begin() as session:
            store_policy(session, digest, policy, self.clock())
            store_project(
                session,
                ConnectedProject(
                    id=project_id,
                    title="web",
                    label_config=config,
                    policy_text=policy,
                    policy_hash=digest,
                    robot_id=9,
                    views={"general": 11, "senior": 12},
                    ml_backend_id=None,
                    webhook_id=None,
                    previous_settings={},
                    last_task_id=0,
                    synced_until=None,
                ),
                self.clock(),
            )

    def promote(
        self,
        version: str,
        project_id: int = PROJECT_ID,
        input_kind: InputKind = InputKind.TEXT,
    ) -> ModelVersion:
        """Train on twenty inputs of two kinds, and let the version serve."""
        inputs: list[ModelInput] = [
            f"{TEXTS[label]} {each}" for label in "AB" for each in range(10)
        ]
        if input_kind is InputKind.IMAGE:
            inputs = [np.full(16 * 16 * 3, place / 20) for place in range(20)]
        made = predictor_of(inputs, ["A"] * 10 + ["B"] * 10, version=version, kind=input_kind)
        artifact = artifacts.save(self.runtime.settings.models_dir, project_id, made)
        with self.runtime.sessions.begin() as session:
            model = ModelVersion(
                version=version,
                number=next_number(session, project_id),
                path=artifact.path,
                sha256=artifact.sha256,
                labels=made.labels,
                state=CHAMPION,
                verdict={"reason": "the first model"},
                lineage={},
                trained_at=self.clock(),
                promoted_at=self.clock(),
            )
            store_version(session, project_id, model, self.clock())
        return model


def web_project(folder: Path, **settings: object) -> WebProject:
    """A new database in ``folder``; nothing is connected yet."""
    clock = Clock()
    values: dict[str, object] = {"data_dir": folder, "webhook_secret": "the secret", **settings}
    chosen = Settings.model_validate(values)
    engine = migrated_engine(chosen.store_url)
    sessions, reads = make_sessions(engine)
    return WebProject(
        runtime=Runtime(settings=chosen, sessions=sessions, reads=reads, tool=_no_tool, now=clock),
        clock=clock,
    )


def task(task_id: int, label: str = "A") -> dict[str, object]:
    """A task whose text is of the kind ``label``."""
    return {"id": task_id, "data": {"text": f"{TEXTS[label]} {task_id}"}}


def _no_tool() -> AnnotationTool:
    raise AnnotationToolUnavailableError("Label Studio is down in this test")
