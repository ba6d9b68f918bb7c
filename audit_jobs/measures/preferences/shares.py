"""Shares of observations that come in clusters: a question's judgements, a prompt's pairs."""

from __future__ import annotations

import numpy as np

from audit_jobs.measures.alpha import columns
from audit_jobs.measures.bootstrap import Sums, estimated, mean_unit, ratio, sum_by
from policies.domain import BoolArray, Estimate, FloatArray, IntArray


def clustered_share(hits: BoolArray | FloatArray, cluster: IntArray, seed: int = 0) -> Estimate:
    """The share of hits with a 95 % interval that draws clusters anew; ``n`` counts observations.

    >>> share = clustered_share(np.array([True, True, False, False]), np.array([0, 0, 1, 2]))
    >>> share.value, share.n
    (0.5, 4)
    """
    _, place = np.unique(cluster, return_inverse=True)
    size = int(place.max(initial=-1)) + 1
    table = np.column_stack(
        [sum_by(place, hits.astype(np.float64), size), sum_by(place, np.ones(len(hits)), size)]
    )
    rows, frequency = np.unique(table, axis=0, return_counts=True)
    adds = columns(rows[:, 0], rows[:, 1])
    frequency = frequency.astype(np.int64)
    mean = mean_unit(adds, frequency)
    sums = Sums(
        adds=adds,
        frequency=frequency,
        n=len(hits),
        figure=lambda totals: ratio(totals[:, 0], totals[:, 1]),
        best=mean[[1, 1]],
        worst=mean * [0, 1],
    )
    return estimated(sums, seed)
