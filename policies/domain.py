"""The words everybody shares: estimates, outcomes, decisions. Frozen data, hardly any behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
ObjectArray = NDArray[np.object_]


class Stakes(StrEnum):
    """How much an error costs: picks a policy's defaults and the floors it is refused under."""

    LOW = "low"
    SENSITIVE = "sensitive"
    REGULATED = "regulated"


class Outcome(StrEnum):
    """What the policy says of one prediction."""

    ACCEPT = "accept"
    REVIEW = "review"


class Purpose(StrEnum):
    """Why a task is where it is; every purpose but ``ROUTED`` is labelled blind.

    ``AUDIT`` goes with the outcome ``ACCEPT``: the label would have been accepted, a blind second
    look was drawn, and the auditor's answer becomes the label.
    """

    ROUTED = "routed"
    CONTROL = "control"
    HOLDOUT = "holdout"
    AUDIT = "audit"
    AGREEMENT = "agreement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with its interval and the number of observations behind it.

    ``value``, ``low`` and ``high`` are None where the figure is undefined, never 0.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int

    def as_json(self) -> dict[str, float | int | None]:
        """The four figures under their names, as every report and command prints them."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The evidence that accepting at ``threshold`` keeps the promised error rate.

    ``threshold`` is None where nothing could be certified: then everything goes to people, and
    ``labels_needed`` says about how many more control answers it would take (None: unknown).
    ``error`` is the error rate among control answers at or above the threshold, with the exact
    one-sided upper bound in ``high``.
    """

    model_version: str
    max_error_rate: float
    confidence: float
    threshold: float | None
    accepted_share: float
    error: Estimate
    errors: int
    control_answers: int
    grid: tuple[float, ...]
    labels_needed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The tasks a decision is asked for, in columns of one length.

    ``labels`` and ``scores`` are the model's answer: label None and score NaN where there is none,
    and then ``problems`` says why ("no model yet", "broken image: ..."). ``fields`` holds one
    column per task field that the policy names; a task without the field has None there.
    ``signals`` holds one column for each of "margin", "entropy" and "class_support" that the
    policy names, NaN where it is unknown.
    """

    task_ids: IntArray
    labels: ObjectArray
    scores: FloatArray
    problems: ObjectArray
    fields: dict[str, ObjectArray]
    signals: dict[str, FloatArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.task_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the policy says of one task, with the reason; the row that the ledger keeps for ever.

    ``rule`` is the short name of what decided ("control", "routes[2]", "auto_accept",
    "below_threshold", "no_certificate", ...), ``reason`` the same in words. ``tier`` is None only
    for an accept that is not audited. ``draw`` is the reproducible random number in [0, 1) that
    picked the purpose and ``inclusion_probability`` the chance it had of being picked.
    """

    task_id: int
    outcome: Outcome
    purpose: Purpose
    tier: str | None
    rule: str
    reason: str
    label: str | None
    score: float | None
    threshold: float | None
    draw: float
    inclusion_probability: float

    @property
    def blind(self) -> bool:
        """True where the person must not see the model's answer."""
        return self.purpose is not Purpose.ROUTED

    def as_json(self) -> dict[str, Any]:
        """Plain values in a fixed order, for the ledger's hash and for commands."""
        return {
            "task_id": self.task_id,
            "outcome": self.outcome.value,
            "purpose": self.purpose.value,
            "tier": self.tier,
            "rule": self.rule,
            "reason": self.reason,
            "label": self.label,
            "score": self.score,
            "threshold": self.threshold,
            "draw": self.draw,
            "inclusion_probability": self.inclusion_probability,
        }
