from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from policies.sampling import AGREEMENT, AUDIT, SLICE, draws

IDS = np.arange(1, 200_001)


def test_a_draw_never_changes() -> None:
    # Fixed for ever: another figure here means every project's slices were reshuffled.
    assert draws("labelgate", SLICE, np.array([1, 2, 10**12])).tolist() == [
        0.9245736263026723,
        0.23211067936000607,
        0.2130671302885021,
    ]


def test_a_draw_depends_on_salt_stream_and_task_alone() -> None:
    some = draws("a", SLICE, IDS)
    assert np.array_equal(some[::-7], draws("a", SLICE, IDS[::-7]))
    assert not np.any(some == draws("b", SLICE, IDS))
    assert not np.any(draws("a", "b", IDS) == draws("ab", "", IDS))


@pytest.mark.parametrize("salt", ["labelgate", "x", "\N{SNOWMAN}"])
@pytest.mark.parametrize("step", [1, 2, 1024])
def test_draws_are_uniform(salt: str, step: int) -> None:
    values = draws(salt, SLICE, IDS * step)
    assert values.min() >= 0
    assert values.max() < 1
    assert kstest(values, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("other", [AUDIT, AGREEMENT])
def test_streams_are_independent(other: str) -> None:
    counts, _, _ = np.histogram2d(draws("s", SLICE, IDS), draws("s", other, IDS), bins=10)
    assert chisquare(counts.ravel()).pvalue > 1e-4


def test_neighbouring_tasks_are_independent() -> None:
    values = draws("s", SLICE, IDS)
    counts, _, _ = np.histogram2d(values[:-1], values[1:], bins=10)
    assert chisquare(counts.ravel()).pvalue > 1e-4


def test_any_integer_is_a_task_id() -> None:
    limits = np.array([-(2**63), -1, 0, 2**63 - 1])
    assert len(set(draws("s", SLICE, limits).tolist())) == 4
    assert len(draws("s", SLICE, np.array([], np.int64))) == 0
