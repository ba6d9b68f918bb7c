"""Why a policy decides as it does: one made-up task, every rule, whether it fired and why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from policies.conditions import (
    ENTROPY,
    MARGIN,
    SIGNALS,
    Condition,
    ModelDisagreement,
    PredictedLabel,
    RandomShare,
    Score,
    Source,
    TaskField,
    UpstreamDisagreement,
    VersionDisagreement,
)
from policies.domain import (
    BoolArray,
    Candidates,
    Certificate,
    Certification,
    Decision,
    Estimate,
    FloatArray,
    ObjectArray,
)
from policies.engine import decide
from policies.promises import AutoAccept
from policies.routes import leaves
from policies.sampling import AGREEMENT, AUDIT, SLICE, draws, labelled_draws
from policies.schema import Policy
from policies.signals import Signals, verdict
from policies.trials import PolicyTest, TrialPrediction
from policies.uncertainty import entropies, margins
from policies.wording import described

_TRIAL = "trial"
_IDS = np.arange(1, 4097)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A made-up task. Without an id it is taken to be drawn for nothing: no slice, no audit.

    ``threshold`` is taken to be certified; None stands for the floor of auto_accept.
    """

    prediction: TrialPrediction
    data: Mapping[str, Any] = field(default_factory=dict)
    task_id: int | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rule in the order in which they are asked."""

    rule: str
    fired: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The decision, and every rule on the way to it and after it."""

    decision: Decision
    threshold: float | None
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A policy's test with its decision; ``wrong`` says what is not as expected."""

    test: PolicyTest
    decision: Decision
    wrong: tuple[str, ...]


def run_tests(policy: Policy) -> list[Tried]:
    """The tests that the policy holds, each decided."""
    tried = []
    for test in policy.tests:
        trial = Trial(prediction=test.prediction, data=test.task, threshold=test.threshold)
        decision, _, _ = _decided(policy, trial)
        found = {"outcome": decision.outcome.value, "tier": decision.tier, "rule": decision.rule}
        wrong = tuple(
            f"{key} is {found[key]}, not {wanted}"
            for key, wanted in test.expect.model_dump(exclude_none=True).items()
            if found[key] != wanted
        )
        tried.append(Tried(test=test, decision=decision, wrong=wrong))
    return tried


def explain(policy: Policy, trial: Trial) -> Explanation:
    """What the policy says of the task, rule by rule."""
    decision, candidates, threshold = _decided(policy, trial)
    steps, decided = [], False
    for rules, why_not in _rules(policy, candidates, trial):
        fired = decision.rule in rules and not decided
        why = decision.reason if fired else why_not
        steps.append(
            Step(
                rule=decision.rule if fired else rules[0],
                fired=fired,
                why="not asked: a rule before it decided" if decided else why,
            )
        )
        decided |= fired
    return Explanation(decision=decision, threshold=threshold, steps=tuple(steps))


def _decided(policy: Policy, trial: Trial) -> tuple[Decision, Candidates, float | None]:
    candidates = _candidates(policy, trial)
    promise = policy.auto_accept
    if not isinstance(promise, AutoAccept):
        return decide(policy, candidates)[0], candidates, None
    threshold = promise.floor if trial.threshold is None else trial.threshold
    wanted = promise.of(candidates.labels[0])
    certificate = Certificate(
        model_version=_TRIAL,
        max_error_rate=wanted.max_error_rate or promise.max_error_rate,
        confidence=wanted.confidence or promise.confidence,
        label=promise.group_label(candidates.labels[0]),
        threshold=threshold,
        accepted_share=0.0,
        error=Estimate(value=None, low=None, high=None, n=0),
        errors=0,
        control_answers=0,
        grid=(threshold,),
        labels_needed=None,
    )
    certification = Certification(model_version=_TRIAL, certificates=(certificate,))
    decisions = decide(policy, candidates, certification, model_version=_TRIAL)
    return decisions[0], candidates, threshold


def _candidates(policy: Policy, trial: Trial) -> Candidates:
    prediction = trial.prediction
    label, score = prediction.label, prediction.score
    figures: dict[str, float | None] = {name: getattr(prediction, name) for name in SIGNALS}
    if prediction.probabilities:
        probabilities = np.array([list(prediction.probabilities.values())])
        best = int(probabilities.argmax())
        label = list(prediction.probabilities)[best] if label is None else label
        score = float(probabilities[0, best]) if score is None else score
        for name, measure in ((MARGIN, margins), (ENTROPY, entropies)):
            figures[name] = float(measure(probabilities)[0])
    return Candidates(
        task_ids=np.array([_undrawn(policy, label) if trial.task_id is None else trial.task_id]),
        labels=_column(label),
        scores=_figure(score),
        problems=_column(None),
        fields={name: _column(trial.data.get(name)) for name in policy.fields_used},
        signals={name: _figure(figures[name]) for name in policy.signals_used},
    )


def _column(value: Any) -> ObjectArray:
    made = np.empty(1, object)
    made[0] = value
    return made


def _figure(value: float | None) -> FloatArray:
    return np.array([np.nan if value is None else value], np.float64)


def _undrawn(policy: Policy, label: str | None) -> int:
    """A task id outside control and holdout that as few other draws as possible pick."""
    slices = draws(policy.salt, SLICE, _IDS)
    inside: BoolArray = (slices < policy.control.share) | (slices >= 1 - policy.holdout.share)
    times = np.where(inside, 10_000, 0)
    labels = np.full(len(_IDS), label, object)
    times += labelled_draws(policy.salt, AUDIT, _IDS, labels) < policy.audit.share
    streams = [(AGREEMENT, policy.agreement.share)]
    for place, condition in leaves(policy.routes):
        if isinstance(condition, RandomShare):
            streams.append((place, condition.share))
    for stream, share in streams:
        times += draws(policy.salt, stream, _IDS) < share
    return int(_IDS[times.argmin()])


def _rules(
    policy: Policy, candidates: Candidates, trial: Trial
) -> Iterator[tuple[tuple[str, ...], str]]:
    """The names that each rule can have in a decision, and why it would not fire."""
    draw = draws(policy.salt, SLICE, candidates.task_ids)[0]
    for name, share in (("control", policy.control.share), ("holdout", policy.holdout.share)):
        chosen = f"draw {draw:.3f} does not pick it ({share:.1%} of all tasks)"
        yield (name,), "the task has no id" if trial.task_id is None else chosen
    yield from _routes(policy, candidates)
    yield ("problem", "no_model"), "there is a label with a score"
    promise = policy.auto_accept
    if not isinstance(promise, AutoAccept):
        yield ("auto_accept_never",), ""
        return
    never = "the predicted label may be accepted" if promise.never else "no label is named"
    yield ("never_label",), never
    yield ("below_threshold",), "the score reaches the threshold"
    yield ("auto_accept",), ""


def _routes(policy: Policy, candidates: Candidates) -> Iterator[tuple[tuple[str, ...], str]]:
    signals = Signals(candidates, policy.salt)
    simple = list(leaves(policy.routes))
    for index in range(len(policy.routes)):
        rule = f"routes[{index}]"
        told = [
            _told(condition, candidates, verdict(condition, signals, place))
            for place, condition in simple
            if place == rule or place.startswith(f"{rule}.")
        ]
        yield (rule,), "; ".join(told)


def _told(condition: Condition, candidates: Candidates, said: tuple[BoolArray, BoolArray]) -> str:
    matches, fails = said
    answer = "yes" if matches[0] else "no" if fails[0] else "unknown"
    return f"{described(condition)}: {answer}{_found(condition, candidates)}"


def _found(condition: Condition, candidates: Candidates) -> str:
    match condition:
        case PredictedLabel():
            value = candidates.labels[0]
        case Score():
            value = candidates.scores[0]
        case TaskField() | UpstreamDisagreement():
            value = candidates.fields[condition.field][0]
        case Source():
            value = candidates.fields["source"][0]
        case VersionDisagreement() | ModelDisagreement() if (
            candidates.signals[condition.kind][0] >= 0
        ):
            return ""
        case RandomShare():
            return ""
        case _:
            value = candidates.signals[condition.kind][0]
    if value is None or value != value:  # noqa: PLR0124 - NaN is not itself
        return ", it is not given"
    words = f"{value:g}" if isinstance(value, float) else repr(value)
    return f", it is {words if len(words) <= 60 else words[:57] + '...'}"
