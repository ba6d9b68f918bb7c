"""Which of the labelled tasks belong to which slice, and what people answered there.

Membership is drawn from the policy's salt and the task's id alone, never looked up: a task that a
person labelled before Labelgate knew it is in its slice all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy.orm import Session

from backend.store.certificates import withdrawn_at
from backend.store.drift import drifted_at
from backend.store.escalations import final_labels
from backend.store.projects import ConnectedProject
from backend.store.votes import answered_after, human_votes
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
    """All human answers, split so that no task is trained on and measured on.

    A contested task has no answer until a more expert tier settles it.
    """
    labels = final_labels(session, project.id, human_votes(session, project.id))
    ids = np.fromiter(sorted(labels), dtype=np.int64, count=len(labels))
    draw = draws(policy.salt, SLICE, ids)
    control = draw < policy.control.share
    holdout = draw >= 1 - policy.holdout.share

    def of(mask: BoolArray) -> dict[int, str]:
        return {int(task_id): labels[int(task_id)] for task_id in ids[mask]}

    return LabelledSlices(
        training=of(~control & ~holdout), control=of(control), holdout=of(holdout)
    )


def proving_since(session: Session, project_id: int, model_version: str) -> datetime | None:
    """From when on control answers prove something of a version; None: from the first one on."""
    times = (withdrawn_at(session, project_id, model_version), drifted_at(session, project_id))
    return max((time for time in times if time is not None), default=None)


def control_answers(
    session: Session, project: ConnectedProject, policy: Policy, model_version: str
) -> dict[int, str]:
    """Task id -> people's answer to the control tasks that prove something of this version.

    Where the version's promise was withdrawn, that is what was answered afterwards alone: the
    answers before proved a promise that did not hold. After drift it is so for every version:
    they are about traffic that does not come any more.
    """
    control = labelled_slices(session, project, policy).control
    since = proving_since(session, project.id, model_version)
    if since is None:
        return control
    later = answered_after(session, project.id, since)
    return {task_id: label for task_id, label in control.items() if task_id in later}
