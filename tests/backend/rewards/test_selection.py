from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from backend.predictors.rewards.comparisons import compared, in_columns
from backend.predictors.rewards.davidson import Outcomes, chances, curvature, fit_davidson
from backend.predictors.rewards.fitting import fit_rewards
from backend.predictors.rewards.selection import informative_pairs, most_informative
from policies.domain import FloatArray
from policies.judgments import Choice, Judgment, PreferencePair

FEATURES, POOL, BATCH = 40, 3_000, 50


def order_after(seed: int, judgements: int, *, picked: bool) -> float:
    """The share of new pairs in the true order after so many judgements, the first 100 drawn."""
    rng = np.random.default_rng(seed)
    worth = 0.5 * rng.normal(size=FEATURES)

    def pairs(count: int) -> FloatArray:
        return rng.normal(size=(count, FEATURES)) - rng.normal(size=(count, FEATURES))

    pool, unseen = pairs(POOL), pairs(2_000)
    first = (rng.random(POOL) < chances(pool @ worth, None)[:, 0]).astype(np.float64)
    judged = np.arange(100)
    while True:
        said = Outcomes(first=first[judged], second=1 - first[judged], ties=np.zeros(len(judged)))
        found = fit_davidson(pool[judged], said, np.ones(FEATURES)).coefficients
        if len(judged) >= judgements:
            return float(np.mean((unseen @ worth > 0) == (unseen @ found > 0)))
        rest = np.setdiff1d(np.arange(POOL), judged)
        if picked:
            known = (pool[judged] ** 2).T @ curvature(pool[judged] @ found, None) + 1.0
            told = curvature(pool[rest] @ found, None)
            new = rest[most_informative(pool[rest], 1.0 / known, told, BATCH).places]
        else:
            new = rng.choice(rest, BATCH, replace=False)
        judged = np.concatenate([judged, new])


@pytest.mark.simulation
def test_three_hundred_picked_pairs_teach_as_much_as_five_hundred_drawn_ones() -> None:
    picked = np.mean([order_after(seed, 300, picked=True) for seed in range(8)])
    drawn = [np.mean([order_after(seed, n, picked=False) for seed in range(8)]) for n in (300, 500)]
    assert picked > drawn[0] + 0.01
    assert picked > drawn[1] - 0.015


def test_a_batch_does_not_ask_the_same_thing_twice() -> None:
    rows = np.array([[3.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    found = most_informative(rows, np.full(2, 5.0), np.full(3, 0.25), 2)
    assert found.places.tolist() == [0, 2]
    assert found.information[0] > found.information[1] > 0


def test_the_gain_of_a_batch_is_that_of_the_posterior() -> None:
    rng = np.random.default_rng(0)
    rows, variances = rng.normal(size=(30, 4)), rng.random(4) + 0.1
    told = rng.random(30) * 0.25
    found = most_informative(rows, variances, told, 10)
    some = rows[found.places]
    after = np.diag(1 / variances) + (some.T * told[found.places]) @ some
    gain = 0.5 * (np.linalg.slogdet(after)[1] + np.log(variances).sum())
    assert found.information.sum() == pytest.approx(gain)
    sparse = most_informative(csr_matrix(rows), variances, told, 10)
    assert sparse.places.tolist() == found.places.tolist()


def test_pairs_that_tell_nothing_are_not_picked() -> None:
    rows = np.array([[0.0], [1.0], [2.0]])
    found = most_informative(rows, np.ones(1), np.array([0.25, 0.0, 0.25]), 3)
    assert found.places.tolist() == [2]
    assert len(most_informative(np.empty((0, 1)), np.ones(1), np.empty(0), 3).places) == 0


def test_a_model_picks_what_it_cannot_tell_yet_and_never_two_of_the_same_words() -> None:
    words = ["good", "bad", "fair", "poor"]
    judged = [
        PreferencePair(
            id=str(number),
            prompt=f"prompt {number}",
            response_a=f"{words[number % 2]} one here",
            response_b=f"{words[1 - number % 2]} one here",
            judgments=(Judgment(judge="kim", choice=(Choice.A, Choice.B)[number % 2]),),
        )
        for number in range(60)
    ]
    model = fit_rewards(compared(judged), seed=0)
    asked = in_columns(
        [("", "good one here", "good one here"), ("", "bad one here", "good one here")],
        np.zeros((2, 3)),
    )
    assert informative_pairs(model, asked, 5).places.tolist() == [1]
