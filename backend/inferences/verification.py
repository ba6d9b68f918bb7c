"""Which tasks verify what a deployed model answered, beside the own model's answers to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sqlalchemy.orm import Session

from backend.store.inference_tasks import Verified, verified_by
from connectors.label_studio.answers import mentions, offers
from connectors.label_studio.labeling import Labeling
from policies.deployed import deployed_name
from policies.domain import Candidates, Monitored, column
from policies.monitoring_shares import percent


def with_monitored(
    session: Session, project_id: int, candidates: Candidates, labeling: Labeling
) -> Candidates:
    """The candidates with what is monitored among them.

    An answer that the labelling config no longer offers is none, as with the own model's.
    """
    task_ids = candidates.task_ids.tolist()
    found = {each.task_id: each for each in verified_by(session, project_id, task_ids)}
    if not found:
        return candidates
    rows = [found.get(task_id) for task_id in task_ids]
    labels = [None if each is None else _offered(labeling, each) for each in rows]
    scores = [
        np.nan if each is None or label is None or each.score is None else each.score
        for each, label in zip(rows, labels, strict=True)
    ]
    spoken = [() if label is None else mentions(labeling, label) for label in labels]
    return replace(
        candidates,
        monitored=Monitored(
            predictors=column(
                [None if each is None else deployed_name(each.model_version) for each in rows]
            ),
            labels=column(labels),
            scores=np.array(scores, np.float64),
            draws=np.array([np.nan if each is None else each.draw for each in rows]),
            shares=np.array([np.nan if each is None else each.share for each in rows]),
            reasons=column([None if each is None else _reason(each) for each in rows]),
            mentions=column(spoken) if labeling.speaks_of_more else None,
        ),
    )


def _offered(labeling: Labeling, verified: Verified) -> str | None:
    text = verified.predicted
    return text if offers(labeling, text) is None else None


def _reason(verified: Verified) -> str:
    why = verified.why or f"{percent(verified.share)} of answers like it"
    return f"drawn to verify {deployed_name(verified.model_version)} ({why})"
