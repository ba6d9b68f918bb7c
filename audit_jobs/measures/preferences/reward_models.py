"""How good a reward model is on prompts that it did not learn from, and what sways people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audit_jobs.measures.resampling import estimated, ratios
from backend.predictors.rewards.comparisons import Comparisons
from backend.predictors.rewards.davidson import effects
from backend.predictors.rewards.style import LENGTH, STYLE, styles
from policies.domain import BoolArray, Estimate, FloatArray, IntArray
from policies.paired import calibration_error

_BINS = 5
_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Pairs of prompts that a model did not learn from, one row each, in columns.

    ``said`` (pairs, 3) is the share of the pair's judges for the first, the second, neither;
    ``likely`` (pairs, 3) what the model expects of them; ``groups`` numbers the prompts.
    """

    said: FloatArray
    likely: FloatArray
    groups: IntArray

    @property
    def preferred(self) -> BoolArray:
        """The pairs of which more judges prefer the one than the other."""
        return np.asarray(self.said[:, 0] != self.said[:, 1], np.bool_)


def held_out(comparisons: Comparisons, likely: FloatArray) -> HeldOut:
    """The rows of each pair (one for each order in which it was shown) put together."""
    _, first, places = np.unique(comparisons.pairs, return_index=True, return_inverse=True)
    outcomes = comparisons.outcomes
    said = np.column_stack(
        [
            np.bincount(places, weights=each, minlength=len(first)).astype(np.float64)
            for each in (outcomes.first, outcomes.second, outcomes.ties)
        ]
    )
    return HeldOut(said=said, likely=likely[first], groups=comparisons.groups[first])


def pair_accuracy(pairs: HeldOut) -> Estimate:
    """How often the model likes better what most judges of a pair like better.

    Pairs of which as many judges like the one as the other are left out; a model that finds both
    alike is half right. The 95 % interval is over resampled prompts, because pairs of one prompt
    are alike; ``n`` counts pairs.
    """
    kept = pairs.preferred
    leads = np.sign(pairs.likely[kept, 0] - pairs.likely[kept, 1])
    right = 0.5 + 0.5 * leads * np.sign(pairs.said[kept, 0] - pairs.said[kept, 1])
    n = len(right)
    if n == 0:
        return Estimate(value=None, low=None, high=None, n=0)
    prompts, places = np.unique(pairs.groups[kept], return_inverse=True)
    size = len(prompts)
    figures = ratios(["right"], places, right[:, None], np.ones((n, 1)), size=size)
    return replace(estimated([figures], size)["right"], n=n)


def calibration(pairs: HeldOut) -> dict[str, Any]:
    """Whether the model is right as often as it says, of pairs of which one answer is preferred.

    ``brier`` is the mean squared gap (0.25 for who always says a half), ``ece`` the mean gap over
    ten bins of equal counts, which is above 0 by chance alone; ``reliability`` the same in five
    bins to look at. None where no pair tells.
    """
    kept = pairs.preferred
    either = pairs.likely[kept, :2]
    first = either[:, 0] / np.maximum(either.sum(axis=1), _TINY)
    said = pairs.said[kept, 0] > pairs.said[kept, 1]
    scores, right = np.maximum(first, 1.0 - first), (first >= 0.5) == said
    return {
        "brier": float(((1.0 - scores - ~right) ** 2).mean()) if len(scores) else None,
        "ece": calibration_error(scores, right),
        "reliability": [
            {
                "said": float(scores[rows].mean()),
                "right": float(right[rows].mean()),
                "n": len(rows),
            }
            for rows in np.array_split(np.argsort(scores, kind="stable"), _BINS)
            if len(rows)
        ],
    }


def ties(pairs: HeldOut) -> dict[str, float | None]:
    """The share of judgements that find both alike, and the share that the model expects."""
    if not len(pairs.said):
        return {"observed": None, "expected": None}
    return {
        "observed": float(pairs.said[:, 2].mean()),
        "expected": float(pairs.likely[:, 2].mean()),
    }


def swaying(comparisons: Comparisons) -> Mapping[str, Estimate | None]:
    """What moves people beside the content, in log odds, unpenalised, with intervals.

    ``length_alone`` is what a doubling of an answer's length adds, ``length`` the same with the
    other figures of style held, ``position`` what standing first adds (None where no two orders
    are known). An effect of 0.35 is 59 to 41.
    """
    answers = comparisons.answers
    figures = styles(answers.prompts, answers.responses)
    spreads = figures.std(axis=0)
    varied = np.flatnonzero(spreads > _TINY)
    found = figures[:, varied] / spreads[varied]
    beside = found[comparisons.first] - found[comparisons.second]
    place = STYLE.index(LENGTH)
    placed = {-1.0, 1.0} <= set(comparisons.places.tolist())
    if placed:
        beside = np.column_stack([beside, comparisons.places])
    every = effects(beside, comparisons.outcomes, comparisons.groups)
    unknown = Estimate(value=None, low=None, high=None, n=len(comparisons))
    alone = held = unknown
    if place in varied:
        column = int(np.flatnonzero(varied == place)[0])
        only = effects(beside[:, [column]], comparisons.outcomes, comparisons.groups)[0]
        alone, held = (_by_doubling(each, spreads[place]) for each in (only, every[column]))
    return {
        "length_alone": alone,
        "length": held,
        "position": every[-1] if placed else None,
    }


def _by_doubling(found: Estimate, spread: float) -> Estimate:
    bounds = (found.value, found.low, found.high)
    value, low, high = (None if each is None else float(each / spread) for each in bounds)
    return replace(found, value=value, low=low, high=high)
