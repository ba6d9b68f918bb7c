"""Brush strokes: read as Label Studio's SDK writes them, and refused where they are broken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from label_studio_sdk.converter.brush import decode_rle, mask2rle

from connectors.label_studio.brush import BrushError, painted_runs
from policies.domain import BoolArray

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.booleans())


def rle_of(mask: BoolArray) -> list[int]:
    rle: list[int] = mask2rle(mask.astype(np.uint8) * 255)  # type: ignore[no-untyped-call] # as it is published
    return rle


@given(MASKS)
def test_painted_pixels_are_those_that_the_sdk_encoded(mask: BoolArray) -> None:
    height, width = mask.shape
    runs = painted_runs(rle_of(mask), width, height)
    found = np.zeros(mask.size, dtype=np.bool_)
    for start, end in runs:
        found[start:end] = True
    assert (found.reshape(mask.shape) == mask).all()
    assert (runs[1:, 0] > runs[:-1, 1]).all()  # sorted and apart


@given(MASKS)
def test_the_sdk_decodes_the_same(mask: BoolArray) -> None:
    height, width = mask.shape
    theirs = decode_rle(rle_of(mask))[3::4] > 0
    runs = painted_runs(rle_of(mask), width, height)
    assert int((runs[:, 1] - runs[:, 0]).sum()) == theirs.sum()


def test_values_that_do_not_repeat_are_read_too() -> None:
    # 4 values of 8 bits; counters of 3, 4, 8 and 16 bits; one block of 4 values 0 0 0 255.
    bits = f"{4:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}" + f"0{0:02b}{3:03b}" + "0" * 24 + "1" * 8
    bits += "0" * (-len(bits) % 8)
    rle = [int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)]
    assert painted_runs(rle, 1, 1).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("rle", "size", "message"),
    [
        ([], (2, 2), "breaks off after 0 bytes"),
        ([0, 0, 0], (2, 2), "breaks off after 3 bytes"),
        ([0, 0, 0, 16, 57], (2, 2), "breaks off after 5 bytes"),
        ([0, 0, 0, 17, 57], (2, 2), "has 17 values, an image of 2 x 2 has 16"),
        ([0, 0, 0, 16, 0, 0, 0], (2, 2), "values of 1 bits"),
        ([999], (2, 2), "no list of bytes"),
        (["a"], (2, 2), "no list of bytes"),
        ([0], (0, 2), "0 x 2 pixels"),
        ([0], (100_000, 100_000), "100000 x 100000 pixels"),
    ],
)
def test_broken_strokes_say_what_broke(
    rle: list[object], size: tuple[int, int], message: str
) -> None:
    with pytest.raises(BrushError, match=message):
        painted_runs(rle, *size)


@given(st.lists(st.integers(0, 255), max_size=60), st.integers(1, 4), st.integers(1, 4))
def test_no_bytes_break_the_reader(rle: list[int], width: int, height: int) -> None:
    # The number of values, then words of 8 bits and counters of 3, 4, 8 and 16.
    start = [*(width * height * 4).to_bytes(4, "big"), 0b00111_001, 0b0_0011_011, 0b1_1111_000]
    try:
        runs = painted_runs(start + rle, width, height)
    except BrushError:
        return
    assert ((runs >= 0) & (runs <= width * height)).all()
