"""Erasing what is known of the people whom tasks are about, and of accounts.

Figures stay: how many, which outcome, which score. Entries of the ledger keep their place and hash,
and get a second hash that seals what is left of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Text, delete, or_, select, type_coerce, update
from sqlalchemy.orm import DeclarativeBase, Session

from backend.store.inference_tables import InferenceRow
from backend.store.ledger import ANSWERS, GENESIS, erasure_hash
from backend.store.lineages import erase_examples
from backend.store.model_tables import EmbeddingRow, ModelAnswerRow, ShadowAnswerRow, ShadowRow
from backend.store.page_tables import (
    AccountRow,
    AccountTokenRow,
    ActRow,
    JobRequestRow,
    ShareLinkRow,
    WebSessionRow,
)
from backend.store.tables import (
    AnnotationRow,
    ConsensusRow,
    DecisionRow,
    DeliveryRow,
    GoldRow,
    TaskRow,
)

_IDS_PER_STATEMENT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedTasks:
    """How many tasks were erased, how many people's answers, and entries of the ledger."""

    tasks: int = 0
    annotations: int = 0
    decisions: int = 0

    def __add__(self, other: ErasedTasks) -> ErasedTasks:
        return ErasedTasks(
            tasks=self.tasks + other.tasks,
            annotations=self.annotations + other.annotations,
            decisions=self.decisions + other.decisions,
        )


def gone_tasks(
    session: Session, project_id: int, task_ids: Sequence[int] | None, before: datetime, most: int
) -> list[int]:
    """Tasks that were gone from Label Studio before then and are not erased yet, by id.

    ``task_ids`` are those that are asked for, by default all. One that was erased is not any more
    where it says something again: it had been read before it was deleted, and was stored after.
    """
    says_something = type_coerce(TaskRow.data, Text) != "{}"
    chosen = select(TaskRow.task_id).where(
        TaskRow.project_id == project_id,
        TaskRow.deleted_at <= before,
        or_(TaskRow.erased_at.is_(None), says_something),
    )
    if task_ids is not None:
        chosen = chosen.where(TaskRow.task_id.in_(task_ids))
    return list(session.scalars(chosen.order_by(TaskRow.task_id).limit(most)))


def standing_tasks(session: Session, project_id: int, task_ids: Sequence[int]) -> list[int]:
    """Those of these tasks that are still in Label Studio as far as is known, by id."""
    return list(
        session.scalars(
            select(TaskRow.task_id)
            .where(
                TaskRow.project_id == project_id,
                TaskRow.task_id.in_(task_ids),
                TaskRow.deleted_at.is_(None),
            )
            .order_by(TaskRow.task_id)
        )
    )


def erase_tasks(
    session: Session, project_id: int, task_ids: Sequence[int], now: datetime, *, answers: bool
) -> ErasedTasks:
    """Erase what these tasks say, and what was marked in them.

    ``answers`` says whether people's and models' answers are erased too: where they are written
    texts or numbers, which tell of the person. Labels of a list stay, for figures rest on them.
    """
    session.execute(
        update(TaskRow).where(*_of(TaskRow, project_id, task_ids)).values(data={}, erased_at=now)
    )
    marked = update(AnnotationRow).where(*_of(AnnotationRow, project_id, task_ids))
    annotations = session.execute(marked.values(result=[]))
    session.execute(delete(ModelAnswerRow).where(*_of(ModelAnswerRow, project_id, task_ids)))
    session.execute(
        update(InferenceRow)
        .where(*_of(InferenceRow, project_id, task_ids))
        .values(data=None, data_sha256=None, slices=None)
    )
    decisions = _erase_answers(session, project_id, task_ids) if answers else 0
    return ErasedTasks(
        tasks=len(task_ids),
        annotations=annotations.rowcount,  # type: ignore[attr-defined]  # an UPDATE has one
        decisions=decisions,
    )


def erase_vectors(session: Session, text_hashes: Sequence[bytes]) -> None:
    """Delete the vectors of texts with these hashes, whatever the encoder."""
    for start in range(0, len(text_hashes), _IDS_PER_STATEMENT):
        some = text_hashes[start : start + _IDS_PER_STATEMENT]
        session.execute(delete(EmbeddingRow).where(EmbeddingRow.text_hash.in_(some)))


def erase_account(session: Session, name: str, now: datetime) -> str | None:
    """Close the account for good; the name that stands in its place in all trails.

    None where there is no such account. Its row stays: other rows refer to it.
    """
    row = session.scalar(select(AccountRow).where(AccountRow.name == name))
    if row is None:
        return None
    stands_in = f"erased-{row.id}"
    row.name, row.password, row.disabled_at = stands_in, None, row.disabled_at or now
    session.execute(
        update(AccountTokenRow)
        .where(AccountTokenRow.account_id == row.id)
        .values(note="", revoked_at=now)
    )
    session.execute(delete(WebSessionRow).where(WebSessionRow.account_id == row.id))
    for column in (ActRow.who, ShareLinkRow.made_by, JobRequestRow.asked_by):
        session.execute(update(column.class_).where(column == name).values({column.key: stands_in}))
    for act in session.scalars(select(ActRow).where(ActRow.what.startswith("account."))):
        if act.detail.get("account") == name:
            act.detail = {**act.detail, "account": stands_in}
    session.flush()
    return stands_in


def _erase_answers(session: Session, project_id: int, task_ids: Sequence[int]) -> int:
    """What was answered to these tasks, by anybody; how many entries of the ledger said it."""
    for row, nothing in (
        (TaskRow, {"settled_label": None}),
        (AnnotationRow, {"label": None}),
        (InferenceRow, {"predicted": ""}),
    ):
        session.execute(update(row).where(*_of(row, project_id, task_ids)).values(nothing))
    for gone in (ConsensusRow, GoldRow, DeliveryRow):
        session.execute(delete(gone).where(*_of(gone, project_id, task_ids)))
    erase_examples(session, project_id, task_ids)
    shadows = select(ShadowRow.id).where(ShadowRow.project_id == project_id)
    session.execute(
        delete(ShadowAnswerRow).where(
            ShadowAnswerRow.shadow_id.in_(shadows), ShadowAnswerRow.task_id.in_(task_ids)
        )
    )
    return _erase_decided(session, project_id, task_ids)


def _of(row: type[DeclarativeBase], project_id: int, task_ids: Sequence[int]) -> tuple[Any, ...]:
    """The condition for the rows of these tasks."""
    columns = row.__table__.c
    return columns.project_id == project_id, columns.task_id.in_(task_ids)


def _erase_decided(session: Session, project_id: int, task_ids: Sequence[int]) -> int:
    """Take the answers out of these tasks' entries, which keep place and hash; how many."""
    rows = session.scalars(
        select(DecisionRow).where(
            DecisionRow.project_id == project_id,
            DecisionRow.task_id.in_(task_ids),
            DecisionRow.erasure_hash.is_(None),
        )
    ).all()
    before = _hashes_of(session, project_id, [row.seq - 1 for row in rows])
    for row in rows:
        for name in ANSWERS:
            setattr(row, name, None)
        left = {column.key: getattr(row, column.key) for column in DecisionRow.__table__.columns}
        row.erasure_hash = erasure_hash(left, before.get(row.seq - 1, GENESIS))
    session.flush()
    return len(rows)


def _hashes_of(session: Session, project_id: int, seqs: Sequence[int]) -> dict[int, str]:
    """The hashes of these entries by number."""
    found: dict[int, str] = {}
    for start in range(0, len(seqs), _IDS_PER_STATEMENT):
        chosen = select(DecisionRow.seq, DecisionRow.hash).where(
            DecisionRow.project_id == project_id,
            DecisionRow.seq.in_(seqs[start : start + _IDS_PER_STATEMENT]),
        )
        found.update(dict(session.execute(chosen).all()))
    return found
