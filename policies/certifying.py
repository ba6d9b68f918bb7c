"""Proving a policy's promises on blind control answers: one certificate for each group of answers.

The one place where evidence becomes certificates; the running system, the plan and the simulation
all come here, so that none of them can promise more than another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from policies.domain import (
    MODEL,
    BoolArray,
    Candidates,
    Certificate,
    Certification,
    ObjectArray,
)
from policies.engine import decide
from policies.promise_words import certainty, promised_rate
from policies.promises import AutoAccept, Group, Promise, groups_of, least_answers
from policies.schema import Policy
from policies.thresholds import certify, grid_from_scores

# Just enough for a faultless predictor proves nothing for a good one.
_PATIENCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What thresholds are proved with: all of it must reach auto-accept.

    ``control`` are the answered tasks of the control slice with the predictors' answers, and
    ``truth`` what people said of each. ``pool`` are tasks that nobody has labelled: their scores
    alone say which thresholds are tested, so that no control answer has a say in that.
    """

    control: Candidates
    truth: ObjectArray
    pool: Candidates

    @property
    def wrong(self) -> BoolArray:
        """Where the person disagreed."""
        return np.asarray(self.control.labels != self.truth, bool)


def reaching_auto_accept(policy: Policy, candidates: Candidates) -> BoolArray:
    """Which tasks come as far as the threshold, if no slice and no route takes them.

    Certification must look at those alone: a control answer that a route would have taken to
    people says nothing about what is accepted.
    """
    return np.asarray(decide(unsliced(policy), candidates).rules == "no_certificate", bool)


def unsliced(policy: Policy) -> Policy:
    """The policy without control and holdout, for what would become of their tasks."""
    control, holdout = (
        part.model_copy(update={"share": 0.0}) for part in (policy.control, policy.holdout)
    )
    return policy.model_copy(update={"control": control, "holdout": holdout})


def certify_promises(
    rule: AutoAccept,
    promises: Sequence[Promise],
    evidence: Evidence,
    *,
    model_version: str,
    at_least: Mapping[Group, float] = MappingProxyType({}),
) -> tuple[Certificate, ...]:
    """A certificate for each promise, in their order; nothing certified is a certificate too.

    ``at_least`` are thresholds by group under which none is chosen, though lower ones are tested.
    """
    keys = [(promise.predictor, promise.label) for promise in promises]
    control = groups_of(rule, keys, evidence.control)
    pool = groups_of(rule, keys, evidence.pool)
    scores, wrong = evidence.control.scores, evidence.wrong
    made = []
    for place, promise in enumerate(promises):
        answered = control == place
        grid = grid_from_scores(
            evidence.pool.scores[pool == place],
            max_error_rate=promise.max_error_rate,
            confidence=promise.confidence,
            n_labelled=int(np.count_nonzero(answered)),
            floor=rule.floor,
        )
        found = certify(
            scores[answered],
            wrong[answered],
            grid=grid,
            max_error_rate=promise.max_error_rate,
            confidence=promise.confidence,
            model_version=model_version,
            costs=promise.costs,
            at_least=at_least.get((promise.predictor, promise.label), 0.0),
        )
        made.append(replace(found, predictor=promise.predictor, label=promise.label))
    return tuple(made)


def ready(
    rule: AutoAccept, promises: Sequence[Promise], answered: Candidates, *, slice_is_open: bool
) -> list[Promise]:
    """The promises whose group has answers enough for its one look.

    A look waits for twice the answers that a faultless predictor would need, or for the end of the
    slice where the project is small. It depends on counts alone, never on what the answers say.
    """
    groups = groups_of(rule, [(each.predictor, each.label) for each in promises], answered)
    counts = np.bincount(groups[groups >= 0], minlength=len(promises))
    return [
        promise
        for promise, count in zip(promises, counts.tolist(), strict=True)
        if count >= answers_wanted(promise, slice_is_open=slice_is_open)
    ]


def answers_wanted(promise: Promise, *, slice_is_open: bool = True) -> int:
    """The control answers that a group's look waits for."""
    return (_PATIENCE if slice_is_open else 1) * least_answers(promise)


def told(certificate: Certificate, floor: float) -> str:
    """What the certificate lets through, in words, with the evidence; or why nothing."""
    answers = f"{certificate.control_answers:,} control answers"
    if certificate.threshold is None:
        more = certificate.labels_needed
        needed = "" if more is None else f"; about {more:,} more are needed"
        return f"{_whose(certificate)}nothing: no threshold could be certified on {answers}{needed}"
    return (
        f"{_whose(certificate)}scores from {max(certificate.threshold, floor):.3f}: "
        f"{certificate.errors} errors in {certificate.error.n:,} of {answers}, so at most "
        f"{promised_rate(certificate.max_error_rate)} are wrong with "
        f"{certainty(certificate.confidence)} certainty"
    )


def _whose(certificate: Certificate) -> str:
    """Whose answers it is about; nothing where it is about all of the model's."""
    label = "" if certificate.label is None else repr(certificate.label)
    by = "" if certificate.predictor == MODEL else f"by {certificate.predictor}"
    words = " ".join(word for word in (label, by) if word)
    return f"{words}: " if words else ""


def extended(
    certification: Certification | None, certificates: Sequence[Certificate], model_version: str
) -> Certification:
    """The certificates of a version with those that were proved since, one for each group."""
    anew = {each.group for each in certificates}
    before = () if certification is None else certification.certificates
    kept = [each for each in before if each.group not in anew]
    return Certification(model_version=model_version, certificates=(*kept, *certificates))


def raised_as_before(
    certificates: Sequence[Certificate], before: Certification | None
) -> tuple[Certificate, ...]:
    """New certificates that heed what audits have moved, for a promise no laxer than before.

    Audits that prove too many errors under a threshold say so under another policy too; nightly
    steps take the threshold back down where the promise holds.
    """
    raised = {} if before is None else {each.group: each for each in before.certificates}

    def heeded(certificate: Certificate) -> Certificate:
        old = raised.get(certificate.group)
        if old is None or old.raised_to is None or certificate.threshold is None:
            return certificate
        laxer = certificate.max_error_rate > old.max_error_rate
        if laxer or old.raised_to <= certificate.threshold:
            return certificate
        return replace(certificate, raised_to=old.raised_to)

    return tuple(map(heeded, certificates))


def missing(promises: Sequence[Promise], certification: Certification | None) -> list[Promise]:
    """The promises that had no look yet."""
    looked = set() if certification is None else {e.group for e in certification.certificates}
    return [each for each in promises if (each.predictor, each.label) not in looked]
