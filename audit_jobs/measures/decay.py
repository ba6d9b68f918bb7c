"""Whether a deployed model gets worse: an alarm with a promise, and the slope in words. Pure.

The alarm is the detector of ``policies.change_detection``: while no more answers are wrong than
the baseline had and ``tolerated_drop`` more, it takes 2,000 verified answers or more, on average,
until it sounds. It bets on once, twice and four times that drop on top. The baseline is the
accuracy that the policy states, or that of the version's first 200 verified answers. Those are few:
one of 95 % is known to 3 points either way. So it is a lower bound of it that counts, one that is
right of three baselines in four; and as the first 200 may have been worse than the model is, the
alarm sounds there too once the slope certainly falls (2.75 standard errors, looked at with every
answer), by the tolerated drop or more.

Measured with a tolerated drop of 2 points and equal chances, in 400 simulated years each. A model
falls from 95 to 88 % in six months and stays there; a false alarm is one in a year at 95 %:

============ ====== ================================ ================= ============
baseline     a week half are found after, then at    within six months false alarms
============ ====== ================================ ================= ============
the policy's 20     5.4 months, 88.7 %               67 %              2 %
the policy's 50     4.0 months, 90.4 %               97 %              3 %
the policy's 100    3.1 months, 91.3 %               100 %             8 %
its own      20     7.7 months, 88.0 %               33 %              6 %
its own      50     5.1 months, 89.0 %               71 %              11 %
its own      100    3.9 months, 90.4 %               96 %              14 %
============ ====== ================================ ================= ============

Little can be had beyond that: after five months of 50 a week the slope itself is known to 1.1
points a month either way. Stating a baseline is worth as much as verifying twice as many. Where
three tenths of the verified answers had ten times the chance of the others it takes a tenth longer,
and alarms falsely up to four points more.
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
from policies.intervals import UNKNOWN

# Verified answers that a version's own baseline is made of, and those that "now" is made of.
FIRST = 200
NEWEST = 200
# Two-sided: the lower bound is right of three baselines in four.
_BASELINE_CONFIDENCE = 0.5
_DROPS = np.array([1.0, 2.0, 4.0])
_LEAST_ERROR = 0.001
_DAYS_A_MONTH = 30.4375
# A slope of fewer answers, or over a shorter time, is nothing but noise.
_LEAST_ANSWERS = 30
_LEAST_DAYS = 14.0
# Standard errors from which a slope is a fall; it is looked at with every answer.
_CERTAIN_FALL = 2.75
LEVEL, SLOPE = "level", "slope"


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

    ``cause`` is "level" where the detector sounded, "slope" where the slope did before it, None
    where neither has; ``tripped_at`` is when. ``statistic`` stands where the last answer left it,
    over ``THRESHOLD`` where the detector sounded; ``since`` is from when on the model most likely
    was worse. ``now`` is the accuracy of the newest answers, ``later`` of those after the alarm,
    ``slope`` the change in a month. ``baseline`` is None while there are too few answers for one.
    """

    baseline: Baseline | None
    max_error_rate: float | None
    watched: int
    statistic: float
    cause: str | None
    tripped_at: np.datetime64 | None
    since: np.datetime64 | None
    now: Estimate
    later: Estimate
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
            "watched_answers": self.watched,
            "statistic": self.statistic,
            "threshold": THRESHOLD,
            "cause": self.cause,
            "tripped_at": _time(self.tripped_at),
            "since": _time(self.since),
            "now": self.now.as_json(),
            "after_alarm": self.later.as_json(),
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
    watched = known if after is None else known.part(known.at > after)
    own = FIRST if baseline is None and after is None else 0
    later = watched.part(np.arange(min(own, len(watched)), len(watched)))
    limit, found, fell = None, Detection(path=np.zeros(0), tripped_at=None, change_at=None), None
    if expected is not None:
        limit = min(1 - expected.held + tolerated_drop, 0.99)
        found = _watched(later, limit, tolerated_drop)
        fell = None if baseline is not None else _fell_at(watched, tolerated_drop)
    level = None if found.tripped_at is None else later.at[found.tripped_at]
    slope = None if fell is None else watched.at[fell]
    by_level = level is not None and (slope is None or level <= slope)
    tripped = level if by_level else slope
    return Decay(
        baseline=expected,
        max_error_rate=limit,
        watched=0 if expected is None else len(later),
        statistic=found.statistic,
        cause=None if tripped is None else LEVEL if by_level else SLOPE,
        tripped_at=tripped,
        since=later.at[found.change_at] if by_level and found.change_at is not None else None,
        now=newest(known, NEWEST),
        later=UNKNOWN if tripped is None else newest(known.part(known.at > tripped), NEWEST),
        slope=slope_of(watched.at, watched.right, watched.shares),
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


def _fell_at(known: Drawn, drop: float) -> int | None:
    """The answer at which the slope first says for certain that it falls, by ``drop`` or more.

    Looked at with every answer from the 200th on. It needs no baseline, so it finds a slow fall
    where the first 200 answers happened to be worse than the model is.
    """
    n = len(known)
    if n < FIRST:
        return None
    x = (known.at - known.at[0]) / np.timedelta64(1, "s")
    w, wrong = known.shares.min() / known.shares, (~known.right).astype(np.float64)
    count = np.arange(1, n + 1)
    total, sum_x, squares = np.cumsum(w), np.cumsum(w * x), np.cumsum(w**2)
    mean = sum_x / total
    spread = np.cumsum(w * x**2) - sum_x * mean
    rises = np.cumsum(w * x * wrong) - mean * np.cumsum(w * wrong)
    pull = np.cumsum(w**2 * x**2) - 2 * mean * np.cumsum(w**2 * x) + mean**2 * squares
    error = (np.cumsum(w * wrong) + w.mean()) / (total + 2 * w.mean())
    certain = rises > _CERTAIN_FALL * np.sqrt(np.maximum(error * (1 - error) * pull, 0))
    far = rises * x >= drop * spread
    found = np.flatnonzero(certain & far & (count >= FIRST) & (x >= _LEAST_DAYS * 86_400))
    return int(found[0]) if len(found) else None


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
    if decay.cause == LEVEL:
        return f"decayed, most likely since {_day(decay.since)}: {expected}{now}; {trend}"
    if decay.cause == SLOPE:
        return f"decays, certain since {_day(decay.tripped_at)}: {expected}{now}; {trend}"
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
