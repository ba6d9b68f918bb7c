"""What fits say of rows that they did not see: how far a regression misses, and where it does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.predictors.folds import row_folds
from backend.predictors.protocol import Progress
from backend.predictors.scorers import Lessons, Scorer, fit_number
from backend.predictors.tables.columns import TableColumns
from policies.domain import FloatArray, IntArray

# Strengths of the ridge that are tried on held-out rows; trees have none.
_RIDGES = (0.3, 1.0, 3.0, 10.0)
_SPREAD_RIDGE = 1.0
# A row's own spread is at least and at most so many times the typical one.
_NARROWEST, _WIDEST = 0.2, 5.0
# Predicted spreads are kept where they explain held-out misses better by so much (in nats a row).
_WORTH_IT = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Which rows stood aside, and what fits that did not see them said."""

    rows: IntArray
    values: FloatArray


def held_out(lessons: Lessons, targets: FloatArray, ridge: float) -> Held:
    """Every row, or a fifth where there are very many, by a fit of the others."""
    rows: list[IntArray] = []
    values: list[FloatArray] = []
    for training, aside in row_folds(len(targets), 1, lessons.seed):
        trained, kept_out = lessons.without(training, aside)
        values.append(fit_number(trained, targets[training], ridge).values(kept_out)[:, 0])
        rows.append(aside)
    return Held(rows=np.concatenate(rows), values=np.concatenate(values))


def best_ridge(lessons: Lessons, targets: FloatArray, progress: Progress) -> tuple[Held, float]:
    """The strength of least squared error on held-out rows, and what it said of them."""
    strengths = _RIDGES[:1] if isinstance(lessons.encoder, TableColumns) else _RIDGES
    found: list[tuple[float, Held, float]] = []
    for done, ridge in enumerate(strengths):
        progress(done / (len(strengths) + 1))
        held = held_out(lessons, targets, ridge)
        errors = (targets[held.rows] - held.values) ** 2
        found.append((float(lessons.weights[held.rows] @ errors), held, ridge))
    _, held, ridge = min(found, key=lambda each: each[0])
    return held, ridge


def fit_spreads(lessons: Lessons, misses: FloatArray) -> tuple[Scorer | None, FloatArray]:
    """What predicts how much a row misses by, in typical misses, and what it says of these rows.

    None, and ones, where it explains misses of rows that it did not see no better.
    """
    held = held_out(lessons, misses, _SPREAD_RIDGE)
    own = np.ones(len(misses))
    own[held.rows] = bounded(held.values)
    weights = lessons.weights
    # Minus the log likelihood of misses that scatter exponentially, alike or by their own spread.
    alike = float(np.average(misses, weights=weights))
    apart = float(np.average(misses / own + np.log(own), weights=weights))
    if apart > alike - _WORTH_IT:
        return None, np.ones(len(misses))
    return fit_number(lessons, misses, _SPREAD_RIDGE), own


def bounded(spreads: FloatArray) -> FloatArray:
    """Predicted spreads, none of them too far from the typical one."""
    kept: FloatArray = np.clip(spreads, _NARROWEST, _WIDEST)
    return kept
