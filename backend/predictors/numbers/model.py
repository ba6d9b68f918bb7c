"""Ratings and numbers: a regression with a prediction interval, answered in people's own steps.

The score is the probability that the answer is right: to the star for a rating, and within the
tolerance for a number. It comes from how far held-out predictions missed, in spreads that are
themselves predicted where that tells more than one spread for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import logit

from backend.predictors.encoders import Encoder, encoder_as_plain, encoder_from_plain
from backend.predictors.errors import TrainingError
from backend.predictors.numbers.cross_fitting import best_ridge, bounded, fit_spreads
from backend.predictors.numbers.residuals import Residuals, residuals_of
from backend.predictors.numbers.resolution import Steps, steps_of
from backend.predictors.protocol import ControlAnswers, Examples, ModelInput, Progress, no_progress
from backend.predictors.rightness import fit_rightness, rightness
from backend.predictors.scorers import (
    Scorer,
    fit_number,
    lessons_of,
    scorer_as_plain,
    scorer_from_plain,
)
from policies.conditions import INTERVAL_WIDTH
from policies.domain import BoolArray, FloatArray

# Two numbers this close are equal: a tolerance of 0.1 takes 0.3 for 0.4, whatever floats say.
_CLOSE = 1e-9
_LARGEST = 1e100  # sums and squares of numbers stay numbers
_LEAST_MISS = 1e-9  # of half the range; fits that never miss would have spreads of 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberModel:
    """A trained regression; ``labels`` are the stars of a rating, () where any number may come.

    ``scorer`` says a number in units of ``unit`` around ``middle``; ``spreads`` says how many
    typical misses a row's number scatters by, None where all scatter alike.
    """

    labels: tuple[str, ...]
    encoder: Encoder
    scorer: Scorer
    middle: float
    unit: float
    typical: float
    spreads: Scorer | None
    residuals: Residuals
    steps: Steps
    tolerance: float
    by_score: FloatArray

    def intervals(self, inputs: Sequence[ModelInput]) -> tuple[FloatArray, FloatArray]:
        """Where each number lies with a probability of ``LEVEL``; NaN with too few examples."""
        centres, spreads = self._told(inputs)
        reach = self.residuals.reach * spreads
        return centres - reach, centres + reach

    def answers(self, inputs: Sequence[ModelInput]) -> ControlAnswers:
        """The nearest number that people could have said."""
        centres, spreads = self._told(inputs)
        said = self.steps.nearest(centres)
        chances = self.chances(said, centres, spreads)
        return ControlAnswers(
            texts=self.steps.texts(said),
            scores=rightness(logit(chances)[:, None], self.by_score),
            signals={INTERVAL_WIDTH: 2.0 * self.residuals.reach * spreads},
        )

    def _told(self, inputs: Sequence[ModelInput]) -> tuple[FloatArray, FloatArray]:
        """The centre and the spread of each input's number."""
        if not inputs:
            return np.empty(0), np.empty(0)
        matrix = self.encoder.encode(inputs)
        centres = self.middle + self.unit * self.scorer.values(matrix)[:, 0]
        spreads = np.full(len(centres), self.typical)
        if self.spreads is not None:
            spreads *= bounded(self.spreads.values(matrix)[:, 0])
        return centres, spreads

    def chances(self, said: FloatArray, centres: FloatArray, spreads: FloatArray) -> FloatArray:
        """The probability of each answer to be right, as held-out misses have it."""
        half = max(self.tolerance * (1.0 + _CLOSE), self.steps.step / 2.0)
        low, high = (said - half - centres) / spreads, (said + half - centres) / spreads
        if self.labels:  # nobody gives less than the lowest star, or more than the highest
            low = np.where(said <= self.steps.lowest, -np.inf, low)
            high = np.where(said >= self.steps.highest, np.inf, high)
        return self.residuals.chances(low, high)


def fit_ratings(
    examples: Examples, stars: Sequence[str], *, seed: int, progress: Progress = no_progress
) -> NumberModel:
    """Train on texts, images or rows whose answers are some of the stars ("1", "2", ...).

    Raises
        TrainingError: all ratings are the same, one is no star, or the inputs tell nothing.
    """
    strange = sorted(set(examples.answers) - set(stars))
    if strange:
        raise TrainingError(
            f"{strange[0]!r} is no rating that can be given ({stars[0]} to {stars[-1]})"
        )
    numbers = [float(star) for star in stars]
    steps = Steps(step=1.0, lowest=min(numbers), highest=max(numbers))
    problem = _Problem(examples=examples, labels=tuple(stars), steps=steps, tolerance=0.0)
    return _fit(problem, seed, progress)


def fit_numbers(
    examples: Examples, *, tolerance: float = 0.0, seed: int, progress: Progress = no_progress
) -> NumberModel:
    """Train on texts, images or rows whose answers are numbers.

    An answer counts as right within ``tolerance`` of the truth; 0 asks for the very number, in the
    steps that the examples' numbers go in.

    Raises
        TrainingError: all numbers are the same, one is none, or the inputs tell nothing.
    """
    if not 0.0 <= tolerance < np.inf:
        raise TrainingError(f"a tolerance of {tolerance}: it must be a number from 0 up")
    if not examples.answers:
        raise TrainingError("at least two different numbers are needed to train, there is none")
    try:
        steps = steps_of(examples.answers)
    except ValueError as error:
        raise TrainingError(f"an answer is {error}") from error
    problem = _Problem(examples=examples, labels=(), steps=steps, tolerance=tolerance)
    return _fit(problem, seed, progress)


def numbers_as_plain(model: NumberModel) -> dict[str, Any]:
    """The model in arrays and plain values, for a model file."""
    return {
        "labels": list(model.labels),
        "encoder": encoder_as_plain(model.encoder),
        "scorer": scorer_as_plain(model.scorer),
        "middle": model.middle,
        "unit": model.unit,
        "typical": model.typical,
        "spreads": None if model.spreads is None else scorer_as_plain(model.spreads),
        "residuals": model.residuals.sorted,
        "reach": model.residuals.reach,
        "steps": [model.steps.step, model.steps.lowest, model.steps.highest],
        "tolerance": model.tolerance,
        "by_score": model.by_score,
    }


def numbers_from_plain(values: Mapping[str, Any]) -> NumberModel:
    """What ``numbers_as_plain`` wrote; KeyError, TypeError or ValueError where it is none."""
    step, lowest, highest = map(float, values["steps"])
    by_score = np.asarray(values["by_score"], np.float64)
    if by_score.shape != (2,):
        raise ValueError("the calibration has another form")
    spreads = values["spreads"]
    return NumberModel(
        labels=tuple(map(str, values["labels"])),
        encoder=encoder_from_plain(values["encoder"]),
        scorer=scorer_from_plain(values["scorer"]),
        middle=float(values["middle"]),
        unit=float(values["unit"]),
        typical=float(values["typical"]),
        spreads=None if spreads is None else scorer_from_plain(spreads),
        residuals=Residuals(
            sorted=np.asarray(values["residuals"], np.float64), reach=float(values["reach"])
        ),
        steps=Steps(step=step, lowest=lowest, highest=highest),
        tolerance=float(values["tolerance"]),
        by_score=by_score,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    """What is to be learned."""

    examples: Examples
    labels: tuple[str, ...]
    steps: Steps
    tolerance: float


def _fit(problem: _Problem, seed: int, progress: Progress) -> NumberModel:
    examples = problem.examples
    targets = np.array([float(answer) for answer in examples.answers])
    if len(set(targets.tolist())) < 2:
        seen = f"only {examples.answers[0]}" if len(targets) else "none"
        raise TrainingError(
            f"at least two different numbers are needed to train, there is {seen}: "
            "label tasks of other values first"
        )
    lessons = lessons_of(examples, seed=seed)
    lowest, highest = float(targets.min()), float(targets.max())
    if max(-lowest, highest) > _LARGEST:
        raise TrainingError(f"the number {max(-lowest, highest):g}: up to {_LARGEST:g} are learned")
    unit, middle = (highest - lowest) / 2.0, (highest + lowest) / 2.0
    standard = (targets - middle) / unit  # from -1 to 1
    held, ridge = best_ridge(lessons, standard, progress)
    weights = lessons.weights[held.rows]
    misses = standard[held.rows] - held.values
    typical = max(float(np.average(np.abs(misses), weights=weights)), _LEAST_MISS)
    spreads, own = fit_spreads(lessons.of(held.rows), np.abs(misses) / typical)
    model = NumberModel(
        labels=problem.labels,
        encoder=lessons.encoder,
        scorer=fit_number(lessons, standard, ridge),
        middle=middle,
        unit=unit,
        typical=typical * unit,
        spreads=spreads,
        residuals=residuals_of(misses / (typical * own)),
        steps=problem.steps,
        tolerance=problem.tolerance,
        by_score=np.array([0.0, 1.0]),
    )
    progress(1.0)
    told = middle + unit * held.values, own * model.typical
    return replace(model, by_score=_calibration(model, told, targets[held.rows], weights))


def _calibration(
    model: NumberModel,
    told: tuple[FloatArray, FloatArray],
    truths: FloatArray,
    weights: FloatArray,
) -> FloatArray:
    """What turns chances into how often held-out answers were right; centres, spreads are told."""
    said = model.steps.nearest(told[0])
    within = max(model.tolerance, model.steps.step * _CLOSE)
    right: BoolArray = np.abs(said - truths) <= within * (1.0 + _CLOSE)
    return fit_rightness(logit(model.chances(said, *told))[:, None], right, weights)
