"""Which of the labelled tasks belong to which slice, and what people answered there.

Membership is drawn from the policy's salt and the task's id alone, never looked up: a task that a
person labelled before Labelgate knew it is in its slice all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from backend.store.projects import ConnectedProject
from backend.store.tasks import answers, human_votes
from policies.domain import BoolArray
from policies.sampling import SLICE, draws
from policies.schema import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSlices:
    """Task id -> the label that people gave, apart for each use that a label may have."""

    training: dict[int, str]
    control: dict[int, str]
    holdout: dict[int, str]


def labelled_slices(session: Session, project: ConnectedProject, policy: Policy) -> LabelledSlices:
    """All human answers, split so that no task is trained on and measured on."""
    labels = answers(human_votes(session, project.id))
    ids = np.fromiter(sorted(labels), dtype=np.int64, count=len(labels))
    draw = draws(policy.salt, SLICE, ids)
    control = draw < policy.control.share
    holdout = draw >= 1 - policy.holdout.share

    def of(mask: BoolArray) -> dict[int, str]:
        return {int(task_id): labels[int(task_id)] for task_id in ids[mask]}

    return LabelledSlices(
        training=of(~control & ~holdout), control=of(control), holdout=of(holdout)
    )
