"""The thresholds beside those of MAPIE's risk control (BSD), an independent implementation."""

from __future__ import annotations

import warnings

import numpy as np
from mapie.risk_control import BinaryClassificationController

from policies.domain import FloatArray
from policies.thresholds import BUDGET_SHARES, certify, grid_from_scores

MAX_ERROR, CONFIDENCE = 0.05, 0.90


def _scores_as_probabilities(scores: FloatArray) -> FloatArray:
    flat = np.asarray(scores).ravel()
    return np.column_stack([1 - flat, flat])


def test_what_mapies_fixed_sequence_certifies_is_certified_here_too() -> None:
    """MAPIE bounds with Hoeffding and Bentkus, here stands the exact binomial: never stricter.

    MAPIE gets the budget of the first start alone, and the same grid, strictest first.
    """
    compared = [_both(seed) for seed in range(12)]
    certified = [(ours, theirs) for ours, theirs in compared if theirs is not None]
    assert len(certified) >= 6
    for ours, theirs in certified:
        assert ours is not None
        assert ours <= theirs


def _both(seed: int) -> tuple[float | None, float | None]:
    """The loosest threshold that is certified here, and by MAPIE."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(3.0, 1.2, 2_000)
    wrong = rng.random(2_000) < 0.45 * (1 - scores) ** 1.2
    grid = grid_from_scores(
        rng.beta(3.0, 1.2, 5_000),
        max_error_rate=MAX_ERROR,
        confidence=CONFIDENCE,
        n_labelled=2_000,
        floor=0.0,
    )
    oracle = BinaryClassificationController(
        _scores_as_probabilities,
        risk="precision",
        target_level=1 - MAX_ERROR,
        confidence_level=1 - (1 - CONFIDENCE) * BUDGET_SHARES[0],
        list_predict_params=np.array(grid),
        fwer_method="fixed_sequence",
    )
    with warnings.catch_warnings():
        # It warns that the sequence assumes risks to fall with the score: here they do.
        warnings.simplefilter("ignore", UserWarning)
        oracle.calibrate(scores, (~wrong).astype(int))
    found = certify(
        scores,
        wrong,
        grid=grid,
        max_error_rate=MAX_ERROR,
        confidence=CONFIDENCE,
        model_version="m1",
    )
    theirs = np.asarray(oracle.valid_predict_params, float)
    return found.threshold, float(theirs.min()) if len(theirs) else None
