"""How far the workers of a votes file agree: all of them, each with the others, two by two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit_jobs.measures.alpha import krippendorff_alpha, raw_agreement
from audit_jobs.measures.cohen import cohen_kappas, pair_agreement
from audit_jobs.measures.distances import (
    Level,
    TooManyCategoriesError,
    linear_weights,
    quadratic_weights,
)
from audit_jobs.measures.fleiss import agreement_by_label, fleiss_kappa
from audit_jobs.measures.gwet import gwet_ac1, gwet_ac2
from audit_jobs.measures.icc import intraclass_correlations
from audit_jobs.measures.patterns import Patterns, patterns_of
from audit_jobs.measures.rater_pairs import RaterPairs, confusion, rater_pairs
from audit_jobs.measures.raters import agreement_with_others
from audit_jobs.measures.ratings import Ratings
from policies.domain import Estimate, FloatArray, IntArray

_WEIGHTS: Mapping[Level, Callable[[tuple[str, ...]], FloatArray]] = {
    Level.ORDINAL: linear_weights,
    Level.INTERVAL: quadratic_weights,
    Level.RATIO: quadratic_weights,
}
_MOST_BY_LABEL = 50  # labels that are told apart one by one, and in a confusion matrix


_NO_CONFUSION: IntArray = np.zeros((0, 0), dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterPair:
    """Two raters; ``n`` units both rated. The weighted kappa is for levels above the nominal."""

    raters: tuple[str, str]
    n: int
    raw_agreement: Estimate
    cohen_kappa: Estimate
    weighted_kappa: Estimate | None

    def as_json(self) -> dict[str, Any]:
        """Plain values, the weighted kappa where there is one."""
        plain: dict[str, Any] = {
            "raters": list(self.raters),
            "n": self.n,
            "raw_agreement": self.raw_agreement.as_json(),
            "cohen_kappa": self.cohen_kappa.as_json(),
        }
        if self.weighted_kappa is not None:
            plain["weighted_kappa"] = self.weighted_kappa.as_json()
        return plain


@dataclass(frozen=True, slots=True, kw_only=True)
class VotesAgreement:
    """All figures of a file; ``notes`` say in words why a figure is undefined.

    ``by_label`` and ``confusion`` are empty where there are too many labels to look at.
    """

    ratings: Ratings
    level: Level
    measures: dict[str, Estimate]
    annotators: tuple[Estimate, ...]
    pairs: tuple[RaterPair, ...]
    by_label: dict[str, Estimate]
    confusion: IntArray
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The report in plain values."""
        ratings = self.ratings
        given = _ratings_by_rater(ratings)
        return {
            "units": len(ratings.unit_names),
            "ratings": len(ratings),
            "raters": len(ratings.rater_names),
            "dropped": ratings.dropped,
            "measures": {name: found.as_json() for name, found in self.measures.items()},
            "annotators": [
                {"rater": name, "ratings": count, "agreement": found.as_json()}
                for name, count, found in zip(
                    ratings.rater_names, given, self.annotators, strict=True
                )
            ],
            "pairs": [pair.as_json() for pair in self.pairs],
        }


def votes_agreement(ratings: Ratings, level: Level) -> VotesAgreement:
    """Every figure of the ratings at this level of measurement.

    Raises
        TooManyCategoriesError: more labels than alpha can deal with at this level.
    """
    patterns = patterns_of(ratings)
    notes = _why_undefined(ratings, patterns)
    weights = _weights(ratings, level, notes)
    measures = _measures(patterns, level, weights, notes)
    if level is not Level.NOMINAL:
        measures |= intraclass_correlations(ratings)
    pairs = _rater_pairs(ratings, notes)
    few = len(ratings.categories) <= _MOST_BY_LABEL
    return VotesAgreement(
        ratings=ratings,
        level=level,
        measures=measures,
        annotators=tuple(agreement_with_others(ratings)),
        pairs=() if pairs is None else _two_by_two(ratings, pairs, weights),
        by_label=agreement_by_label(patterns) if few else {},
        confusion=_confusion(ratings, pairs) if few else _NO_CONFUSION,
        notes=tuple(notes),
    )


def _confusion(ratings: Ratings, pairs: RaterPairs | None) -> IntArray:
    return _NO_CONFUSION if pairs is None else confusion(pairs, len(ratings.categories))


def _why_undefined(ratings: Ratings, patterns: Patterns) -> list[str]:
    several = patterns.of_several().units
    if len(ratings.rater_names) == 1:
        return [f"one worker only, {ratings.rater_names[0]!r}: nobody to agree with"]
    if several == 0:
        return ["no item has votes of two workers: agreement is undefined"]
    if len(ratings.categories) == 1:
        only = ratings.categories[0]
        return [
            f"one label only, {only!r}: nobody could have disagreed, only raw agreement is defined"
        ]
    return []


def _weights(ratings: Ratings, level: Level, notes: list[str]) -> FloatArray | None:
    if level not in _WEIGHTS:
        return None
    try:
        return _WEIGHTS[level](ratings.categories)
    except TooManyCategoriesError as error:
        notes.append(f"weighted figures are left out: {error}")
        return None


def _measures(
    patterns: Patterns, level: Level, weights: FloatArray | None, notes: list[str]
) -> dict[str, Estimate]:
    found = {
        "raw_agreement": raw_agreement(patterns),
        "krippendorff_alpha": krippendorff_alpha(patterns, level),
    }
    units = patterns.of_several().units
    for name, figure in (("fleiss_kappa", fleiss_kappa), ("gwet_ac1", gwet_ac1)):
        try:
            found[name] = figure(patterns)
        except TooManyCategoriesError as error:
            found[name] = Estimate(value=None, low=None, high=None, n=units)
            notes.append(f"{name} is left out: {error}")
    if weights is not None:
        found["gwet_ac2"] = gwet_ac2(patterns, weights)
    return found


def _rater_pairs(ratings: Ratings, notes: list[str]) -> RaterPairs | None:
    try:
        return rater_pairs(ratings)
    except TooManyCategoriesError as error:
        notes.append(f"pairs are left out: {error}")
        return None


def _two_by_two(
    ratings: Ratings, pairs: RaterPairs, weights: FloatArray | None
) -> tuple[RaterPair, ...]:
    names, labels = ratings.rater_names, len(ratings.categories)
    plain = cohen_kappas(pairs, labels)
    weighted = [None] * len(pairs) if weights is None else cohen_kappas(pairs, labels, weights)
    return tuple(
        RaterPair(
            raters=(names[left], names[right]),
            n=raw.n,
            raw_agreement=raw,
            cohen_kappa=kappa,
            weighted_kappa=by_weight,
        )
        for left, right, raw, kappa, by_weight in zip(
            pairs.left.tolist(),
            pairs.right.tolist(),
            pair_agreement(pairs),
            plain,
            weighted,
            strict=True,
        )
    )


def _ratings_by_rater(ratings: Ratings) -> list[int]:
    found: list[int] = np.bincount(ratings.raters, minlength=len(ratings.rater_names)).tolist()
    return found
