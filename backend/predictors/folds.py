"""Parts of the training examples that a fit does not see, so that it can be judged by them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from policies.domain import IntArray

_FOLDS = 5

# Above so many rows, or rows times classes, one held-out fifth stands for all five: it has rows
# enough for the few numbers that are judged by it, and four more fits would cost minutes.
_MANY_ROWS, _LARGE = 5_000, 100_000
_MANY_FIGURES = 5_000_000  # of outputs that are learned together, in one pass over the rows


def folds(codes: IntArray, seed: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Stratified (training, held-out) rows, every class in every training part.

    The rows of a class are dealt to the folds in turn, so no fold holds a whole class but the
    class of one example, which is never held out.
    """
    counts = np.bincount(codes)
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    dealt = shuffled[np.argsort(codes[shuffled], kind="stable")]
    fold = np.empty(len(codes), dtype=np.int64)
    fold[dealt] = np.arange(len(codes)) % _FOLDS
    fold[counts[codes] == 1] = -1
    yield from _parts(fold, folds_used(codes))


def row_folds(rows: int, outputs: int, seed: int) -> Iterator[tuple[IntArray, IntArray]]:
    """The same for rows of no single class, each of which is learned from for so many ``outputs``.

    Nothing where there are fewer than two rows: none can stand aside.
    """
    if rows < 2:
        return
    fold = np.empty(rows, np.int64)
    fold[np.random.default_rng(seed).permutation(rows)] = np.arange(rows) % _FOLDS
    yield from _parts(fold, 1 if rows * outputs > _MANY_FIGURES else _FOLDS)


def group_folds(groups: IntArray, seed: int) -> Iterator[tuple[IntArray, IntArray]]:
    """The same for rows that must not be told apart: no group stands on both sides.

    Nothing where there are fewer than two groups.
    """
    names, places = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return
    fold = np.empty(len(names), np.int64)
    fold[np.random.default_rng(seed).permutation(len(names))] = np.arange(len(names)) % _FOLDS
    yield from _parts(fold[places], 1 if len(groups) > _MANY_ROWS else _FOLDS)


def _parts(fold: IntArray, used: int) -> Iterator[tuple[IntArray, IntArray]]:
    for number in range(used):
        held_out = np.flatnonzero(fold == number)
        if len(held_out):
            yield np.flatnonzero(fold != number), held_out


def folds_used(codes: IntArray) -> int:
    """How many folds there are at most."""
    large = len(codes) > _MANY_ROWS or len(codes) * len(np.unique(codes)) > _LARGE
    return 1 if large else _FOLDS


def share_of(rows: IntArray, codes: IntArray, share: float, seed: int) -> IntArray:
    """A stratified part of some rows, at least one of each of their classes."""
    shuffled = np.random.default_rng(seed).permutation(rows)
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    place = np.arange(len(order)) - np.searchsorted(codes[order], codes[order])
    counts = np.bincount(codes[order])[codes[order]]
    return np.sort(order[place < np.maximum(1, np.rint(share * counts))])
