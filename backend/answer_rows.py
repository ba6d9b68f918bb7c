"""People's answers as the store keeps them: read by the labelling config, alike ones as one text.

What somebody said stands in ``result`` as it was said. ``label`` is the text that all comparisons
go by: an answer that is alike one that stands takes its text (ADR 0016).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from backend.sameness import likeness_in
from backend.store.answers import KnownAnswer, known_answers
from backend.store.decisions import decisions_of
from backend.store.projects import ConnectedProject
from backend.store.pseudonyms import pseudonyms_of
from connectors.annotation_tool import UNKNOWN_USER, Annotation
from connectors.label_studio.answers import answer_of
from connectors.label_studio.labeling import Labeling, parse_labeling
from policies.likeness import Likeness


def annotation_row(annotation: Annotation, labeling: Labeling, robot_id: int) -> dict[str, Any]:
    """An answer as the store keeps it (``backend.store.tasks.store_annotations``).

    One that was skipped without a word says nothing, whatever nothing means to its controls.
    """
    user_id = annotation.said_by(robot_id)
    silent = annotation.was_cancelled and not annotation.result
    return {
        "annotation_id": annotation.id,
        "task_id": annotation.task_id,
        "user_id": user_id,
        "by_robot": user_id == robot_id,
        "label": None if silent else answer_of(labeling, annotation.result),
        "result": annotation.result,
        "was_cancelled": annotation.was_cancelled,
        "ground_truth": annotation.ground_truth,
        "lead_time_s": annotation.lead_time_s,
        "parent_prediction_id": annotation.parent_prediction_id,
        "created_at": annotation.created_at,
        "updated_at": annotation.updated_at,
    }


def answer_rows(
    session: Session, project: ConnectedProject, annotations: Iterable[tuple[int, Annotation]]
) -> list[dict[str, Any]]:
    """The rows of these annotations, each with the task that it counts for."""
    labeling = parse_labeling(project.label_config)
    rows = [
        {**annotation_row(annotation, labeling, project.robot_id), "task_id": task_id}
        for task_id, annotation in annotations
    ]
    return anchored(session, project, _under_pseudonyms(session, project.id, rows))


def _under_pseudonyms(
    session: Session, project_id: int, rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Whose account is gone from Label Studio keeps the pseudonym that stands for him here."""
    authorless = [row["annotation_id"] for row in rows if row["user_id"] == UNKNOWN_USER]
    known = pseudonyms_of(session, project_id, authorless) if authorless else {}
    return [{**row, "user_id": known.get(row["annotation_id"], row["user_id"])} for row in rows]


def anchored(
    session: Session, project: ConnectedProject, rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The rows with the text of an answer that stands, wherever theirs is alike it.

    What stands is the current decision's answer, and then what people said, gold before the rest
    and then the earlier before the later. An answer keeps the text that it has once taken, as long
    as it says the same and is alike it.
    """
    likeness = likeness_in(project)
    if likeness.is_plain or not rows:
        return list(rows)
    ids = sorted({row["task_id"] for row in rows})
    decided = decisions_of(session, project.id, ids)
    known = known_answers(session, project.id, ids)
    by_task = defaultdict(list)
    for row in rows:
        by_task[row["task_id"]].append(row)
    made: list[dict[str, Any]] = []
    for task_id, own in by_task.items():
        decision = decided.get(task_id)
        said = None if decision is None else decision.label
        made += _anchored_of(likeness, own, known.get(task_id, {}), said)
    return made


def _anchored_of(
    likeness: Likeness,
    rows: Sequence[dict[str, Any]],
    known: Mapping[int, KnownAnswer],
    decided: str | None,
) -> list[dict[str, Any]]:
    """The rows of one task."""
    ids = {row["annotation_id"] for row in rows}
    # Read before, and not among these: the answers to the task's copy, or to the task itself.
    elsewhere = [each.label for key, each in known.items() if key not in ids and each.counts]
    standing = [text for text in (decided, *elsewhere) if text is not None]
    made = []
    for row in sorted(rows, key=_first):
        if row["label"] is None or row["by_robot"]:
            made.append(row)
            continue
        label = _kept(likeness, row, known.get(row["annotation_id"]))
        label = likeness.anchored(row["label"], standing) if label is None else label
        made.append({**row, "label": label})
        if not row["was_cancelled"]:
            standing.append(label)
    return made


def _kept(likeness: Likeness, row: Mapping[str, Any], before: KnownAnswer | None) -> str | None:
    if before is None or before.label is None or before.result != row["result"]:
        return None
    return before.label if likeness.alike(row["label"], before.label) else None


def _first(row: Mapping[str, Any]) -> tuple[bool, Any, int]:
    return not row["ground_truth"], row["created_at"], row["annotation_id"]
