"""Freezing: accepts that go out for good, each batch under a certificate of its own.

Until then an accept is provisional: a better model may take it back. The k-th freeze of a project
spends (1 - confidence) / (k (k + 1)) of the error budget, and these shares sum to 1 - confidence
over all freezes, however many there will be (alpha-spending along a telescoping series, and the
union bound). That holds for freezes whose time is not chosen by looking at how many control answers
are wrong; here a freeze looks when there are answers enough, whatever they say.

The evidence must be about tasks like those that are frozen, and a freeze takes the sure ones away.
So each freeze looks at two lots: fresh tasks, which no freeze has looked at before and which are
like all of the control slice; and tasks that an earlier freeze left, which are like the control
tasks that it would have left. Where both are looked at, each has half of the freeze's budget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from policies.certifying import Evidence, certify_promises, ready
from policies.domain import BoolArray, Candidates, Certificate
from policies.intervals import UNKNOWN
from policies.promises import AutoAccept, Group, Promise, groups_of, promises_of

# A lot that was left is looked at again once the control answers have grown by a tenth: every look
# makes all later ones stricter.
_GROWTH = 10


def freeze_budget(confidence: float, number: int) -> float:
    """The chance to break its promise that the ``number``-th freeze may take, counted from 1.

    >>> [round(freeze_budget(0.95, number), 4) for number in (1, 2, 3)]
    [0.025, 0.0083, 0.0042]
    >>> round(sum(freeze_budget(0.95, number) for number in range(1, 10_000)), 4)
    0.05
    """
    return (1 - confidence) / (number * (number + 1))


def rule_of_freeze(rule: AutoAccept, number: int, lots: int = 1) -> AutoAccept:
    """The promise as one of the ``lots`` of the ``number``-th freeze must prove it."""

    def kept(confidence: float) -> float:
        return 1 - freeze_budget(confidence, number) / lots

    labels = {
        label: promise
        if promise.confidence is None
        else promise.model_copy(update={"confidence": kept(promise.confidence)})
        for label, promise in rule.labels.items()
    }
    return rule.model_copy(update={"confidence": kept(rule.confidence), "labels": labels})


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Accepts that may be frozen together, and what is known of tasks like them.

    ``again`` says that an earlier freeze looked at the lot with the evidence there is now.
    """

    accepts: Candidates
    evidence: Evidence
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a freeze is looked at under: the promise, its number, and how the accepts came about.

    ``says`` holds the labels that each predictor can give; ``thresholds`` are those in force,
    under which nothing was accepted.
    """

    rule: AutoAccept
    number: int
    says: Mapping[str, Sequence[str]]
    review_cost: float
    thresholds: Mapping[Group, float]
    model_version: str
    slice_is_open: bool

    def promises(self, lots: int) -> tuple[Promise, ...]:
        """What must be proved where so many lots share the budget."""
        rule = rule_of_freeze(self.rule, self.number, lots)
        return promises_of(rule, self.says, self.review_cost)


def look(terms: Terms, lots: Sequence[Lot]) -> list[tuple[Certificate, ...]] | None:
    """The certificates that each lot gets; None where it is too early to look, which costs nothing.

    Whether to look depends on counts alone, never on what the control answers say. A group of
    answers that has too few of them, or no accepts, gets a certificate that proves nothing.
    """
    asked = [len(lot.accepts) > 0 and not lot.again for lot in lots]
    promises = terms.promises(max(sum(asked), 1))
    due = [ask and bool(_due(terms, promises, lot)) for ask, lot in zip(asked, lots, strict=True)]
    if not any(due):
        return None
    promises = terms.promises(sum(due))
    return [
        _certified(terms, promises, lot) if is_due else ()
        for is_due, lot in zip(due, lots, strict=True)
    ]


def frozen(rule: AutoAccept, certificates: Sequence[Certificate], tasks: Candidates) -> BoolArray:
    """Which of the tasks' answers a freeze under these certificates takes along."""
    groups = groups_of(rule, [each.group for each in certificates], tasks)
    taken = np.zeros(len(tasks), dtype=np.bool_)
    for place, certificate in enumerate(certificates):
        if certificate.threshold is not None:
            taken |= (groups == place) & (tasks.scores >= max(certificate.threshold, rule.floor))
    return taken


def grown(answers: int, before: int) -> bool:
    """Whether so many control answers are worth another look after one at ``before``."""
    return _GROWTH * (answers - before) >= before


def _due(terms: Terms, promises: Sequence[Promise], lot: Lot) -> set[Group]:
    """The groups that have accepts, and control answers enough to prove something of them."""
    keys = [(each.predictor, each.label) for each in promises]
    waiting = {
        keys[place]
        for place in set(groups_of(terms.rule, keys, lot.accepts).tolist())
        if place >= 0
    }
    enough = ready(terms.rule, promises, lot.evidence.control, slice_is_open=terms.slice_is_open)
    return waiting & {(each.predictor, each.label) for each in enough}


def _certified(terms: Terms, promises: Sequence[Promise], lot: Lot) -> tuple[Certificate, ...]:
    made = certify_promises(
        terms.rule,
        promises,
        lot.evidence,
        model_version=terms.model_version,
        at_least=terms.thresholds,
    )
    due = _due(terms, promises, lot)
    return tuple(each if each.group in due else _unproved(each) for each in made)


def _unproved(certificate: Certificate) -> Certificate:
    """It was not to be looked at: it proves nothing, whatever the answers say."""
    return replace(certificate, threshold=None, accepted_share=0.0, error=UNKNOWN, errors=0)
