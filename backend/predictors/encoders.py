"""Inputs as numbers: weighted words of texts, a kernel over images, the columns of table rows.

Whatever a model learns, it learns from a ``Matrix`` of these; so a better way to see texts is put
in here and serves all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.kernel_approximation import Nystroem
from sklearn.preprocessing import normalize

from backend.predictors.errors import TrainingError
from backend.predictors.images.classifier import kernel_width
from backend.predictors.protocol import ModelInput
from backend.predictors.tables.columns import (
    TableColumns,
    columns_as_plain,
    columns_from_plain,
    fit_columns,
)
from backend.predictors.texts.terms import WORD
from policies.domain import FloatArray, IntArray

# Rows are inputs: sparse for texts, dense for everything else.
Matrix = csr_matrix | FloatArray

# Landmarks of the kernel; with as many as there are images the kernel is exact.
_MAX_LANDMARKS = 1_000

# A ceiling for memory only: of coefficients, terms times outputs, 240 MB.
_MAX_COEFFICIENTS = 30_000_000
_MAX_TERMS = 100_000


class Encoder(Protocol):
    """What turns inputs of one kind into a matrix."""

    def encode(self, inputs: Sequence[ModelInput]) -> Matrix:
        """One row an input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTerms:
    """Words and pairs of neighbouring words, weighted by rarity; rows of length 1."""

    vectorizer: TfidfVectorizer

    def encode(self, inputs: Sequence[ModelInput]) -> Matrix:
        """One row a text."""
        return csr_matrix(self.vectorizer.transform([str(text) for text in inputs]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageKernel:
    """Pixels by their likeness to images that were trained on, in a Gaussian kernel."""

    kernel: Nystroem

    def encode(self, inputs: Sequence[ModelInput]) -> Matrix:
        """One row an image."""
        features: FloatArray = self.kernel.transform(np.asarray(inputs, np.float64))
        return features


def fit_encoder(inputs: Sequence[ModelInput], *, outputs: int = 1, seed: int) -> Encoder:
    """The encoder for inputs of this kind; there is at least one, and all are of one kind.

    ``outputs`` is how many figures each row is to be turned into: very many leave room for fewer
    terms.

    Raises
        TrainingError: no text holds a word, or no column tells anything.
    """
    match inputs[0]:
        case str():
            return TextTerms(vectorizer=_fitted_terms([str(text) for text in inputs], outputs))
        case Mapping():
            return fit_columns([row for row in inputs if isinstance(row, Mapping)])
        case np.ndarray():
            return ImageKernel(kernel=_fitted_kernel(np.asarray(inputs, np.float64), seed))
        case other:
            raise TrainingError(f"this kind of answer is not learned from a {type(other).__name__}")


def as_if_unseen(matrix: Matrix, training: IntArray, held_out: IntArray) -> tuple[Matrix, Matrix]:
    """The rows of both parts, the held-out ones as an encoder of the training part would see them.

    A term that stands in held-out texts alone is unknown to such a model. If it kept its share of
    the row's length, held-out decisions would be more modest than those on new texts are.
    """
    if not isinstance(matrix, csr_matrix):
        return matrix[training], matrix[held_out]
    trained, kept_out = matrix[training], matrix[held_out]
    known = np.bincount(trained.indices, minlength=matrix.shape[1]) > 0
    kept_out.data = kept_out.data * known[kept_out.indices]
    return trained, csr_matrix(normalize(kept_out, copy=False))


def encoder_as_plain(encoder: Encoder) -> dict[str, Any]:
    """The encoder in arrays and plain values, for a model file."""
    match encoder:
        case TextTerms(vectorizer=terms):
            by_column = sorted(terms.vocabulary_, key=terms.vocabulary_.__getitem__)
            # No term holds a line break; skops takes 80 s for 64,000 terms as a dict.
            return {"kind": "terms", "terms": "\n".join(by_column), "rarities": terms.idf_}
        case ImageKernel(kernel=kernel):
            return {"kind": "kernel", "kernel": kernel}
        case TableColumns() as columns:
            return {"kind": "columns", "columns": columns_as_plain(columns)}
        case other:
            raise TypeError(f"no form to keep {type(other).__name__} in")


def encoder_from_plain(values: Mapping[str, Any]) -> Encoder:
    """What ``encoder_as_plain`` wrote; KeyError, TypeError or ValueError where it is none."""
    match values["kind"]:
        case "terms":
            terms = str(values["terms"]).split("\n")
            vectorizer = _terms(_MAX_TERMS)
            vectorizer.vocabulary_ = {term: column for column, term in enumerate(terms)}
            vectorizer.fixed_vocabulary_ = True
            vectorizer.idf_ = np.asarray(values["rarities"])
            return TextTerms(vectorizer=vectorizer)
        case "kernel":
            if not isinstance(values["kernel"], Nystroem):
                raise TypeError("the kernel is none")
            return ImageKernel(kernel=values["kernel"])
        case "columns":
            return columns_from_plain(values["columns"])
        case kind:
            raise ValueError(f"no encoder is called {kind!r}")


def _terms(most: int) -> TfidfVectorizer:
    return TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        token_pattern=WORD,
        max_features=most,
        dtype=np.float32,
    )


def _fitted_terms(texts: Sequence[str], outputs: int) -> TfidfVectorizer:
    most = max(1_000, min(_MAX_TERMS, _MAX_COEFFICIENTS // max(1, outputs)))
    try:
        return _terms(most).fit(texts)
    except ValueError as error:
        if "empty vocabulary" in str(error):
            raise TrainingError("no word stands in any of the labelled texts") from error
        raise


def _fitted_kernel(pixels: FloatArray, seed: int) -> Nystroem:
    return Nystroem(
        gamma=kernel_width(pixels),
        n_components=min(len(pixels), _MAX_LANDMARKS),
        random_state=seed,
    ).fit(pixels)
