"""The reward model: what an answer is worth, and so which of two is the better one.

What speaks for an answer speaks for it in every place: the model has no word for sides, so swapping
them swaps the answer and keeps its score. That people lean to what they see first is estimated
beside it, and never used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.special import expit

from backend.predictors.protocol import ControlAnswers, ModelInput
from backend.predictors.rewards.comparisons import Answers
from backend.predictors.rewards.davidson import chances
from backend.predictors.rewards.features import (
    Features,
    features_as_plain,
    features_from_plain,
)
from backend.predictors.rewards.style import LENGTH, STYLE
from backend.predictors.texts.members import Encoder
from policies.conditions import MARGIN
from policies.domain import FloatArray

LEFT, RIGHT = "left", "right"


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardModel:
    """A worth is ``coefficients`` times what ``features`` read, less ``centre``, the mean worth.

    ``by_odds`` turns a difference of worths into log odds: so much of the difference itself, and
    so much of how it compares with the ``typical`` one, which levels off: people err at times
    however clear a pair is. ``tie`` is the log of Davidson's figure, None where nobody saw two
    alike. ``position`` is what standing first adds to the log odds, None where that is not known;
    no score has it in it. ``precisions`` is how much the comparisons said of each coefficient,
    infinite for what is not learned at all. ``encode`` is bound by ``with_encoder``, never stored.
    """

    features: Features
    coefficients: FloatArray
    precisions: FloatArray
    centre: float
    typical: float
    by_odds: FloatArray
    tie: float | None = None
    position: float | None = None
    encode: Encoder | None = field(default=None, compare=False, repr=False)

    @property
    def labels(self) -> tuple[str, ...]:
        """The two sides of a pair."""
        return (LEFT, RIGHT)

    @property
    def needs_embeddings(self) -> bool:
        """Whether it answers only with an encoder of sentences."""
        return self.features.dimension > 0

    @property
    def length_weight(self) -> float:
        """What a doubling of an answer's length adds to its worth; 0 where that is taken out."""
        place = STYLE.index(LENGTH)
        return float(self.coefficients[place] / self.features.scales[place])

    def with_encoder(self, encode: Encoder) -> RewardModel:
        """The same model, able to encode what it is asked."""
        return replace(self, encode=encode)

    def worths(self, answers: Answers) -> FloatArray:
        """What each answer is worth; only differences between answers to one prompt say something.

        Raises
            EncoderMissingError: it reads sentence vectors, and no encoder is bound.
        """
        if not len(answers):
            return np.empty(0)
        found: FloatArray = self.features.read(answers, self.encode) @ self.coefficients
        return found - self.centre

    def log_odds(self, differences: FloatArray) -> FloatArray:
        """Of the better one over the other, by their difference in worth; odd in it."""
        odds: FloatArray = figures_of(differences, self.typical) @ self.by_odds
        return odds

    def preferences(self, differences: FloatArray) -> FloatArray:
        """(pairs, 3): how likely people prefer the first, the second, neither."""
        return chances(self.log_odds(differences), self.tie)

    def answers(self, inputs: Sequence[ModelInput]) -> ControlAnswers:
        """The better side of each pair; of two of one worth, the left."""
        texts = sides_of(inputs)
        worths = self.worths(
            Answers(
                prompts=[prompt for prompt, _, _ in texts] * 2,
                responses=[left for _, left, _ in texts] + [right for _, _, right in texts],
            )
        )
        differences = worths[: len(texts)] - worths[len(texts) :]
        scores = expit(self.log_odds(np.abs(differences)))
        return ControlAnswers(
            texts=np.where(differences >= 0.0, LEFT, RIGHT).astype(object),
            scores=scores,
            signals={MARGIN: 2.0 * scores - 1.0},
        )


def figures_of(differences: FloatArray, typical: float) -> FloatArray:
    """A difference of worths, and a form of it that levels off; both change sign with the sides."""
    return np.column_stack([differences, differences / (typical + np.abs(differences))])


def sides_of(inputs: Sequence[ModelInput]) -> list[tuple[str, str, str]]:
    """(prompt, left, right) of each pair; "" where no prompt is told.

    Raises
        TypeError: an input is no pair.
    """
    found = []
    for value in inputs:
        match value:
            case (str() as left, str() as right):
                found.append(("", left, right))
            case (str() as left, str() as right, str() as prompt):
                found.append((prompt, left, right))
            case _:
                raise TypeError(f"not a pair of texts: a {type(value).__name__}")
    return found


def reward_as_plain(model: RewardModel) -> dict[str, Any]:
    """The model in arrays and plain values, for a model file."""
    return {
        "features": features_as_plain(model.features),
        "coefficients": model.coefficients,
        "precisions": model.precisions,
        "centre": model.centre,
        "typical": model.typical,
        "by_odds": model.by_odds,
        "tie": model.tie,
        "position": model.position,
    }


def reward_from_plain(values: Mapping[str, Any]) -> RewardModel:
    """What ``reward_as_plain`` wrote; KeyError, TypeError or ValueError where it is none."""
    features = features_from_plain(values["features"])
    coefficients = np.asarray(values["coefficients"], np.float64)
    by_odds = np.asarray(values["by_odds"], np.float64)
    precisions = np.asarray(values["precisions"], np.float64)
    columns = (sum(features.sizes),)
    if coefficients.shape != columns or precisions.shape != columns or by_odds.shape != (2,):
        raise ValueError("coefficients or calibration of another form")
    tie, position = values["tie"], values["position"]
    return RewardModel(
        features=features,
        coefficients=coefficients,
        precisions=precisions,
        centre=float(values["centre"]),
        typical=float(values["typical"]),
        by_odds=by_odds,
        tie=None if tie is None else float(tie),
        position=None if position is None else float(position),
    )
