"""Many tests at once: p-values that keep their promise over all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from policies.domain import FloatArray


def adjusted(chances: FloatArray, tests: int | None = None) -> FloatArray:
    """Benjamini and Hochberg's (1995) adjustment over ``tests`` tests; default: those listed.

    Those that are not listed have a chance of 1. Where nothing is going on in any of them, the
    chance that any is at or under a level is that level.

    >>> adjusted(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    order = np.argsort(chances)
    ranked = chances[order] * (tests or len(chances)) / np.arange(1, len(chances) + 1)
    found = np.empty(len(chances))
    found[order] = np.minimum(1, np.minimum.accumulate(ranked[::-1])[::-1])
    return found


def adjusted_known(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """The same over those that were tested; what was not stays None."""
    tested = [at for at, p in enumerate(p_values) if p is not None]
    found: list[float | None] = [None] * len(p_values)
    values = np.array([p_values[at] for at in tested], np.float64)
    for at, value in zip(tested, adjusted(values).tolist(), strict=True):
        found[at] = value
    return tuple(found)
