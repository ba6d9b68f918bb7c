"""The tree that a set of paths spans: which options there are at each node, and which make a path.

An option of a node is one of its children, or that the path ends there. Nodes stand in the order of
their paths, the options of a node side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from policies.answer_texts import PATH_SEPARATOR
from policies.domain import FloatArray, IntArray

_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Node i has the options from ``starts[i]`` up to ``starts[i + 1]``.

    ``steps`` (options, paths) is 1 where a path takes an option; ``taken`` (nodes, paths) is which
    of a node's options a path takes, counted from 1, and 0 where it does not pass the node.
    """

    starts: IntArray
    steps: csr_matrix
    taken: csr_matrix

    @property
    def nodes(self) -> int:
        """How many inner nodes there are."""
        return len(self.starts) - 1

    @property
    def widest(self) -> int:
        """The most options that a node has."""
        return int(np.diff(self.starts).max())

    def options(self, node: int) -> int:
        """How many options a node has."""
        return int(self.starts[node + 1] - self.starts[node])

    def passing(self, codes: IntArray, node: int) -> tuple[IntArray, IntArray]:
        """Which of these paths pass a node, and the option that each takes there."""
        column = np.zeros(self.taken.shape[1], np.int64)
        entries = slice(self.taken.indptr[node], self.taken.indptr[node + 1])
        column[self.taken.indices[entries]] = self.taken.data[entries]
        found = column[codes]
        rows = np.flatnonzero(found)
        return rows, found[rows] - 1

    def probabilities(self, logits: FloatArray) -> FloatArray:
        """From logits of all options to the probabilities of all paths; rows sum to 1."""
        starts = self.starts[:-1]
        widths = np.diff(self.starts)
        highest = np.repeat(np.maximum.reduceat(logits, starts, axis=1), widths, axis=1)
        grown = np.exp(logits - highest)
        sums = np.repeat(np.add.reduceat(grown, starts, axis=1), widths, axis=1)
        told = (logits - highest) - np.log(sums)
        probabilities: FloatArray = np.exp(np.asarray(told @ self.steps))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return probabilities


def tree_of(labels: Sequence[str]) -> Tree:
    """The tree of at least one path, in ``path_text``'s form and all different.

    >>> tree = tree_of(["A / x", "A / y", "B"])
    >>> tree.starts.tolist(), tree.steps.toarray().T.tolist()
    ([0, 2, 4], [[1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
    """
    paths = [tuple(label.split(PATH_SEPARATOR)) for label in labels]
    options = _options(paths)
    nodes = {node: index for index, node in enumerate(sorted(options))}
    ordered = [sorted(options[node], key=lambda name: (name is not None, name)) for node in nodes]
    place = [{name: index for index, name in enumerate(names)} for names in ordered]
    starts = np.cumsum([0, *map(len, ordered)]).astype(np.int64)
    taken = [
        (nodes[node], place[nodes[node]][name], code)
        for code, path in enumerate(paths)
        for node, name in _steps(path, options)
    ]
    passed, chosen, codes = np.array(taken, np.int64).T
    return Tree(
        starts=starts,
        steps=csr_matrix(
            (np.ones(len(taken)), (starts[passed] + chosen, codes)),
            shape=(int(starts[-1]), len(paths)),
        ),
        taken=csr_matrix((chosen + 1, (passed, codes)), shape=(len(nodes), len(paths))),
    )


def _options(paths: Sequence[_Path]) -> dict[_Path, set[str | None]]:
    """What may come next at each inner node; None where a path ends there."""
    options: dict[_Path, set[str | None]] = {}
    for path in paths:
        for depth, name in enumerate(path):
            options.setdefault(path[:depth], set()).add(name)
    for path in paths:
        if path in options:
            options[path].add(None)
    return options


def _steps(
    path: _Path, options: Mapping[_Path, set[str | None]]
) -> Iterator[tuple[_Path, str | None]]:
    """The nodes that a path passes, and what comes next there."""
    for depth, name in enumerate(path):
        yield path[:depth], name
    if path in options:
        yield path, None
