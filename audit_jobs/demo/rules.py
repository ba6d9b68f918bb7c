"""The demo's policy: one that uses every section, sized to the number of tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from policies.loading import parse_policy
from policies.schema import Policy

_CONTROL_ANSWERS = 150
_HOLDOUT = 0.05
_TEMPLATE = """\
project: {project}
stakes: low
tiers:                        # from the least to the most expert
  - name: general
    reviewers: [{general}]
    cost_per_label: 0.08
    daily_capacity: {general_capacity}
  - name: senior
    reviewers: [{senior}]
    cost_per_label: 0.20
    daily_capacity: {senior_capacity}
routes:                       # the first that matches decides who must look
  - kind: task_field
    field: batch
    equals: rescan
    tier: senior
auto_accept:
  max_error_rate: 0.05        # the promise: no more than 5 % wrong among the accepted,
  confidence: 0.95            # with 95 % certainty
control: {{share: {control:.2f}, tier: senior}} # labelled blind; thresholds rest on it
holdout: {{share: {holdout:.2f}, tier: senior}} # never trained on; measures every version
audit: {{share: 0.05, tier: senior}}   # blind second look at what would be accepted
agreement: {{share: 0.10, overlap: 2}}
retrain: {{after_annotations: {after}, minimum_labels: {minimum}}}
"""


def demo_policy(project_id: int, reviewers: Mapping[str, Sequence[str]], tasks: int) -> str:
    """The policy's text, for a few days of work.

    A promise of 5 % takes some hundred control answers however few tasks there are, so the control
    slice is a larger share of a small project. The senior tier answers control and holdout within
    three days, while the general tier labels a fifteenth of the tasks a day, or forty.
    """
    capacity = max(12, min(math.ceil(tasks / 5), max(40, math.ceil(tasks / 15))))
    control = min(0.35, max(0.10, _CONTROL_ANSWERS / tasks))
    measured = math.ceil((control + _HOLDOUT) * tasks)
    text = _TEMPLATE.format(
        project=project_id,
        general=", ".join(reviewers["general"]),
        senior=", ".join(reviewers["senior"]),
        general_capacity=capacity,
        senior_capacity=max(12, math.ceil(measured / 2.5)),
        control=control,
        holdout=_HOLDOUT,
        after=capacity,
        minimum=max(10, capacity // 2),
    )
    _checked: Policy = parse_policy(text, "demo-policy.yaml")
    return text
