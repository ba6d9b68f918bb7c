"""Choices between two answers as a logistic regression, judges of one question dependent.

The log odds of answer a are a sum of what is known of the question (its columns) and of what is
not: a normal deviation that all judges of the question share, McCulloch and Searle 2001,
"Generalized, Linear, and Mixed Models". Where judges of one question agree, they do so because one
answer is better, and then a small push, as that of the place on the screen, turns few of them: a
plain regression takes it for smaller than it is, by a third where the log odds spread by 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, minimize
from scipy.special import expit, logsumexp

from audit_jobs.measures.bootstrap import sum_by
from policies.domain import BoolArray, FloatArray, IntArray

# The deviation is integrated over a grid, its standard deviations -4.5 to 4.5. A logistic curve has
# its nearest poles at ± πi, so that the trapezoidal rule errs by exp(-2 π² / (spread * step)): by
# 0.005 at the widest spread, by less than 1e-5 at 4. Gauss and Hermite's points are too far apart.
_NODES = 25
_WIDEST = 10.0  # log odds: judges of a question then say the same but for one in ten
_STEP = 1e-4  # for the slope of the gradient
# Coefficients are drawn to 0 as if each had been seen once, ± 5: too little to be seen where they
# are known, enough to keep them finite where a column tells every choice.
_LOOSE = 5.0
_FARTHEST = 300.0  # log odds beyond which nothing changes any more, and exp would overflow
_CELLS = 100_000  # of a table of choices by nodes: 800 kB

_POINTS: FloatArray = np.asarray(np.linspace(-4.5, 4.5, _NODES), np.float64)
_LOG_MASS: FloatArray = np.asarray(-(_POINTS**2) / 2 - logsumexp(-(_POINTS**2) / 2))
_MASS: FloatArray = np.exp(_LOG_MASS)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choices:
    """Choices of ``True`` (answer a) or not, a row of ``columns`` each.

    ``group`` is the question of each, sorted, from 0 without gaps.
    """

    columns: FloatArray
    chosen: BoolArray
    group: IntArray

    @property
    def repeated(self) -> bool:
        """Whether some question has two choices or more, so that they tell how much it deviates."""
        return len(self.group) > int(self.group.max(initial=-1)) + 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """Log odds by column, how far questions deviate (``spread``), and what is left unexplained.

    ``spread`` is 0 where no question has two choices: then nothing tells it. ``residuals`` are the
    choices (1 or 0) less their expectation given all choices of the question.
    """

    coefficients: FloatArray
    spread: float
    residuals: FloatArray
    converged: bool


def fit_choices(choices: Choices, *, deviating: bool = True) -> Fitted:
    """The coefficients of greatest likelihood; the deviation is integrated out.

    Without it they are those of a plain logistic regression: averages over questions, and nearer
    to 0 than those of a question.
    """
    width = choices.columns.shape[1]
    deviates = float(deviating and choices.repeated)
    start = np.append(np.zeros(width), deviates)
    bounds = Bounds(
        np.append(np.full(width, -np.inf), 0.0),
        np.append(np.full(width, np.inf), _WIDEST * deviates),
    )
    found = minimize(_loss_of(choices), start, jac=True, method="L-BFGS-B", bounds=bounds)
    best = np.asarray(found.x, np.float64)
    return Fitted(
        coefficients=best[:width],
        spread=float(best[width]),
        residuals=_pulls(choices, best).residuals,
        converged=bool(found.success),
    )


def standard_errors(choices: Choices, fitted: Fitted, cluster: IntArray) -> FloatArray:
    """By column, then that of the spread; questions of a ``cluster`` may depend on each other.

    ``cluster`` has an entry for each question. The spread's is 0 where it stands at an end.

    The sandwich of White 1982 and Liang and Zeger 1986, with its correction for few clusters.
    """
    width = choices.columns.shape[1]
    free = width + (1 if 0.0 < fitted.spread < _WIDEST else 0)
    at = np.append(fitted.coefficients, fitted.spread)
    slopes = np.empty((free, free))
    for place in range(free):
        step = np.zeros(width + 1)
        step[place] = _STEP
        apart = _gradient(choices, at + step) - _gradient(choices, at - step)
        slopes[place] = apart[:free] / (2 * _STEP)
    by_question = _pulls(choices, at).by_group[:, :free]
    clusters = int(cluster.max(initial=-1)) + 1
    sums = np.stack([sum_by(cluster, column, clusters) for column in by_question.T], axis=1)
    seen = len(np.unique(cluster))
    bread = np.linalg.pinv((slopes + slopes.T) / 2)
    covariance = bread @ (sums.T @ sums) @ bread * (seen / max(seen - 1, 1))
    errors = np.zeros(width + 1)
    errors[:free] = np.sqrt(np.maximum(np.diag(covariance), 0))
    return errors


def share_chosen(choices: Choices, fitted: Fitted, column: int, coefficient: float) -> float:
    """The mean chance of the choice that ``column`` (1 or -1) speaks for, at this coefficient.

    Everything else counts as often for it as against it: what the share would be if its sign were
    drawn evenly for every choice.
    """
    others = np.delete(choices.columns, column, axis=1)
    base = others @ np.delete(fitted.coefficients, column)
    if not fitted.spread:
        return float((expit(coefficient + base) + expit(coefficient - base)).mean() / 2)
    odds = base[:, None] + fitted.spread * _POINTS
    both = (expit(coefficient + odds) + expit(coefficient - odds)) / 2
    return float((both @ _MASS).mean())


@dataclass(frozen=True, slots=True)
class _Pulls:
    """Log likelihood, and how each question pulls at each coefficient and at the spread."""

    log_likelihood: float
    by_group: FloatArray
    residuals: FloatArray


def _loss_of(choices: Choices) -> Callable[[Any], Any]:
    return lambda at: _loss(choices, at)


def _loss(choices: Choices, at: FloatArray) -> tuple[float, FloatArray]:
    found = _pulls(choices, at)
    drawn = np.append(at[:-1], 0.0) / _LOOSE**2
    loss = -found.log_likelihood + float(drawn @ at) / 2
    return loss, drawn - found.by_group.sum(axis=0)


def _gradient(choices: Choices, at: FloatArray) -> FloatArray:
    return _loss(choices, at)[1]


def _pulls(choices: Choices, at: FloatArray) -> _Pulls:
    """Some questions at a time: their table of choices by nodes then stays in the cache."""
    group, signs = choices.group, np.where(choices.chosen, 1.0, -1.0)
    groups = int(group.max(initial=-1)) + 1
    starts = np.searchsorted(group, np.arange(groups + 1))
    agreed = signs * (choices.columns @ at[:-1])
    by_group = np.empty((groups, len(at)))
    residuals = np.empty(len(group))
    log_likelihood = 0.0
    for first, last in _parts(starts, _CELLS // (_NODES if at[-1] else 1)):
        rows = slice(starts[first], starts[last])
        told, left, along = _integrated(
            signs[rows], agreed[rows], starts[first : last + 1] - starts[first], float(at[-1])
        )
        log_likelihood += told
        residuals[rows] = left
        pulls = np.column_stack([choices.columns[rows] * left[:, None], along])
        by_group[first:last] = _summed(starts[first : last + 1] - starts[first], pulls)
    return _Pulls(log_likelihood, by_group, residuals)


def _parts(starts: IntArray, rows: int) -> Iterator[tuple[int, int]]:
    """From which question to which, about so many choices each."""
    first, groups = 0, len(starts) - 1
    while first < groups:
        last = int(np.searchsorted(starts, starts[first] + rows, side="right")) - 1
        last = min(max(last, first + 1), groups)
        yield first, last
        first = last


def _integrated(
    signs: FloatArray, agreed: FloatArray, starts: IntArray, spread: float
) -> tuple[float, FloatArray, FloatArray]:
    """Log likelihood, residuals, and residuals times the deviation, of whole questions.

    ``agreed`` are the log odds of what was chosen. exp(-odds) at a node is a product of one number
    for the choice and one for the node: nothing is exponentiated for every cell of the table.
    """
    nodes, log_mass = (_POINTS, _LOG_MASS) if spread else (np.zeros(1), np.zeros(1))
    tilts = np.exp(np.stack([-spread * nodes, spread * nodes]))
    against = tilts[(signs < 0).astype(np.intp)]
    against *= np.exp(-np.clip(agreed, -_FARTHEST, _FARTHEST))[:, None]
    inverse = against + 1.0
    likelihood = log_mass - _summed(starts, np.log(inverse))
    top = likelihood.max(axis=1, keepdims=True)
    weights = np.exp(likelihood - top)
    total = weights.sum(axis=1, keepdims=True)
    weights /= total
    against /= inverse  # the chance of what was not chosen
    against *= np.repeat(weights, np.diff(starts), axis=0)
    told = float((np.log(total) + top).sum())
    return told, signs * against.sum(axis=1), signs * (against @ nodes)


def _summed(starts: IntArray, rows: FloatArray) -> FloatArray:
    """The sum of the rows of each group; ``starts`` says where each begins, and the end."""
    if len(rows) == len(starts) - 1:
        return rows
    table = sparse.csr_array(
        (np.ones(len(rows)), np.arange(len(rows)), starts), shape=(len(starts) - 1, len(rows))
    )
    return np.asarray(table @ rows)
