"""What to write into the guideline where people do not agree: which labels they mix up, and where.

Merging two labels is one way out, and often the wrong one: alpha says whether it would help people
agree, not whether the difference matters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit_jobs.measures.alpha import columns, krippendorff_alpha
from audit_jobs.measures.bootstrap import Sums, estimated, ratio
from audit_jobs.measures.confusions import examples, label_confusions
from audit_jobs.measures.patterns import Patterns, patterns_of
from audit_jobs.measures.ratings import Ratings
from policies.domain import Estimate, FloatArray

MOST_PAIRS = 5
MOST_EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusedPair:
    """Two labels that people mix up, units to look at, and what merging the two would do.

    ``units`` got both labels, ``lift`` times as many as by chance; ``p_value`` (None: undefined) is
    the chance of so many. ``gain`` is ``alpha_merged`` less the alpha of the labels as they are,
    with the interval of the difference; both are undefined where merging leaves one label.
    """

    first: str
    second: str
    units: int
    lift: float
    p_value: float | None
    examples: tuple[str, ...]  # names of units, the most evenly split first
    alpha_merged: Estimate
    gain: Estimate

    @property
    def merging_helps(self) -> bool:
        """True where people would agree better beyond chance, for all that the interval holds."""
        return self.gain.low is not None and self.gain.low > 0

    def as_json(self) -> dict[str, Any]:
        """Plain values for reports."""
        return {
            "labels": [self.first, self.second],
            "units": self.units,
            "lift": self.lift,
            "p_value": self.p_value,
            "examples": list(self.examples),
            "alpha_merged": self.alpha_merged.as_json(),
            "gain": self.gain.as_json(),
            "merging_helps": self.merging_helps,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidelineReport:
    """Krippendorff's nominal alpha as it is, and the labels most mixed up, the worst first."""

    alpha: Estimate
    pairs: tuple[ConfusedPair, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values for reports."""
        return {"alpha": self.alpha.as_json(), "pairs": [pair.as_json() for pair in self.pairs]}


def guideline_report(ratings: Ratings, *, seed: int = 0) -> GuidelineReport:
    """Name the labels that people mix up most, with examples and what merging them would do.

    Raises
        TooManyCategoriesError: more labels than alpha can deal with.
    """
    patterns = patterns_of(ratings)
    alpha = krippendorff_alpha(patterns, seed=seed)
    found = label_confusions(ratings)
    pairs = []
    for place in range(min(MOST_PAIRS, len(found))):
        first, second = int(found.first[place]), int(found.second[place])
        p_value = float(found.p_value[place])
        pairs.append(
            ConfusedPair(
                first=ratings.categories[first],
                second=ratings.categories[second],
                units=int(found.units[place]),
                lift=float(found.lift[place]),
                p_value=None if math.isnan(p_value) else p_value,
                examples=tuple(
                    ratings.unit_names[unit]
                    for unit in examples(ratings, first, second, MOST_EXAMPLES).tolist()
                ),
                alpha_merged=_merging(patterns, first, second, seed, gain=False),
                gain=_merging(patterns, first, second, seed, gain=True),
            )
        )
    return GuidelineReport(alpha=alpha, pairs=tuple(pairs))


def _merging(patterns: Patterns, first: int, second: int, seed: int, *, gain: bool) -> Estimate:
    """Alpha where two labels are one, or how much higher it is than before; same resamples."""
    several = patterns.of_several()
    one, other = (several.counts[:, [label]].toarray().ravel() for label in (first, second))
    before = (several.sizes**2 - several.squares()) / (several.sizes - 1)
    after = before - 2 * one * other / (several.sizes - 1)

    def figure(totals: FloatArray) -> FloatArray:
        given, counts = totals[:, 2], totals[:, 3:]
        chance = given**2 - (counts**2).sum(axis=1)
        merged = chance - 2 * counts[:, first] * counts[:, second]
        alpha: FloatArray = np.subtract(1, ratio(totals[:, 1] * (given - 1), merged))
        if not gain:
            return alpha
        before_it: FloatArray = np.subtract(1, ratio(totals[:, 0] * (given - 1), chance))
        return alpha - before_it

    adds = columns(before, after, several.sizes, several.counts)
    sums = Sums(adds=adds, frequency=several.frequency, n=several.units, figure=figure)
    return estimated(sums, seed)
