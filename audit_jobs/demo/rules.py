"""The demo's policy: one that uses every section, sized to the number of tasks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from policies.loading import parse_policy
from policies.schema import Policy

_CONTROL_ANSWERS = 200
_HOLDOUT = 0.05
_TEMPLATE = """\
project: {project}
stakes: low
tiers:                        # from the least to the most expert
  - name: general
    reviewers: [{general}]
    cost_per_label: 0.08
    daily_capacity: {general_capacity}
    seconds_per_label: 3
    labels: [{labels}] # leave one out, and only seniors decide it
  - name: senior
    reviewers: [{senior}]
    cost_per_label: 0.20
    daily_capacity: {senior_capacity}
    seconds_per_label: 3
routes:                       # the first that matches decides who must look
  - kind: task_field
    field: batch
    equals: rescan
    tier: senior
auto_accept:
  max_error_rate: 0.05        # the promise: no more than 5 % wrong among the accepted,
  confidence: 0.95            # with 95 % certainty
  cost_of_error: 0.50         # of the proved thresholds, take the one that costs least with this
automation:                   # asked before the model; what it accepts is proved apart
  - kind: exact_duplicate     # the same image as one that a person labelled
control: {{share: {control:.2f}, tier: senior}} # labelled blind; thresholds rest on it
holdout: {{share: {holdout:.2f}, tier: senior}} # never trained on; measures every version
audit: {{share: 0.05, tier: senior}}   # blind second look at what would be accepted
breaker: {{average_run: 2000}}  # stops accepting when audits say that the promise broke
drift: {{window: 300}}          # the newest tasks against those that the model was trained on
corrections: {{low: 0.05, high: 0.30}} # how often people should change what they are shown
alerts: [{{when: breaker, tier: senior}}] # to the channels that LABELGATE_ALERT_... name
agreement: {{share: 0.10, overlap: 2, minimum_alpha: 0.67}}
retrain: {{after_annotations: {after}, minimum_labels: {minimum}}}
gold: {{share: 0.05, minimum: 0.80}} # answers with a star are known: they measure people
escalation: {{minimum_consensus: 0.67, on_skip: true}} # two who differ: the senior one settles it
sampling:                     # what a day's queue is made of
  random: 0.50                # control, holdout and audits
  uncertainty: 0.30           # what the model is least sure of
  by: margin
  known_failures: 0.20        # predicted labels that people often correct
monitoring: {{share: 0.005}}    # answers of a deployed model that people check
prices: {{tooling_per_label: 0.01, compute_per_prediction: 0.0001, compute_per_training: 0.05}}
simulation:                   # what labelgate simulate takes people for; like the demo's own
  error_rate: {{general: 0.043, senior: 0.004}}
  confusion: neighbour
tests:                        # run by labelgate policy test, and before every apply
  - name: what was scanned again goes to a senior
    task: {{batch: rescan}}
    prediction: {{label: {first}, score: 0.99, margin: 0.98}}
    expect: {{outcome: review, tier: senior, rule: "routes[0]"}}
  - name: a sure answer is accepted
    task: {{batch: regular}}
    prediction: {{label: {first}, score: 0.99, margin: 0.98}}
    expect: {{outcome: accept}}
  - name: an unsure one is not
    task: {{batch: regular}}
    prediction: {{label: {first}, score: 0.50, margin: 0.05}}
    expect: {{outcome: review, tier: general, rule: below_threshold}}
"""


def demo_policy(
    project_id: int, reviewers: Mapping[str, Sequence[str]], labels: Sequence[str], tasks: int
) -> str:
    """The policy's text, for a few days of work.

    A promise of 5 % takes some hundred control answers however few tasks there are, so the control
    slice is a larger share of a small project. The senior tier answers control and holdout within
    three days, while the general tier labels a fifteenth of the tasks a day, or forty.
    """
    capacity = max(12, min(math.ceil(tasks / 5), max(40, math.ceil(tasks / 15))))
    control = min(0.35, max(0.10, _CONTROL_ANSWERS / tasks))
    measured = math.ceil((control + _HOLDOUT) * tasks)
    quoted = [json.dumps(label, ensure_ascii=False) for label in labels]  # "8" is text in YAML
    text = _TEMPLATE.format(
        project=project_id,
        general=", ".join(reviewers["general"]),
        senior=", ".join(reviewers["senior"]),
        general_capacity=capacity,
        senior_capacity=max(12, math.ceil(measured / 2.5)),
        labels=", ".join(quoted),
        first=quoted[0],
        control=control,
        holdout=_HOLDOUT,
        after=capacity,
        minimum=max(10, capacity // 2),
    )
    _checked: Policy = parse_policy(text, "demo-policy.yaml")
    return text
