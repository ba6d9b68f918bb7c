"""What each version was made of, kept whole: the examples it learned from, config and policy.

In the database and not beside the model file: it is written in the transaction that records the
version, and goes wherever a backup of the store goes. A hundred thousand examples are about 4 MB.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.store.model_tables import LineageRow
from backend.store.tables import AnnotationRow, PolicyRow
from backend.store.votes import human

_IDS_PER_STATEMENT = 5_000


class LineageError(Exception):
    """What is stored of a version's making is damaged; the message says of which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A task that a version learned from.

    ``answer`` is what people's annotations (``annotation_ids``) had come to, ``weight`` how much it
    counted, ``data`` a hash of what the task said then.
    """

    task_id: int
    answer: str
    weight: float
    data: str
    annotation_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """All that a version is made again from, beside its seed and code (in ``models.lineage``).

    ``holdout`` says which holdout answers it got right when it was measured, by task.
    """

    policy_hash: str
    label_config: str
    examples: tuple[Example, ...]
    holdout: Mapping[int, bool] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """The hash of the examples as they are stored."""
        return hashlib.sha256(_as_bytes(self.examples)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Of a lineage what versions are compared by: by task the answer and how much it counted.

    ``holdout`` is that of the lineage.
    """

    answers: Mapping[int, tuple[str, float]]
    holdout: Mapping[int, bool]


def store_lineage(session: Session, project_id: int, version: str, lineage: Lineage) -> None:
    """Keep what a version was made of; once, with the version."""
    right = sorted(task for task, is_right in lineage.holdout.items() if is_right)
    wrong = sorted(task for task, is_right in lineage.holdout.items() if not is_right)
    content = _as_bytes(lineage.examples)
    session.add(
        LineageRow(
            project_id=project_id,
            version=version,
            policy_hash=lineage.policy_hash,
            label_config=lineage.label_config,
            examples=zlib.compress(content),
            examples_sha256=hashlib.sha256(content).hexdigest(),
            holdout=zlib.compress(orjson.dumps({"right": right, "wrong": wrong})),
        )
    )
    session.flush()


def lineage_of(session: Session, project_id: int, version: str) -> Lineage | None:
    """What a version was made of; None for one that was trained before this was kept.

    Raises ``LineageError`` where the stored examples are not those that were written.
    """
    row = session.get(LineageRow, (project_id, version))
    if row is None:
        return None
    return Lineage(
        policy_hash=row.policy_hash,
        label_config=row.label_config,
        examples=tuple(
            Example(
                task_id=task_id,
                answer=answer,
                weight=weight,
                data=data,
                annotation_ids=tuple(annotation_ids),
            )
            for task_id, answer, weight, data, annotation_ids in _stored_examples(row)
        ),
        holdout=_measured(row.holdout),
    )


def learned_of(session: Session, project_id: int, version: str) -> Learned | None:
    """The part of ``lineage_of`` that a comparison takes, without the rest being made."""
    row = session.get(LineageRow, (project_id, version))
    if row is None:
        return None
    return Learned(
        answers={each[0]: (each[1], each[2]) for each in _stored_examples(row)},
        holdout=_measured(row.holdout),
    )


def versions_taught_by(session: Session, project_id: int, task_ids: Collection[int]) -> list[str]:
    """The versions that learned from any of these tasks."""
    wanted = set(task_ids)
    rows = session.scalars(select(LineageRow).where(LineageRow.project_id == project_id))
    return [row.version for row in rows if any(each[0] in wanted for each in _stored_examples(row))]


def erase_examples(session: Session, project_id: int, task_ids: Collection[int]) -> None:
    """Take out what these tasks were answered; that a version learned from them stays."""
    wanted = set(task_ids)
    for row in session.scalars(select(LineageRow).where(LineageRow.project_id == project_id)):
        stored = _stored_examples(row)
        left = [[each[0], "", *each[2:]] if each[0] in wanted else each for each in stored]
        if left != stored:
            content = orjson.dumps(left)
            row.examples = zlib.compress(content)
            row.examples_sha256 = hashlib.sha256(content).hexdigest()
    session.flush()


def _stored_examples(row: LineageRow) -> list[list[Any]]:
    """As ``_as_bytes`` writes them. Raises ``LineageError`` where they are others."""
    try:
        content = zlib.decompress(row.examples)
    except zlib.error as error:
        raise LineageError(
            f"the examples of {row.version} cannot be read: {error}; restore the database from a "
            "backup"
        ) from error
    if hashlib.sha256(content).hexdigest() != row.examples_sha256:
        raise LineageError(
            f"the examples of {row.version} are not those that were stored: restore the database "
            "from a backup, or train a new version"
        )
    examples: list[list[Any]] = orjson.loads(content)
    return examples


def holdout_answers(session: Session, project_id: int) -> dict[str, dict[int, bool]]:
    """Which holdout tasks each version got right when it was measured, by version."""
    rows = session.execute(
        select(LineageRow.version, LineageRow.holdout).where(LineageRow.project_id == project_id)
    )
    return {version: _measured(holdout) for version, holdout in rows}


def annotations_of(
    session: Session, project_id: int, task_ids: Sequence[int]
) -> dict[int, tuple[int, ...]]:
    """The ids of the human annotations with a label that count now, ascending, by task."""
    found: dict[int, list[int]] = {}
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        rows = session.execute(
            select(AnnotationRow.task_id, AnnotationRow.annotation_id)
            .where(
                AnnotationRow.project_id == project_id,
                AnnotationRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
                AnnotationRow.label.is_not(None),
                *human(),
            )
            .order_by(AnnotationRow.annotation_id)
        )
        for task_id, annotation_id in rows:
            found.setdefault(task_id, []).append(annotation_id)
    return {task_id: tuple(ids) for task_id, ids in found.items()}


def policy_text(session: Session, policy_hash: str) -> str | None:
    """The text of a policy that was in force once; None where it is unknown here."""
    return session.scalar(select(PolicyRow.text).where(PolicyRow.hash == policy_hash))


def data_hash(data: Mapping[str, Any]) -> str:
    """A short hash of a task's data: 48 bits, to tell that somebody edited it."""
    content = orjson.dumps(dict(data), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(content).hexdigest()[:12]


def _as_bytes(examples: Sequence[Example]) -> bytes:
    return orjson.dumps(
        [
            [each.task_id, each.answer, each.weight, each.data, list(each.annotation_ids)]
            for each in sorted(examples, key=lambda example: example.task_id)
        ]
    )


def _measured(compressed: bytes) -> dict[int, bool]:
    stored = orjson.loads(zlib.decompress(compressed))
    return dict.fromkeys(stored["right"], True) | dict.fromkeys(stored["wrong"], False)
