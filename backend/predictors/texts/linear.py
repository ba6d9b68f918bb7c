"""Linear models in plain arrays: what a control's texts are scored with, without scikit-learn.

The coefficients are those that scikit-learn fitted, as single precision numbers; sums are of double
precision, so a score is scikit-learn's within 1e-9, however many texts are asked at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from backend.predictors.texts.terms import (
    CharacterTerms,
    Terms,
    WordTerms,
    character_terms,
    weighed,
    word_terms,
)
from policies.domain import FloatArray

Coefficients = NDArray[np.float32]
_FEW = 4  # texts; from five on one sparse matrix takes less time than a look at each


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearTerms:
    """Terms weighed by rarity into a decision value for each label (or one, for two labels).

    ``rarities`` (terms + 1) and ``coefficients`` (terms + 1, values) end with the zeros of what
    was never seen; ``weight`` is the part that it has in the model's answer.
    """

    terms: Terms
    rarities: FloatArray
    coefficients: Coefficients
    intercepts: FloatArray
    weight: float

    def decisions(self, texts: Sequence[str]) -> FloatArray:
        """Decision values (texts, values)."""
        if 0 < len(texts) <= _FEW:
            return np.array([self._decision(text) for text in texts])
        rows = weighed(self.terms.counts(texts), self.rarities)
        # Only what is looked up becomes double precision, not the whole table.
        looked_up = np.zeros(len(self.coefficients), dtype=np.bool_)
        looked_up[rows.indices] = True
        places = np.cumsum(looked_up, dtype=rows.indices.dtype) - 1
        used = self.coefficients[looked_up].astype(np.float64)
        parts = (rows.data, places[rows.indices], rows.indptr)
        sums: FloatArray = csr_matrix(parts, shape=(len(texts), len(used))) @ used
        return sums + self.intercepts

    def _decision(self, text: str) -> FloatArray:
        """The same of one text, where the overhead of a sparse matrix would be most of the time."""
        found, times = np.unique(self.terms.columns(text), return_counts=True)
        values = (1.0 + np.log(times)) * self.rarities[found]
        length = float(np.sqrt(values @ values)) or 1.0
        decision: FloatArray = (values / length) @ self.coefficients[found] + self.intercepts
        return decision


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearVectors:
    """Vectors of an encoder into a decision value for each label (or one, for two labels)."""

    coefficients: Coefficients
    intercepts: FloatArray
    weight: float

    def decisions(self, vectors: FloatArray) -> FloatArray:
        """Decision values (texts, values) of vectors (texts, dimensions)."""
        decisions: FloatArray = vectors @ self.coefficients.astype(np.float64) + self.intercepts
        return decisions


Linear = LinearTerms | LinearVectors

# How listed terms are compiled, by what they were read from.
_COMPILED: dict[str, Callable[[str], Terms]] = {
    "words": word_terms,
    "characters": character_terms,
}


def linear_as_plain(linear: Linear) -> dict[str, Any]:
    """In arrays and plain values, for a model file."""
    plain: dict[str, Any] = {
        "coefficients": linear.coefficients,
        "intercepts": linear.intercepts,
        "weight": linear.weight,
    }
    match linear:
        case LinearVectors():
            return {"reads": "vectors", **plain}
        case LinearTerms(terms=WordTerms() as terms):
            reads = "words"
        case LinearTerms(terms=CharacterTerms() as terms):
            reads = "characters"
    return {"reads": reads, "terms": terms.listed, "rarities": linear.rarities, **plain}


def linear_from_plain(values: Mapping[str, Any]) -> Linear:
    """What ``linear_as_plain`` wrote; KeyError, TypeError or ValueError where it is none."""
    coefficients = np.asarray(values["coefficients"], np.float32)
    intercepts = np.asarray(values["intercepts"], np.float64)
    weight = float(values["weight"])
    if coefficients.ndim != 2 or intercepts.shape != (coefficients.shape[1],):
        raise ValueError(
            f"coefficients of shape {coefficients.shape} and intercepts of {intercepts.shape}"
        )
    if values["reads"] == "vectors":
        return LinearVectors(coefficients=coefficients, intercepts=intercepts, weight=weight)
    terms = _COMPILED[values["reads"]](str(values["terms"]))
    rarities = np.asarray(values["rarities"], np.float64)
    if not len(rarities) == len(coefficients) == terms.size + 1:
        raise ValueError(
            f"{terms.size} terms, but {len(rarities)} rarities and {len(coefficients)} coefficients"
        )
    return LinearTerms(
        terms=terms,
        rarities=rarities,
        coefficients=coefficients,
        intercepts=intercepts,
        weight=weight,
    )
