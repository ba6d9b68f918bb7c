"""Use case: make tasks in Label Studio look as the decisions wish.

Every pass reads what is there, decides the difference and applies it in bulk, so a crash, a lost
answer or a second pass at any point loses and doubles nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from backend.job_progress import progress
from backend.prelabels import TaskData, prelabels_of, quoted
from backend.runtime import Runtime
from backend.store.annotators import stopped_users
from backend.store.deliveries import (
    NOTHING,
    Delivery,
    Wish,
    count_due,
    due_deliveries,
    mark_delivered,
    mark_failed,
    mark_left_to_people,
)
from backend.store.mirrors import MIRROR, answered_in_mirror
from backend.store.models import champion
from backend.store.projects import ConnectedProject
from connectors.annotation_tool import (
    AnnotationTool,
    AnnotationToolError,
    AnnotationToolRefusedError,
    Prelabel,
)
from connectors.label_studio.answers import answer_of, offers
from connectors.label_studio.labeling import Labeling, parse_labeling
from policies.deployed import is_deployed

CHUNK = 1_000
CONTROL_VIEW, AUDIT_VIEW = "Control", "Audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actual:
    """How the tasks of a chunk look in Label Studio now.

    ``robot_labels`` has the labels that the robot's standing annotations say, a list a task;
    ``touched`` are tasks that a person has worked on, or on whose copy in the mirror project, and
    whose answers count, ``edited`` those where a
    person changed the robot's own annotation, ``predicted`` those with predictions.
    """

    robot_labels: Mapping[int, list[str | None]]
    touched: frozenset[int]
    edited: frozenset[int]
    predicted: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPlan:
    """The difference between wish and reality, as bulk calls in the order they are made.

    ``left`` are wishes that a person's work has overtaken, ``settled`` those fulfilled already,
    ``stale`` those whose label the labelling config no longer offers.
    """

    withdraw: list[int]
    clear: list[int]
    prelabels: list[Prelabel]
    accept: dict[str, list[int]]
    overlaps: dict[int, int]
    left: list[Wish]
    settled: list[Wish]
    stale: list[Wish]
    working: list[Wish]


def deliver(runtime: Runtime, project: ConnectedProject, limit: int = CHUNK) -> dict[str, int]:
    """Deliver what is due, chunk by chunk; how many were delivered, left to people and failed.

    Raises the tool's error after noting it on every delivery of the chunk, so that the job run
    says why and the work is tried again later.
    """
    totals = {"delivered": 0, "left_to_people": 0, "failed": 0}
    with runtime.reads() as session:
        waiting = count_due(session, project.id, runtime.now())
    while True:
        with runtime.reads() as session:
            due = due_deliveries(session, project.id, runtime.now(), limit)
            serving = champion(session, project.id)
        if not due:
            return totals
        shown = None if serving is None else serving.version
        for name, count in _deliver_chunk(runtime, project, due, shown).items():
            totals[name] += count
        done = sum(totals.values())
        progress("writing into Label Studio", done / max(waiting, done))


def _deliver_chunk(
    runtime: Runtime, project: ConnectedProject, due: Sequence[Delivery], shown: str | None
) -> dict[str, int]:
    labeling = parse_labeling(project.label_config)
    with runtime.reads() as session:
        stopped = stopped_users(session, project.id)
        mirrored = answered_in_mirror(session, project.id, [each.wish.task_id for each in due])
        data = quoted(session, project.id, labeling, [each.wish for each in due])
    wishes = [delivery.wish for delivery in due]
    try:
        actual = gather_actual(runtime.tool(), project, labeling, (due, stopped))
        actual = replace(actual, touched=actual.touched | mirrored)
        plan = plan_delivery(due, actual, labeling, data)
        missing = _apply(runtime.tool(), project, plan)
        there = {p.model_version for p in plan.prelabels if p.task_id not in missing}
        _show(runtime.tool(), project, shown, there)
    except AnnotationToolError as error:
        with runtime.sessions.begin() as session:
            mark_failed(session, project.id, wishes, str(error), runtime.now())
        raise
    done = [w for w in (*plan.settled, *plan.working) if w.task_id not in missing]
    dropped = [w for w in plan.working if w.task_id in missing]
    now = runtime.now()
    with runtime.sessions.begin() as session:
        mark_delivered(session, project.id, done, now)
        mark_left_to_people(session, project.id, plan.left, now)
        mark_failed(session, project.id, dropped, "Label Studio took the batch without it", now)
        mark_failed(
            session, project.id, plan.stale, "the labelling config no longer offers it", now
        )
    return {
        "delivered": len(done),
        "left_to_people": len(plan.left),
        "failed": len(dropped) + len(plan.stale),
    }


def gather_actual(
    tool: AnnotationTool,
    project: ConnectedProject,
    labeling: Labeling,
    asked: tuple[Sequence[Delivery], Collection[int]],
) -> Actual:
    """Read how the tasks look: two filtered queries, empty for tasks that nobody has touched.

    ``asked`` are the deliveries, and the people whose answers have stopped counting.
    """
    due, stopped = asked
    ids = [delivery.wish.task_id for delivery in due]
    robot_labels: dict[int, list[str | None]] = {}
    touched: set[int] = set()
    edited: set[int] = set()
    for task in tool.annotated_among(project.id, ids):
        for annotation in task.annotations:
            if annotation.said_by(project.robot_id) == project.robot_id:
                label = answer_of(labeling, annotation.result)
                robot_labels.setdefault(task.id, []).append(label)
            elif not annotation.was_cancelled:
                if annotation.said_by(project.robot_id) not in stopped:
                    touched.add(task.id)
                edited.update([task.id] if annotation.user_id == project.robot_id else [])
    return Actual(
        robot_labels=robot_labels,
        touched=frozenset(touched),
        edited=frozenset(edited),
        predicted=frozenset(tool.predicted_among(project.id, ids)),
    )


def plan_delivery(
    due: Sequence[Delivery],
    actual: Actual,
    labeling: Labeling,
    data: TaskData = MappingProxyType({}),
) -> DeliveryPlan:
    """The difference between what is wished and what is there; pure.

    ``data`` is that of the tasks whose answers quote it, by task.
    """
    plan = DeliveryPlan(
        withdraw=[],
        clear=[],
        prelabels=[],
        accept=defaultdict(list),
        overlaps={},
        left=[],
        settled=[],
        stale=[],
        working=[],
    )
    for delivery in due:
        wish = delivery.wish
        standing = actual.robot_labels.get(wish.task_id, [])
        if wish.task_id in actual.touched and not delivery.asked_again:
            # A person's word stands; the robot's own, if any, is taken back.
            plan.left.append(wish)
            if standing and wish.task_id not in actual.edited:
                plan.withdraw.append(wish.task_id)
            continue
        if wish.label is not None and offers(labeling, wish.label) is not None:
            plan.stale.append(wish)
            continue
        if wish.accepts and standing == [wish.label]:
            plan.settled.append(wish)
            continue
        plan.working.append(wish)
        if standing and wish.task_id not in actual.edited:
            plan.withdraw.append(wish.task_id)
        if wish.task_id in actual.predicted:
            plan.clear.append(wish.task_id)
        plan.prelabels.extend(prelabels_of(wish, labeling, data.get(wish.task_id)))
        if wish.accepts and wish.model_version is not None:
            plan.accept[wish.model_version].append(wish.task_id)
        overlap = _own_overlap(wish.look)
        if overlap != _own_overlap(delivery.delivered or NOTHING):
            plan.overlaps[wish.task_id] = overlap
    return plan


def _own_overlap(look: Mapping[str, Any]) -> Any:
    """How many answers a look asks for in the task's own project; None where that is not known."""
    return 1 if look["marker"] == MIRROR and look["overlap"] is not None else look["overlap"]


def _apply(tool: AnnotationTool, project: ConnectedProject, plan: DeliveryPlan) -> set[int]:
    """Make the bulk calls; the task ids that Label Studio dropped without a word."""
    if plan.withdraw:
        tool.withdraw(project.id, plan.withdraw)
    if plan.clear:
        tool.clear_predictions(project.id, plan.clear)
    missing: set[int] = set()
    if plan.prelabels:
        created = tool.import_predictions(project.id, plan.prelabels)
        if created != len(plan.prelabels):
            missing = _dropped(tool, project, plan.prelabels, created)
    for version, task_ids in plan.accept.items():
        there = [task_id for task_id in task_ids if task_id not in missing]
        if there and tool.accept(project.id, there, version) != len(there):
            missing |= _not_accepted_once(tool, project, there)
    for task_id, overlap in plan.overlaps.items():
        if task_id not in missing:
            try:
                tool.set_overlap(task_id, overlap)
            except AnnotationToolRefusedError:  # the task is gone; the others must not wait for it
                missing.add(task_id)
    return missing


def _dropped(
    tool: AnnotationTool, project: ConnectedProject, prelabels: Sequence[Prelabel], created: int
) -> set[int]:
    """Tasks whose rows were not all imported; all tasks where the count cannot tell which."""
    rows = Counter(prelabel.task_id for prelabel in prelabels)
    missing = set(rows) - set(tool.predicted_among(project.id, sorted(rows)))
    dropped = sum(rows[task_id] for task_id in missing)
    return missing if len(prelabels) - created == dropped else set(rows)


def _not_accepted_once(
    tool: AnnotationTool, project: ConnectedProject, task_ids: Sequence[int]
) -> set[int]:
    """Tasks without the robot's annotation, or with two.

    Two come of two predictions: Label Studio asks for one of its own when a person opens a task
    that has none, which it is for a moment while it is delivered anew.
    """
    accepted = Counter(
        task.id
        for task in tool.annotated_among(project.id, task_ids)
        for annotation in task.annotations
        if annotation.user_id == project.robot_id
    )
    return {task_id for task_id in task_ids if accepted[task_id] != 1}


def _show(
    tool: AnnotationTool, project: ConnectedProject, version: str | None, there: set[str]
) -> None:
    """Let Label Studio show, and order by, the champion's scores once it has some of them.

    Label Studio fills in the answers of one version alone. Where no model serves it is a deployed
    model's; where one does, the deployed model's stand among the task's predictions.
    """
    if version is None:
        version = max((each for each in there if is_deployed(each)), default=None)
    if (
        version is not None
        and version in there
        and tool.project(str(project.id)).model_version != version
    ):
        tool.show_version(project.id, version)
