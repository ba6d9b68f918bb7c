"""How far a task is from everything that a version was trained on: 0 a copy, 1 unlike all of it.

It is one less the cosine to the nearest training example in the model's own feature space: for
texts that of weighted words, for images that of the Gaussian kernel, where the cosine of two
pictures is the kernel's value. Words and pairs of words that the model has never seen count as
dimensions of their own. Without them an odd text of one known word would look like a copy: on the
questions of clinc150 that are out of its scope, told from those in scope, the area under the curve
falls from 0.90 to 0.81.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial.distance import cdist
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from backend.predictors.protocol import ModelInput
from policies.domain import FloatArray

# More examples add little to the nearest one, and memory and time to every answer.
MOST_EXAMPLES = 20_000
_CHUNK = 200  # rows at a time: small products stay in the processor's cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """The training examples as the model sees them: ``words`` by example, or rows of ``pixels``."""

    words: csr_matrix | None = None
    pixels: NDArray[np.uint8] | None = None

    def novelties(self, pipeline: Pipeline, inputs: Sequence[ModelInput]) -> FloatArray:
        """The novelty of each input, by the pipeline that was trained on the examples."""
        alike = [
            self._alike(pipeline, inputs[start : start + _CHUNK])
            for start in range(0, len(inputs), _CHUNK)
        ]
        return np.clip(1.0 - np.concatenate([np.empty(0), *alike]), 0.0, 1.0)

    def _alike(self, pipeline: Pipeline, inputs: Sequence[ModelInput]) -> FloatArray:
        """The cosine of each input to the example that is most like it."""
        if self.pixels is not None:
            apart = cdist(pixels_of(inputs), self.pixels, "sqeuclidean").min(axis=1) / 255.0**2
            kernel: FloatArray = np.exp(-float(pipeline[0].gamma) * apart)
            return kernel
        terms: TfidfVectorizer = pipeline[0]
        known = np.array([_known_share(terms, str(text)) for text in inputs])
        return known * _largest(terms.transform(inputs) @ self.words)


def neighbourhood(pipeline: Pipeline, inputs: Sequence[ModelInput]) -> Neighbourhood:
    """The examples that a pipeline was trained on, at most ``MOST_EXAMPLES`` evenly spread."""
    kept = inputs[:: max(1, -(-len(inputs) // MOST_EXAMPLES))]
    if isinstance(kept[0], str):
        return Neighbourhood(words=csr_matrix(pipeline[0].transform(kept).T))
    return Neighbourhood(pixels=pixels_of(kept))


def pixels_of(images: Sequence[ModelInput]) -> NDArray[np.uint8]:
    """Pictures of values in 0..1 as the rows of one array of bytes."""
    return np.rint(np.asarray(images, np.float64) * 255.0).astype(np.uint8)


def _known_share(terms: TfidfVectorizer, text: str) -> float:
    """The length of a text's row without the terms never seen, over that with them."""
    weights = terms.idf_
    rarest = float(weights.max())  # what a term that is in one example weighs
    known = unseen = 0.0
    for term, count in Counter(terms.build_analyzer()(text)).items():
        column = terms.vocabulary_.get(term)
        times = 1.0 + np.log(count)  # as the vectorizer counts: sublinear
        if column is None:
            unseen += (times * rarest) ** 2
        else:
            known += (times * float(weights[column])) ** 2
    return float(np.sqrt(known / (known + unseen))) if known else 0.0


def _largest(rows: csr_matrix) -> FloatArray:
    """The largest value of each row; none is negative."""
    largest = np.zeros(rows.shape[0])
    filled = np.diff(rows.indptr) > 0
    largest[filled] = np.maximum.reduceat(rows.data, rows.indptr[:-1][filled])
    return largest
