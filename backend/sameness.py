"""When two answers to a project's controls count as the same."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from backend.store.projects import ConnectedProject
from connectors.label_studio.labeling import ControlKind, Labeling, parse_labeling
from policies.domain import Candidates, ObjectArray, column
from policies.likeness import Compared, Likeness, aligned
from policies.loading import parse_policy
from policies.schema import Policy

_COMPARED = {
    ControlKind.NUMBER: Compared.NUMBERS,
    ControlKind.SPANS: Compared.SPANS,
    ControlKind.REGIONS: Compared.REGIONS,
}


def likeness_of(policy: Policy, labeling: Labeling) -> Likeness:
    """The policy's rule, for the kinds of the config's controls."""
    controls = {each.name: _COMPARED.get(each.kind, Compared.EXACTLY) for each in labeling.controls}
    return Likeness(controls=controls, rule=policy.same_answer)


def likeness_in(project: ConnectedProject) -> Likeness:
    """The same for a connected project."""
    return _likeness(project.policy_text, project.label_config)


def said_alike(
    project: ConnectedProject, truth: Mapping[int, str | None], candidates: Candidates
) -> ObjectArray:
    """What people said of these tasks, with the model's text wherever the two count as the same.

    ``truth`` holds people's answers by task; None where a task has none.
    """
    said = column([truth.get(task_id) for task_id in candidates.task_ids.tolist()])
    return aligned(said, candidates.labels, likeness_in(project))


@lru_cache(maxsize=64)
def _likeness(policy_text: str, label_config: str) -> Likeness:
    return likeness_of(parse_policy(policy_text), parse_labeling(label_config))
