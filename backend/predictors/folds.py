"""Which examples stand aside while a model is fitted, so that it is judged by what it never saw."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from policies.domain import IntArray

FOLDS = 5

# Examples times outputs above which one held-out fifth is enough, and four more fits too dear.
MANY = 5_000_000


def folds(rows: int, outputs: int, seed: int) -> Iterator[tuple[IntArray, IntArray]]:
    """(training, held-out) rows; every row is held out once, or, where there are many, a fifth is.

    Nothing where there are fewer than two rows: none can stand aside.
    """
    if rows < 2:
        return
    fold = np.empty(rows, np.int64)
    fold[np.random.default_rng(seed).permutation(rows)] = np.arange(rows) % FOLDS
    yield from _parts(fold, rows * outputs)


def folds_by_class(codes: IntArray, classes: int, seed: int) -> Iterator[tuple[IntArray, IntArray]]:
    """As ``folds``, every class in every training part; a class of one row is never held out.

    The rows of a class are dealt to the folds in turn, so no fold holds a whole class.
    """
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    fold = np.empty(len(codes), np.int64)
    fold[by_class] = np.arange(len(codes)) % FOLDS
    fold[np.bincount(codes, minlength=classes)[codes] == 1] = -1
    yield from _parts(fold, len(codes) * classes)


def _parts(fold: IntArray, figures: int) -> Iterator[tuple[IntArray, IntArray]]:
    for number in range(1 if figures > MANY else FOLDS):
        held_out = np.flatnonzero(fold == number)
        if len(held_out):
            yield np.flatnonzero(fold != number), held_out
