"""How large a share of which accepts is audited: by the claim, by label, by drift.

The share is for pairs of a task and its accepted label (see ADR 0013): a label that was before the
draw once is not drawn again, whichever version repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from policies.audits import Audit
from policies.claims import further_audits, judge_claim
from policies.domain import BoolArray, Candidates, FloatArray, IntArray, ObjectArray
from policies.drift import RaisedSlice, raised_shares
from policies.promises import AutoAccept
from policies.sampling import AUDIT, coded, labelled_draws

# Accepts are told apart by score where errors are estimated: rarer ones crowd just above a
# threshold. Fixed, so that the strata of two nights are the same.
BAND_EDGES = (0.7, 0.8, 0.9, 0.95, 0.99)
BANDS = ("< 0.7", "0.7-0.8", "0.8-0.9", "0.9-0.95", "0.95-0.99", ">= 0.99")
# The rule of an audit that was drawn after the label had been accepted.
EXTRA_AUDIT = "extra_audit"
# What a share rests on.
_POLICY, _CLAIM, _LABEL, _DRIFT, _BEFORE = range(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposures:
    """Pairs of task and label that were before a draw: with which draw, under which share.

    In columns of one length; of two entries of a pair the last one counts.
    """

    task_ids: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    labels: ObjectArray = field(default_factory=lambda: np.empty(0, object))
    shares: FloatArray = field(default_factory=lambda: np.empty(0))
    draws: FloatArray = field(default_factory=lambda: np.empty(0))

    def __len__(self) -> int:
        return len(self.task_ids)

    def places_of(self, task_ids: IntArray, labels: ObjectArray) -> IntArray:
        """Where each accept's pair stands; -1 where it was never before a draw."""
        if not len(self):
            return np.full(len(task_ids), -1, np.int64)
        codes, names = coded(np.concatenate([self.labels, labels]))
        _, ranks = np.unique(np.concatenate([self.task_ids, task_ids]), return_inverse=True)
        keys = ranks * len(names) + codes
        known, asked = keys[: len(self)], keys[len(self) :]
        order = np.argsort(known, kind="stable")
        last = np.searchsorted(known[order], asked, side="right") - 1
        places = order[np.maximum(last, 0)]
        found: IntArray = np.where((last >= 0) & (known[places] == asked), places, -1)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPlan:
    """What is known when audits are drawn.

    ``audited`` is how many audits each accepted label has so far (drawn and not yet answered ones
    too), ``lacking`` how many more the promise's claim needs over all labels, ``raised`` the slices
    that drift asks more of. ``exposed`` are the pairs of task and accepted label that were before
    a draw already: they keep it, and the share that it was made under.
    """

    audited: Mapping[str, int] = field(default_factory=dict)
    lacking: int = 0
    raised: tuple[RaisedSlice, ...] = ()
    exposed: Exposures = field(default_factory=Exposures)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditDraw:
    """The draw of each accept and the share that it was made under, in columns of one length.

    Drawn is whose draw is under the share; ``reasons`` says why, for each of those in turn.
    """

    draws: FloatArray
    shares: FloatArray
    reasons: ObjectArray

    @property
    def drawn(self) -> BoolArray:
        """Which accepts are audited."""
        return self.draws < self.shares


def score_bands(scores: FloatArray) -> IntArray:
    """The band of each score: its place in ``BANDS``.

    >>> [BANDS[place] for place in score_bands(np.array([0.2, 0.7, 0.93, 0.99, 1.0]))]
    ['< 0.7', '0.7-0.8', '0.9-0.95', '>= 0.99', '>= 0.99']
    """
    return np.searchsorted(BAND_EDGES, scores, side="right").astype(np.int64)


def lacking_audits(rule: AutoAccept, *, drawn: int, answered: int, errors: int) -> int:
    """How many audits the promise's claim still lacks, beside those that were drawn.

    With each error found it takes more. 0 once the claim is decided: proved, or refuted by errors
    that would hardly come up if it held, however often one looks.

    >>> rule = AutoAccept(max_error_rate=0.02, confidence=0.95)
    >>> lacking_audits(rule, drawn=100, answered=90, errors=0)
    65
    >>> lacking_audits(rule, drawn=100, answered=90, errors=1)
    279
    >>> lacking_audits(rule, drawn=100, answered=90, errors=9)
    0
    """
    answered = max(answered, errors)
    wrong = np.arange(answered) < errors
    if judge_claim(wrong, rule.max_error_rate, rule.confidence).decided is not None:
        return 0
    needed = answered + further_audits(rule.max_error_rate, rule.confidence, answered, errors)
    return max(0, needed - drawn)


def widest(most: float) -> AuditPlan:
    """The plan that draws whatever any other one could draw; drift raises shares to ``most``."""
    everything = RaisedSlice(factor=float("inf"), most=most)
    return AuditPlan(lacking=2**62, raised=(everything,))


def draw_audits(audit: Audit, salt: str, accepts: Candidates, plan: AuditPlan | None) -> AuditDraw:
    """Which of the accepts are audited.

    The share of a label is the policy's, or more where the claim or the label itself lacks audits:
    then as much as brings them in this batch, if that is at most ``audit.most``. Drift raises it
    further. What was before a draw already keeps that; only the others are counted. Every share is
    above 0 where the policy's is, so no label, score band or slice is left without audits.
    Without a plan the policy's share holds for all.
    """
    draws = labelled_draws(salt, AUDIT, accepts.task_ids, accepts.labels)
    known = AuditPlan() if plan is None else plan
    places = known.exposed.places_of(accepts.task_ids, accepts.labels)
    before = places >= 0
    codes, names = coded(_strata(accepts))
    counts = np.bincount(codes[~before], minlength=len(names))
    by_label, whys = _shares(audit, plan, (names, counts))
    base = by_label[codes]
    shares = raised_shares(base, known.raised, accepts)
    reasons = np.where(shares > base, _DRIFT, whys[codes])
    shares[before] = known.exposed.shares[places[before]]
    draws[before] = known.exposed.draws[places[before]]
    reasons[before] = _BEFORE
    told = _told(audit, known, accepts, (shares, reasons, draws < shares))
    return AuditDraw(draws=draws, shares=shares, reasons=told)


def _shares(
    audit: Audit, plan: AuditPlan | None, accepted: tuple[list[str | None], IntArray]
) -> tuple[FloatArray, IntArray]:
    """The share of each label, and what it rests on."""
    names, counts = accepted
    if plan is None:
        return np.full(len(names), audit.share), np.full(len(names), _POLICY)
    claim = plan.lacking / max(int(counts.sum()), 1)
    audited = np.array([_audited(plan, name) for name in names], np.float64)
    own = (audit.per_label - audited) / np.maximum(counts, 1)
    wanted = np.minimum(np.maximum(own, claim), audit.most)
    reasons = np.where(own > claim, _LABEL, _CLAIM)
    return np.maximum(wanted, audit.share), np.where(wanted > audit.share, reasons, _POLICY)


def _strata(accepts: Candidates) -> ObjectArray:
    """What audits are counted by: the label, or nothing where answers are not of a short list."""
    if accepts.listed:
        return accepts.labels
    return np.full(len(accepts), None, object)


def _audited(plan: AuditPlan, name: str | None) -> int:
    return sum(plan.audited.values()) if name is None else plan.audited.get(name, 0)


def _told(
    audit: Audit,
    plan: AuditPlan,
    accepts: Candidates,
    drawn: tuple[FloatArray, IntArray, BoolArray],
) -> ObjectArray:
    shares, reasons, picked = drawn
    columns = (_strata(accepts), shares, reasons)
    rows = list(zip(*(column[picked].tolist() for column in columns), strict=True))
    words = {  # most rows say the same
        (label, share, reason): (f"; drawn for audit ({_why(audit, plan, label, (share, reason))})")
        for label, share, reason in set(rows)
    }
    return np.array([words[row] for row in rows], object)


def _why(audit: Audit, plan: AuditPlan, label: str | None, found: tuple[float, int]) -> str:
    share, reason = found
    of_accepts = f"{share:.1%} of accepts"
    match reason:
        case _ if reason == _LABEL:
            so_far = f"{_audited(plan, label)} of at least {audit.per_label} so far"
            named = "" if label is None else f" labelled {label!r}"
            return f"{of_accepts}{named}: {so_far}"
        case _ if reason == _CLAIM:
            return f"{of_accepts}: the claim lacks {plan.lacking}"
        case _ if reason == _DRIFT:
            return f"{of_accepts} of a slice that drifted"
        case _ if reason == _BEFORE:
            return f"{of_accepts}, when this label was first accepted"
        case _:
            return of_accepts
