"""Which of the labelled tasks belong to which slice, and what people answered there.

Membership is drawn from the policy's salt and the task's id alone, never looked up: a task that a
person labelled before Labelgate knew it is in its slice all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from sqlalchemy.orm import Session

from backend.store.certificates import withdrawn_at
from backend.store.consensus import consensus_by_task
from backend.store.drift import drifted_at
from backend.store.escalations import final_labels, settled_task_ids
from backend.store.gold import gold_task_ids
from backend.store.models import may_have_learned_until
from backend.store.projects import ConnectedProject
from backend.store.votes import Vote, answered_after, human_votes
from policies.domain import BoolArray
from policies.sampling import SLICE, draws
from policies.schema import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSlices:
    """Task id -> the label that people gave, apart for each use that a label may have.

    ``weights`` says how much a training label counts where it is not sure: its probability, by
    task; every other one counts 1.
    """

    training: dict[int, str]
    control: dict[int, str]
    holdout: dict[int, str]
    weights: Mapping[int, float] = field(default_factory=dict)


def labelled_slices(session: Session, project: ConnectedProject, policy: Policy) -> LabelledSlices:
    """All human answers, split so that no task is trained on and measured on.

    A contested task has no answer until a more expert tier settles it.
    """
    votes = human_votes(session, project.id)
    labels = final_labels(session, project.id, votes)
    ids = np.fromiter(sorted(labels), dtype=np.int64, count=len(labels))
    draw = draws(policy.salt, SLICE, ids)
    control = draw < policy.control.share
    holdout = draw >= 1 - policy.holdout.share

    def of(mask: BoolArray) -> dict[int, str]:
        return {int(task_id): labels[int(task_id)] for task_id in ids[mask]}

    training = of(~control & ~holdout)
    return LabelledSlices(
        training=training,
        control=of(control),
        holdout=of(holdout),
        weights=_weights(session, project.id, votes, training),
    )


def _weights(
    session: Session, project_id: int, votes: Iterable[Vote], labels: Mapping[int, str]
) -> dict[int, float]:
    """How probable each of these labels is, where people differ; those that are sure are left out.

    The consensus of the task's answers says it where one was taken of these very answers, else the
    share of the people who said so. What was settled without one, by whoever is most expert, and
    gold are what they are.
    """
    said: dict[int, list[str]] = {}
    for vote in votes:
        said.setdefault(vote.task_id, []).append(vote.label)
    gold, settled = gold_task_ids(session, project_id), settled_task_ids(session, project_id)
    consensus = consensus_by_task(session, project_id)
    weights = {}
    for task_id, label in labels.items():
        found = consensus.get(task_id)
        if task_id in gold:
            continue
        if found is not None and found.label == label and found.answers == len(said[task_id]):
            weights[task_id] = found.confidence
        elif task_id not in settled and len(set(said[task_id])) > 1:
            weights[task_id] = said[task_id].count(label) / len(said[task_id])
    return {task_id: weight for task_id, weight in weights.items() if 0 < weight < 1}


def proving_since(session: Session, project_id: int, model_version: str) -> datetime | None:
    """From when on control answers prove something of a version; None: from the first one on."""
    times = (
        withdrawn_at(session, project_id, model_version),
        drifted_at(session, project_id),
        may_have_learned_until(session, project_id, model_version),
    )
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
