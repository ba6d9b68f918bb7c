"""Do two samples come from one distribution? Tests of numbers and categories, and of a classifier.

Every p-value is for "nothing changed"; none is corrected for other tests beside it.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.stats import chi2, ks_2samp, mannwhitneyu
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from policies.domain import FloatArray, IntArray

# Expected counts under which the chi-square distribution is no good any more (Cochran 1954).
_LEAST_EXPECTED = 5
# A simulation ends after so many that are as extreme: its p-value is then near enough and exact
# in its error rate (Besag and Clifford 1991).
_ENOUGH_EXTREME = 20
SIMULATIONS = 20_000
_AT_A_TIME = 500
_BINS = 10
# Half a task: what a category or bin is given so that none is empty in the logarithm.
_PRIOR_COUNT = 0.5


def numbers_differ(reference: FloatArray, current: FloatArray) -> float:
    """Kolmogorov and Smirnov's p-value; with ties it is too large, never too small."""
    return float(ks_2samp(reference, current, method="asymp").pvalue)


def counts_differ(reference: IntArray, current: IntArray, seed: int) -> float:
    """The p-value of the chi-square test of two rows of counts, one column a category.

    Where a category is expected less than five times in either row, the null is simulated: the
    tasks keep their category and are dealt anew to the two rows.
    """
    pooled = reference + current
    reference, current = reference[pooled > 0], current[pooled > 0]
    pooled = pooled[pooled > 0]
    if len(pooled) < 2:
        return 1.0
    n, m = int(current.sum()), int(reference.sum())
    found = float(_distances(current[None, :], pooled)[0])
    if min(n, m) * pooled.min() / (n + m) >= _LEAST_EXPECTED:
        return float(chi2.sf(found * (n + m) ** 2 / (n * m), len(pooled) - 1))
    return _simulated(found, pooled, n, np.random.default_rng(seed))


def _simulated(found: float, pooled: IntArray, n: int, rng: np.random.Generator) -> float:
    seen = extreme = 0
    while seen < SIMULATIONS:
        dealt = rng.multivariate_hypergeometric(pooled, n, size=_AT_A_TIME)
        as_extreme = _distances(dealt, pooled) >= found * (1 - 1e-9)
        if extreme + int(as_extreme.sum()) >= _ENOUGH_EXTREME:
            last = int(np.flatnonzero(as_extreme)[_ENOUGH_EXTREME - extreme - 1])
            return _ENOUGH_EXTREME / (seen + last + 1)
        extreme += int(as_extreme.sum())
        seen += _AT_A_TIME
    return (extreme + 1) / (seen + 1)


def _distances(dealt: IntArray, pooled: IntArray) -> FloatArray:
    """Chi-square of each row of ``dealt`` but for a factor that is the same for all."""
    expected = dealt[0].sum() * pooled / pooled.sum()
    distances: FloatArray = ((dealt - expected) ** 2 / pooled).sum(axis=1)
    return distances


def told_apart(reference: FloatArray, current: FloatArray, seed: int) -> tuple[float, float]:
    """How well a classifier tells the samples apart: AUC and the p-value of "not at all".

    Logistic regression learns on a random half of each sample and is tested on the other halves by
    Mann and Whitney's test. One split: the folds of a cross-validation share their training rows,
    and taken together they alarm three times as often as they say.
    """
    rng = np.random.default_rng(seed)
    learned, tested = zip(_halves(reference, rng), _halves(current, rng), strict=True)
    rows = np.vstack(learned)
    is_current = np.repeat([0, 1], [len(learned[0]), len(learned[1])])
    centre, spread = rows.mean(axis=0), rows.std(axis=0)
    spread[spread == 0] = 1.0
    model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=200)
    with warnings.catch_warnings():
        # A fit that stops early tells less apart; its test on the other halves holds all the same.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit((rows - centre) / spread, is_current)
    before, after = (model.decision_function((half - centre) / spread) for half in tested)
    test = mannwhitneyu(after, before, alternative="greater", method="asymptotic")
    return float(test.statistic) / (len(before) * len(after)), float(test.pvalue)


def _halves(rows: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    order = rng.permutation(len(rows))
    half = len(rows) // 2
    return rows[order[:half]], rows[order[half:]]


def stability_index(reference: IntArray, current: IntArray) -> tuple[float, float]:
    """PSI of two rows of counts, and what it would be on average if nothing had changed.

    It is a size and no test: with ten bins and 100 tasks chance alone gives it 0.1.
    """
    used = reference + current > 0
    bins = int(used.sum())
    shares = [(counts[used] + _PRIOR_COUNT) for counts in (reference, current)]
    before, after = (counts / counts.sum() for counts in shares)
    found = float(((after - before) * np.log(after / before)).sum())
    return found, (bins - 1) * float(1 / reference.sum() + 1 / current.sum())


def binned(reference: FloatArray, current: FloatArray) -> tuple[IntArray, IntArray]:
    """Counts of both samples in ten bins that hold a tenth of the reference each, ties apart."""
    inner = np.unique(np.quantile(reference, np.linspace(0, 1, _BINS + 1)[1:-1]))
    counts = [
        np.bincount(np.searchsorted(inner, values, side="left"), minlength=len(inner) + 1)
        for values in (reference, current)
    ]
    return counts[0], counts[1]
