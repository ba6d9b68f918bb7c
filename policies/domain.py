"""The words everybody shares: estimates, outcomes, decisions. Frozen data, hardly any behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
ObjectArray = NDArray[np.object_]


def column(values: Sequence[Any]) -> ObjectArray:
    """An object array of one dimension, whatever the values are (lists would add a second)."""
    made = np.empty(len(values), dtype=np.object_)
    made[:] = values
    return made


# The predictor that gives an answer where no rule of automation does.
MODEL = "model"


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
    """Why a task is where it is; every purpose that is not among ``SEEN`` is labelled blind.

    ``AUDIT`` goes with the outcome ``ACCEPT``: the label would have been accepted, a blind second
    look was drawn, and the auditor's answer becomes the label. ``MONITORING`` verifies what a
    deployed model answered in production, ``MONITORING_SHOWN`` with that answer before one's eyes.
    """

    ROUTED = "routed"
    CONTROL = "control"
    HOLDOUT = "holdout"
    AUDIT = "audit"
    AGREEMENT = "agreement"
    RECALL = "recall"
    MONITORING = "monitoring"
    MONITORING_SHOWN = "monitoring_shown"


# People see an answer with these: the project's own model's, or the deployed one's.
SEEN = frozenset({Purpose.ROUTED, Purpose.MONITORING_SHOWN})
# The label of such a decision is a deployed model's, never one of the project's own model.
MONITORED = frozenset({Purpose.MONITORING, Purpose.MONITORING_SHOWN})


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

    It is about the answers of ``predictor``: those of ``label``, or with None all of them whose
    label has no certificate of its own. ``threshold`` is None where nothing could be certified:
    then everything goes to people, and ``labels_needed`` says about how many more control answers
    it would take (None: unknown). ``error`` is the error rate among control answers at or above the
    threshold, with the exact one-sided upper bound in ``high``. ``since`` and ``until`` are when
    the first and the last of the control answers were given, None where nothing says so.
    ``raised_to`` is where audits moved the threshold, which is never under the proved one.
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
    predictor: str = MODEL
    label: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    raised_to: float | None = None

    @property
    def in_force(self) -> float | None:
        """The threshold that decides: the proved one, or a stricter one that audits asked for."""
        if self.threshold is None or self.raised_to is None:
            return self.threshold
        return max(self.threshold, self.raised_to)

    @property
    def group(self) -> tuple[str, str | None]:
        """Whose answers it is about."""
        return self.predictor, self.label

    def as_json(self) -> dict[str, Any]:
        """All of the evidence in plain values; ``grid`` and times too."""
        values = asdict(self)
        times = {name: values[name] and values[name].isoformat() for name in ("since", "until")}
        return values | times | {"grid": list(self.grid)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Certification:
    """All certificates that one model version has under one policy, one for each group."""

    model_version: str
    certificates: tuple[Certificate, ...]

    @property
    def thresholds(self) -> dict[tuple[str, str | None], float]:
        """The thresholds in force, by group; those that nothing was proved for are left out."""
        found = {each.group: each.in_force for each in self.certificates}
        return {group: threshold for group, threshold in found.items() if threshold is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitored:
    """Which tasks are answers of deployed models that were drawn, in columns of the tasks' length.

    ``predictors`` names the version ("deployed: v7"), None where a task is none of them. ``labels``
    and ``scores`` are what it answered, ``mentions`` as in ``Candidates``. ``draws`` and ``shares``
    are those of the inference, drawn before the task was made, and ``reasons`` why the share.
    """

    predictors: ObjectArray
    labels: ObjectArray
    scores: FloatArray
    draws: FloatArray
    shares: FloatArray
    reasons: ObjectArray
    mentions: ObjectArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The tasks a decision is asked for, in columns of one length.

    ``labels`` and ``scores`` are the model's answer: label None and score NaN where there is none,
    and then ``problems`` says why ("no model yet", "broken image: ..."). ``fields`` holds one
    column per task field that the policy names; a task without the field has None there.
    ``signals`` holds one column for each signal (``policies.conditions.SIGNALS``) that the policy
    names, NaN where it is unknown. ``predictors`` says who gave each answer: ``MODEL``, which is
    the default, or the name of a rule of automation.

    ``mentions`` is for answers that speak of other labels than themselves: a tuple a task with the
    labels that its answer speaks of, () without an answer. Rules about labels are held against
    them. None: every answer is its one label. ``listed`` says that answers are labels of a list, so
    that audits are drawn for each of them; those of other answers are drawn over all together.
    ``part_scores`` has a tuple of scores a task where the answer has parts, None elsewhere.
    ``monitored`` says which tasks verify a deployed model; None: none of them.
    """

    task_ids: IntArray
    labels: ObjectArray
    scores: FloatArray
    problems: ObjectArray
    fields: dict[str, ObjectArray]
    signals: dict[str, FloatArray] = field(default_factory=dict)
    predictors: ObjectArray = field(default_factory=lambda: np.empty(0, object))
    mentions: ObjectArray | None = None
    listed: bool = True
    part_scores: ObjectArray | None = None
    monitored: Monitored | None = None

    def __post_init__(self) -> None:
        if len(self.predictors) != len(self.task_ids):
            by_model = np.full(len(self.task_ids), MODEL, object)
            object.__setattr__(self, "predictors", by_model)

    def __len__(self) -> int:
        return len(self.task_ids)


def part_of(candidates: Candidates, places: slice | BoolArray) -> Candidates:
    """Some of the tasks."""
    return Candidates(
        task_ids=candidates.task_ids[places],
        labels=candidates.labels[places],
        scores=candidates.scores[places],
        problems=candidates.problems[places],
        fields={field: values[places] for field, values in candidates.fields.items()},
        signals={name: values[places] for name, values in candidates.signals.items()},
        predictors=candidates.predictors[places],
        mentions=None if candidates.mentions is None else candidates.mentions[places],
        listed=candidates.listed,
        part_scores=None if candidates.part_scores is None else candidates.part_scores[places],
        monitored=None if candidates.monitored is None else _part(candidates.monitored, places),
    )


def _part(monitored: Monitored, places: slice | BoolArray) -> Monitored:
    return Monitored(
        predictors=monitored.predictors[places],
        labels=monitored.labels[places],
        scores=monitored.scores[places],
        draws=monitored.draws[places],
        shares=monitored.shares[places],
        reasons=monitored.reasons[places],
        mentions=None if monitored.mentions is None else monitored.mentions[places],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the policy says of one task, with the reason; the row that the ledger keeps for ever.

    ``rule`` is the short name of what decided ("control", "routes[2]", "auto_accept",
    "below_threshold", "no_certificate", ...), ``reason`` the same in words. ``tier`` is None only
    for an accept that is not audited. ``draw`` is the reproducible random number in [0, 1) that
    picked the purpose and ``inclusion_probability`` the chance it had of being picked.
    ``predictor`` gave the label (None where there is none); ``signals`` are those that are known.
    ``part_scores`` are those of the parts that the label has, in their order in it, or ().
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
    predictor: str | None = None
    signals: dict[str, float] = field(default_factory=dict)
    part_scores: tuple[float, ...] = ()

    @property
    def blind(self) -> bool:
        """True where the person must not see the model's answer."""
        return self.purpose not in SEEN

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
            "predictor": self.predictor,
            "signals": self.signals,
            "part_scores": list(self.part_scores) or None,
        }
