"""Answers of models that are paid for each question, kept so that no task is asked about twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.store.model_tables import ModelAnswerRow
from backend.store.upsert import upsert

_CHUNK = 500  # ids in one statement


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """A raw answer to a task: what was shown of it (by hash), the text, the score."""

    task_id: int
    shown: str
    text: str
    score: float


def kept_answers(
    session: Session, project_id: int, fingerprint: str, task_ids: Sequence[int]
) -> dict[int, KeptAnswer]:
    """By task, what a model under this fingerprint answered before."""
    found: dict[int, KeptAnswer] = {}
    for start in range(0, len(task_ids), _CHUNK):
        rows = session.scalars(
            select(ModelAnswerRow).where(
                ModelAnswerRow.project_id == project_id,
                ModelAnswerRow.fingerprint == fingerprint,
                ModelAnswerRow.task_id.in_(task_ids[start : start + _CHUNK]),
            )
        )
        for row in rows:
            found[row.task_id] = KeptAnswer(
                task_id=row.task_id, shown=row.shown, text=row.text, score=row.score
            )
    return found


def keep_answers(
    session: Session, project_id: int, fingerprint: str, answers: Iterable[KeptAnswer]
) -> None:
    """Keep answers; a newer one to the same task takes the place of the old."""
    upsert(
        session,
        ModelAnswerRow,
        [
            {
                "project_id": project_id,
                "task_id": each.task_id,
                "fingerprint": fingerprint,
                "shown": each.shown,
                "text": each.text,
                "score": each.score,
            }
            for each in answers
        ],
    )
