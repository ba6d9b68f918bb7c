"""Which tasks a tier labels next."""

from __future__ import annotations

import numpy as np

from policies.domain import FloatArray, IntArray


def order_queue(scores: FloatArray, draws: FloatArray, capacity: int) -> IntArray:
    """Positions of the tasks to label first, at most ``capacity`` of them.

    The less sure the model, the more a label is worth: lowest score first, ties by draw. Tasks
    without a score (NaN) come before all others, in the order of their draws, which is random.
    """
    if capacity < 0:
        raise ValueError(f"capacity {capacity} must not be negative")
    known = np.where(np.isnan(scores), -np.inf, scores)
    order: IntArray = np.lexsort((draws, known))
    return order[:capacity]
