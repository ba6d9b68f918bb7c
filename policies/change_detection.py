"""When audits say that the error rate rose above the promise: a Shiryaev-Roberts e-detector.

Each audit multiplies what speaks for a rise by ``1 + bet * (wrong - max_error_rate)``. While the
error rate is at most ``max_error_rate`` no such factor is above 1 on average, whatever the bet, so
the detector that starts anew at every audit and adds all of these up grows by at most 1 an audit:
it takes ``threshold`` audits or more, on average, until it is over ``threshold`` (Shin, Ramdas and
Rinaldo 2022, "E-detectors"). That is a promise of the average run, not of "never a false alarm".

Several rises are bet on at once, to two, three and five times the odds of the promised rate, a
third each. Where all audits had the same chance of being drawn the factors are then likelihood
ratios, the most powerful ones. Where chances differ, an audit counts by its weight
(one over its chance): the bets are the same, in units of the mean weight so far, and held so small
that the largest weight cannot lose everything at once.

Measured, at a promise of 2 % and a threshold of 2,000: a mean run of about 2,900 audits at exactly
2 %; a rise to 6 % is seen 90 audits later (95 % of runs: 260) after 1,000 at 2 %, 100 later (280)
after 1,000 at 1 %. A single bet on 6 % is no faster (87 and 256), and slower to see 15 % (40 audits
instead of 35); more bets than three change nothing. Where a tenth of the traffic is audited at 50 %
and the rest at 5 %, half of the audits say little: 140 (390) instead of 100 (280).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.betting import log_factors
from policies.domain import BoolArray, FloatArray

THRESHOLD = 2000.0
# The odds of an error that are bet on, as multiples of the promised rate's.
ODDS_RATIOS = (2.0, 3.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What the detector says of audits in their order; places count from 0.

    ``path`` is the statistic after each audit, up to the one that tripped it (``tripped_at``, None
    while nothing did). ``change_at`` is the audit from which on the error rate is most likely to
    have been higher, None where nothing tripped: all before it is the last good point.
    """

    path: FloatArray
    tripped_at: int | None
    change_at: int | None

    @property
    def statistic(self) -> float:
        """Where it stands: over the threshold where it tripped, 0 before the first audit."""
        return float(self.path[-1]) if len(self.path) else 0.0


def detect(
    wrong: BoolArray,
    max_error_rate: float,
    weights: FloatArray | None = None,
    threshold: float = THRESHOLD,
    *,
    largest_weight: float | None = None,
) -> Detection:
    """Look for a rise of the error rate above ``max_error_rate`` in audits, in their order.

    ``weights`` are one over each audit's chance of being drawn; only their ratios matter. The order
    must not sort the strata that had different chances. ``largest_weight`` is the largest one that
    the design allows (default: the largest seen, which is as good where the design is fixed).

    >>> found = detect(np.array([False] * 50 + [True] * 5), 0.02)
    >>> found.tripped_at, found.change_at
    (53, 50)

    Raises
        ValueError: a rate outside (0, 1), a threshold below 1, weights that are not positive or
            above ``largest_weight``, or columns that differ in length.
    """
    wrong = np.asarray(wrong, dtype=np.bool_)
    weights = np.ones(len(wrong)) if weights is None else np.asarray(weights, dtype=np.float64)
    if largest_weight is None:
        largest_weight = float(weights.max()) if len(weights) else 1.0
    _check(wrong, weights, max_error_rate, threshold, largest_weight)
    rates = higher_rates(max_error_rate)
    return detected(log_factors(wrong, max_error_rate, rates, weights, largest_weight), threshold)


def detected(gains: FloatArray, threshold: float = THRESHOLD) -> Detection:
    """The same of the audits' factors, a row for each rate that is bet on (``log_factors``)."""
    log_path = _log_statistic(gains)
    over = np.flatnonzero(log_path >= np.log(threshold))
    tripped = int(over[0]) if len(over) else None
    seen = log_path if tripped is None else log_path[: tripped + 1]
    # Where nothing is watching the trip the statistic may grow beyond every float.
    path: FloatArray = np.exp(np.minimum(seen, np.log(np.finfo(np.float64).max)))
    change = None if tripped is None else _most_likely_change(gains[:, : tripped + 1])
    return Detection(path=path, tripped_at=tripped, change_at=change)


def higher_rates(max_error_rate: float) -> FloatArray:
    """The rises that are bet on: each of ``ODDS_RATIOS`` times the odds of the promised rate."""
    odds = max_error_rate / (1 - max_error_rate) * np.array(ODDS_RATIOS)
    rates: FloatArray = odds / (1 + odds)
    return rates


def _log_statistic(gains: FloatArray) -> FloatArray:
    """The statistic after each audit: the mean of the rises' sums over all starts, in logarithms.

    S(t) = (S(t-1) + 1) * factor(t) is the sum over all starts s of the product from s to t.
    """
    if gains.shape[1] == 0:
        return np.zeros(0)
    until = np.cumsum(gains, axis=1)
    starts = np.logaddexp.accumulate(gains - until, axis=1)
    mixed: FloatArray = np.logaddexp.reduce(until + starts, axis=0) - np.log(len(gains))
    return mixed


def _most_likely_change(gains: FloatArray) -> int:
    """The start from which on the audits speak most for a rise, whichever of the rises it is."""
    from_here = np.cumsum(gains[:, ::-1], axis=1)[:, ::-1]
    return int(np.argmax(from_here.max(axis=0)))


def _check(
    wrong: BoolArray,
    weights: FloatArray,
    max_error_rate: float,
    threshold: float,
    largest_weight: float,
) -> None:
    if not 0 < max_error_rate < 1:
        raise ValueError(f"max_error_rate = {max_error_rate} must lie between 0 and 1")
    if not threshold >= 1:
        raise ValueError(f"threshold = {threshold} must be at least 1")
    if wrong.shape != weights.shape:
        raise ValueError(f"{len(wrong)} audits and {len(weights)} weights differ in length")
    if not bool((np.isfinite(weights) & (weights > 0) & (weights <= largest_weight)).all()):
        raise ValueError(f"weights must be above 0 and at most {largest_weight}")
