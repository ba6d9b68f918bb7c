"""Whether an installation still holds what it promised: nothing is lost, nothing is doubled.

One look gathers what Label Studio and the store hold and lists all that is wrong. While work is
under way something always is; so it is looked at until nothing is, and the last list is the error.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend.prelabels import marker
from backend.store.deliveries import PENDING
from backend.store.events import count_open
from backend.store.inference_tables import InferenceRow
from backend.store.inference_tasks import INFERENCE_KEY
from backend.store.inferences import PLACED
from backend.store.job_tables import JobRunRow
from backend.store.ledger_check import verify_ledger
from backend.store.model_tables import ModelRow, TrainingRequestRow
from backend.store.page_tables import JobRequestRow
from backend.store.tables import AnnotationRow, DecisionRow, DeliveryRow, TaskRow
from backend.store.tallies import accepted_labels
from backend.store.training import open_requests
from tests.end_to_end.stage import Stage
from tests.faults.oracle import Oracle
from tests.faults.plant import Plant

PATIENCE_S = 240.0
_SHOWN = 12
MARKERS = "labelgate: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The two sides at one moment: Label Studio's tasks, and the rows of the store."""

    tasks: list[dict[str, Any]]
    rows: dict[int, TaskRow]
    annotations: dict[int, AnnotationRow]
    deliveries: dict[int, DeliveryRow]
    inferences: list[InferenceRow]
    accepted: dict[int, str]
    robot: int


def is_sound(plant: Plant, patience_s: float = PATIENCE_S) -> None:
    """Wait until nothing is wrong; an error that lists what still is after a while.

    What is lost stays lost: later tests on the same installation fail at once, and say so.
    """
    if plant.unsound is not None:
        raise AssertionError(f"since an earlier test: {plant.unsound}")
    deadline = time.monotonic() + patience_s
    while True:
        try:
            wrong = list(wrongs(plant))
        except (httpx.TransportError, SQLAlchemyError) as error:
            wrong = [f"it does not answer: {error!r:.200}"]
        if not wrong:
            return
        if time.monotonic() > deadline:
            plant.unsound = "\n".join([f"{len(wrong)} things are wrong:", *wrong[:_SHOWN]])
            raise AssertionError(f"{plant.unsound}\n{plant.end_of_log()}")
        time.sleep(0.3)  # between looks; the condition ends the wait


def wrongs(plant: Plant) -> Iterator[str]:
    """All that is not as it should be now."""
    stage, oracle = plant.stage, plant.oracle
    with stage.runtime.reads() as session:
        under_way = list(_under_way(session, stage.project_id))
    if under_way:  # the rest would be wrong for that reason alone
        yield from under_way
        return
    tasks = stage.tasks()
    with stage.runtime.reads() as session:
        seen = _gathered(session, stage, tasks)
        yield from _under_way(session, stage.project_id)
        yield from _ledger(session, stage.project_id, oracle)
        yield from _jobs(session, stage.project_id, oracle)
    yield from _tasks(seen, oracle)
    yield from _answers(seen, oracle)
    yield from _deliveries(seen, oracle)
    yield from _inferences(seen, oracle)


def remember(plant: Plant) -> None:
    """Note where the ledger ends now: it may only grow from here."""
    stage = plant.stage
    with stage.runtime.reads() as session:
        check = verify_ledger(session, stage.project_id)
    if check.entries:
        plant.oracle.chain[check.entries] = check.head


def _under_way(session: Session, project_id: int) -> Iterator[str]:
    for request in open_requests(session, project_id):
        yield f"training {request.id} is {request.state}"
    pending = session.scalars(
        select(DeliveryRow.task_id)
        .join(
            TaskRow,
            (TaskRow.project_id == DeliveryRow.project_id)
            & (TaskRow.task_id == DeliveryRow.task_id),
        )
        .where(
            DeliveryRow.project_id == project_id,
            DeliveryRow.state == PENDING,
            TaskRow.deleted_at.is_(None),
        )
    ).all()
    if pending:
        yield f"{len(pending)} deliveries are pending: {sorted(pending)[:_SHOWN]}"
    if events := count_open(session):
        yield f"{events} webhooks are open"


def _gathered(session: Session, stage: Stage, tasks: list[dict[str, Any]]) -> Seen:
    here = stage.project_id
    rows = session.scalars(
        select(TaskRow).where(TaskRow.project_id == here, TaskRow.deleted_at.is_(None))
    )
    standing = session.scalars(
        select(AnnotationRow).where(
            AnnotationRow.project_id == here, AnnotationRow.deleted_at.is_(None)
        )
    )
    wishes = session.scalars(select(DeliveryRow).where(DeliveryRow.project_id == here))
    inferences = session.scalars(select(InferenceRow).where(InferenceRow.project_id == here))
    return Seen(
        tasks=tasks,
        rows={row.task_id: row for row in rows},
        annotations={row.annotation_id: row for row in standing},
        deliveries={row.task_id: row for row in wishes},
        inferences=list(inferences),
        accepted=accepted_labels(session, here),
        robot=stage.project.robot_id,
    )


def _ledger(session: Session, project_id: int, oracle: Oracle) -> Iterator[str]:
    check = verify_ledger(session, project_id)
    if check.broken_seq is not None:
        yield f"the ledger is broken at {check.broken_seq}: {check.why}"
    hashes: dict[int, str] = {}
    last: dict[int, tuple[Any, ...]] = {}
    for row in session.scalars(
        select(DecisionRow).where(DecisionRow.project_id == project_id).order_by(DecisionRow.seq)
    ):
        hashes[row.seq] = row.hash
        content = (
            *(row.model_version, row.policy_hash, row.certificate_id, row.outcome),
            *(row.purpose, row.tier, row.rule, row.label, row.score, row.draw),
        )
        if last.get(row.task_id) == content:
            yield f"decision {row.seq} on task {row.task_id} says what the one before said"
        last[row.task_id] = content
    for seq, head in oracle.chain.items():
        if hashes.get(seq) != head:
            yield f"decision {seq} was in the ledger as {head[:8]} and is not any more"


def _jobs(session: Session, project_id: int, oracle: Oracle) -> Iterator[str]:
    trainings = {
        row.id: row
        for row in session.scalars(
            select(TrainingRequestRow).where(TrainingRequestRow.project_id == project_id)
        )
    }
    yield from _differ("trainings asked for", oracle.trainings - trainings.keys(), ())
    made = [row.model_version for row in trainings.values() if row.model_version is not None]
    versions = session.scalars(select(ModelRow.version).where(ModelRow.project_id == project_id))
    yield from _differ("versions of trainings", made, versions)
    asked = {
        row.id: row.run_id
        for row in session.scalars(
            select(JobRequestRow).where(JobRequestRow.project_id == project_id)
        )
    }
    yield from _differ("jobs asked for", oracle.jobs - asked.keys(), ())
    yield from _differ("asked jobs without a run", (k for k, v in asked.items() if v is None), ())
    runs = Counter(run for run in asked.values() if run is not None)
    yield from _twice("runs of asked jobs", runs)
    yield from _differ("runs of asked jobs", runs, _runs(session, project_id, runs))


def _runs(session: Session, project_id: int, wanted: Iterable[int]) -> list[int]:
    """Those of the runs that came to their end."""
    return list(
        session.scalars(
            select(JobRunRow.id).where(
                JobRunRow.project_id == project_id,
                JobRunRow.id.in_(list(wanted)),
                JobRunRow.ended_at.is_not(None),
            )
        )
    )


def _tasks(seen: Seen, oracle: Oracle) -> Iterator[str]:
    places = Counter(
        task["data"]["place"] for task in seen.tasks if INFERENCE_KEY not in task["data"]
    )
    yield from _twice("imported texts", places)
    yield from _differ("imported texts", oracle.acknowledged_places - places.keys(), ())
    yield from _differ("texts nobody imported", places.keys() - oracle.places, ())
    ids = [task["id"] for task in seen.tasks]
    yield from _differ("tasks here and in Label Studio", seen.rows, ids)
    undecided = [row.task_id for row in seen.rows.values() if row.decision_seq is None]
    yield from _differ("tasks without a decision", undecided, ())


def _answers(seen: Seen, oracle: Oracle) -> Iterator[str]:
    words: Counter[str] = Counter()
    in_tool: dict[int, tuple[int, str]] = {}
    for task, annotation in _annotations(seen):
        [region] = annotation["result"]
        in_tool[annotation["id"]] = (task["id"], _topic(annotation))
        if annotation["completed_by"] == seen.robot:
            continue
        words[region["id"]] += 1
        given = oracle.answers.get(region["id"])
        if given is None or (given.task_id, given.topic) != in_tool[annotation["id"]]:
            yield f"annotation {annotation['id']} was never given so: {region} ({given})"
    yield from _twice("answers", words)
    yield from _differ("answers that were taken", oracle.acknowledged_answers - words.keys(), ())
    here = {row.annotation_id: (row.task_id, row.label) for row in seen.annotations.values()}
    yield from _differ("answers here and in Label Studio", here.items(), in_tool.items())


def _deliveries(seen: Seen, oracle: Oracle) -> Iterator[str]:
    by_robot: Counter[int] = Counter()
    for task, annotation in _annotations(seen):
        if annotation["completed_by"] == seen.robot:
            by_robot[task["id"]] += 1
            said, accepted = _topic(annotation), seen.accepted.get(task["id"])
            if said != accepted:
                yield f"task {task['id']} is accepted as {said}, not {accepted}"
    yield from _twice("accepted labels", by_robot)
    yield from _differ("accepted labels", by_robot, seen.accepted)
    for task in seen.tasks:
        versions = Counter(each["model_version"] for each in task["predictions"])
        # Label Studio stores what /predict said to somebody who opened the task without looking
        # again: one import meanwhile stands beside it (docs/faults.md, tests/contract).
        spare = int(task["id"] in oracle.opened)
        yield from _twice(
            f"predictions of task {task['id']}",
            {
                version: count if version.startswith(MARKERS) else count - spare
                for version, count in versions.items()
            },
        )
        row = seen.deliveries.get(task["id"])
        if row is None or row.state != "delivered":
            continue
        marked = {version for version in versions if version.startswith(MARKERS)}
        wished = set() if row.marker is None else {marker(row.marker)}
        if marked != wished:
            yield f"task {task['id']} is marked {marked}, wished {wished}"
        if not row.accepts and row.label is not None and row.model_version not in versions:
            yield f"task {task['id']} does not show {row.model_version}, only {set(versions)}"


def _inferences(seen: Seen, oracle: Oracle) -> Iterator[str]:
    kept = Counter(row.inference_id for row in seen.inferences)
    yield from _twice("inferences", kept)
    yield from _differ("inferences taken", oracle.acknowledged_inferences - kept.keys(), ())
    yield from _differ("inferences nobody sent", kept.keys() - oracle.inferences, ())
    waiting = [row.inference_id for row in seen.inferences if row.state in ("waiting", "drawn")]
    yield from _differ("inferences nobody has looked at", waiting, ())
    placed = {row.inference_id: row.task_id for row in seen.inferences if row.state == PLACED}
    tasks = defaultdict(list)
    for task in seen.tasks:
        if INFERENCE_KEY in task["data"]:
            tasks[task["data"][INFERENCE_KEY]["id"]].append(task["id"])
    yield from _differ(
        "tasks of inferences",
        ((name, task_id) for name, ids in tasks.items() for task_id in ids),
        placed.items(),
    )


def _topic(annotation: dict[str, Any]) -> str:
    return str(annotation["result"][0]["value"]["choices"][0])


def _annotations(seen: Seen) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for task in seen.tasks:
        for annotation in task["annotations"]:
            yield task, annotation


def _twice(what: str, counts: Mapping[Any, int]) -> Iterator[str]:
    doubled = {key: count for key, count in counts.items() if count > 1}
    if doubled:
        yield f"{what}: doubled {dict(list(doubled.items())[:_SHOWN])}"


def _differ(what: str, found: Iterable[Any], wanted: Iterable[Any]) -> Iterator[str]:
    """Where two sets should be one; an empty second set says that none of the first may be."""
    left, right = set(found), set(wanted)
    if left != right:
        more, less = sorted(left - right)[:_SHOWN], sorted(right - left)[:_SHOWN]
        yield f"{what}: {more} too many, {less} too few"
