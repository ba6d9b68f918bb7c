"""What the story is played on: a store, people, and projects that are connected under a policy."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import event

from backend.breakers.rearming import regroup
from backend.runtime import Runtime
from backend.settings import Settings
from backend.store.engine import make_engine, make_sessions
from backend.store.projects import ConnectedProject, active_project, store_policy, store_project
from backend.store.schema import migrate
from benchmarks.large_store.texts import CONFIG
from policies.loading import parse_policy, policy_hash
from policies.schema import Policy
from tests.fakes.annotation_tool import FakeAnnotationTool
from tests.fakes.label_studio_server import ROBOT_ID, FakeServer

BEGINNING = datetime(2026, 8, 17, 6, tzinfo=UTC)  # a Monday
STORY = timedelta(weeks=14)
_LARGE = 20_000  # tasks from which on a rare label can be proved on its own
_OWN_PROMISE = """\
  labels:
    refund: {max_error_rate: 0.04}
"""
DESK = ("ann", "ben", "cleo", "dan", "eve", "finn")
EXPERTS = ("gail", "hugo", "iris")


@dataclass(slots=True, kw_only=True)
class StoryClock:
    """The story's time; it moves a little with every look, so that nothing happens at once."""

    time: datetime = field(default_factory=lambda: BEGINNING)

    def __call__(self) -> datetime:
        """Now."""
        self.time += timedelta(milliseconds=1)
        return self.time

    def at(self, time: datetime) -> None:
        """Go on to this time; the story never goes back."""
        self.time = max(self.time, time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One store with its people; ``members`` are user ids by tier."""

    runtime: Runtime
    clock: StoryClock
    server: FakeServer
    members: Mapping[str, tuple[int, ...]]
    rng: np.random.Generator

    def project(self, project_id: int) -> ConnectedProject:
        """The project as it stands."""
        with self.runtime.reads() as session:
            found = active_project(session, project_id)
        if found is None:
            raise LookupError(f"project {project_id} is not connected")
        return found

    def policy(self, project_id: int) -> Policy:
        """Its policy in force."""
        return parse_policy(self.project(project_id).policy_text)

    def connect(self, project_id: int, title: str, text: str) -> ConnectedProject:
        """Put a policy in force, as ``labelgate connect`` stores it."""
        policy = parse_policy(text)
        digest, now = policy_hash(policy), self.clock()
        runtime = self.runtime
        with runtime.sessions.begin() as session:
            before = active_project(session, project_id)
            views = [*policy.tier_names, "Control", "Audit"]
            store_policy(session, digest, text, now)
            project = ConnectedProject(
                id=project_id,
                title=title,
                label_config=CONFIG,
                policy_text=text,
                policy_hash=digest,
                robot_id=ROBOT_ID,
                views={name: 10 * project_id + place for place, name in enumerate(views)},
                ml_backend_id=None,
                webhook_id=None,
                previous_settings={},
                last_task_id=0,
                synced_until=now,
            )
            if before is not None:
                project = replace(project, last_task_id=before.last_task_id)
                regroup(session, project, now)
            store_project(session, project, now)
        return project


def stage(folder: Path, seed: int, database_url: str | None = None) -> Stage:
    """The store in this folder, a new one where it has none; or in the database of this URL."""
    clock = StoryClock()
    server = FakeServer(clock=clock)
    desk = tuple(server.add_user(f"{name}@example.com") for name in DESK)
    experts = tuple(server.add_user(f"{name}@example.com") for name in EXPERTS)
    tool = FakeAnnotationTool(server=server)
    settings = Settings.model_validate(
        {
            "data_dir": folder,
            "webhook_secret": "made up",
            "embeddings": "off",
            "database_url": database_url,
        }
    )
    engine = make_engine(settings.store_url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _hurry)
    migrate(engine)
    sessions, reads = make_sessions(engine)
    runtime = Runtime(
        settings=settings, sessions=sessions, reads=reads, tool=lambda: tool, now=clock
    )
    return Stage(
        runtime=runtime,
        clock=clock,
        server=server,
        members={"desk": desk, "experts": experts},
        rng=np.random.default_rng(seed),
    )


def _hurry(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")  # a power cut costs a fill, nothing else


def policy_text(title: str, tasks: int, *, strict: bool, edition: int = 0) -> str:
    """The policy of a project of this size; ``strict`` is the second one that came in force.

    A later ``edition`` differs by a price alone.
    """
    most = (0.04 if strict else 0.05) if tasks >= _LARGE else (0.07 if strict else 0.08)
    control = min(0.2, max(0.06, 900 / tasks))  # a small one needs more to prove anything
    desk = ", ".join(f"{name}@example.com" for name in DESK)
    experts = ", ".join(f"{name}@example.com" for name in EXPERTS)
    return f"""\
project: {title}
stakes: low
salt: large-store
tiers:
  - name: desk
    reviewers: [{desk}]
    cost_per_label: 0.12
    daily_capacity: {max(40, tasks * 22 // 10_000)}
  - name: experts
    reviewers: [{experts}]
    cost_per_label: 0.75
    daily_capacity: {max(15, tasks * 8 // 10_000)}
routes:
  - {{kind: source, in: [press], tier: experts}}
  - {{kind: margin, below: 0.03, tier: experts}}
auto_accept:
  max_error_rate: {most}
  confidence: 0.95
  cost_of_error: {1.5 if strict else 1.0}
{_OWN_PROMISE if tasks >= _LARGE else ""}\
control: {{share: {control:.3f}, tier: desk}}
holdout: {{share: 0.05, tier: desk}}
audit: {{share: {0.06 if strict else 0.05}, tier: experts, second_share: 0.1}}
agreement: {{share: 0.12, overlap: 2}}
sampling: {{random: 0.5, uncertainty: 0.4, known_failures: 0.1}}
retrain: {{after_annotations: {max(100, tasks // 40)}, minimum_labels: 60}}
drift: {{window: 2000, fields: [source]}}
prices:
  tooling_per_label: 0.01
  compute_per_prediction: 0.0002
  compute_per_training: {4 + edition}
"""
