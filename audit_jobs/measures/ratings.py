"""Who gave which value to which unit: the columns that every measure of agreement starts from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from policies.domain import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """Who gave which value to which unit, in columns of one length, one entry a rating.

    Units stand in the order of their first rating, raters in the order of their names.
    """

    units: IntArray  # code of the unit, an index into unit_names
    raters: IntArray  # code of the rater, an index into rater_names
    values: IntArray  # code of the value, an index into categories
    unit_names: tuple[str, ...]
    rater_names: tuple[str, ...]
    categories: tuple[str, ...]  # sorted; numeric order where all are numbers
    dropped: int  # repeated unit+rater pairs that were left out, the first is kept

    def __len__(self) -> int:
        return len(self.units)


def ratings_of(units: Sequence[str], raters: Sequence[str], values: Sequence[str]) -> Ratings:
    """The ratings in these columns; where a rater rated a unit again, the first rating counts.

    >>> found = ratings_of(["1", "1", "1"], ["ann", "bob", "ann"], ["yes", "no", "no"])
    >>> found.values.tolist(), found.categories, found.dropped
    ([1, 0], ('no', 'yes'), 1)
    """
    if not len(units) == len(raters) == len(values):
        lengths = f"{len(units)} units, {len(raters)} raters, {len(values)} values"
        raise ValueError(f"the columns differ in length: {lengths}")
    columns = (Column(), Column(), Column())
    for column, names in zip(columns, (units, raters, values), strict=True):
        column.extend(names)
    return ratings_in(*columns)


class Column:
    """A column of names as codes, filled piece by piece: the names are kept once each."""

    def __init__(self) -> None:
        self._places = _Places()
        self._codes: list[IntArray] = []

    def extend(self, names: Sequence[str]) -> None:
        """Add these entries at the end."""
        codes = map(self._places.__getitem__, names)
        self._codes.append(np.fromiter(codes, dtype=np.int64, count=len(names)))

    @property
    def names(self) -> tuple[str, ...]:
        """Each name once, in the order of its first entry."""
        return tuple(self._places)

    @property
    def codes(self) -> IntArray:
        """Each entry as the place of its name in ``names``."""
        return np.concatenate([np.empty(0, dtype=np.int64), *self._codes])

    def codes_in(self, names: Sequence[str]) -> IntArray:
        """Each entry as its place in ``names``, which holds them all."""
        place = {name: place for place, name in enumerate(names)}
        return np.array([place[name] for name in self._places], dtype=np.int64)[self.codes]


def ratings_in(units: Column, raters: Column, values: Column) -> Ratings:
    """The ratings in three columns of one length; the first of a unit and rater counts."""
    rater_names = tuple(sorted(raters.names))
    categories = ordered(values.names)
    return without_repeats(
        Ratings(
            units=units.codes,
            raters=raters.codes_in(rater_names),
            values=values.codes_in(categories),
            unit_names=units.names,
            rater_names=rater_names,
            categories=categories,
            dropped=0,
        )
    )


def without_repeats(ratings: Ratings) -> Ratings:
    """The first rating of each unit and rater; a value that only repeats had is none any more."""
    pairs = ratings.units * len(ratings.rater_names) + ratings.raters
    in_order = np.sort(pairs)
    repeats = int((in_order[1:] == in_order[:-1]).sum())
    if repeats == 0:
        return ratings
    first = np.sort(np.unique(pairs, return_index=True)[1])
    kept, values = np.unique(ratings.values[first], return_inverse=True)
    return replace(
        ratings,
        units=ratings.units[first],
        raters=ratings.raters[first],
        values=values.astype(np.int64),
        categories=tuple(ratings.categories[code] for code in kept.tolist()),
        dropped=ratings.dropped + repeats,
    )


def counts(ratings: Ratings) -> IntArray:
    """How often each unit with two ratings or more got each category: units down, labels across."""
    width = len(ratings.categories)
    height = len(ratings.unit_names)
    cells = np.bincount(ratings.units * width + ratings.values, minlength=height * width)
    table = cells.reshape(height, width)
    several: IntArray = table[table.sum(axis=1) >= 2].astype(np.int64)
    return several


def ordered(categories: Iterable[str]) -> tuple[str, ...]:
    """Categories by size where all are numbers, else by name.

    >>> ordered(["10", "9", "1e1"]), ordered(["10", "9", "none"])
    (('9', '10', '1e1'), ('10', '9', 'none'))
    """
    by_name = sorted(categories)
    if all(number(name) is not None for name in by_name):
        return tuple(sorted(by_name, key=float))
    return tuple(by_name)


def number(text: str) -> float | None:
    """The finite number that a text writes, None where it writes none."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) and "_" not in text else None


def numbers(categories: Sequence[str]) -> FloatArray:
    """The categories as numbers; ValueError names the first that is none."""
    found = [number(name) for name in categories]
    for name, value in zip(categories, found, strict=True):
        if value is None:
            raise ValueError(f"{name!r} is no finite number")
    return np.array(found, dtype=np.float64)


class _Places(dict[str, int]):
    """A name that is asked for the first time gets the next place."""

    def __missing__(self, name: str) -> int:
        self[name] = place = len(self)
        return place
