"""A decision as the engine makes it; tests replace what they are about."""

from __future__ import annotations

from policies.domain import Decision, Outcome, Purpose

ACCEPTED = Decision(
    task_id=1,
    outcome=Outcome.ACCEPT,
    purpose=Purpose.ROUTED,
    tier=None,
    rule="auto_accept",
    reason="score 0.900 reaches the certified threshold 0.800",
    label="A",
    score=0.9,
    threshold=0.8,
    draw=0.5,
    inclusion_probability=0.95,
)
