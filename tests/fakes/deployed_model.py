"""A deployed model that hands in what it answered, and what is noted of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from backend.inferences import job
from backend.inferences.masking import masked, slice_values
from backend.store.inference_tables import InferenceDayRow, InferenceRow
from backend.store.inferences import Inference, store_inferences
from connectors.inference_data import data_sha256
from policies.loading import parse_policy
from tests.fakes.worked_project import WorkedProject, text_of

VERSION = "2026-02"


def data_of(number: int, **more: Any) -> dict[str, Any]:
    return {"text": text_of("fruit", number), **more}


def hand_in(
    worked: WorkedProject,
    predicted: Sequence[str],
    *,
    first: int = 0,
    scores: Sequence[float | None] | None = None,
    data: Sequence[dict[str, Any]] | None = None,
    at: datetime | None = None,
    version: str = VERSION,
) -> list[str]:
    """Answers as the intake stores them under the policy in force; their ids."""
    rules = parse_policy(worked.project.policy_text).monitoring
    sent = data or [data_of(first + place) for place in range(len(predicted))]
    rows = [
        Inference(
            inference_id=f"req-{first + place}",
            model_version=version,
            predicted=label,
            score=0.75 if scores is None else scores[place],
            data=masked(each, rules.mask) if rules.keep == "data" else None,
            data_sha256=data_sha256(each),
            slices=slice_values(each, rules.slices) or None,
            at=at,
        )
        for place, (label, each) in enumerate(zip(predicted, sent, strict=True))
    ]
    with worked.runtime.sessions.begin() as session:
        store_inferences(session, worked.project_id, rows, worked.clock())
    return [each.inference_id for each in rows]


def run(worked: WorkedProject) -> dict[str, int]:
    """The job, once."""
    return job.run(worked.runtime, worked.project)


def noted(worked: WorkedProject) -> dict[str, InferenceRow]:
    """All inferences by id."""
    with worked.runtime.reads() as session:
        rows = session.scalars(select(InferenceRow).order_by(InferenceRow.id))
        return {row.inference_id: row for row in rows}


def states(worked: WorkedProject) -> dict[str, int]:
    """How many inferences are in each state."""
    found: dict[str, int] = {}
    for row in noted(worked).values():
        found[row.state] = found.get(row.state, 0) + 1
    return found


def day_rows(worked: WorkedProject) -> dict[tuple[str, str, str, str], int]:
    """(day, version, predicted, slice) -> answers."""
    with worked.runtime.reads() as session:
        rows = session.scalars(select(InferenceDayRow))
        return {(r.day, r.model_version, r.predicted, r.slice): r.answers for r in rows}
