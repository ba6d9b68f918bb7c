"""Gradient-boosted trees, grown by scikit-learn and kept as plain arrays.

A file of scikit-learn's own estimator needs types that skops does not trust; its trees are small
tables of numbers, and walking them here gives its very sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from policies.domain import BoolArray, FloatArray, IntArray

_TREES = 100  # rounds; more gained nothing on a few thousand rows
_CHUNK = 1_000  # rows at a time: positions of all trees stay in the processor's cache
_MOST_BINS = 255  # scikit-learn's own
_MOST_STEPS = 10_000  # no tree grown here is nearly so deep; a damaged one could go in circles


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """All trees of a model, node by node; ``roots`` (rounds, outputs) says where each begins.

    A node with ``column`` -1 is a leaf that adds ``value``. Another sends a row to ``left`` if its
    value is at most ``limit`` or, where ``choice`` >= 0, if that row of ``choices`` holds its code;
    else to ``right``. Missing values go left where ``missing_left``.
    """

    start: FloatArray
    roots: IntArray
    column: IntArray
    limit: FloatArray
    missing_left: BoolArray
    left: IntArray
    right: IntArray
    value: FloatArray
    choice: IntArray
    choices: BoolArray

    def values(self, matrix: FloatArray) -> FloatArray:
        """The sums (rows, outputs): logits of a classifier, numbers of a regression."""
        parts = [
            self._sums(matrix[start : start + _CHUNK]) for start in range(0, len(matrix), _CHUNK)
        ]
        return np.concatenate([np.empty((0, len(self.start))), *parts])

    def _sums(self, matrix: FloatArray) -> FloatArray:
        rows = np.arange(len(matrix))[:, None]
        at = np.tile(self.roots.ravel(), (len(matrix), 1))
        for _ in range(_MOST_STEPS):
            column = self.column[at]
            if (column < 0).all():
                break
            seen = matrix[rows, column]  # a leaf reads some column, and stays where it is
            missing = np.isnan(seen)
            to_left = np.where(missing, self.missing_left[at], seen <= self.limit[at])
            choice = self.choice[at]
            if len(self.choices):
                code = np.where(missing, 0.0, np.clip(seen, 0.0, 255.0)).astype(np.int64)
                chosen = np.where(missing, self.missing_left[at], self.choices[choice, code])
                to_left = np.where(choice >= 0, chosen, to_left)
            at = np.where(column < 0, at, np.where(to_left, self.left[at], self.right[at]))
        leaves = self.value[at].reshape(len(matrix), *self.roots.shape)
        sums: FloatArray = self.start + leaves.sum(axis=1)
        return sums


def grow_classes(
    matrix: FloatArray, codes: IntArray, weights: FloatArray, *, categorical: int, seed: int
) -> Trees:
    """Trees that tell classes apart, all of which occur; one output where there are two classes.

    The first ``categorical`` columns hold codes from 0 to 254; NaN is missing in any column.
    """
    bins = bins_of(matrix, categorical)
    grown = HistGradientBoostingClassifier(**_settings(matrix, categorical, seed))
    return trees_of(grown.fit(binned(matrix, bins), codes, sample_weight=weights), bins)


def grow_numbers(
    matrix: FloatArray, targets: FloatArray, weights: FloatArray, *, categorical: int, seed: int
) -> Trees:
    """Trees that say a number, by least squares; columns as of ``grow_classes``."""
    bins = bins_of(matrix, categorical)
    grown = HistGradientBoostingRegressor(**_settings(matrix, categorical, seed))
    return trees_of(grown.fit(binned(matrix, bins), targets, sample_weight=weights), bins)


def bins_of(matrix: FloatArray, categorical: int) -> list[FloatArray]:
    """The limits between the bins of each column, ascending; () for one of codes.

    scikit-learn's own binning of weighted rows takes a second for 30 columns, whatever their
    length, and fails on a column without any value.
    """
    bins: list[FloatArray] = [np.empty(0) for _ in range(categorical)]
    for column in matrix.T[categorical:]:
        distinct = np.unique(column[~np.isnan(column)])
        if len(distinct) <= _MOST_BINS:
            bins.append(distinct[:-1] / 2.0 + distinct[1:] / 2.0)
        else:
            shares = np.linspace(0.0, 1.0, _MOST_BINS + 1)[1:-1]
            present = column[~np.isnan(column)]
            bins.append(np.unique(np.quantile(present, shares, method="averaged_inverted_cdf")))
    return bins


def binned(matrix: FloatArray, bins: Sequence[FloatArray]) -> FloatArray:
    """Each value as the number of its bin: of the limits that are less than it."""
    found = matrix.copy()
    for place, limits in enumerate(bins):
        column = found[:, place]
        missing = np.isnan(column)
        if missing.all():
            column[:] = 0.0  # tells nothing, and scikit-learn refuses it
        elif len(limits):
            column[~missing] = np.searchsorted(limits, column[~missing], side="left")
    return found


def _settings(matrix: FloatArray, categorical: int, seed: int) -> dict[str, Any]:
    rows = len(matrix)
    return {
        "max_iter": _TREES,
        "learning_rate": 0.1,
        "max_leaf_nodes": 15,
        # scikit-learn's own 20 learn nothing from fewer than 40 rows.
        "min_samples_leaf": max(1, min(20, rows // 20)),
        "l2_regularization": 1.0,
        "categorical_features": list(range(categorical)) or None,
        "early_stopping": False,  # every row teaches; the share held out would be lost
        "random_state": seed,
    }


def trees_of(
    grown: HistGradientBoostingClassifier | HistGradientBoostingRegressor,
    bins: Sequence[FloatArray],
) -> Trees:
    """The trees of an estimator that was fitted on the numbers of these bins, for the very values.

    scikit-learn numbers the categories that it saw; where some codes of a column did not occur in
    training its numbers are not the codes, so the bits are read by its own list.
    """
    predictors = grown._predictors  # noqa: SLF001 - the trees are in no public attribute
    flat = [tree for each in predictors for tree in each]
    sizes = np.array([len(tree.nodes) for tree in flat], np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    nodes = np.concatenate([tree.nodes for tree in flat])
    shift = np.repeat(offsets, sizes)
    leaf = nodes["is_leaf"].astype(bool)
    by_code = _by_code(nodes)
    choices, known = _choices(grown, flat)
    before = np.cumsum([0, *(len(tree.raw_left_cat_bitsets) for tree in flat)])[:-1]
    choice = nodes["bitset_idx"].astype(np.int64) + np.repeat(before, sizes)
    # A code that this fit never saw goes where missing values go.
    unseen = by_code & nodes["missing_go_to_left"].astype(bool)
    columns = nodes["feature_idx"].astype(np.int64)
    choices[choice[unseen]] |= ~known[columns[unseen]]
    return Trees(
        start=np.asarray(grown._baseline_prediction, np.float64).ravel(),  # noqa: SLF001 - as above
        roots=offsets.reshape(len(predictors), -1),
        column=np.where(leaf, -1, columns),
        limit=_limits(nodes["num_threshold"], columns, leaf | by_code, bins),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        left=nodes["left"].astype(np.int64) + shift,
        right=nodes["right"].astype(np.int64) + shift,
        value=np.where(leaf, nodes["value"], 0.0).astype(np.float64),
        choice=np.where(by_code, choice, -1),
        choices=choices,
    )


def _by_code(nodes: NDArray[np.void]) -> BoolArray:
    """Which nodes send rows by their code.

    Not those that tell missing categories from all others: they have an infinite limit and no bits
    of their own, so scikit-learn 1.9 sends rows there by the bits of another node.
    """
    inner = (nodes["is_categorical"] > 0) & (nodes["is_leaf"] == 0)
    by_code: BoolArray = inner & np.isfinite(nodes["num_threshold"])
    return by_code


def _limits(
    numbers: FloatArray, columns: IntArray, unlimited: BoolArray, bins: Sequence[FloatArray]
) -> FloatArray:
    """Limits between the numbers of bins as limits between values; infinite ones stay."""
    limits = np.where(unlimited, 0.0, numbers)
    for node in np.flatnonzero(~unlimited & np.isfinite(numbers)).tolist():
        limits[node] = bins[columns[node]][int(numbers[node])]
    return limits


def _choices(grown: Any, flat: list[Any]) -> tuple[BoolArray, BoolArray]:
    """Which codes go left, one row a categorical node; and the codes known, one row a column."""
    encoder = grown._preprocessor  # noqa: SLF001 - None where no column is categorical
    categories = [] if encoder is None else encoder.named_transformers_["encoder"].categories_
    known = np.zeros((grown.n_features_in_, 256), np.bool_)
    for column, codes in enumerate(categories):
        known[column, codes[~np.isnan(codes)].astype(np.int64)] = True
    rows = []
    for tree in flat:
        splits = tree.nodes[_by_code(tree.nodes)]
        found = np.zeros((len(tree.raw_left_cat_bitsets), 256), np.bool_)
        for place, column in zip(splits["bitset_idx"], splits["feature_idx"], strict=True):
            bits = tree.raw_left_cat_bitsets[place].view(np.uint8)
            told: NDArray[np.bool_] = np.unpackbits(bits, bitorder="little") > 0
            codes = categories[column]
            numbers = codes[~np.isnan(codes)].astype(np.int64)
            found[place, numbers] = told[: len(numbers)]
        rows.append(found)
    return np.concatenate([np.zeros((0, 256), np.bool_), *rows]), known


def trees_as_plain(trees: Trees) -> dict[str, Any]:
    """The trees in arrays, for a model file."""
    return {
        "start": trees.start,
        "roots": trees.roots,
        "column": trees.column,
        "limit": trees.limit,
        "missing_left": trees.missing_left,
        "left": trees.left,
        "right": trees.right,
        "value": trees.value,
        "choice": trees.choice,
        "choices": np.packbits(trees.choices, axis=1),
    }


def trees_from_plain(values: Mapping[str, Any]) -> Trees:
    """What ``trees_as_plain`` wrote; KeyError, TypeError or ValueError where it is none."""
    nodes = len(values["column"])
    trees = Trees(
        start=np.asarray(values["start"], np.float64),
        roots=np.asarray(values["roots"], np.int64),
        column=np.asarray(values["column"], np.int64),
        limit=np.asarray(values["limit"], np.float64),
        missing_left=np.asarray(values["missing_left"], np.bool_),
        left=np.asarray(values["left"], np.int64),
        right=np.asarray(values["right"], np.int64),
        value=np.asarray(values["value"], np.float64),
        choice=np.asarray(values["choice"], np.int64),
        choices=np.unpackbits(np.asarray(values["choices"], np.uint8), axis=1).astype(np.bool_),
    )
    told = (trees.limit, trees.missing_left, trees.left, trees.right, trees.value, trees.choice)
    if any(len(each) != nodes for each in told) or trees.roots.shape[1:] != trees.start.shape:
        raise ValueError("trees whose parts have different lengths")
    return trees
