"""The embedded model of one choice for an image: a Gaussian kernel and least squares."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import Pipeline

from backend.predictors.folds import folds, folds_used
from backend.predictors.learning_curve import LearningCurve, learning_curve
from backend.predictors.protocol import (
    ControlAnswers,
    Examples,
    ModelInput,
    Progress,
    no_progress,
)
from backend.predictors.single_choice import Taught, answers_by, taught_by, use_one_thread
from backend.predictors.temperature import fit_inverse_temperature, logits, scaled_probabilities
from policies.domain import FloatArray, IntArray

# Landmarks of the kernel; with as many as there are rows the kernel is exact.
_MAX_LANDMARKS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageModel:
    """A trained pipeline, its labels in column order, and its calibration.

    ``learning`` is how its accuracy grew with the examples, where that was measured.
    """

    pipeline: Pipeline
    labels: tuple[str, ...]
    inverse_temperature: float
    learning: LearningCurve | None = None

    def probabilities(self, inputs: Sequence[ModelInput]) -> FloatArray:
        """Calibrated probabilities (len(inputs), len(labels)); every row sums to 1."""
        if not len(inputs):
            return np.empty((0, len(self.labels)))
        use_one_thread()
        decision = self.pipeline.decision_function(np.asarray(inputs, dtype=np.float64))
        return scaled_probabilities(decision, self.inverse_temperature)

    def answers(self, inputs: Sequence[ModelInput]) -> ControlAnswers:
        """The most probable label of each image and its calibrated probability."""
        return answers_by(self.labels, self.probabilities(inputs))


def fit_image(
    examples: Examples, *, seed: int, progress: Progress = no_progress, calibrated: bool = True
) -> ImageModel:
    """Train on everything given and calibrate on rows that the calibrating fits did not see.

    Without ``calibrated`` the confidence stays as the model gives it: for those who ask for labels
    alone and train many models. A label with a single example is learned, but judges nothing. The
    same arguments give the same model.

    Raises
        TrainingError: fewer than two labels, lengths that differ, weights that are no numbers.
    """
    use_one_thread()
    taught = taught_by(examples)
    pixels = np.asarray(taught.inputs, dtype=np.float64)
    inverse_temperature, learning = 1.0, None
    if calibrated:
        inverse_temperature, learning = _judged(pixels, taught, seed, progress)
    pipeline = _fitted(pixels, taught, np.arange(len(pixels)), seed)
    progress(1.0)
    return ImageModel(
        pipeline=pipeline,
        labels=taught.labels,
        inverse_temperature=inverse_temperature,
        learning=learning,
    )


def image_as_plain(model: ImageModel) -> dict[str, Any]:
    """The model in plain values and a pipeline, for a model file; its curve is not in it."""
    return {
        "pipeline": model.pipeline,
        "labels": list(model.labels),
        "inverse_temperature": model.inverse_temperature,
    }


def image_from_plain(values: Mapping[str, Any]) -> ImageModel:
    """What ``image_as_plain`` wrote; KeyError, TypeError or ValueError where it is none."""
    pipeline = values["pipeline"]
    if not isinstance(pipeline, Pipeline):
        raise TypeError(f"a pipeline is needed, not a {type(pipeline).__name__}")
    return ImageModel(
        pipeline=pipeline,
        labels=tuple(map(str, values["labels"])),
        inverse_temperature=float(values["inverse_temperature"]),
    )


def _fitted(pixels: FloatArray, taught: Taught, rows: IntArray, seed: int) -> Pipeline:
    """Pixels through a Gaussian kernel into a least-squares classifier.

    On scikit-learn's scanned digits it ranked as well as, or better than, one support vector
    machine per class, logistic regression on pixels or on the kernel, and a single multi-class
    support vector machine, whose confidence hardly ranks at all.
    """
    kernel = Nystroem(
        gamma=kernel_width(pixels[rows]),
        n_components=min(len(rows), _MAX_LANDMARKS),
        random_state=seed,
    )
    pipeline = Pipeline([("kernel", kernel), ("classes", RidgeClassifier(alpha=0.1))])
    with warnings.catch_warnings():
        # Few examples of many classes are no regression: so every project with many classes begins.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        weights = taught.weights[rows]
        return pipeline.fit(pixels[rows], taught.codes[rows], classes__sample_weight=weights)


def kernel_width(pixels: FloatArray) -> float:
    """The gamma of the Gaussian kernel, by how much the pixels differ."""
    spread = float(pixels.var())
    return 1.0 / (pixels.shape[1] * spread) if spread > 0.0 else 1.0


def _judged(
    pixels: FloatArray, taught: Taught, seed: int, progress: Progress
) -> tuple[float, LearningCurve | None]:
    """The inverse temperature and the learning curve, from rows that each fit did not see."""

    def answered(rows: IntArray, held_out: IntArray) -> FloatArray:
        return logits(_fitted(pixels, taught, rows, seed).decision_function(pixels[held_out]))

    codes = taught.codes
    used = list(folds(codes, seed))
    decisions: list[FloatArray] = []
    for rows, held_out in used:
        decisions.append(answered(rows, held_out))
        progress(0.6 * len(decisions) / folds_used(codes))
    if not decisions:
        return 1.0, None
    truths = np.concatenate([codes[held_out] for _, held_out in used])
    learning = learning_curve(used, codes, (answered, decisions), seed=seed)
    progress(0.8)
    return fit_inverse_temperature(np.concatenate(decisions), truths), learning
