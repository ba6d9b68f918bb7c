"""A connected project on a Label Studio in memory, worked by the real use cases, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from audit_jobs import gold, readers
from backend.breakers.rearming import regroup
from backend.delivery import deliver
from backend.escalation import escalate
from backend.queueing import place
from backend.routing import route
from backend.runtime import Runtime
from backend.settings import Settings
from backend.store.certificates import store_certification
from backend.store.deliveries import count_by_state
from backend.store.engine import make_sessions
from backend.store.models import next_number, store_version
from backend.store.open_decisions import OpenDecision, open_decisions
from backend.store.projects import ConnectedProject, active_project, store_policy, store_project
from backend.store.tables import DeliveryRow
from backend.synchronisation import synchronise
from connectors.annotation_tool import AnnotationToolError
from connectors.label_studio.answers import answer_of
from connectors.label_studio.labeling import parse_labeling
from policies.domain import Purpose
from policies.loading import parse_policy, policy_hash
from policies.schema import Policy
from tests.fakes.annotation_tool import FakeAnnotationTool
from tests.fakes.label_studio_server import ROBOT_ID, FakeServer, FakeTask
from tests.fakes.migrated import migrated_engine
from tests.fakes.policy_documents import make_certification, policy_document
from tests.fakes.predictors import first_champion, predictor_of

CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
    '<Choice value="A"/><Choice value="B"/></Choices></View>'
)
# Words of one kind and of no other: a model is sure of the kinds that it was trained on.
WORDS = {
    "fruit": "apples and pears ripen in quiet gardens",
    "motor": "engines turn wheels over rough roads",
    "music": "violins answer flutes across bright stages",
}
FAR_CAPACITY = 100_000
RANK_PREFIX = "labelgate #"


def text_of(kind: str, number: int) -> str:
    return f"{WORDS[kind]} {number}"


def worked_policy(capacity: int = FAR_CAPACITY, **changes: object) -> Policy:
    """Accepts from 0.7 on once certified; slices, audits and agreement are off or small."""
    tiers = [
        {
            "name": "general",
            "reviewers": ["ann@example.com", "bob@example.com"],
            "cost_per_label": 0.1,
            "daily_capacity": capacity,
        },
        {
            "name": "senior",
            "reviewers": ["sue@example.com"],
            "cost_per_label": 1.0,
            "daily_capacity": capacity,
        },
    ]
    values: dict[str, object] = {
        "project": "worked",
        "tiers": tiers,
        "routes": [],
        "auto_accept": {"max_error_rate": 0.05, "confidence": 0.95, "floor": 0.7},
        "agreement": {"share": 0.0},
    }
    return Policy.model_validate(policy_document(**(values | changes)))


@dataclass
class Clock:
    """Moves a millisecond with every look, so that no two things happen at the same time."""

    time: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 9, tzinfo=UTC))

    def __call__(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class WorkedProject:
    """The runtime on a store of its own and a fake tool, and what people and jobs do there."""

    runtime: Runtime
    clock: Clock
    server: FakeServer
    tool: FakeAnnotationTool
    project_id: int
    people: dict[str, int]

    @property
    def project(self) -> ConnectedProject:
        with self.runtime.reads() as session:
            found = active_project(session, self.project_id)
        assert found is not None
        return found

    @property
    def tasks(self) -> list[FakeTask]:
        return self.server.of_project(self.project_id)

    def connect(self, policy: Policy) -> None:
        """Put a policy in force, as ``labelgate connect`` stores it."""
        text = yaml.safe_dump(policy.model_dump(mode="json", by_alias=True, exclude_none=True))
        digest = policy_hash(parse_policy(text))
        with self.runtime.reads() as session:
            before = active_project(session, self.project_id)
        views = [*policy.tier_names, "Control", "Audit"]
        with self.runtime.sessions.begin() as session:
            store_policy(session, digest, text, self.clock())
            project = ConnectedProject(
                id=self.project_id,
                title=self.server.projects[self.project_id].title,
                label_config=self.server.projects[self.project_id].label_config,
                policy_text=text,
                policy_hash=digest,
                robot_id=ROBOT_ID,
                views={name: self.server.add_view(self.project_id, name) for name in views},
                ml_backend_id=None,
                webhook_id=None,
                previous_settings={},
                last_task_id=before.last_task_id if before else 0,
                synced_until=before.synced_until if before else None,
            )
            regroup(session, project, self.clock())
            store_project(session, project, self.clock())

    def add(self, kinds: Sequence[str]) -> list[int]:
        data = [{"text": text_of(kind, number)} for number, kind in enumerate(kinds)]
        return self.server.add_tasks(self.project_id, data)

    def promote(
        self,
        a: str = "fruit",
        b: str = "motor",
        *,
        certified: bool = True,
        policy: Policy | None = None,
        labels: tuple[str, str] = ("A", "B"),
    ) -> str:
        """Train on texts of two kinds, each with its label, and let the version serve.

        It keeps what the policy asks of its examples, where one is given.
        """
        texts = [text_of(kind, number) for kind in (a, b) for number in range(30)]
        now = self.clock()
        with self.runtime.sessions.begin() as session:
            number = next_number(session, self.project_id)
            version = f"v{number}"
            said = [labels[0]] * 30 + [labels[1]] * 30
            made = predictor_of(texts, said, version=version, policy=policy)
            model = first_champion(
                self.runtime.settings.models_dir, self.project_id, made, now, number
            )
            store_version(session, self.project_id, model, now)
        if certified:
            self.certify(version)
        return version

    def certify(self, version: str, threshold: float | None = 0.7) -> None:
        certificate = make_certification(threshold, model_version=version)
        digest = self.project.policy_hash
        with self.runtime.sessions.begin() as session:
            store_certification(session, self.project_id, certificate, digest, self.clock())

    def round(self) -> None:
        """Everything that a round of jobs does with the tasks, up to the first failure."""
        synchronise(self.runtime, self.project)
        gold.run(self.runtime, self.project)
        readers.run(self.runtime, self.project)
        escalate(self.runtime, self.project)
        route(self.runtime, self.project)
        place(self.runtime, self.project)
        deliver(self.runtime, self.project)

    def settle(self, rounds: int = 40) -> None:
        """Rounds until nothing is pending; what fails is tried again later, as the jobs do."""
        for _ in range(rounds):
            try:
                self.round()
            except AnnotationToolError:
                pass
            else:
                if not self.states().get("pending"):
                    return
            self.clock.forward(700)
        raise AssertionError(f"still pending after {rounds} rounds: {self.states()}")

    def states(self) -> dict[str, int]:
        with self.runtime.reads() as session:
            return count_by_state(session, self.project_id)

    def decisions(self) -> dict[int, OpenDecision]:
        with self.runtime.reads() as session:
            return {each.task_id: each for each in open_decisions(session, self.project_id)}

    def with_purpose(self, purpose: Purpose) -> list[int]:
        return [each.task_id for each in self.decisions().values() if each.purpose is purpose]

    def deliveries(self) -> dict[int, DeliveryRow]:
        with self.runtime.reads() as session:
            rows = session.query(DeliveryRow).filter_by(project_id=self.project_id)
            return {row.task_id: row for row in rows}

    def said(self, task_id: int, user_id: int) -> list[str | None]:
        """What a user's annotations of a task say."""
        labeling = parse_labeling(self.server.projects[self.project_id].label_config)
        return [
            answer_of(labeling, each.result)
            for each in self.server.tasks[task_id].annotations
            if each.user_id == user_id
        ]

    def shown(self, task_id: int) -> list[tuple[str, bool]]:
        """The task's predictions but its rank, as (model version, says a label), sorted."""
        return sorted(
            (each.prelabel.model_version, bool(each.prelabel.result))
            for each in self.server.tasks[task_id].predictions
            if not each.prelabel.model_version.startswith(RANK_PREFIX)
        )

    def ranks(self, task_id: int) -> list[int]:
        """The ranks under which the task stands in Label Studio: one where it is in a view."""
        versions = [each.prelabel.model_version for each in self.server.tasks[task_id].predictions]
        return [int(v.removeprefix(RANK_PREFIX)) for v in versions if v.startswith(RANK_PREFIX)]


def worked_project(
    folder: Path, policy: Policy | None = None, *, title: str = "worked", config: str = CONFIG
) -> WorkedProject:
    """A new store in ``folder`` and a new Label Studio with one connected project, no tasks yet."""
    clock = Clock()
    server = FakeServer(clock=clock)
    tool = FakeAnnotationTool(server=server, page_size=7)
    project_id = server.add_project(title, config)
    people = {name: server.add_user(f"{name}@example.com") for name in ("ann", "bob", "sue")}
    settings = Settings.model_validate(
        {"data_dir": folder, "webhook_secret": "the secret", "embeddings": "off"}
    )
    engine = migrated_engine(settings.store_url)
    sessions, reads = make_sessions(engine)
    worked = WorkedProject(
        runtime=Runtime(
            settings=settings, sessions=sessions, reads=reads, tool=lambda: tool, now=clock
        ),
        clock=clock,
        server=server,
        tool=tool,
        project_id=project_id,
        people=people,
    )
    worked.connect(policy or worked_policy())
    return worked


def _wished_predictions(row: DeliveryRow | None) -> list[tuple[str, bool]]:
    """The model versions that a task should show, and whether each says something."""
    wished = []
    if row and row.label is not None and row.model_version is not None:
        wished.append((row.model_version, True))
    if row and row.marker is not None:
        wished.append((f"labelgate: {row.marker}", False))
    return wished


def looks_as_wished(worked: WorkedProject) -> list[str]:
    """Every way in which a task differs from its wish; the tasks of people are theirs."""
    wrong = []
    rows = worked.deliveries()
    for task in worked.tasks:
        row = rows.get(task.id)
        robots = worked.said(task.id, ROBOT_ID)
        people = [each for each in task.annotations if each.user_id != ROBOT_ID]
        edited = any(each.updated_by not in (None, ROBOT_ID) for each in task.annotations)
        if people or edited:
            if people and robots and not edited:
                wrong.append(f"{task.id}: a person answered and the robot still says {robots}")
            continue
        wished = [row.label] if row and row.accepts else []
        if robots != wished:
            wrong.append(f"{task.id}: the robot says {robots}, wished is {wished}")
        predictions = _wished_predictions(row)
        # A task keeps the rank that it was delivered with, whatever is wished now.
        if len(worked.ranks(task.id)) != (1 if row and row.marker is not None else 0):
            wrong.append(f"{task.id}: the ranks are {worked.ranks(task.id)}")
        # An accepted label stays whichever version repeated it, and so does its prediction.
        shown = worked.shown(task.id)
        if row and row.accepts:
            shown = [(row.model_version or "", says) for _, says in shown]
        if shown != sorted(predictions):
            wrong.append(f"{task.id}: shown is {shown}, wished {predictions}")
        if task.overlap != (row.overlap if row else 1):
            wrong.append(f"{task.id}: overlap {task.overlap}, wished {row and row.overlap}")
    return wrong
