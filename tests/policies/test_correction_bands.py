"""Correction rates are judged on their bounds, never on the value."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from policies.correction_bands import Band, CorrectionBands, band_of, meaning
from policies.domain import Estimate
from policies.intervals import UNKNOWN, wilson


@pytest.mark.parametrize(
    ("corrected", "n", "band"),
    [
        (0, 20, Band.UNCERTAIN),
        (0, 200, Band.UNDER),
        (20, 200, Band.WITHIN),
        (8, 200, Band.UNCERTAIN),
        (70, 200, Band.UNCERTAIN),
        (90, 200, Band.OVER),
        (9, 10, Band.OVER),
        (0, 0, Band.UNCERTAIN),
    ],
)
def test_only_a_whole_interval_says_something(corrected: int, n: int, band: Band) -> None:
    assert band_of(wilson(corrected, n), CorrectionBands()) is band


def test_each_band_is_told_in_words() -> None:
    rate = Estimate(value=0.5, low=0.4, high=0.6, n=90)
    assert len({meaning(band, rate) for band in Band}) == len(Band)
    assert "nobody" in meaning(Band.UNCERTAIN, UNKNOWN)


def test_a_band_without_room_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"must be below corrections\.high"):
        CorrectionBands(low=0.3, high=0.3)
