"""What the columns of two files are: texts, numbers, categories, ids, probabilities of labels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import pairwise

import numpy as np

from audit_jobs.drift.features import as_column
from audit_jobs.measures.drift import Categories, Numbers
from policies.domain import FloatArray

PROBABILITY = "p_"
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})
_ID = re.compile(r"(^|[_ ])(id|uuid|guid)$", re.IGNORECASE)
_LABELS = frozenset({"label", "predicted"})
# A word without spaces of signs that ids are made of.
_CODE = re.compile(r"[A-Za-z0-9_.:/\-]{1,64}")
# Numbers with so few values are categories: 0/1, stars, counts of a few.
_FEW_VALUES = 10
# Texts hardly ever repeat; what repeats more often is a category.
_TEXT_REPEATS = 0.5
_LEAST_ROWS = 20  # fewer distinct values say nothing of what a column is
_SUMS_TO_ONE = 0.02


class Kind(StrEnum):
    """What a column is taken for."""

    TEXT = "text"
    NUMBER = "number"
    CATEGORY = "category"
    ID = "id"
    PROBABILITY = "probability"
    EMPTY = "empty"


Column = Sequence[str | None]


def without_missing(values: Sequence[str]) -> list[str | None]:
    """The values, None where one is empty or says that there is none."""
    return [None if value.strip().lower() in _MISSING else value for value in values]


def kind_of(name: str, reference: Column, current: Column) -> Kind:
    """What a column is, by its name and by the values in both files."""
    sides = [[value for value in side if value is not None] for side in (reference, current)]
    every = [value for side in sides for value in side]
    if not every:
        return Kind.EMPTY
    if _ID.search(name):
        return Kind.ID
    if name.lower() in _LABELS:
        return Kind.CATEGORY
    if _is_numeric(every):
        few = len(set(every)) <= _FEW_VALUES
        return Kind.ID if _is_numbering(sides) else Kind.CATEGORY if few else Kind.NUMBER
    return _kind_of_words(sides, every)


def _kind_of_words(sides: Sequence[Sequence[str]], every: Sequence[str]) -> Kind:
    if all(_CODE.fullmatch(value) for value in every):
        unique = all(len(set(side)) == len(side) for side in sides)
        return Kind.ID if unique and len(every) >= _LEAST_ROWS else Kind.CATEGORY
    own = max(len(set(side)) / len(side) for side in sides if side)
    return Kind.TEXT if own > _TEXT_REPEATS else Kind.CATEGORY


def probability_columns(numbers: Mapping[str, tuple[FloatArray, FloatArray]]) -> list[str]:
    """Columns ``p_LABEL`` whose values are probabilities that sum to one in every row, or none."""
    names = [name for name in numbers if name.startswith(PROBABILITY) and len(name) > 2]
    if len(names) < 2:
        return []
    for side in (0, 1):
        rows = np.column_stack([numbers[name][side] for name in names])
        known = rows[~np.isnan(rows).all(axis=1)]
        if not (np.isfinite(known).all() and (known >= 0).all()):
            return []
        if (np.abs(known.sum(axis=1) - 1) > _SUMS_TO_ONE).any():
            return []
    return names


def numbers(values: Column) -> FloatArray:
    """The values as numbers, NaN where there is none."""
    return np.array([math.nan if value is None else float(value) for value in values], float)


def is_numeric(values: Column) -> bool:
    """Whether every value that is there is a finite number."""
    return _is_numeric([value for value in values if value is not None])


def as_feature(name: str, kind: Kind, reference: Column, current: Column) -> Numbers | Categories:
    """A column of numbers or categories as a feature."""
    if kind is Kind.NUMBER:
        return Numbers(name=name, reference=numbers(reference), current=numbers(current))
    return Categories(name=name, reference=as_column(reference), current=as_column(current))


def _is_numeric(values: Sequence[str]) -> bool:
    try:
        return all(math.isfinite(float(value)) for value in values)
    except ValueError:
        return False


def _is_numbering(sides: Sequence[Sequence[str]]) -> bool:
    """Whole numbers that only ever rise, each once: rows that somebody numbered."""
    for side in sides:
        if not all(re.fullmatch(r"[0-9]+", value) for value in side):
            return False
        values = list(map(int, side))
        if any(after <= before for before, after in pairwise(values)):
            return False
    return sum(map(len, sides)) >= _LEAST_ROWS
