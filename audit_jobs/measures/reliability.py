"""Whether scores keep their word: of answers with a score of 80 %, 80 % should be right.

Bins of equal width, as in a reliability diagram (Niculescu-Mizil and Caruana 2005), and the
expected calibration error over them (Naeini et al. 2015). That error is above 0 for perfect
scores too, the more so the fewer answers there are, so what chance alone gives stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from policies.domain import BoolArray, Estimate, FloatArray, IntArray
from policies.intervals import wilson

BINS = 10
_DRAWS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreBin:
    """Answers with scores from ``start`` up to ``end``: their mean, and how many are right."""

    start: float
    end: float
    score: float
    right: Estimate

    def as_json(self) -> dict[str, Any]:
        """Plain values, flat."""
        return {
            "start": self.start,
            "end": self.end,
            "score": self.score,
            **self.right.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """The bins that hold answers, and their mean distance from the diagonal.

    ``error`` weighs the bins by their answers; None without an answer. ``by_chance`` is what as
    many answers whose scores are perfect would show, and do not pass in 95 of 100 cases in
    ``most_by_chance``. ``bias`` is mean score less share right: above 0 the scores are too sure.
    """

    bins: tuple[ScoreBin, ...]
    n: int
    error: float | None
    by_chance: float | None
    most_by_chance: float | None
    bias: float | None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "bins": [each.as_json() for each in self.bins],
            "n": self.n,
            "error": self.error,
            "by_chance": self.by_chance,
            "most_by_chance": self.most_by_chance,
            "bias": self.bias,
        }


def reliability(
    scores: ArrayLike, right: ArrayLike, bins: int = BINS, seed: int = 0
) -> Reliability:
    """How often answers are right by their score; those without a score in [0, 1] are left out.

    >>> round(reliability([0.9] * 10, [True] * 8 + [False] * 2).error, 3)
    0.1

    Raises
        ValueError: the lengths differ.
    """
    given: FloatArray = np.asarray(scores, dtype=np.float64)
    were_right: BoolArray = np.asarray(right, dtype=np.bool_)
    if len(given) != len(were_right):
        raise ValueError(f"scores and right differ in length: {len(given)} and {len(were_right)}")
    usable = (given >= 0) & (given <= 1)  # nan is neither
    given, were_right = given[usable], were_right[usable]
    if not len(given):
        return Reliability(bins=(), n=0, error=None, by_chance=None, most_by_chance=None, bias=None)
    places: IntArray = np.minimum((given * bins).astype(np.int64), bins - 1)
    counts = np.bincount(places, minlength=bins)
    scored: FloatArray = np.bincount(places, weights=given, minlength=bins).astype(np.float64)
    hits = np.bincount(places, weights=were_right, minlength=bins)
    chance = _by_chance(given, (places, scored, bins), seed)
    return Reliability(
        bins=tuple(
            ScoreBin(
                start=place / bins,
                end=(place + 1) / bins,
                score=float(scored[place] / counts[place]),
                right=wilson(int(hits[place]), int(counts[place])),
            )
            for place in np.flatnonzero(counts).tolist()
        ),
        n=len(given),
        error=float(np.abs(scored - hits).sum() / len(given)),
        by_chance=float(chance.mean()),
        most_by_chance=float(np.quantile(chance, 0.95)),
        bias=float(given.mean() - were_right.mean()),
    )


def _by_chance(
    scores: FloatArray, binned: tuple[IntArray, FloatArray, int], seed: int
) -> FloatArray:
    """The calibration errors of answers that are right exactly as often as their scores say."""
    places, scored, bins = binned
    generator = np.random.default_rng(seed)
    found = np.empty(_DRAWS)
    for draw in range(_DRAWS):
        hits = np.bincount(places, weights=generator.random(len(scores)) < scores, minlength=bins)
        found[draw] = np.abs(scored - hits).sum() / len(scores)
    return found
