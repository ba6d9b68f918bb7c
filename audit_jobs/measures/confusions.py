"""Which labels people mix up: more often than chance would make them, and who does it alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from audit_jobs.measures.multiple_tests import adjusted
from audit_jobs.measures.ratings import Ratings
from audit_jobs.measures.tally import Tally, tally_of
from policies.domain import BoolArray, FloatArray, IntArray

FALSE_DISCOVERIES = 0.05  # the share of confusions named as conspicuous that may be chance


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConfusions:
    """Pairs of labels that some unit got both of, most confused first; columns of one length.

    ``expected`` is in how many units the pair would meet if people who differ took any label as
    often as it is given; ``lift`` is ``units / expected``: above 1 the two are taken for each
    other. ``p_value`` is the chance of meeting so often, adjusted for the number of pairs of labels
    (Benjamini and Hochberg 1995); NaN where there is one pair only.
    """

    first: IntArray  # codes of the labels; first < second
    second: IntArray
    units: IntArray  # units that got both
    expected: FloatArray
    p_value: FloatArray

    def __len__(self) -> int:
        return len(self.first)

    @property
    def lift(self) -> FloatArray:
        """How many times as often as by chance."""
        lift: FloatArray = self.units / self.expected
        return lift

    @property
    def conspicuous(self) -> BoolArray:
        """The pairs that are confused far more than chance would make them."""
        low: BoolArray = self.p_value <= FALSE_DISCOVERIES
        return low


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterConfusions:
    """What raters say where the others say something else; columns of one length.

    One row for each rater, label of the others and label of his that came up. ``expected`` is how
    often the raters together say it there, for as many answers as his; ``lift`` and ``p_value`` as
    for labels, adjusted over all rows.
    """

    rater: IntArray
    others: IntArray  # code of the label that the unit has without him
    said: IntArray  # code of the label that he gave
    times: IntArray
    expected: FloatArray
    p_value: FloatArray

    def __len__(self) -> int:
        return len(self.rater)

    @property
    def lift(self) -> FloatArray:
        """How many times as often as the raters together."""
        lift: FloatArray = self.times / self.expected
        return lift

    @property
    def conspicuous(self) -> BoolArray:
        """The rows that one rater shows far more than chance would make him."""
        low: BoolArray = self.p_value <= FALSE_DISCOVERIES
        return low


def label_confusions(ratings: Ratings) -> LabelConfusions:
    """Count, for every two labels, the units that got both.

    Units and not pairs of answers are counted: a unit that splits ten people in halves is one
    observation, not twenty-five.
    """
    labels = max(1, len(ratings.categories))
    keys, units = np.unique(_met(tally_of(ratings), labels), return_counts=True)
    first, second = np.divmod(keys, labels)
    given = np.bincount(ratings.values, minlength=labels) / max(1, len(ratings))
    together = given[first] * given[second]
    # Chance over all pairs of different labels, those that never met too.
    chance = 2 * together / (1 - (given**2).sum()) if len(keys) else together
    total = int(units.sum())
    p_value: FloatArray = np.full(len(keys), np.nan)
    pairs = len(given) * (len(given) - 1) // 2
    if pairs > 1 and len(keys):
        p_value = adjusted(binom.sf(units - 1, total, np.minimum(chance, 1)), pairs)
    order = np.lexsort((keys, -units))
    return LabelConfusions(
        first=first[order],
        second=second[order],
        units=units[order].astype(np.int64),
        expected=(total * chance)[order],
        p_value=p_value[order],
    )


def examples(ratings: Ratings, first: int, second: int, most: int = 5) -> IntArray:
    """Units that got both labels, those first that split people most evenly between the two."""
    units = len(ratings.unit_names)
    one, other = (
        np.bincount(ratings.units[ratings.values == label], minlength=units)
        for label in (first, second)
    )
    both = np.flatnonzero((one > 0) & (other > 0))
    one, other = one[both], other[both]
    order = np.lexsort((both, -(one + other), -np.minimum(one, other)))
    chosen: IntArray = both[order][:most]
    return chosen


def rater_confusions(ratings: Ratings, others: IntArray) -> RaterConfusions:
    """Compare what each rater says with what the others say of the same unit.

    ``others`` has, for each rating, the label that its unit has without it (-1: none), as a
    consensus gives it.
    """
    labels = max(1, len(ratings.categories))
    known = others >= 0
    rater, other, said = ratings.raters[known], others[known], ratings.values[known]
    cells, counted = np.unique((rater * labels + other) * labels + said, return_counts=True)
    where, what = np.divmod(cells, labels)
    who, about = np.divmod(where, labels)
    asked = _sums(where, counted)
    together = _sums(about * labels + what, counted) / _sums(about, counted)
    chances: FloatArray = np.asarray(binom.sf(counted - 1, asked, together))
    wrong = np.flatnonzero(what != about)
    p_value = adjusted(chances[wrong], _possible(where, about, what, labels))
    order = np.lexsort((-counted[wrong], p_value))
    rows = wrong[order]
    return RaterConfusions(
        rater=who[rows],
        others=about[rows],
        said=what[rows],
        times=counted[rows].astype(np.int64),
        expected=(asked * together)[rows],
        p_value=p_value[order],
    )


def _possible(where: IntArray, about: IntArray, what: IntArray, labels: int) -> int:
    """How many confusions could have come up: of each rater, all that anybody shows there."""
    shown = np.unique(about[what != about] * labels + what[what != about])
    by_label = np.bincount(shown // labels, minlength=labels)
    return int(by_label[np.unique(where) % labels].sum())


def _met(tally: Tally, labels: int) -> IntArray:
    """One number, first label x labels + second, for each pair of labels of each unit."""
    found: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    open_entries: IntArray = np.arange(len(tally.units))
    for step in range(1, len(tally.units)):
        open_entries = open_entries[open_entries + step < len(tally.units)]
        same = tally.units[open_entries] == tally.units[open_entries + step]
        open_entries = open_entries[same]
        if len(open_entries) == 0:
            break
        found.append(tally.values[open_entries] * labels + tally.values[open_entries + step])
    return np.concatenate(found)


def _sums(keys: IntArray, figures: IntArray) -> FloatArray:
    """For each entry, the sum of the figures of all entries of the same key."""
    _, place = np.unique(keys, return_inverse=True)
    sums = np.bincount(place, figures)
    return sums[place].astype(np.float64, copy=False)
