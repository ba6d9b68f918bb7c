"""How accuracy grows with labels, and about how many more the next step takes.

Models trained on parts of the examples answer the same held-out rows; a power law through their
error rates (Hestness et al., "Deep Learning Scaling is Predictable, Empirically", 2017) says where
the next step is reached. Resampling the held-out rows gives its interval, because the same rows
judge all the models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from backend.predictors.folds import share_of
from policies.domain import BoolArray, Estimate, FloatArray, IntArray
from policies.intervals import wilson

# Parts of a fold's training rows on which further models are fitted, beside the whole.
_SHARES = (0.25, 0.5)
# Folds whose held-out rows judge them: few, because each costs a fit for every share.
_FOLDS = 2

# Training rows and held-out rows -> the decision values of the latter.
Answered = Callable[[IntArray, IntArray], FloatArray]

_STEPS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.96, 0.97, 0.98, 0.99)
# A step nearer than this is as good as reached.
_NEXT = 0.005
_LEAST_ROWS, _LEAST_ERRORS = 50, 5
_RESAMPLES = 400
# Nobody plans by a forecast that lies further off than this many times the labels there are.
_FURTHEST = 10.0

NOT_YET = "how many more labels it would take cannot be said yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningPoint:
    """The accuracy, on rows not seen, of a model trained on so many labels."""

    labels: int
    accuracy: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """Accuracies by rising number of labels, and what to expect of more, in words."""

    points: tuple[LearningPoint, ...]
    advice: str


def learning_curve(
    folds: Sequence[tuple[IntArray, IntArray]],
    codes: IntArray,
    models: tuple[Answered, Sequence[FloatArray]],
    *,
    seed: int,
) -> LearningCurve:
    """The curve of models that learn from parts of the (training, held-out) rows of some folds.

    ``models`` are how one is made, and what those of all the rows of each fold said (rows x
    labels); ``codes`` are the true columns. At least one fold is given.
    """
    answered, whole = models
    right: list[list[BoolArray]] = [[] for _ in (*_SHARES, 1.0)]
    sizes = np.zeros((len(right), len(folds[:_FOLDS])))
    for fold, (rows, held_out) in enumerate(folds[:_FOLDS]):
        parts = [share_of(rows, codes, share, seed) for share in _SHARES]
        said = [*(answered(part, held_out) for part in parts), whole[fold]]
        for place, decisions in enumerate(said):
            right[place].append(decisions.argmax(axis=1) == codes[held_out])
        sizes[:, fold] = [*map(len, parts), len(rows)]
    mean_sizes = np.rint(sizes.mean(axis=1)).astype(np.int64).tolist()
    return curve_of(
        mean_sizes,
        np.array([np.concatenate(each) for each in right]),
        labels=len(codes),
        seed=seed,
    )


def curve_of(sizes: Sequence[int], right: BoolArray, *, labels: int, seed: int) -> LearningCurve:
    """The curve from models trained on ``sizes`` labels, rising, that answered the same rows.

    ``right`` (sizes x rows) says which answers were right; ``labels`` is how many examples there
    are in all, from which on more are counted.
    """
    points = tuple(
        LearningPoint(labels=size, accuracy=wilson(int(row.sum()), len(row)))
        for size, row in zip(sizes, right, strict=True)
    )
    return LearningCurve(points=points, advice=_advice(sizes, right, labels, seed))


def curve_as_plain(curve: LearningCurve) -> dict[str, Any]:
    """The curve as JSON, as a version's lineage keeps it."""
    return {
        "points": [
            {"labels": each.labels, "accuracy": asdict(each.accuracy)} for each in curve.points
        ],
        "advice": curve.advice,
    }


def _advice(sizes: Sequence[int], right: BoolArray, labels: int, seed: int) -> str:
    """About how many more labels the next step of accuracy takes."""
    rows = right.shape[1]
    wrong = np.count_nonzero(~right, axis=1)
    if len(sizes) < 2 or rows < _LEAST_ROWS or wrong[-1] < _LEAST_ERRORS:
        return NOT_YET
    logs = np.log(np.asarray(sizes, np.float64))
    level, fall = _power_law(logs, wrong[:, np.newaxis], rows)
    now = 1.0 - np.exp(level[0] - fall[0] * np.log(labels))
    step = next((each for each in _STEPS if each >= now + _NEXT), None)
    if step is None:
        return NOT_YET
    # Rows that the same models answer right are alike, so drawing rows is drawing kinds of them.
    kinds, counts = np.unique(~right, axis=1, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(rows, counts / rows, _RESAMPLES)
    resampled = _power_law(logs, kinds.astype(np.int64) @ drawn.T, rows)
    needed = _needed((level, fall), step)[0]
    low, high = np.quantile(_needed(resampled, step), [0.05, 0.95], method="inverted_cdf")
    if not high < _FURTHEST * labels:
        return NOT_YET
    low, more, high = (_rounded(each - labels) for each in (low, needed, high))
    words = f"about {more:,} more labels for {100 * step:.3g} %"
    return f"{words} (between {low:,} and {high:,})"


def _power_law(logs: FloatArray, wrong: IntArray, rows: int) -> tuple[FloatArray, FloatArray]:
    """Level and fall of log error = level - fall * log labels, for each column of counts.

    Least squares, each point weighed by its number of errors, which is about the inverse of the
    variance of its logarithm.
    """
    weights = wrong + 0.5
    errors = np.log(weights / (rows + 1.0))
    shares = weights / weights.sum(axis=0)
    middle = (shares * logs[:, np.newaxis]).sum(axis=0)
    mean = (shares * errors).sum(axis=0)
    away = logs[:, np.newaxis] - middle
    fall = -(shares * away * errors).sum(axis=0) / (shares * away**2).sum(axis=0)
    return mean + fall * middle, fall


def _needed(law: tuple[FloatArray, FloatArray], step: float) -> FloatArray:
    """The labels at which the error rate has fallen to that of the step; infinite where never."""
    level, fall = law
    with np.errstate(divide="ignore", over="ignore"):
        needed = np.exp((level - np.log(1.0 - step)) / np.maximum(fall, 0.0))
    return np.where(fall > 0.0, needed, np.inf)


def _rounded(number: float) -> int:
    """To two digits, at least 10: the forecast knows no more."""
    unit: int = 10 ** max(1, int(np.log10(max(number, 10.0))) - 1)
    return max(10, round(number / unit) * unit)
