"""Prompts that a version is measured on: it must not have learned from other answers to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from sqlalchemy.orm import Session

from backend.slices import LabelledSlices
from backend.store.projects import ConnectedProject
from backend.store.tasks import stored_tasks, task_ids
from policies.sampling import SLICE, draws
from policies.schema import Policy

_CHUNK = 2_000


def without_measured_prompts(
    session: Session, project: ConnectedProject, policy: Policy, slices: LabelledSlices
) -> LabelledSlices:
    """The slices, of training without the tasks whose prompt a control or holdout task has as well.

    Slices are drawn by task, and pairs of one prompt are alike: who learned from the one has seen
    half of the other. A slice's task counts whether people have answered it yet or not, because it
    will measure the version later. Of k tasks a prompt, (1 - control - holdout)^(k - 1) of the
    training remain: with the least slices (5 % each) 81 % of three, so few tasks a prompt cost
    least. Where the policy asks for no preferences nothing is left out.
    """
    if policy.preferences is None:
        return slices
    field = policy.preferences.prompt
    ids = np.array(task_ids(session, project.id), np.int64)
    draw = draws(policy.salt, SLICE, ids)
    measuring = (draw < policy.control.share) | (draw >= 1 - policy.holdout.share)
    drawn = ids[measuring].tolist()
    measured = {prompt for _, prompt in _prompts(session, project.id, drawn, field)}
    seen = {
        task_id
        for task_id, prompt in _prompts(session, project.id, sorted(slices.training), field)
        if prompt in measured
    }
    training = {each: label for each, label in slices.training.items() if each not in seen}
    return replace(
        slices,
        training=training,
        weights={each: weight for each, weight in slices.weights.items() if each in training},
    )


def _prompts(
    session: Session, project_id: int, ids: Sequence[int], field: str
) -> Iterator[tuple[int, str]]:
    """The prompt of each task that has one, the blanks around it aside."""
    for start in range(0, len(ids), _CHUNK):
        for task in stored_tasks(session, project_id, ids[start : start + _CHUNK]):
            prompt = task.data.get(field)
            if isinstance(prompt, str) and prompt.strip():
                yield task.id, prompt.strip()
