"""What people said of the tasks whose answers have to be weighed, and what it came to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, update
from sqlalchemy.orm import Session

from backend.store.annotators import counting_users
from backend.store.consensus import Consensus, consensus_of, same_task
from backend.store.decisions import is_current
from backend.store.ledger import LedgerEntry, entry_of
from backend.store.tables import AnnotationRow, ConsensusRow, DecisionRow, GoldRow, TaskRow
from backend.store.votes import Vote, answers
from policies.adjudication import ESCALATION
from policies.domain import Purpose

_IDS_PER_STATEMENT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A person's newest word on a task: a label, or None for a skip or an empty form."""

    user_id: int
    label: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What a task's answers came to: the tier it waits for, or the label it has, or neither.

    ``wants_reader`` says that one more person of its tier is asked; where there is a label all the
    same it stands until that answer comes.
    """

    task_id: int
    escalated_to: str | None
    settled_label: str | None
    wants_reader: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighable:
    """A task with its current decision, what people said of it (oldest first) and what stands.

    ``consensus`` is what was last made of the answers, where more readers may be asked.
    """

    entry: LedgerEntry
    data: dict[str, Any]
    said: tuple[Said, ...]
    stands: Weighed
    consensus: Consensus | None


def weighable_tasks(
    session: Session,
    project_id: int,
    *,
    every: bool,
    readers: bool = False,
    audits: bool = False,
) -> list[Weighable]:
    """Decided tasks whose answers have to be weighed, or weighed anew, by task.

    Those whose answers differ or lack a label, those that were escalated or whose answers are no
    longer what was settled. With ``every`` all others too, once: tiers may not decide everything;
    with ``readers`` those that several people read: even equal answers may leave doubt; with
    ``audits`` every answered audit once: a second auditor may have to look. What is frozen is
    settled for good, and the truth of gold is known.
    """
    gold = select(GoldRow.task_id).where(GoldRow.project_id == project_id)
    due = [
        TaskRow.wants_reader.is_(True),
        TaskRow.escalated_to.is_not(None),
        DecisionRow.rule == ESCALATION,
        TaskRow.task_id.in_(_unlike(project_id)),
        TaskRow.settled_label.is_not(None)
        & ((TaskRow.human_labels == 0) | TaskRow.task_id.in_(_unsettled(project_id))),
    ]
    if every:
        due.append((TaskRow.human_labels > 0) & TaskRow.settled_label.is_(None))
    if readers:
        read = DecisionRow.purpose == Purpose.AGREEMENT.value
        due.append((TaskRow.human_labels > 1) & TaskRow.settled_label.is_(None) & read)
    if audits:
        audited = DecisionRow.purpose == Purpose.AUDIT.value
        due.append((TaskRow.human_labels > 0) & TaskRow.settled_label.is_(None) & audited)
    rows = session.execute(
        select(DecisionRow, TaskRow, ConsensusRow)
        .join(TaskRow, is_current())
        .outerjoin(ConsensusRow, same_task())
        .where(
            DecisionRow.project_id == project_id,
            TaskRow.deleted_at.is_(None),
            TaskRow.freeze_id.is_(None),
            TaskRow.task_id.not_in(gold),
            or_(*due),
        )
        .order_by(DecisionRow.task_id)
    ).all()
    said = _said(session, project_id, [row.DecisionRow.task_id for row in rows])
    return [
        Weighable(
            entry=entry_of(row.DecisionRow),
            data=row.TaskRow.data,
            said=said.get(row.DecisionRow.task_id, ()),
            stands=Weighed(
                task_id=row.TaskRow.task_id,
                escalated_to=row.TaskRow.escalated_to,
                settled_label=row.TaskRow.settled_label,
                wants_reader=row.TaskRow.wants_reader,
            ),
            consensus=None if row.ConsensusRow is None else consensus_of(row.ConsensusRow),
        )
        for row in rows
    ]


def store_weighed(session: Session, project_id: int, weighed: Sequence[Weighed]) -> None:
    """Note what these tasks' answers came to."""
    if weighed:
        session.execute(
            update(TaskRow),
            [
                {
                    "project_id": project_id,
                    "task_id": each.task_id,
                    "escalated_to": each.escalated_to,
                    "settled_label": each.settled_label,
                    "wants_reader": each.wants_reader,
                }
                for each in weighed
            ],
        )


def final_labels(
    session: Session,
    project_id: int,
    votes: Iterable[Vote],
    among: Sequence[int] | None = None,
) -> dict[int, str]:
    """One label for each task of ``votes``, where people's answers have come to one.

    What was weighed counts as it was settled, gold as what is known to be true. A task that waits
    for a more expert tier, or for one more reader, has none; an audit that a second auditor will
    look at keeps what it was settled with. Where ``among`` names the tasks that the votes are of,
    they are looked up, and no others are read.
    """
    labels = answers(votes)
    for task_id, escalated_to, settled, wants_reader in _weighed(session, project_id, among):
        if escalated_to is not None or (wants_reader and settled is None):
            labels.pop(task_id, None)
        elif settled is not None and task_id in labels:
            labels[task_id] = settled
    true = select(GoldRow.task_id, GoldRow.label).where(GoldRow.project_id == project_id)
    labels |= {task_id: label for task_id, label in session.execute(true) if task_id in labels}
    return labels


def _weighed(
    session: Session, project_id: int, among: Sequence[int] | None
) -> Iterator[Row[int, str | None, str | None, bool]]:
    query = select(
        TaskRow.task_id, TaskRow.escalated_to, TaskRow.settled_label, TaskRow.wants_reader
    ).where(
        TaskRow.project_id == project_id,
        or_(
            TaskRow.escalated_to.is_not(None),
            TaskRow.settled_label.is_not(None),
            TaskRow.wants_reader.is_(True),
        ),
    )
    if among is None:
        yield from session.execute(query)
        return
    for start in range(0, len(among), _IDS_PER_STATEMENT):
        chosen = TaskRow.task_id.in_(among[start : start + _IDS_PER_STATEMENT])
        yield from session.execute(query.where(chosen))


def settled_task_ids(session: Session, project_id: int) -> set[int]:
    """Tasks whose answers were weighed and came to a label."""
    return set(
        session.scalars(
            select(TaskRow.task_id).where(
                TaskRow.project_id == project_id, TaskRow.settled_label.is_not(None)
            )
        )
    )


def contested_task_ids(session: Session, project_id: int) -> list[int]:
    """Tasks that wait for the answer of a more expert tier, ascending."""
    return list(
        session.scalars(
            select(TaskRow.task_id)
            .where(
                TaskRow.project_id == project_id,
                TaskRow.deleted_at.is_(None),
                TaskRow.escalated_to.is_not(None),
            )
            .order_by(TaskRow.task_id)
        )
    )


def count_escalated(session: Session, project_id: int) -> dict[str, int]:
    """How many tasks wait for each tier's word on other people's answers."""
    rows = session.execute(
        select(TaskRow.escalated_to, func.count())
        .where(
            TaskRow.project_id == project_id,
            TaskRow.deleted_at.is_(None),
            TaskRow.escalated_to.is_not(None),
        )
        .group_by(TaskRow.escalated_to)
    )
    return {tier: count for tier, count in rows if tier is not None}


def _by_people(project_id: int) -> ColumnElement[bool]:
    return and_(
        AnnotationRow.project_id == project_id,
        AnnotationRow.by_robot.is_(False),
        AnnotationRow.deleted_at.is_(None),
        counting_users(),
    )


def _unlike(project_id: int) -> Select[int]:
    """Tasks with different labels, with a skip, or with a form that says no label."""
    bare = or_(AnnotationRow.was_cancelled.is_(True), AnnotationRow.label.is_(None))
    return (
        select(AnnotationRow.task_id)
        .where(_by_people(project_id))
        .group_by(AnnotationRow.task_id)
        .having((func.count(AnnotationRow.label.distinct()) > 1) | (func.count().filter(bare) > 0))
    )


def _unsettled(project_id: int) -> Select[int]:
    """Tasks with an answer that is not the label they were settled with."""
    return (
        select(AnnotationRow.task_id)
        .join(
            TaskRow,
            and_(
                TaskRow.project_id == AnnotationRow.project_id,
                TaskRow.task_id == AnnotationRow.task_id,
            ),
        )
        .where(_by_people(project_id), AnnotationRow.label != TaskRow.settled_label)
    )


def _said(
    session: Session, project_id: int, task_ids: Sequence[int]
) -> dict[int, tuple[Said, ...]]:
    newest: dict[int, dict[int, Said]] = {}
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        rows = session.execute(
            select(
                AnnotationRow.task_id,
                AnnotationRow.user_id,
                AnnotationRow.label,
                AnnotationRow.result,
                AnnotationRow.was_cancelled,
            )
            .where(
                _by_people(project_id),
                AnnotationRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
            )
            .order_by(AnnotationRow.created_at, AnnotationRow.annotation_id)
        )
        for task_id, user_id, label, result, was_cancelled in rows:
            if label is None and result and not was_cancelled:
                continue  # it answers another question than the one about the label
            said = newest.setdefault(task_id, {})
            said.pop(user_id, None)  # the newest word goes to the end
            said[user_id] = Said(user_id=user_id, label=None if was_cancelled else label)
    return {task_id: tuple(said.values()) for task_id, said in newest.items()}
