"""An answer to a prompt as a row of figures: its style, its words, and its sentence vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack

from backend.predictors.encoders import (
    TextTerms,
    encoder_as_plain,
    encoder_from_plain,
    fit_encoder,
)
from backend.predictors.errors import TrainingError
from backend.predictors.rewards.comparisons import Answers
from backend.predictors.rewards.style import STYLE, styles
from backend.predictors.texts.classifier import EncoderMissingError
from backend.predictors.texts.members import Encoder
from policies.domain import FloatArray

_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """How answers are read: style in units of its spread, terms, ``dimension`` of vectors.

    ``scales`` is the spread of each style column over the answers that were learned from, infinite
    where all are alike: what was never seen to differ tells nothing.
    """

    terms: TextTerms
    scales: FloatArray
    dimension: int = 0

    def read(self, answers: Answers, encode: Encoder | None = None) -> csr_matrix:
        """One row an answer; ``encode`` makes the vectors, where they are read."""
        parts: list[Any] = [
            styles(answers.prompts, answers.responses) / self.scales,
            csr_matrix(self.terms.encode(answers.responses), dtype=np.float64),
        ]
        if self.dimension:
            parts.append(self._vectors(answers, encode))
        return csr_matrix(hstack(parts, format="csr"))

    def _vectors(self, answers: Answers, encode: Encoder | None) -> FloatArray:
        if encode is None:
            raise EncoderMissingError(
                "this model reads sentence vectors, and there is no encoder to make them: install "
                "the extra 'embeddings', or train the model anew without it"
            )
        vectors = np.asarray(encode(answers.responses), np.float64)
        if vectors.shape != (len(answers), self.dimension):
            raise TrainingError(
                f"the encoder gave an array of shape {vectors.shape} for {len(answers):,} texts, "
                f"not vectors of {self.dimension}"
            )
        return vectors

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many columns style, terms and vectors have."""
        return len(STYLE), len(self.terms.vectorizer.idf_), self.dimension


def fit_features(answers: Answers, *, dimension: int = 0, seed: int) -> Features:
    """How to read answers like these; there is at least one.

    Raises
        TrainingError: no text holds a word.
    """
    terms = fit_encoder(list(dict.fromkeys(answers.responses)), seed=seed)
    if not isinstance(terms, TextTerms):
        raise TrainingError("answers that are no texts are not compared")
    spreads = styles(answers.prompts, answers.responses).std(axis=0)
    return Features(
        terms=terms, scales=np.where(spreads > _TINY, spreads, np.inf), dimension=dimension
    )


def features_as_plain(features: Features) -> dict[str, Any]:
    """In arrays and plain values, for a model file."""
    return {
        "terms": encoder_as_plain(features.terms),
        "style": list(STYLE),
        "scales": features.scales,
        "dimension": features.dimension,
    }


def features_from_plain(values: Mapping[str, Any]) -> Features:
    """What ``features_as_plain`` wrote; KeyError, TypeError or ValueError where it is none."""
    terms = encoder_from_plain(values["terms"])
    scales = np.asarray(values["scales"], np.float64)
    if not isinstance(terms, TextTerms):
        raise TypeError("the terms are no terms of texts")
    if tuple(values["style"]) != STYLE or scales.shape != (len(STYLE),):
        raise ValueError(f"columns of style {values['style']!r} of {scales.shape} scales")
    return Features(terms=terms, scales=scales, dimension=int(values["dimension"]))
