"""Many tests at once: p-values that keep their promise over all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def adjusted(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Benjamini and Hochberg's (1995) adjustment; what was not tested stays None.

    Where nothing changed at all, the chance that any of them is at or under a level is that level.

    >>> [round(p, 3) for p in adjusted([0.01, 0.04, 0.03])]
    [0.03, 0.04, 0.04]
    """
    tested = [at for at, p in enumerate(p_values) if p is not None]
    values = np.array([p_values[at] for at in tested], np.float64)
    order = np.argsort(values)
    scaled = values[order] * len(values) / np.arange(1, len(values) + 1)
    smallest = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    found: list[float | None] = [None] * len(p_values)
    for place, value in zip(order.tolist(), smallest.tolist(), strict=True):
        found[tested[place]] = value
    return tuple(found)
