"""Human-labelled examples to be found again: the same text or image, or one much like it.

Texts are the same but for case, width and spaces, and as similar as their runs of five characters
(``backend.predictors.memory.shingles``); so are pairs of texts, and rows of columns written as
JSON. Images are compared as the model sees them: the same pixels, and as similar as the bits of
their difference hash that agree. Where the examples that are found were labelled differently there
is no answer. A task is never its own twin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backend.predictors.images.decoding import SIDE
from backend.predictors.memory.novelty import pixels_of, text_of
from backend.predictors.memory.shingles import (
    Pairs,
    ShingleIndex,
    ShingleSets,
    joined_pairs,
    shingle_index,
    shingle_sets,
    text_key,
)
from backend.predictors.protocol import ModelInput
from policies.domain import FloatArray, IntArray, ObjectArray

_CHUNK = 500  # images at a time, each compared with all examples
_BITS = 64

Asked = tuple[Sequence[int], Sequence[ModelInput]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """The most similar example of each task: 0 and None where none is similar enough.

    ``labels`` is None too where equally similar examples were labelled differently.
    """

    similarity: FloatArray
    labels: ObjectArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Human-labelled tasks in columns, sorted by ``keys``: equal where the contents are the same.

    Content i is that of the tasks from ``starts[i]`` up to ``starts[i + 1]``.
    """

    task_ids: IntArray
    labels: tuple[str, ...]
    keys: IntArray
    starts: IntArray

    @property
    def contents(self) -> IntArray:
        """The key of each content."""
        return self.keys[self.starts[:-1]]

    def others(self, content: int, task_id: int) -> set[str]:
        """The labels of the tasks of one content, but for that of the task itself."""
        rows = range(self.starts[content], self.starts[content + 1])
        return {self.labels[row] for row in rows if self.task_ids[row] != task_id}


class Near(Protocol):
    """The contents of examples, each once, to be found by similarity."""

    def pairs(self, inputs: Sequence[ModelInput], least: float) -> Pairs:
        """Inputs with the contents that are at least so similar, sorted by the input."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NearTexts:
    """Different texts by their runs of characters."""

    sets: ShingleSets

    def pairs(self, inputs: Sequence[ModelInput], least: float) -> Pairs:
        """Inputs with the texts that are at least so similar, sorted by the input."""
        return _index_of(self, least).nearest([text_of(each) for each in inputs])


@lru_cache(maxsize=4)
def _index_of(texts: NearTexts, least: float) -> ShingleIndex:
    return shingle_index(texts.sets, least)


@dataclass(frozen=True, slots=True, kw_only=True)
class NearImages:
    """Different images by their difference hash."""

    hashes: NDArray[np.uint64]

    def pairs(self, inputs: Sequence[ModelInput], least: float) -> Pairs:
        """Inputs with the images that are at least so similar, sorted by the input."""
        parts = []
        for start in range(0, len(inputs), _CHUNK):
            asked = difference_hashes(inputs[start : start + _CHUNK])
            apart = np.bitwise_count(asked[:, None] ^ self.hashes[None, :])
            similarity = 1.0 - apart / _BITS
            rows, found = np.nonzero(similarity >= least)
            parts.append(Pairs(asked=rows + start, found=found, similarity=similarity[rows, found]))
        return joined_pairs(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """The examples of a version, and their contents to be found by similarity."""

    examples: Examples
    near: Near

    def exact(self, asked: Asked) -> ObjectArray:
        """The label of the examples that are the same as each task; None where there is none."""
        task_ids, inputs = asked
        keys = content_keys(inputs)
        places = _places(self.examples.contents, keys)
        rows = np.flatnonzero(places >= 0)
        answers = self._labels(Pairs(asked=rows, found=places[rows]), task_ids)
        return _column([answers.get(row) for row in range(len(keys))])

    def nearest(self, asked: Asked, least: float) -> Nearest:
        """The most similar example of each task, of those that are at least so similar."""
        task_ids, inputs = asked
        pairs = self._not_itself(self.near.pairs(inputs, least), task_ids)
        best = np.zeros(len(inputs))
        np.maximum.at(best, pairs.asked, pairs.similarity)
        top = pairs.similarity >= best[pairs.asked]
        answers = self._labels(Pairs(asked=pairs.asked[top], found=pairs.found[top]), task_ids)
        labels = _column([answers.get(row) for row in range(len(inputs))])
        return Nearest(similarity=best, labels=labels)

    def _not_itself(self, pairs: Pairs, task_ids: Sequence[int]) -> Pairs:
        """The pairs but for contents that only the asked task itself has."""
        itself = np.isin(np.asarray(task_ids, np.int64), self.examples.task_ids)
        own = set(np.flatnonzero(itself).tolist())
        if not own:
            return pairs
        kept = [
            row not in own or bool(self.examples.others(content, task_ids[row]))
            for row, content in zip(pairs.asked.tolist(), pairs.found.tolist(), strict=True)
        ]
        chosen = np.array(kept, bool)
        return Pairs(
            asked=pairs.asked[chosen],
            found=pairs.found[chosen],
            similarity=pairs.similarity[chosen],
        )

    def _labels(self, pairs: Pairs, task_ids: Sequence[int]) -> dict[int, str]:
        """The label of each asked row whose examples all have the same one."""
        said: dict[int, set[str]] = {}
        for row, content in zip(pairs.asked.tolist(), pairs.found.tolist(), strict=True):
            said.setdefault(row, set()).update(self.examples.others(content, task_ids[row]))
        return {row: min(labels) for row, labels in said.items() if len(labels) == 1}


def twins_of(task_ids: Sequence[int], inputs: Sequence[ModelInput], labels: Sequence[str]) -> Twins:
    """The index over human-labelled tasks; at least one is given."""
    keys = content_keys(inputs)
    order = np.argsort(keys, kind="stable")
    _, first = np.unique(keys[order], return_index=True)
    examples = Examples(
        task_ids=np.asarray(task_ids, np.int64)[order],
        labels=tuple(labels[place] for place in order),
        keys=keys[order],
        starts=np.append(first, len(keys)).astype(np.int64),
    )
    different = [inputs[order[place]] for place in first]
    near: Near
    if isinstance(different[0], np.ndarray):
        near = NearImages(hashes=difference_hashes(different))
    else:
        near = NearTexts(sets=shingle_sets([text_of(each) for each in different]))
    return Twins(examples=examples, near=near)


def content_keys(inputs: Sequence[ModelInput]) -> IntArray:
    """64 bits of each input that are equal where the contents are the same."""
    return np.fromiter(map(_key, inputs), np.int64, len(inputs))


def _key(value: ModelInput) -> int:
    if not isinstance(value, np.ndarray):
        return text_key(text_of(value))
    digest = hashlib.sha256(pixels_of([value]).tobytes()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def difference_hashes(images: Sequence[ModelInput]) -> NDArray[np.uint64]:
    """64 bits of each image: in 8 rows, where it gets lighter from a column to the next.

    They stay the same under changes of size, brightness and contrast.
    """
    if not len(images):
        return np.empty(0, np.uint64)
    colours = pixels_of(images).astype(np.float64).reshape(len(images), SIDE, SIDE, 3)
    rows = colours.mean(axis=3).reshape(len(images), SIDE // 2, 2, SIDE).mean(axis=2)
    lighter = rows[:, :, 1::2] > rows[:, :, ::2]
    return np.packbits(lighter.reshape(len(images), _BITS), axis=1).view(np.uint64).ravel()


def _places(sorted_keys: IntArray, keys: IntArray) -> IntArray:
    """Where each key stands among the sorted ones; -1 where it does not."""
    places = np.searchsorted(sorted_keys, keys)
    places[places == len(sorted_keys)] = 0
    found: IntArray = np.where(sorted_keys[places] == keys, places, -1)
    return found


def _column(values: Sequence[str | None]) -> ObjectArray:
    column = np.empty(len(values), object)
    column[:] = values
    return column
