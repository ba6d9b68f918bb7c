"""How long loops take to close, on average, and where the time goes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import t

from policies.domain import Estimate, FloatArray
from policies.loops import PARTS, ClosedLoop


def mean_times(loops: Sequence[ClosedLoop]) -> dict[str, Estimate]:
    """The mean seconds of all loops, as "total" and by part, with their 95 % t interval.

    One loop has no spread, so its interval is unknown.

    >>> mean_times([])["total"].n
    0
    """
    rows = np.array([[loop.seconds[part] for part in PARTS] for loop in loops])
    columns = rows.reshape(len(loops), len(PARTS))
    found = {"total": _mean(columns.sum(axis=1))}
    return found | {part: _mean(columns[:, place]) for place, part in enumerate(PARTS)}


def _mean(values: FloatArray) -> Estimate:
    n = len(values)
    if n == 0:
        return Estimate(value=None, low=None, high=None, n=0)
    mean = float(values.mean())
    if n == 1:
        return Estimate(value=mean, low=None, high=None, n=1)
    margin = float(t.ppf(0.975, n - 1)) * float(values.std(ddof=1)) / math.sqrt(n)
    return Estimate(value=mean, low=max(0.0, mean - margin), high=mean + margin, n=n)
