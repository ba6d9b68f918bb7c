"""How far a task is from everything that a version was trained on: 0 a copy, 1 unlike all of it.

Two things speak for a task being known: a training example is like it, and the model is sure of its
answer. ``likeness`` is the cosine to the nearest training example, for texts over runs of three
characters weighed by rarity (runs never seen are dimensions of their own), for images the value
of a Gaussian kernel. With ``score``, the calibrated probability of the answer, the odds of being
known are those of the likeness times the score::

    novelty = (1 - likeness) / ((1 - likeness) + likeness * score)

On the questions of clinc150 that are out of its scope, told from those in scope, the area under the
curve is 0.95; likeness alone gives 0.92, the score alone 0.94. It reads inputs and scores, never a
model, so every kind of model has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial.distance import cdist

from backend.predictors.images.classifier import kernel_width
from backend.predictors.protocol import Listed, ModelInput
from backend.predictors.texts.members import count_terms
from backend.predictors.texts.terms import CharacterTerms, character_terms, rarities, weighed
from policies.answer_texts import json_text
from policies.domain import FloatArray

# More examples, or longer ones, add little to the nearest one, and memory and time to every answer.
MOST_EXAMPLES = 20_000
_MOST_ENTRIES = 5_000_000
_CHUNK = 200  # rows at a time: small products stay in the processor's cache
RUNS = (3, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class NearTerms:
    """Training texts as runs of characters: ``examples`` (terms + 1, texts) in rows of unit length.

    ``rarities`` (terms + 1) end with 0, for what was never seen.
    """

    terms: CharacterTerms
    rarities: FloatArray
    examples: csr_matrix

    def likeness(self, inputs: Sequence[ModelInput]) -> FloatArray:
        """The cosine of each text to the example that is most like it."""
        counts = self.terms.counts([text_of(each) for each in inputs])
        rows = weighed(counts, self.rarities)
        return self._known_shares(counts) * _largest(csr_matrix(rows @ self.examples))

    def _known_shares(self, counts: csr_matrix) -> FloatArray:
        """The length of each row without the runs never seen, over that with them."""
        values = (1.0 + np.log(counts.data)) * self.rarities[counts.indices]
        rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        known = np.bincount(rows, values**2, minlength=counts.shape[0])
        never = counts.indices == self.terms.size
        rarest = float(self.rarities.max()) ** 2  # of a run that is in one example
        unseen = rarest * np.bincount(rows[never], counts.data[never], minlength=counts.shape[0])
        shares: FloatArray = np.sqrt(known / np.maximum(known + unseen, 1e-300))
        return shares


@dataclass(frozen=True, slots=True, kw_only=True)
class NearPixels:
    """Training images as rows of bytes, and the width of the kernel they are compared by."""

    pixels: NDArray[np.uint8]
    gamma: float

    def likeness(self, inputs: Sequence[ModelInput]) -> FloatArray:
        """The kernel's value of each image with the example that is most like it."""
        apart = cdist(pixels_of(inputs), self.pixels, "sqeuclidean").min(axis=1) / 255.0**2
        kernel: FloatArray = np.exp(-self.gamma * apart)
        return kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """The training examples, to be compared with."""

    near: NearTerms | NearPixels

    def novelties(self, inputs: Sequence[ModelInput], scores: FloatArray) -> FloatArray:
        """The novelty of each input, whose answer has this calibrated probability."""
        alike = [
            self.near.likeness(inputs[start : start + _CHUNK])
            for start in range(0, len(inputs), _CHUNK)
        ]
        likeness = np.clip(np.concatenate([np.empty(0), *alike]), 0.0, 1.0)
        known = likeness * np.clip(scores, 0.0, 1.0)
        unlike = 1.0 - likeness
        # Nothing is known of a copy (0 : 0) but that it is one.
        return np.where(unlike > 0.0, unlike / np.maximum(unlike + known, 1e-300), 0.0)


def neighbourhood(inputs: Sequence[ModelInput]) -> Neighbourhood | None:
    """The inputs that a model was trained on, at most ``MOST_EXAMPLES`` evenly spread.

    None where they cannot be compared: no inputs, rows of columns, texts without a character.
    """
    kept = inputs[:: _every(len(inputs), MOST_EXAMPLES)]
    match kept:
        case [str() | (str(), str(), *_) | Listed(), *_]:
            near: NearTerms | NearPixels | None = _near_terms([text_of(each) for each in kept])
        case [np.ndarray(), *_]:
            pixels = pixels_of(kept)
            near = NearPixels(pixels=pixels, gamma=kernel_width(pixels / 255.0))
        case _:
            near = None
    return None if near is None else Neighbourhood(near=near)


def pixels_of(images: Sequence[ModelInput]) -> NDArray[np.uint8]:
    """Pictures of values in 0..1 as the rows of one array of bytes."""
    return np.rint(np.asarray(images, np.float64) * 255.0).astype(np.uint8)


def text_of(given: ModelInput) -> str:
    """A text, those of a pair or a list as one, or a row of columns as JSON."""
    if isinstance(given, Listed):
        return "\n".join((*given.items.values(), given.prompt))
    if isinstance(given, tuple):
        return "\n".join(given)
    return json_text(dict(given)) if isinstance(given, Mapping) else str(given)


def _near_terms(texts: Sequence[str]) -> NearTerms | None:
    read = count_terms(texts, analyzer="char_wb", ngram_range=RUNS)
    if read is None:
        return None
    weights = rarities(read.counts)
    rows = weighed(read.counts, weights)
    kept = rows[:: _every(rows.nnz, _MOST_ENTRIES)].astype(np.float32)
    shape = (kept.shape[0], rows.shape[1] + 1)
    wider = csr_matrix((kept.data, kept.indices, kept.indptr), shape=shape)
    return NearTerms(
        terms=character_terms(read.listed, RUNS),
        rarities=np.append(weights, 0.0),
        examples=csr_matrix(wider.T),
    )


def _every(size: int, most: int) -> int:
    """Which of so many are kept so that at most so many are: every first, second, ..."""
    return max(1, -(-size // most))


def _largest(rows: csr_matrix) -> FloatArray:
    """The largest value of each row; none is negative."""
    largest = np.zeros(rows.shape[0])
    filled = np.diff(rows.indptr) > 0
    largest[filled] = np.maximum.reduceat(rows.data, rows.indptr[:-1][filled])
    return largest
