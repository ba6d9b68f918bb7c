"""A million decisions by a policy of twenty mixed routes, vectorised, against one call a task.

Prints both speeds; the first hundred tasks and a random thousand must be decided the same way one
by one. The limit is ten seconds on one core.
Run: ``python -m benchmarks.decide``.
"""

from __future__ import annotations

import time

import numpy as np

from benchmarks.results import at_most, finish, told
from policies.domain import Candidates, Certificate, Certification, Estimate, ObjectArray
from policies.engine import decide
from policies.loading import parse_policy
from policies.schema import Policy

TASKS = 1_000_000
SAMPLE = 1_000
MOST_SECONDS = 10.0
LABELS = [f"label {number}" for number in range(50)]
SOURCES = [f"source {number}" for number in range(40)]
ROUTES = """
  - {kind: predicted_label, in: [label 1, label 2], tier: senior}
  - {kind: predicted_label, in: [label 3], tier: domain}
  - {kind: score, below: 0.05, tier: senior}
  - {kind: score, below: 0.15, tier: domain}
  - {kind: margin, below: 0.02, tier: senior}
  - {kind: margin, below: 0.05, tier: domain}
  - {kind: entropy, above: 0.98, tier: senior}
  - {kind: entropy, above: 0.95, tier: domain}
  - {kind: source, in: [source 1, source 2], tier: domain}
  - {kind: task_field, field: source, equals: source 3, tier: senior}
  - {kind: task_field, field: subject, regex: "^(re|fw): refund", tier: senior}
  - {kind: task_field, field: subject, regex: "dispute [0-9]+7$", tier: domain}
  - {kind: task_field, field: amount, range: {min: 9800}, tier: senior}
  - {kind: task_field, field: amount, range: {max: 20}, tier: domain}
  - {kind: class_support, below: 5, tier: domain}
  - {kind: random_share, share: 0.01, tier: senior}
  - all: [{kind: predicted_label, in: [label 5]}, {kind: score, below: 0.6}]
    tier: domain
  - any: [{kind: predicted_label, in: [label 7]}, {kind: source, in: [source 9]}]
    tier: senior
  - all: [{kind: margin, below: 0.2}, {not: {kind: source, in: [source 5, source 6]}}]
    tier: domain
  - all: [{not: {kind: score, above: 0.3}}, {any: [{kind: entropy, above: 0.5},
           {kind: task_field, field: amount, range: {min: 5000}}]}]
    tier: domain
"""
POLICY = f"""
project: benchmark
stakes: low
tiers:
  - {{name: general, reviewers: [a@x.org, b@x.org], cost_per_label: 0.1, daily_capacity: 1000}}
  - {{name: domain, reviewers: [c@x.org, d@x.org], cost_per_label: 0.5, daily_capacity: 100}}
  - {{name: senior, reviewers: [e@x.org], cost_per_label: 1, daily_capacity: 50}}
auto_accept: {{max_error_rate: 0.05, confidence: 0.95, never: [label 9]}}
routes:{ROUTES}"""
CERTIFICATE = Certificate(
    model_version="v1",
    max_error_rate=0.05,
    confidence=0.95,
    threshold=0.7,
    accepted_share=0.3,
    error=Estimate(value=0.02, low=0.0, high=0.05, n=500),
    errors=10,
    control_answers=1_000,
    grid=(0.7,),
    labels_needed=None,
)
CERTIFICATION = Certification(model_version="v1", certificates=(CERTIFICATE,))


def candidates(seed: int, tasks: int = TASKS) -> Candidates:
    """So many tasks with answers, three fields and three signals."""
    random = np.random.default_rng(seed)

    def among(values: list[str]) -> ObjectArray:
        chosen: ObjectArray = np.array(values, object)[random.integers(0, len(values), tasks)]
        return chosen

    subjects = np.array([f"dispute {number}" for number in range(tasks)], object)
    return Candidates(
        task_ids=np.arange(1, tasks + 1),
        labels=among(LABELS),
        scores=random.random(tasks),
        problems=np.full(tasks, None, object),
        fields={
            "source": among(SOURCES),
            "subject": subjects,
            "amount": np.array(random.integers(0, 10_000, tasks).tolist(), object),
        },
        signals={
            "margin": random.random(tasks),
            "entropy": random.random(tasks),
            "class_support": random.integers(0, 500, tasks).astype(np.float64),
        },
    )


def one(tasks: Candidates, place: int) -> Candidates:
    """The task at this place alone."""
    part = slice(place, place + 1)
    return Candidates(
        task_ids=tasks.task_ids[part],
        labels=tasks.labels[part],
        scores=tasks.scores[part],
        problems=tasks.problems[part],
        fields={name: values[part] for name, values in tasks.fields.items()},
        signals={name: values[part] for name, values in tasks.signals.items()},
    )


def measured(policy: Policy, tasks: Candidates) -> tuple[float, float]:
    """CPU seconds for all at once, and for one a call as the sample says; asserts they agree."""
    start = time.process_time()
    together = decide(policy, tasks, CERTIFICATION, model_version="v1")
    all_at_once = time.process_time() - start
    places = [*range(100), *np.random.default_rng(2).integers(0, TASKS, SAMPLE - 100).tolist()]
    start = time.process_time()
    singly = [
        decide(policy, one(tasks, place), CERTIFICATION, model_version="v1")[0] for place in places
    ]
    one_by_one = (time.process_time() - start) / SAMPLE * TASKS
    assert singly == [together[place] for place in places]
    rules, counts = np.unique(together.rules.astype(str), return_counts=True)
    print(", ".join(f"{rule} {count:,}" for rule, count in zip(rules, counts, strict=True)))
    return all_at_once, one_by_one


def main() -> None:
    """Print the figures and hand them over."""
    policy = parse_policy(POLICY)
    assert len(policy.routes) == 20
    all_at_once, one_by_one = measured(policy, candidates(seed=1))
    print(f"{TASKS:,} decisions by {len(policy.routes)} routes: {all_at_once:.1f} s of one core")
    print(f"one a call: {one_by_one:,.0f} s, {one_by_one / all_at_once:.0f} times as long")
    finish(
        [
            at_most(
                f"{TASKS:,} decisions by {len(policy.routes)} routes",
                figure=f"{all_at_once:.1f} s of one core",
                peer=f"{MOST_SECONDS:g} s",
                ratio=all_at_once / MOST_SECONDS,
                limit=1.0,
            ),
            told(
                "all at once, times faster",
                figure=f"{all_at_once:.1f} s",
                peer=f"one a call {one_by_one:,.0f} s",
                ratio=one_by_one / all_at_once,
            ),
        ]
    )


if __name__ == "__main__":
    main()
