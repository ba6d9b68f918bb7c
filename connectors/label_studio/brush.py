"""Label Studio's run-length code of brush strokes -> the pixels that are painted. Pure.

The code is that of ``@thi.ng/rle-pack``: a stream of bits with the number of values (32 bits), the
width of a value less one (5), four widths of counters less one (4 each), then blocks. A block is a
bit that says whether one value repeats, two bits that pick the counter's width, the count less one,
and then that value or all of them. The values are the bytes red, green, blue, alpha of each pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from policies.domain import IntArray

CHANNELS = 4
ALPHA = 3
MAX_PIXELS = 100_000_000


class BrushError(ValueError):
    """Bytes that are no brush strokes, or those of another image."""


class _Bits:
    """A stream of bits; ``read`` gives the next ones as a number."""

    __slots__ = ("data", "place")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def read(self, size: int) -> int:
        end = self.place + size
        first, last = self.place // 8, (end + 7) // 8
        if last > len(self.data):
            raise BrushError(f"its rle breaks off after {len(self.data)} bytes")
        self.place = end
        window = int.from_bytes(self.data[first:last], "big")
        return (window >> (last * 8 - end)) & ((1 << size) - 1)


def painted_runs(rle: Sequence[Any], width: int, height: int) -> IntArray:
    """The pixels with an alpha above 0 as sorted runs ``[start, end)`` over the image's rows.

    Raises ``BrushError`` for bytes that break off, or that are not of an image of this size.
    """
    pixels = width * height
    if width <= 0 or height <= 0 or pixels > MAX_PIXELS:
        raise BrushError(
            f"its image has {width} x {height} pixels; 1 to {MAX_PIXELS} of them can be read"
        )
    try:
        bits = _Bits(bytes(rle))
    except (TypeError, ValueError) as error:
        raise BrushError(f"its rle is no list of bytes: {error}") from error
    values = bits.read(32)
    if values != pixels * CHANNELS:
        raise BrushError(
            f"its rle has {values} values, an image of {width} x {height} has {pixels * CHANNELS}"
        )
    painted = _unpacked(bits, values)[ALPHA::CHANNELS] > 0
    edges = np.diff(painted.astype(np.int8), prepend=0, append=0)
    return np.column_stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)])


def _unpacked(bits: _Bits, values: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    word = bits.read(5) + 1
    if word != 8:
        raise BrushError(f"its rle has values of {word} bits; strokes have 8")
    counters = [bits.read(4) + 1 for _ in range(4)]
    found = np.zeros(values, dtype=np.uint8)
    place = 0
    while place < values:
        repeats = bits.read(1)
        end = place + 1 + bits.read(counters[bits.read(2)])
        if end > values:
            raise BrushError(f"its rle has more than the {values} values it speaks of")
        count = end - place
        data = bits.read(word) if repeats else bits.read(word * count)
        found[place:end] = (
            data if repeats else np.frombuffer(data.to_bytes(count, "big"), dtype=np.uint8)
        )
        place = end
    return found
