from __future__ import annotations

import numpy as np
import pytest

from policies.queue import order_queue


def test_the_least_sure_come_first_and_ties_by_draw() -> None:
    scores = np.array([0.9, 0.2, 0.5, 0.5])
    assert order_queue(scores, np.array([0.1, 0.9, 0.8, 0.3]), 10).tolist() == [1, 3, 2, 0]


def test_tasks_without_a_score_come_first_at_random() -> None:
    scores = np.array([0.1, np.nan, np.nan, np.nan])
    assert order_queue(scores, np.array([0.0, 0.9, 0.2, 0.5]), 10).tolist() == [2, 3, 1, 0]


def test_the_queue_ends_at_the_capacity() -> None:
    assert order_queue(np.array([0.3, 0.2, 0.1]), np.zeros(3), 2).tolist() == [2, 1]
    assert order_queue(np.array([]), np.array([]), 2).tolist() == []
    assert order_queue(np.array([0.3]), np.zeros(1), 0).tolist() == []
    with pytest.raises(ValueError, match="capacity -1"):
        order_queue(np.array([0.3]), np.zeros(1), -1)
