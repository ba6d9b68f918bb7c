"""Which of two is better, or neither: Bradley and Terry's model with Davidson's ties, fitted.

Bradley and Terry, "Rank analysis of incomplete block designs", 1952: each thing has a worth, and
the log odds of one over the other are the difference of the two. Davidson, "On extending the
Bradley-Terry model to accommodate ties in paired comparison experiments", 1970: a tie is as likely
as the geometric mean of the two, times a figure. With worths that are linear in features it is a
regression on differences, convex, with one figure more for the ties.

With 40 features of known effect (each normal, worth 0.5 times a normal figure) and standing first
worth 0.35, the order of new pairs is the true one in 91.0 % of cases after 300 judged pairs, 94.6 %
after 1,000, 97.8 % after 5,000; the place comes out as 0.35, with a spread of 0.11 at 1,000.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, issparse
from scipy.special import expit, stdtrit

from policies.domain import BoolArray, Estimate, FloatArray, IntArray

Matrix = csr_matrix | FloatArray

_STEPS = 500
_CLOSE = 1e-9
# How much the tie's figure is held back, in rows: so that all ties, or hardly any, stay finite.
_HELD_BACK = 0.01
_MIXED = 1e-4  # how much of a column may be in a direction that nothing is known of
_FAR = 10.0  # log odds of a unit beyond which the pairs say all and nothing can be told


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """How much was said for the first of each pair, for the second and for neither; (rows,) each.

    What was said by several judges of a pair adds up to what the pair counts.
    """

    first: FloatArray
    second: FloatArray
    ties: FloatArray

    @property
    def counts(self) -> FloatArray:
        """What each pair counts in all."""
        return self.first + self.second + self.ties

    def part(self, rows: IntArray) -> Outcomes:
        """Some of the pairs."""
        return Outcomes(first=self.first[rows], second=self.second[rows], ties=self.ties[rows])

    def softened(self) -> Outcomes:
        """The same with Platt's doubt: of n rows that all say one thing, one in n + 2 errs."""
        doubt = 1.0 / (self.counts.sum() + 2.0)
        return Outcomes(
            first=(1.0 - doubt) * self.first + doubt * self.second,
            second=(1.0 - doubt) * self.second + doubt * self.first,
            ties=self.ties,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A worth for each column of the features; ``tie`` is the log of Davidson's figure.

    ``tie`` is None where no tie was seen: then there is none.
    """

    coefficients: FloatArray
    tie: float | None


def chances(differences: FloatArray, tie: float | None) -> FloatArray:
    """(rows, 3): how likely the first is preferred, the second, and neither.

    >>> chances(np.array([0.0]), 0.0).round(3).tolist()
    [[0.333, 0.333, 0.333]]
    >>> chances(np.array([np.log(3.0)]), None).round(3).tolist()
    [[0.75, 0.25, 0.0]]
    """
    first = expit(differences)
    made = np.column_stack([first, 1.0 - first, np.zeros(len(first))])
    if tie is None:
        return made
    half = 0.5 * np.abs(differences)
    # Times exp(-half), so that nothing overflows: exp(half) + exp(-half) is then 1 + exp(-2 half).
    either, neither = 1.0 + np.exp(-2.0 * half), np.exp(tie - half)
    share = neither / (either + neither)
    made *= (1.0 - share)[:, None]
    made[:, 2] = share
    return made


def fit_davidson(
    differences: Matrix,
    outcomes: Outcomes,
    penalties: FloatArray,
    centre: FloatArray | None = None,
) -> Fitted:
    """The coefficients of least loss, penalised; without an intercept: that would prefer a place.

    ``penalties`` holds each coefficient to ``centre`` (default 0): half its square times this is
    added to the loss, so a penalty of 1 is a normal prior of variance 1.
    """
    columns = differences.shape[1]
    calm = np.zeros(columns) if centre is None else centre
    said, with_ties = outcomes.counts, bool(outcomes.ties.any())
    gain = 0.5 * (outcomes.first - outcomes.second)
    steps = _steps(differences, said, penalties)

    def loss(values: FloatArray) -> tuple[float, FloatArray]:
        coefficients, tie = calm + steps * values[:columns], None
        if with_ties:
            tie = float(values[columns])
        told = np.asarray(differences @ coefficients)
        likely = chances(told, tie)
        half = 0.5 * np.abs(told)
        either = half + np.log1p(np.exp(-2.0 * half))
        below = either if tie is None else np.logaddexp(either, tie)
        away = coefficients - calm
        total = said @ below - gain @ told + 0.5 * penalties @ away**2
        slope = np.empty(len(values))
        slope[:columns] = differences.T @ (0.5 * said * (likely[:, 0] - likely[:, 1]) - gain)
        slope[:columns] = steps * (slope[:columns] + penalties * away)
        if tie is not None:
            total += 0.5 * _HELD_BACK * tie**2 - tie * outcomes.ties.sum()
            slope[columns] = said @ likely[:, 2] - outcomes.ties.sum() + _HELD_BACK * tie
        return float(total), slope

    start = np.zeros(columns + with_ties)
    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _STEPS, "maxcor": 10, "ftol": 1e-9, "gtol": 1e-6},
    ).x
    return Fitted(
        coefficients=calm + steps * found[:columns],
        tie=float(found[columns]) if with_ties else None,
    )


def _steps(differences: Matrix, said: FloatArray, penalties: FloatArray) -> FloatArray:
    """One over how curved the loss is along each column: in these units it is about round."""
    squares = differences.multiply(differences) if issparse(differences) else differences**2
    curved = 0.25 * np.asarray(squares.T @ said).ravel() + penalties
    steps: FloatArray = 1.0 / np.sqrt(np.maximum(curved, _CLOSE))
    return steps


def effects(
    differences: FloatArray, outcomes: Outcomes, groups: IntArray, confidence: float = 0.95
) -> list[Estimate]:
    """What each of a few columns does to the log odds, the others held, with intervals.

    Not penalised: a penalty would say less than is there. The spread is that between ``groups``
    (prompts), so that several judges of a pair, and several pairs of a prompt, count for what they
    are (Liang and Zeger 1986, with Student's t of the groups less one). A column that cannot be
    told from the others, or of which the pairs say all, is undefined. ``n`` counts pairs.
    """
    n, columns = differences.shape
    if not columns:
        return []
    fitted = fit_davidson(differences, outcomes, np.full(columns, _CLOSE))
    bread, meat = _spread(differences, outcomes, groups, fitted)
    unknown = Estimate(value=None, low=None, high=None, n=n)
    many = len(np.unique(groups))
    if many < 2:
        return [unknown] * columns
    inverse, told = _inverse(bread)
    errors = np.sqrt(np.diag(inverse @ meat @ inverse)[:columns] * many / (many - 1))
    halves = float(stdtrit(many - 1, 0.5 + confidence / 2)) * errors
    return [
        Estimate(value=value, low=value - half, high=value + half, n=n)
        if known and abs(value) <= _FAR
        else unknown
        for value, half, known in zip(
            fitted.coefficients.tolist(), halves.tolist(), told[:columns].tolist(), strict=True
        )
    ]


def _inverse(bread: FloatArray) -> tuple[FloatArray, BoolArray]:
    """The inverse, and which columns have one: not those that others add up to.

    What two columns of the same thing do cannot be told apart, and a third one's effect can.
    """
    diagonal = np.diag(bread)
    sizes = np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    scale = np.outer(sizes, sizes)
    curves, ways = np.linalg.eigh(bread / scale)
    flat = curves <= _CLOSE
    told = (np.abs(ways[:, flat]) < _MIXED).all(axis=1)
    kept = ways[:, ~flat]
    return (kept / curves[~flat]) @ kept.T / scale, told


def curvature(differences: FloatArray, tie: float | None) -> FloatArray:
    """How much each pair's difference of worths would be told by one judgement of it.

    The Fisher information of a difference: p (1 - p) without ties.
    """
    likely = chances(differences, tie)
    leaning = likely[:, 0] - likely[:, 1]
    told: FloatArray = 0.25 * (1.0 - likely[:, 2] - leaning**2)
    return told


def _spread(
    differences: FloatArray, outcomes: Outcomes, groups: IntArray, fitted: Fitted
) -> tuple[FloatArray, FloatArray]:
    """The curve of the loss, and the squares of what each group pulls."""
    told, said = differences @ fitted.coefficients, outcomes.counts
    likely = chances(told, fitted.tie)
    leaning = likely[:, 0] - likely[:, 1]
    pulls = 0.5 * (said * leaning - outcomes.first + outcomes.second)
    rows = differences * pulls[:, None]
    bread = (differences.T * (said * curvature(told, fitted.tie))) @ differences
    if fitted.tie is not None:
        rows = np.column_stack([rows, said * likely[:, 2] - outcomes.ties])
        across = -0.5 * differences.T @ (said * leaning * likely[:, 2])
        own = said @ (likely[:, 2] * (1.0 - likely[:, 2]))
        bread = np.block([[bread, across[:, None]], [across[None, :], np.array([[own]])]])
    places = np.unique(groups, return_inverse=True)[1]
    summed = np.zeros((places.max() + 1, rows.shape[1]))
    np.add.at(summed, places, rows)
    return bread, summed.T @ summed
