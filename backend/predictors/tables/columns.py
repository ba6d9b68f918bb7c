"""The columns of table rows as numbers, by what they were seen to hold in training.

A column holds numbers (truth values are 0 and 1, numbers may be written as text), moments (dates
with or without a time, as days), or categories. What a column does not hold elsewhere (a word among
numbers, a category never seen) is missing, which trees know how to branch on.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import numpy as np

from backend.predictors.errors import TrainingError
from backend.predictors.protocol import ModelInput, Row
from policies.domain import FloatArray

Value = float | str | bool | None

# Of a column's values, as many must read as numbers or dates; the rest ("n/a") are missing.
_SHARE = 0.95
# Gradient boosting tells at most 255 categories apart; rarer ones are one category together.
_MAX_CATEGORIES = 200
_LONGEST_CATEGORY = 200
_SECONDS_A_DAY = 86_400.0
_NUMBER = re.compile(
    r"[+-]?(?:\d+(?:\.\d*)?|\.\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?)(?:[eE][+-]?\d{1,3})?", re.ASCII
)


class Holds(StrEnum):
    """What a column holds."""

    NUMBER = "number"
    MOMENT = "moment"
    CATEGORY = "category"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the table; ``categories`` in the order of their codes, which start at 1.

    Code 0 is any other category: one that was rare in training, or never seen.
    """

    name: str
    holds: Holds
    categories: tuple[str, ...] = ()

    def numbers(self, rows: Sequence[Row]) -> FloatArray:
        """The column's values, NaN where missing."""
        values = [row.get(self.name) for row in rows]
        match self.holds:
            case Holds.NUMBER:
                return _read(values, number_of)
            case Holds.MOMENT:
                return _read(values, days_of)
            case Holds.CATEGORY:
                codes = {text: code for code, text in enumerate(self.categories, start=1)}
                texts = map(_category, values)
                return np.array(
                    [math.nan if text is None else codes.get(text, 0) for text in texts], np.float64
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumns:
    """The columns that tell something, those of categories first."""

    columns: tuple[Column, ...]

    @property
    def categorical(self) -> int:
        """How many of the matrix's columns are codes of categories: the first ones."""
        return sum(column.holds is Holds.CATEGORY for column in self.columns)

    def encode(self, inputs: Sequence[ModelInput]) -> FloatArray:
        """One line a row; TypeError where an input is no row."""
        rows = [_row(value) for value in inputs]
        if not rows:
            return np.empty((0, len(self.columns)))
        return np.column_stack([column.numbers(rows) for column in self.columns])


def fit_columns(rows: Sequence[Row]) -> TableColumns:
    """What the columns hold, from the rows of labelled tasks.

    Raises
        TrainingError: no column has two different values.
    """
    names = sorted({name for row in rows for name in row})
    found = [_column(name, [row.get(name) for row in rows]) for name in names]
    telling = [column for column in found if column is not None and _tells(column, rows)]
    if not telling:
        seen = ", ".join(map(repr, names[:20])) or "none"
        raise TrainingError(
            f"no column of the labelled rows has two different values (columns: {seen}): "
            "name fields that differ from task to task"
        )
    telling.sort(key=lambda column: column.holds is not Holds.CATEGORY)
    return TableColumns(columns=tuple(telling))


def columns_as_plain(columns: TableColumns) -> list[dict[str, Any]]:
    """The columns in plain values, for a model file."""
    return [
        {"name": each.name, "holds": each.holds.value, "categories": list(each.categories)}
        for each in columns.columns
    ]


def columns_from_plain(values: Sequence[Mapping[str, Any]]) -> TableColumns:
    """What ``columns_as_plain`` wrote; KeyError, TypeError or ValueError where it is none."""
    columns = tuple(
        Column(
            name=str(each["name"]),
            holds=Holds(each["holds"]),
            categories=tuple(map(str, each["categories"])),
        )
        for each in values
    )
    if not columns:
        raise ValueError("a table without columns")
    return TableColumns(columns=columns)


def number_of(value: Value) -> float | None:
    """The number that a value is or writes; None where it is none, or not finite.

    >>> number_of("1,234.5"), number_of(True), number_of("1_000"), number_of("nan")
    (1234.5, 1.0, None, None)
    """
    if isinstance(value, str):
        text = value.strip()
        if len(text) > 40 or not _NUMBER.fullmatch(text):
            return None
        value = text.replace(",", "")
    try:
        number = math.nan if value is None else float(value)
    except OverflowError:  # an integer beyond all floats
        return None
    return number if math.isfinite(number) else None


def days_of(value: Value) -> float | None:
    """Days from 1970 to a moment in ISO 8601; without a zone it is taken as UTC.

    >>> days_of("1970-01-02"), days_of("1970-01-01T12:00:00Z"), days_of("tomorrow")
    (1.0, 0.5, None)
    """
    if not isinstance(value, str) or not 8 <= len(value.strip()) <= 40:
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return aware.timestamp() / _SECONDS_A_DAY
    except OverflowError:  # the first or last day of all, in a zone that moves it beyond
        return None


def _column(name: str, values: Sequence[Value]) -> Column | None:
    present = [value for value in values if _category(value) is not None]
    if not present:
        return None
    truths = sum(isinstance(value, bool) for value in present)
    if truths in {0, len(present)} and _mostly(present, number_of):
        return Column(name=name, holds=Holds.NUMBER)
    if _mostly(present, days_of):
        return Column(name=name, holds=Holds.MOMENT)
    counts = Counter(text for text in map(_category, present) if text is not None)
    common = sorted((-count, text) for text, count in counts.items() if count > 1)
    chosen = tuple(text for _, text in common[:_MAX_CATEGORIES])
    return Column(name=name, holds=Holds.CATEGORY, categories=chosen)


def _tells(column: Column, rows: Sequence[Row]) -> bool:
    """Whether its numbers differ; a missing value differs from one that is there."""
    return len(np.unique(column.numbers(rows))) > 1


def _mostly(values: Sequence[Value], read: Callable[[Value], float | None]) -> bool:
    return sum(read(value) is not None for value in values) >= _SHARE * len(values)


def _read(values: Sequence[Value], read: Callable[[Value], float | None]) -> FloatArray:
    found = (read(value) for value in values)
    return np.array([math.nan if each is None else each for each in found], np.float64)


def _category(value: Value) -> str | None:
    """A value as the name of a category; None where it is missing."""
    if isinstance(value, str):
        return value.strip()[:_LONGEST_CATEGORY] or None
    if isinstance(value, bool):
        return "true" if value else "false"
    number = number_of(value)
    return None if number is None else f"{number:.15g}"


def _row(value: ModelInput) -> Row:
    if not isinstance(value, Mapping):
        raise TypeError(f"not a row of columns: a {type(value).__name__}")
    return value
