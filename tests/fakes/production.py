"""What a deployed model answered, written into the store as intake and sampling would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
from sqlalchemy.orm import Session

from backend.store.inference_tables import InferenceDayRow, InferenceRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer; with a ``task_id`` it was drawn and placed, whatever ``state`` says."""

    at: datetime
    predicted: str
    model_version: str = "deployed-1"
    score: float | None = 0.9
    share: float = 0.1
    state: str = "passed"
    task_id: int | None = None
    slices: Mapping[str, Any] | None = None
    data: Mapping[str, Any] | None = None


def add_answers(
    session: Session, project_id: int, answers: Sequence[Answer], prefix: str = "a"
) -> None:
    """Store the answers, and count all but those that wait."""
    draws = np.random.default_rng(len(prefix) + len(answers)).random(len(answers)).tolist()
    session.add_all(
        InferenceRow(
            project_id=project_id,
            inference_id=f"{prefix}{place}",
            model_version=each.model_version,
            predicted=each.predicted,
            score=each.score,
            data=None if each.data is None else dict(each.data),
            data_sha256=None,
            slices=None if each.slices is None else dict(each.slices),
            at=each.at.astimezone(UTC),
            received_at=each.at.astimezone(UTC),
            state=each.state if each.task_id is None else "placed",
            share=None if each.state == "waiting" else each.share,
            draw=None if each.state == "waiting" else draw,
            why=None,
            task_id=each.task_id,
        )
        for place, (each, draw) in enumerate(zip(answers, draws, strict=True))
    )
    count(session, project_id, answers)


def count(session: Session, project_id: int, answers: Sequence[Answer], times: int = 1) -> None:
    """Count answers as they are looked at, each so many times."""
    counts = Counter(
        (
            each.at.astimezone(UTC).date().isoformat(),
            each.model_version,
            each.predicted,
            "" if each.slices is None else orjson.dumps(dict(each.slices)).decode(),
        )
        for each in answers
        if each.state != "waiting"
    )
    for (day, version, predicted, part), number in counts.items():
        key = (project_id, day, version, predicted, part)
        row = session.get(InferenceDayRow, key)
        if row is None:
            row = InferenceDayRow(
                project_id=project_id,
                day=day,
                model_version=version,
                predicted=predicted,
                slice=part,
                answers=0,
            )
            session.add(row)
        row.answers += number * times
    session.flush()
