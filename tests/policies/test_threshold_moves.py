"""Thresholds move on bounds of the error rate alone, a step at most, never under the proved one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.domain import Certificate
from policies.error_bounds import error_bounds
from policies.intervals import exact_lower, exact_upper
from policies.threshold_moves import MINIMUM_AUDITS, AuditedAccepts, ThresholdMove, move_of
from tests.fakes.policy_documents import make_certificate

STEP = 0.02


def audited(errors: int, n: int, scores: object = 0.95, chance: float = 0.1) -> AuditedAccepts:
    """``n`` audits of which the first ``errors`` are wrong."""
    return AuditedAccepts(
        scores=np.broadcast_to(np.asarray(scores, np.float64), n).copy(),
        wrong=np.arange(n) < errors,
        chances=np.full(n, chance),
    )


def certificate(threshold: float | None = 0.8, raised_to: float | None = None) -> Certificate:
    return make_certificate(threshold, raised_to=raised_to)  # promises 5 % at 95 %


def move(
    made: Certificate, found: AuditedAccepts, floor: float = 0.7, step: float = STEP
) -> ThresholdMove | None:
    return move_of(made, found, floor=floor, step=step)


def test_proved_errors_raise_by_a_step() -> None:
    found = move(certificate(), audited(20, 100))
    assert found is not None
    assert (found.start, found.to) == (0.8, 0.82)
    assert found.bounds.low == pytest.approx(exact_lower(20, 100, 0.95))
    assert exact_lower(20, 100, 0.95) > 0.05


def test_a_bad_share_that_proves_nothing_moves_nothing() -> None:
    assert exact_lower(4, 50, 0.95) < 0.05 < 4 / 50
    assert move(certificate(), audited(4, 50)) is None


@pytest.mark.parametrize("n", [0, 1, MINIMUM_AUDITS - 1])
def test_few_audits_move_nothing_whatever_they_say(n: int) -> None:
    assert move(certificate(), audited(n, n)) is None
    assert move(certificate(raised_to=0.9), audited(0, n)) is None


def test_nothing_proved_nothing_moved() -> None:
    assert move(certificate(None), audited(100, 100)) is None


def test_it_is_raised_no_further_than_the_errors_ask() -> None:
    scores = np.concatenate([np.full(40, 0.805), np.linspace(0.815, 1.0, 200)])
    found = move(certificate(), audited(40, 240, scores))
    assert found is not None
    assert found.to == 0.815  # from the next score on nothing is wrong


def test_the_end_of_the_scale_is_never_passed() -> None:
    found = move(certificate(0.99), audited(50, 100, 1.0))
    assert found is not None
    assert found.to == 1.0
    assert move(certificate(0.8, raised_to=1.0), audited(50, 100, 1.0)) is None


def test_what_is_no_longer_accepted_says_nothing_about_what_is() -> None:
    scores = np.concatenate([np.full(30, 0.85), np.full(100, 0.97)])
    up = move(certificate(0.8), audited(30, 130, scores))
    down = move(certificate(0.8, raised_to=0.9), audited(30, 130, scores))
    assert up is not None
    assert down is not None
    assert (up.to, down.to) == (0.82, 0.88)
    assert (down.bounds.audits, down.bounds.errors) == (100, 0)


def test_a_proved_promise_lowers_what_was_raised_but_never_under_the_proof() -> None:
    clean = audited(0, 100)
    assert move(certificate(0.8), clean) is None
    found = move(certificate(0.8, raised_to=0.9), clean)
    assert found is not None
    assert (found.start, found.to) == (0.9, 0.88)
    assert found.bounds.high == pytest.approx(exact_upper(0, 100, 0.95))
    last = move(certificate(0.8, raised_to=0.81), clean)
    assert last is not None
    assert last.to == 0.8
    floored = move(certificate(0.8, raised_to=0.91), clean, floor=0.9)
    assert floored is not None
    assert floored.to == 0.9
    assert move(certificate(0.8, raised_to=0.85), clean, floor=0.9) is None


def test_it_is_not_lowered_into_errors_that_raised_it() -> None:
    scores = np.concatenate([np.full(40, 0.89), np.full(100, 0.97)])
    assert move(certificate(0.8, raised_to=0.9), audited(40, 140, scores)) is None


def test_audits_of_unequal_chances_count_as_what_they_are_worth() -> None:
    """The rare label's errors are drawn ten times as often as they happen."""
    wrong = np.arange(200) < 20
    chances = np.where(wrong, 1.0, 0.1)
    bounds = error_bounds(wrong, chances, 0.95)
    assert bounds.value == pytest.approx(20 / (20 + 1800))
    assert bounds.audits == 200
    assert bounds.high is not None
    assert bounds.high < error_bounds(wrong, np.full(200, 0.1), 0.95).high  # type: ignore[operator]
    found = AuditedAccepts(scores=np.full(200, 0.95), wrong=wrong, chances=chances)
    assert move(certificate(), found) is None
    assert move(certificate(), audited(20, 200)) is not None


@pytest.mark.simulation
@pytest.mark.parametrize("unequal", [False, True])
def test_a_kept_promise_is_seldom_called_broken(*, unequal: bool) -> None:
    """Exactly the promised share is wrong: at most one night in twenty raises the threshold."""
    source = np.random.default_rng(7)
    made = certificate()
    raised = 0
    for _ in range(1_000):
        chances = source.choice([0.05, 0.5], 300) if unequal else np.full(300, 0.05)
        found = AuditedAccepts(
            scores=np.full(300, 0.95), wrong=source.random(300) < 0.05, chances=chances
        )
        raised += move(made, found) is not None
    assert raised <= 1_000 * 0.05


@given(
    st.tuples(st.integers(0, 120), st.integers(0, 120)),
    st.floats(0.5, 1.0),
    st.one_of(st.none(), st.floats(0.0, 1.0)),
    st.floats(0.001, 0.2),
    st.integers(0, 2**32 - 1),
)
def test_a_move_stays_in_its_bounds(
    counts: tuple[int, int], proved: float, raised_to: float | None, step: float, seed: int
) -> None:
    errors, n = counts[0], sum(counts)
    source = np.random.default_rng(seed)
    found = AuditedAccepts(
        scores=source.uniform(0.5, 1.0, n),
        wrong=source.permutation(np.arange(n) < errors),
        chances=source.uniform(0.05, 1.0, n),
    )
    made = certificate(proved, raised_to)
    moved = move(made, found, step=step)
    if moved is None:
        return
    assert moved.start == max(proved, raised_to or 0.0, 0.7)
    assert max(proved, 0.7) <= moved.to <= 1.0
    assert 0 < abs(moved.to - moved.start) <= step + 1e-8
    assert moved.bounds.audits >= MINIMUM_AUDITS
    assert moved.bounds.low is not None
    assert moved.bounds.high is not None
    if moved.to > moved.start:
        assert moved.bounds.low > made.max_error_rate
    else:
        assert moved.bounds.high <= made.max_error_rate
