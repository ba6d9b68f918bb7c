"""Prompts that a reward model does not learn from: all pairs of a prompt stand on one side."""

from __future__ import annotations

import numpy as np

from policies.domain import IntArray


def held_out_rows(groups: IntArray, share: float, seed: int) -> tuple[IntArray, IntArray]:
    """(training, held-out) rows: about a share of the prompts, at least one on each side.

    Nothing is held out where there is one prompt, or the share is 0.

    >>> training, held_out = held_out_rows(np.array([0, 0, 1, 2, 3, 3]), 0.25, seed=1)
    >>> len({0, 1, 2, 3}), set(training) & set(held_out), len(training) + len(held_out)
    (4, set(), 6)
    """
    prompts, places = np.unique(groups, return_inverse=True)
    wanted = min(max(1, round(share * len(prompts))), len(prompts) - 1) if share > 0 else 0
    drawn = np.zeros(len(prompts), np.bool_)
    drawn[np.random.default_rng(seed).permutation(len(prompts))[:wanted]] = True
    return np.flatnonzero(~drawn[places]), np.flatnonzero(drawn[places])
