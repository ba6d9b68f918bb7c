"""Whether a deployed model gets worse: an alarm with a promise, and the slope in words. Pure.

The alarm is the detector of ``policies.change_detection``: while no more answers are wrong than
the baseline had and ``tolerated_drop`` more, it takes 2,000 verified answers or more, on average,
until it sounds. It bets on once, twice and four times that drop on top. The baseline is the
accuracy that the policy states, or that of the version's first 200 verified answers. Those are few:
one of 95 % is known to 3 points either way. So it is a lower bound of it that counts, one that is
right of two baselines in three.

Measured with a tolerated drop of 2 points and equal chances, in 400 simulated years each. A model
falls from 95 to 88 % in six months and stays there; a false alarm is one in a year at 95 %:

============ ====== ================================ ================= ============
baseline     a week half are found after, then at    within six months false alarms
============ ====== ================================ ================= ============
the policy's 20     5.4 months, 88.7 %               67 %              2 %
the policy's 50     4.0 months, 90.4 %               97 %              3 %
the policy's 100    3.1 months, 91.3 %               100 %             8 %
its own      20     7.7 months, 88.0 %               27 %              6 %
its own      50     5.1 months, 89.0 %               72 %              11 %
its own      100    4.0 months, 90.4 %               90 %              17 %
============ ====== ================================ ================= ============

Little can be had beyond that: after five months of 50 a week the slope itself is known to 1.1
points a month either way. Stating a baseline is worth as much as verifying twice as many. Where
three tenths of the verified answers had ten times the chance of the others it takes a tenth longer,
and alarms falsely as rarely, up to four points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from audit_jobs.measures.audits import pass_rate
from audit_jobs.measures.production_accuracy import Drawn, TimeArray, in_time, newest
from policies.betting import log_factors
from policies.change_detection import THRESHOLD, Detection, detected
from policies.domain import BoolArray, Estimate, FloatArray

# Verified answers that a version's own baseline is made of, and those that "now" is made of.
FIRST = 200
NEWEST = 200
# Two-sided: the lower bound is right of two baselines in three.
_BASELINE_CONFIDENCE = 0.3
_DROPS = np.array([1.0, 2.0, 4.0])
_LEAST_ERROR = 0.001
_DAYS_A_MONTH = 30.4375
# A slope of fewer answers, or over a shorter time, is nothing but noise.
_LEAST_ANSWERS = 30
_LEAST_DAYS = 14.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The accuracy that is expected; ``held`` is what the alarm takes for it. ``n`` answers say so.

    The policy's is taken as it is, with n = 0.
    """

    accuracy: float
    held: float
    n: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"accuracy": self.accuracy, "held": self.held, "n": self.n}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decay:
    """What the verified answers of a version say of its decay.

    ``statistic`` stands where the last one left it, over ``THRESHOLD`` where the alarm sounded, at
    ``tripped_at``; ``since`` is from when on the model most likely was worse. ``now`` is the
    accuracy of the newest answers, ``slope`` its change in a month. ``baseline`` is None while
    there are too few answers for one.
    """

    baseline: Baseline | None
    max_error_rate: float | None
    watched: int
    statistic: float
    tripped_at: np.datetime64 | None
    since: np.datetime64 | None
    now: Estimate
    slope: Estimate

    @property
    def found(self) -> bool:
        """Whether the alarm sounds."""
        return self.tripped_at is not None

    def as_json(self) -> dict[str, Any]:
        """Plain values, as reports and commands give them."""
        return {
            "alarm": self.found,
            "baseline": None if self.baseline is None else self.baseline.as_json(),
            "max_error_rate": self.max_error_rate,
            "watched": self.watched,
            "statistic": self.statistic,
            "threshold": THRESHOLD,
            "tripped_at": _time(self.tripped_at),
            "since": _time(self.since),
            "now": self.now.as_json(),
            "slope_per_month": self.slope.as_json(),
            "says": says_of(self),
        }


def decay_of(
    drawn: Drawn,
    baseline: float | None,
    tolerated_drop: float,
    after: np.datetime64 | None = None,
) -> Decay:
    """Watch the verified answers of one version in the order in which the model gave them.

    ``baseline`` is the policy's accuracy, None for the version's own. Only answers given later than
    ``after`` are watched, where an earlier alarm was over then.
    """
    known = in_time(drawn.part(drawn.verified))
    expected = baseline_of(known.right, known.shares, baseline)
    own = 0 if baseline is not None else FIRST
    later = known.part(np.arange(min(own, len(known)), len(known)))
    if after is not None:
        later = later.part(later.at > after)
    limit, found = None, Detection(path=np.zeros(0), tripped_at=None, change_at=None)
    if expected is not None:
        limit = min(1 - expected.held + tolerated_drop, 0.99)
        found = _watched(later, limit, tolerated_drop)
    return Decay(
        baseline=expected,
        max_error_rate=limit,
        watched=0 if expected is None else len(later),
        statistic=found.statistic,
        tripped_at=None if found.tripped_at is None else later.at[found.tripped_at],
        since=None if found.change_at is None else later.at[found.change_at],
        now=newest(known, NEWEST),
        slope=slope_of(known.at, known.right, known.shares),
    )


def baseline_of(right: BoolArray, shares: FloatArray, stated: float | None) -> Baseline | None:
    """The stated accuracy, or that of the first 200 answers in their order; None for fewer."""
    if stated is not None:
        return Baseline(accuracy=stated, held=stated, n=0)
    if len(right) < FIRST:
        return None
    found = pass_rate(right[:FIRST], shares[:FIRST], confidence=_BASELINE_CONFIDENCE).estimate
    return Baseline(
        accuracy=found.value or 0.0,
        held=min(max(found.low or 0.0, 0.02), 1 - _LEAST_ERROR),
        n=found.n,
    )


def slope_of(at: TimeArray, right: BoolArray, shares: FloatArray) -> Estimate:
    """The change of accuracy in a month, by weighted least squares; 95 % by Student.

    Its error is the robust one (White 1980), and never less than chance alone makes of as many
    errors and one more; unknown for fewer than 30 answers, or less than two weeks.
    """
    n = len(at)
    if n < _LEAST_ANSWERS:
        return Estimate(value=None, low=None, high=None, n=n)
    months = (at - at.min()) / np.timedelta64(1, "s") / (86_400 * _DAYS_A_MONTH)
    if months.max() * _DAYS_A_MONTH < _LEAST_DAYS:
        return Estimate(value=None, low=None, high=None, n=n)
    weights = shares.min() / shares
    total = weights.sum()
    away = months - (weights @ months) / total
    spread = float(weights @ away**2)
    mean = float(weights @ right / total)
    slope = float(weights @ (away * (right - mean)) / spread)
    left = right - mean - slope * away
    pull = (weights * away / spread) ** 2
    errors = int(np.count_nonzero(~right))
    chance = (errors + 1) / (n + 2) * (1 - (errors + 1) / (n + 2))
    variance = max(float(pull @ left**2), chance * float(pull.sum()))
    worth = float(total**2 / (weights**2).sum())
    half = float(student.ppf(0.975, max(worth - 2, 1))) * math.sqrt(variance)
    return Estimate(value=slope, low=slope - half, high=slope + half, n=n)


def slope_says(slope: Estimate) -> str:
    """The slope in words.

    >>> slope_says(Estimate(value=-0.011, low=-0.019, high=-0.004, n=900))
    '-1.1 points a month (-1.9 to -0.4)'
    """
    if slope.value is None or slope.low is None or slope.high is None:
        return "no slope yet: it takes 30 verified answers over two weeks"
    value, low, high = (100 * each for each in (slope.value, slope.low, slope.high))
    return f"{value:+.1f} points a month ({low:+.1f} to {high:+.1f})"


def says_of(decay: Decay) -> str:
    """What the alarm and the slope say, in a sentence."""
    trend = slope_says(decay.slope)
    if decay.baseline is None:
        return f"no baseline yet: it takes {FIRST} verified answers; {trend}"
    expected = f"{decay.baseline.accuracy:.1%} expected"
    now = "" if decay.now.value is None else f", {_share(decay.now)} of the newest {decay.now.n:,}"
    if decay.found:
        return f"decayed, most likely since {_day(decay.since)}: {expected}{now}; {trend}"
    return f"no decay found: {expected}{now}; {trend}"


def _watched(later: Drawn, limit: float, drop: float) -> Detection:
    """The detector; no verified answer of ``later`` is part of the baseline."""
    rates = np.minimum(limit + drop * _DROPS, (limit + 1) / 2 + np.arange(3) * (1 - limit) / 8)
    weights = 1 / later.shares
    largest = float(weights.max()) if len(weights) else 1.0
    return detected(log_factors(~later.right, limit, rates, weights, largest))


def _share(figure: Estimate) -> str:
    return f"{figure.value:.1%} ({figure.low:.1%} to {figure.high:.1%})"


def _day(moment: np.datetime64 | None) -> str:
    return "?" if moment is None else str(moment.astype("datetime64[D]"))


def _time(moment: np.datetime64 | None) -> str | None:
    return None if moment is None else f"{moment.astype('datetime64[s]')}+00:00"
