"""Measures of agreement beside krippendorff, statsmodels and nltk: the same values, and the times.

All get the same made-up ratings in the form that they want, which is not timed; the values must be
equal to nine digits. nltk works rating by rating, so it gets fewer. Labelgate's figures come with
an interval of 1,000 resamples where the row says so, the packages' without any. Times are of the
processor, the best of three. Run: ``python -m benchmarks.agreement_peers``.
"""

from __future__ import annotations

from collections.abc import Callable

import krippendorff
import numpy as np
from nltk.metrics.agreement import AnnotationTask
from statsmodels.stats.inter_rater import cohens_kappa as statsmodels_cohen
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from audit_jobs.measures.alpha import alpha_value
from audit_jobs.measures.cohen import cohen_kappas
from audit_jobs.measures.distances import Level
from audit_jobs.measures.fleiss import fleiss_kappa
from audit_jobs.measures.patterns import patterns_of
from audit_jobs.measures.rater_pairs import rater_pairs
from audit_jobs.measures.ratings import Ratings, counts
from benchmarks.agreement import columns, table, timed
from benchmarks.results import Row, at_least, finish, is_quick
from policies.domain import FloatArray

UNITS, QUICK_UNITS = 50_000, 5_000
NLTK_UNITS = 1_000
LABELS = 5
_EQUAL = 1e-9
# The least speed, as a multiple of the peer's; those below one are for 1,000 resamples, or a
# jackknife, beside a value without.
LEAST_ALPHA, LEAST_FLEISS, LEAST_COHEN, LEAST_NLTK = 5.0, 0.05, 0.3, 10.0
_RUNS = 3


def equal(here: float | None, there: float) -> None:
    """AssertionError where two values differ."""
    assert here is not None, "undefined here"
    assert abs(here - there) < _EQUAL, f"{here} here, {there} there"


def beside(
    name: str, ours: Callable[[], object], theirs: Callable[[], object], peer: str, least: float
) -> Row:
    """The times of both as a row."""
    here, there = timed(ours, _RUNS), timed(theirs, _RUNS)
    return at_least(
        f"{name}, the same value",
        figure=f"{1e3 * here:.1f} ms",
        peer=f"{peer} {1e3 * there:.1f} ms",
        ratio=there / here,
        limit=least,
    )


def alphas(said: FloatArray, ratings: Ratings) -> list[Row]:
    """Krippendorff's alpha at three levels."""
    rows = []
    for level in (Level.NOMINAL, Level.ORDINAL, Level.INTERVAL):

        def theirs(level: Level = level) -> float:
            return float(
                krippendorff.alpha(reliability_data=said, level_of_measurement=level.value)
            )

        def ours(level: Level = level) -> float | None:
            return alpha_value(patterns_of(ratings), level)

        equal(ours(), theirs())
        name = f"alpha, {level.value}, {len(ratings):,} ratings"
        rows.append(beside(name, ours, theirs, "krippendorff", LEAST_ALPHA))
    return rows


def kappas(said: FloatArray, ratings: Ratings) -> list[Row]:
    """Fleiss' kappa of all raters, Cohen's of every pair; here both with their intervals."""
    by_unit = counts(ratings)
    equal(fleiss_kappa(patterns_of(ratings)).value, float(statsmodels_fleiss(by_unit)))

    def pairs_here() -> list[float | None]:
        return [each.value for each in cohen_kappas(rater_pairs(ratings), LABELS)]

    def pairs_there() -> list[float]:
        found = []
        for left in range(len(said)):
            for right in range(left + 1, len(said)):
                cells = said[left].astype(np.int64) * LABELS + said[right].astype(np.int64)
                square = np.bincount(cells, minlength=LABELS**2).reshape(LABELS, LABELS)
                found.append(float(statsmodels_cohen(square).kappa))
        return found

    for here, there in zip(pairs_here(), pairs_there(), strict=True):
        equal(here, there)
    return [
        beside(
            f"Fleiss' kappa with its interval, {len(ratings):,} ratings",
            lambda: fleiss_kappa(patterns_of(ratings)),
            lambda: statsmodels_fleiss(by_unit),
            "statsmodels, from counts and without an interval",
            LEAST_FLEISS,
        ),
        beside(
            f"Cohen's kappa of {len(pairs_here())} pairs with intervals",
            pairs_here,
            pairs_there,
            "statsmodels",
            LEAST_COHEN,
        ),
    ]


def beside_nltk() -> list[Row]:
    """Alpha and the mean of Cohen's kappas, of fewer ratings."""
    said = table(NLTK_UNITS, LABELS, 0.0)
    ratings = columns(said)
    triples = [
        (str(rater), str(unit), str(int(value)))
        for rater, row in enumerate(said.tolist())
        for unit, value in enumerate(row)
    ]

    def mean_kappa() -> float:
        found = [each.value for each in cohen_kappas(rater_pairs(ratings), LABELS)]
        return float(np.mean([each for each in found if each is not None]))

    task = AnnotationTask(data=triples)
    equal(alpha_value(patterns_of(ratings), Level.NOMINAL), float(task.alpha()))
    equal(mean_kappa(), float(task.kappa()))
    return [
        beside(
            f"alpha, nominal, {len(ratings):,} ratings",
            lambda: alpha_value(patterns_of(ratings), Level.NOMINAL),
            task.alpha,
            "nltk",
            LEAST_NLTK,
        ),
        beside(
            f"mean of Cohen's kappas, {len(ratings):,} ratings",
            mean_kappa,
            task.kappa,
            "nltk",
            LEAST_NLTK,
        ),
    ]


def main() -> None:
    """Print the figures; 1 where a limit is not held."""
    said = table(QUICK_UNITS if is_quick() else UNITS, LABELS, 0.0)
    ratings = columns(said)
    finish([*alphas(said, ratings), *kappas(said, ratings), *beside_nltk()])


if __name__ == "__main__":
    main()
