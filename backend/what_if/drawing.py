"""A fair sample by random numbers that are looked up by key: no table is read through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from policies.domain import IntArray

# As many as one statement looks up at once.
CHUNK = 5_000


class Sized(Protocol):
    """What a lookup gives: it knows how many tasks it found."""

    def __len__(self) -> int: ...


Found = TypeVar("Found", bound=Sized)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn(Generic[Found]):
    """What was found, chunk by chunk, and how many numbers were looked up for it."""

    chunks: list[Found]
    numbers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far a draw goes: until so many tasks are found, or so many numbers looked up."""

    tasks: int
    numbers: int


def draw(
    ends: tuple[int, int], seed: int, bounds: Bounds, look_up: Callable[[list[int]], Found]
) -> Drawn[Found]:
    """Look numbers up in random order, none twice, until enough is found.

    ``ends`` are the smallest and the largest number. Whatever gaps there are between them, every
    task has the same chance: its number is as likely drawn as any other. The same seed draws the
    same numbers. Where all numbers are fewer than may be looked up, all of them are.
    """
    low, high = ends
    size = max(0, high - low + 1)
    chunks: list[Found] = []
    looked_up = found = 0
    everything = size <= bounds.tasks
    for chunk in _chunks(low, _order(size, seed, min(size, bounds.numbers))):
        chunks.append(look_up(chunk))
        looked_up += len(chunk)
        found += len(chunks[-1])
        if found >= bounds.tasks and not everything:
            break
    return Drawn(chunks=chunks, numbers=looked_up)


def numbers_among(ends: tuple[int, int], seed: int, most: int) -> IntArray:
    """Distinct random numbers between the ends: all of them, ascending, where they are so few."""
    low, high = ends
    size = max(0, high - low + 1)
    return low + _order(size, seed, min(size, most))


def _order(size: int, seed: int, most: int) -> IntArray:
    if most == size:
        order = np.random.default_rng(seed).permutation(size)
    else:
        order = np.random.default_rng(seed).choice(size, most, replace=False)
    return order.astype(np.int64)


def _chunks(low: int, order: IntArray) -> Iterator[list[int]]:
    for start in range(0, len(order), CHUNK):
        # In the order of the key, so that neighbours are read together.
        yield (low + np.sort(order[start : start + CHUNK])).tolist()
