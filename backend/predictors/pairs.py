"""Which of two texts is the better one: a regression on their difference, the same from both sides.

What speaks for a text on the left speaks for it as much on the right: the model has no word for
sides, so swapping them swaps the answer and keeps its score. It is the linear case of Bradley and
Terry's model, "Rank analysis of incomplete block designs", 1952: each text has a worth, and the log
odds of left over right are the difference of the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from backend.predictors.encoders import (
    Encoder,
    encoder_as_plain,
    encoder_from_plain,
    fit_encoder,
)
from backend.predictors.errors import TrainingError
from backend.predictors.folds import folds
from backend.predictors.protocol import (
    ControlAnswers,
    Examples,
    ModelInput,
    Pair,
    Progress,
    no_progress,
)
from backend.predictors.rightness import fit_rightness
from backend.predictors.single_choice import use_one_thread
from policies.conditions import MARGIN
from policies.domain import BoolArray, FloatArray, IntArray

LEFT, RIGHT = "left", "right"

_STRENGTH = 3.0  # inverse regularisation
_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class PairModel:
    """A text's worth is ``coefficients`` times its terms, and its length (the last of them).

    ``by_odds`` turns a difference of worths into the log odds of the left text: so much of the
    difference itself, and so much of how it compares with the ``typical`` one.
    """

    encoder: Encoder
    coefficients: FloatArray
    typical: float
    by_odds: FloatArray

    @property
    def labels(self) -> tuple[str, ...]:
        """The two sides."""
        return (LEFT, RIGHT)

    def worths(self, texts: Sequence[str]) -> FloatArray:
        """How good each text is; only differences mean something."""
        if not texts:
            return np.empty(0)
        worths: FloatArray = _features(self.encoder, texts) @ self.coefficients
        return worths

    def answers(self, inputs: Sequence[ModelInput]) -> ControlAnswers:
        """The better side of each pair; of two texts of one worth, the left."""
        lefts, rights = _sides(inputs)
        differences = self.worths(lefts) - self.worths(rights)
        scores = expit(_figures(np.abs(differences), self.typical) @ self.by_odds)
        return ControlAnswers(
            texts=np.where(differences >= 0.0, LEFT, RIGHT).astype(object),
            scores=scores,
            signals={MARGIN: 2.0 * scores - 1.0},
        )


def fit_pairs(examples: Examples, *, seed: int, progress: Progress = no_progress) -> PairModel:
    """Train on pairs of texts, each answered by "left" or "right".

    Raises
        TrainingError: one side was never picked, or no text holds a word.
    """
    picked = sorted(set(examples.answers))
    if picked != [LEFT, RIGHT]:
        seen = ", ".join(map(repr, picked[:5])) or "none"
        raise TrainingError(
            f"answers of both sides, {LEFT!r} and {RIGHT!r}, are needed to train, there is {seen}: "
            "compare more tasks first"
        )
    use_one_thread()
    lefts, rights = _sides(examples.inputs)
    encoder = fit_encoder([*lefts, *rights], seed=seed)
    differences = csr_matrix(_features(encoder, lefts) - _features(encoder, rights))
    left = np.array([answer == LEFT for answer in examples.answers])
    odds: list[FloatArray] = [np.empty(0)]
    rows: list[IntArray] = [np.empty(0, np.int64)]
    parts = list(folds(left.astype(np.int64), seed))
    for done, (training, held_out) in enumerate(parts):
        progress(done / (len(parts) + 1))
        fitted = _fitted(differences[training], left[training], examples.weights[training], seed)
        odds.append(differences[held_out] @ fitted)
        rows.append(held_out)
    held, told = np.concatenate(rows), np.concatenate(odds)
    typical = max(float(np.median(np.abs(told))), _TINY) if len(told) else 1.0
    by_odds = _calibration(_figures(told, typical), left[held], examples.weights[held])
    coefficients = _fitted(differences, left, examples.weights, seed)
    progress(1.0)
    return PairModel(
        encoder=encoder,
        coefficients=coefficients,
        typical=typical,
        by_odds=by_odds,
    )


def pairs_as_plain(model: PairModel) -> dict[str, Any]:
    """The model in arrays and plain values, for a model file."""
    return {
        "encoder": encoder_as_plain(model.encoder),
        "coefficients": model.coefficients,
        "typical": model.typical,
        "by_odds": model.by_odds,
    }


def pairs_from_plain(values: Mapping[str, Any]) -> PairModel:
    """What ``pairs_as_plain`` wrote; KeyError, TypeError or ValueError where it is none."""
    coefficients = np.asarray(values["coefficients"], np.float64)
    by_odds = np.asarray(values["by_odds"], np.float64)
    if coefficients.ndim != 1 or by_odds.shape != (2,):
        raise ValueError("coefficients or calibration of another form")
    return PairModel(
        encoder=encoder_from_plain(values["encoder"]),
        coefficients=coefficients,
        typical=float(values["typical"]),
        by_odds=by_odds,
    )


def _features(encoder: Encoder, texts: Sequence[str]) -> csr_matrix:
    """A text's terms, and its length: each tenfold counts as much as a word that is sure to."""
    lengths = np.log10(1.0 + np.array([len(text) for text in texts], np.float64))
    terms = csr_matrix(encoder.encode(texts), dtype=np.float64)
    return csr_matrix(hstack([terms, csr_matrix(lengths[:, None])], format="csr"))


def _figures(differences: FloatArray, typical: float) -> FloatArray:
    """A difference of worths, and a form of it that levels off; both change sign with the sides.

    People err at times however clear a pair is, so confidence must be able to level off.
    """
    return np.column_stack([differences, differences / (typical + np.abs(differences))])


def _calibration(figures: FloatArray, left: BoolArray, weights: FloatArray) -> FloatArray:
    """How much each figure counts; never less than nothing, so that the order stays."""
    both = fit_rightness(figures, left, weights, with_offset=False)[1:]
    if (both >= 0.0).all():
        return both
    only = 0 if both[1] < 0.0 else 1
    kept = np.zeros(2)
    kept[only] = max(0.0, fit_rightness(figures[:, [only]], left, weights, with_offset=False)[1])
    return kept


def _fitted(differences: csr_matrix, left: BoolArray, weights: FloatArray, seed: int) -> FloatArray:
    """The coefficients of least loss, without an intercept: that would prefer a side."""
    fitted = LogisticRegression(
        C=_STRENGTH,
        solver="liblinear",
        fit_intercept=False,
        tol=1e-4,
        max_iter=1000,
        random_state=seed,
    ).fit(differences, left, sample_weight=weights)
    return np.asarray(fitted.coef_[0], np.float64)


def _sides(inputs: Sequence[ModelInput]) -> tuple[list[str], list[str]]:
    pairs: list[Pair] = []
    for value in inputs:
        if not isinstance(value, tuple):
            raise TypeError(f"not a pair of texts: a {type(value).__name__}")
        pairs.append(value)
    return [left for left, _ in pairs], [right for _, right in pairs]
