"""How good each annotator is, and who agrees with whom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.stats import binom, false_discovery_control

from audit_jobs.measures.consensus import Consensus, hits
from audit_jobs.measures.ratings import Ratings
from policies.domain import BoolArray, Estimate, FloatArray, IntArray
from policies.intervals import UNKNOWN, wilson

FALSE_DISCOVERIES = 0.05  # the share of pairs named as conspicuous that may be chance


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotatorPairs:
    """Who agrees with whom: columns of one length, a pair of annotators with shared units each.

    ``kappa`` is Cohen's, NaN where it is undefined: both gave nothing but one label. ``p_value``
    is the chance of so many disagreements if the pair disagreed as all other pairs together
    do, adjusted for the number of pairs (Benjamini and Hochberg 1995); NaN without other pairs.
    """

    first: IntArray  # codes of the raters; first < second
    second: IntArray
    shared: IntArray  # units that both rated
    agreed: IntArray  # of these, where both gave the same label
    kappa: FloatArray
    p_value: FloatArray

    def __len__(self) -> int:
        return len(self.first)

    @property
    def conspicuous(self) -> BoolArray:
        """The pairs that disagree far more than chance would make them."""
        low: BoolArray = self.p_value <= FALSE_DISCOVERIES
        return low

    def agreement(self, place: int) -> Estimate:
        """The share of the pair's units on which both gave the same label."""
        return wilson(int(self.agreed[place]), int(self.shared[place]))


def annotator_pairs(ratings: Ratings) -> AnnotatorPairs:
    """Compare every two annotators who share a unit.

    The work grows with the pairs of answers to a unit, never with units x raters x labels.
    """
    raters, labels = len(ratings.rater_names), max(1, len(ratings.categories))
    rated = _incidence(ratings.units, ratings.raters, raters)
    given = _incidence(ratings.units * labels + ratings.values, ratings.raters, raters)
    shared = sparse.triu(rated.T @ rated, k=1).tocoo()
    first, second = (codes.astype(np.int64) for codes in shared.coords)
    both = np.rint(shared.data).astype(np.int64)
    pairs = first * raters + second
    order = np.argsort(pairs)
    first, second, both, pairs = first[order], second[order], both[order], pairs[order]
    same = sparse.triu(given.T @ given, k=1).tocoo()
    agreed = _at(pairs, same.coords[0].astype(np.int64) * raters + same.coords[1], same.data)
    chance = _chance(ratings, rated, pairs) / np.maximum(both, 1) ** 2
    return AnnotatorPairs(
        first=first,
        second=second,
        shared=both,
        agreed=np.rint(agreed).astype(np.int64),
        kappa=_kappa(agreed / np.maximum(both, 1), chance),
        p_value=_more_than_the_others(both - agreed, both),
    )


def agreement_with_consensus(ratings: Ratings, consensus: Consensus) -> tuple[Estimate, ...]:
    """By rater, how often he gave the label that his units have without him.

    Nobody agrees with himself: units that he rated alone, or whose others are tied, are left out.
    """
    agreed, compared = hits(ratings, consensus.others)
    return tuple(
        wilson(right, n) for right, n in zip(agreed.tolist(), compared.tolist(), strict=True)
    )


def lead_times(raters: IntArray, seconds: FloatArray, n_raters: int) -> tuple[Estimate, ...]:
    """By rater, the median time of an answer, with the 95 % interval of order statistics.

    Times that are not known, or not above 0, are left out. The interval needs six answers or
    more; with fewer the bounds are None.
    """
    known = np.isfinite(seconds) & (seconds > 0)
    order = np.lexsort((seconds[known], raters[known]))
    ends = np.cumsum(np.bincount(raters[known], minlength=n_raters))
    return tuple(_median(times) for times in np.split(seconds[known][order], ends[:-1]))


def _median(times: FloatArray) -> Estimate:
    """The median of sorted times; its bounds are two of the times, picked by binomial chance."""
    n = len(times)
    if n == 0:
        return UNKNOWN
    below = int(binom.ppf(0.025, n, 0.5)) - 1  # the coverage is at least 95 %
    certain = below >= 0
    return Estimate(
        value=float(np.median(times)),
        low=float(times[below]) if certain else None,
        high=float(times[n - 1 - below]) if certain else None,
        n=n,
    )


def _incidence(rows: IntArray, columns: IntArray, width: int) -> sparse.csr_array:
    """A table with a 1 where a row and a column meet; empty rows are left out."""
    used, places = np.unique(rows, return_inverse=True)
    return sparse.csr_array((np.ones(len(rows)), (places, columns)), shape=(len(used), width))


def _at(pairs: IntArray, keys: IntArray, figures: FloatArray) -> FloatArray:
    """The sum of the figures of each pair; ``pairs`` is sorted and holds every key."""
    sums = np.bincount(np.searchsorted(pairs, keys), figures, minlength=len(pairs))
    return sums.astype(np.float64, copy=False)


def _chance(ratings: Ratings, rated: sparse.csr_array, pairs: IntArray) -> FloatArray:
    """For each pair, over the labels: how often one gave it times how often the other did.

    Only the units that the pair shares count, as in Cohen's kappa.
    """
    raters, labels = len(ratings.rater_names), max(1, len(ratings.categories))
    said, columns = np.unique(ratings.raters * labels + ratings.values, return_inverse=True)
    answers = _incidence(ratings.units, columns, len(said))
    met = (answers.T @ rated).tocoo()  # how often one said something where the other answered
    who, what = np.divmod(said[met.coords[0]], labels)
    beside = met.coords[1].astype(np.int64)
    low, high = np.minimum(who, beside), np.maximum(who, beside)
    keys = (low * raters + high) * labels + what
    one, other = who < beside, who > beside
    both, in_one, in_other = np.intersect1d(keys[one], keys[other], return_indices=True)
    return _at(pairs, both // labels, met.data[one][in_one] * met.data[other][in_other])


def _kappa(observed: FloatArray, chance: FloatArray) -> FloatArray:
    kappa: FloatArray = np.full(len(observed), np.nan)
    np.divide(observed - chance, 1 - chance, out=kappa, where=chance < 1)
    return kappa


def _more_than_the_others(disagreed: FloatArray, shared: IntArray) -> FloatArray:
    rest = shared.sum() - shared
    found: FloatArray = np.full(len(shared), np.nan)
    if len(shared) > 1:
        usual = (disagreed.sum() - disagreed) / rest
        found = false_discovery_control(binom.sf(disagreed - 1, shared, usual))
    return found
