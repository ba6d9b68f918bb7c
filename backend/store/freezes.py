"""Freezes: which accepts went out for good, under which evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import and_, bindparam, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.store.certificates import certificate_of
from backend.store.columns import Base
from backend.store.decisions import is_current
from backend.store.deliveries import DELIVERED
from backend.store.errors import FreezeTakenError
from backend.store.ledger import Grounds
from backend.store.promise_tables import FreezeRow
from backend.store.tables import DecisionRow, DeliveryRow, TaskRow
from policies.domain import (
    MODEL,
    BoolArray,
    Candidates,
    Certificate,
    IntArray,
    Outcome,
    Purpose,
)

EXPORT, AGE = "export", "age"
# Of the current decisions of tasks that no slice and no route takes.
_REACHED_AUTO_ACCEPT = ("auto_accept", "below_threshold", "no_certificate")
_IDS_PER_STATEMENT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A look at what may go out for good, and how many tasks did; fields as in ``FreezeRow``.

    ``evidence`` has the certificates of each lot that was looked at. ``id`` is set by the store.
    """

    number: int
    model_version: str
    policy_hash: str
    evidence: Mapping[str, tuple[Certificate, ...]]
    answers: int
    left_control: tuple[int, ...]
    tasks: int
    why: str
    frozen_at: datetime
    id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The tasks that auto-accept decided, that nobody has labelled and no freeze has taken.

    Columns of one length: the answers as they were decided, the decisions' numbers in the ledger,
    whether the answer is an accept that stands in Label Studio, whether an earlier freeze was
    before the task, and whether this one may be: not where an accept is under way or too new.
    """

    answers: Candidates
    seqs: IntArray
    accepted: BoolArray
    seen: BoolArray
    settled: BoolArray


def freezes(session: Session, project_id: int) -> list[Freeze]:
    """All freezes of a project, oldest first."""
    rows = session.scalars(
        select(FreezeRow).where(FreezeRow.project_id == project_id).order_by(FreezeRow.number)
    )
    return [_freeze(row) for row in rows]


def standing_answers(
    session: Session, project_id: int, grounds: Grounds, until: datetime
) -> Standing:
    """What was decided on these grounds, ``settled`` where that was at ``until`` or before.

    An accept under way, or one that Label Studio shows with another label, does not stand.
    """
    accepts = and_(
        DecisionRow.outcome == Outcome.ACCEPT.value, DecisionRow.purpose == Purpose.ROUTED.value
    )
    stands = and_(
        accepts,
        DeliveryRow.state == DELIVERED,
        DeliveryRow.accepts.is_(True),
        DeliveryRow.label == DecisionRow.label,
    )
    rows = session.execute(
        select(
            DecisionRow.task_id,
            DecisionRow.label,
            DecisionRow.score,
            DecisionRow.predictor,
            DecisionRow.seq,
            func.coalesce(stands, False).label("accepted"),
            TaskRow.first_freeze.is_not(None).label("seen"),
            and_(
                DecisionRow.decided_at <= until, or_(~accepts, func.coalesce(stands, False))
            ).label("settled"),
        )
        .join(TaskRow, is_current())
        .outerjoin(
            DeliveryRow,
            and_(
                DeliveryRow.project_id == TaskRow.project_id,
                DeliveryRow.task_id == TaskRow.task_id,
            ),
        )
        .where(
            DecisionRow.project_id == project_id,
            DecisionRow.model_version == grounds.model_version,
            DecisionRow.policy_hash == grounds.policy_hash,
            DecisionRow.certificate_id == grounds.certificate_id,
            DecisionRow.rule.in_(_REACHED_AUTO_ACCEPT),
            DecisionRow.score.is_not(None),
            TaskRow.deleted_at.is_(None),
            TaskRow.human_labels == 0,
            TaskRow.freeze_id.is_(None),
            TaskRow.escalated_to.is_(None),
        )
        .order_by(DecisionRow.task_id)
    ).all()
    ids, labels, scores, predictors, seqs, accepted, seen, settled = (
        zip(*rows, strict=True) if rows else ((),) * 8
    )
    return Standing(
        answers=Candidates(
            task_ids=np.array(ids, dtype=np.int64),
            labels=np.array(labels, dtype=np.object_),
            scores=np.array(scores, dtype=np.float64),
            problems=np.full(len(ids), None, dtype=np.object_),
            fields={},
            predictors=np.array([each or MODEL for each in predictors], dtype=np.object_),
        ),
        seqs=np.array(seqs, dtype=np.int64),
        accepted=np.array(accepted, dtype=np.bool_),
        seen=np.array(seen, dtype=np.bool_),
        settled=np.array(settled, dtype=np.bool_),
    )


def seen_before(
    session: Session, project_id: int, task_ids: Sequence[int], until: datetime
) -> dict[int, bool]:
    """Task id -> whether an earlier freeze was offered it; tasks decided until then alone."""
    found: dict[int, bool] = {}
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        rows = session.execute(
            select(TaskRow.task_id, TaskRow.first_freeze.is_not(None))
            .join(DecisionRow, is_current())
            .where(
                TaskRow.project_id == project_id,
                TaskRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
                DecisionRow.decided_at <= until,
            )
        )
        found.update((task_id, bool(seen)) for task_id, seen in rows)
    return found


def store_freeze(
    session: Session,
    project_id: int,
    freeze: Freeze,
    taken: Mapping[int, int],
    offered: Sequence[int],
) -> Freeze:
    """Keep a freeze and make the accepts final that were ``taken``: task id -> decision's number.

    One that a person labelled, or that was decided anew since it was read, is left out. ``offered``
    are the tasks that it was the first freeze to look at.

    Raises
        FreezeTakenError: the number is spent; nothing is stored.
    """
    row = FreezeRow(
        project_id=project_id,
        number=freeze.number,
        model_version=freeze.model_version,
        policy_hash=freeze.policy_hash,
        evidence={
            lot: [each.as_json() for each in certificates]
            for lot, certificates in freeze.evidence.items()
        },
        answers=freeze.answers,
        left_control=list(freeze.left_control),
        tasks=0,
        why=freeze.why,
        frozen_at=freeze.frozen_at,
    )
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:
        raise FreezeTakenError(
            f"another process stored freeze {freeze.number} of project {project_id} meanwhile: "
            "run it again"
        ) from error
    _take(session, project_id, row.id, taken)
    for start in range(0, len(offered), _IDS_PER_STATEMENT):
        session.execute(
            update(TaskRow)
            .where(
                TaskRow.project_id == project_id,
                TaskRow.task_id.in_(offered[start : start + _IDS_PER_STATEMENT]),
                TaskRow.first_freeze.is_(None),
            )
            .values(first_freeze=freeze.number)
            .execution_options(synchronize_session=False)
        )
    row.tasks = (
        session.scalar(
            select(func.count())
            .select_from(TaskRow)
            .where(TaskRow.project_id == project_id, TaskRow.freeze_id == row.id)
        )
        or 0
    )
    session.flush()
    return _freeze(row)


def _take(session: Session, project_id: int, freeze_id: int, taken: Mapping[int, int]) -> None:
    if not taken:
        return
    table = Base.metadata.tables[TaskRow.__tablename__]
    session.connection().execute(
        update(table)
        .where(
            table.c.project_id == project_id,
            table.c.task_id == bindparam("id"),
            table.c.decision_seq == bindparam("seq"),
            table.c.human_labels == 0,
            table.c.deleted_at.is_(None),
            table.c.freeze_id.is_(None),
        )
        .values(freeze_id=freeze_id),
        [{"id": task_id, "seq": seq} for task_id, seq in taken.items()],
    )


def _freeze(row: FreezeRow) -> Freeze:
    return Freeze(
        id=row.id,
        number=row.number,
        model_version=row.model_version,
        policy_hash=row.policy_hash,
        evidence={
            lot: tuple(certificate_of(each) for each in certificates)
            for lot, certificates in row.evidence.items()
        },
        answers=row.answers,
        left_control=tuple(row.left_control),
        tasks=row.tasks,
        why=row.why,
        frozen_at=row.frozen_at,
    )
