"""Task data -> the row of columns that a model of tables reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backend.predictors.protocol import Row

MAX_COLUMNS = 1_000
MAX_CHARACTERS = 10_000


class RowError(ValueError):
    """The task's data are no row that can be read; the message says why, and is safe to print."""


def row_of(data: Mapping[str, Any], fields: Sequence[str]) -> Row:
    """The fields of a task's data that a policy names as columns; one that is not there is None.

    Raises
        RowError: none of the fields is there, or one holds no single value.
    """
    if not any(field in data for field in fields):
        present = ", ".join(map(repr, sorted(map(str, data))[:20])) or "no keys at all"
        raise RowError(
            f"the task's data has none of the fields {', '.join(map(repr, fields[:20]))} "
            f"(it has: {present})"
        )
    return {field: _value(f"data[{field!r}]", data.get(field)) for field in fields}


def row_of_table(data: Mapping[str, Any], key: str) -> Row:
    """The object under the key that a ``<Table value="$key">`` shows: its keys are the columns.

    Raises
        RowError: there is no such key, no object under it, or a column holds no single value.
    """
    if key not in data:
        present = ", ".join(map(repr, sorted(map(str, data))[:20])) or "no keys at all"
        raise RowError(f"the task's data has no key {key!r} (it has: {present})")
    table = data[key]
    if not isinstance(table, Mapping):
        raise RowError(f"data[{key!r}] must be an object of columns, not {_type_name(table)}")
    if len(table) > MAX_COLUMNS:
        raise RowError(
            f"data[{key!r}] has {len(table):,} columns; at most {MAX_COLUMNS:,} are read"
        )
    return {str(name): _value(f"data[{key!r}][{name!r}]", value) for name, value in table.items()}


def _value(where: str, value: Any) -> float | str | bool | None:
    if value is not None and not isinstance(value, (int, float, str)):
        raise RowError(
            f"{where} must be a number, a text or a truth value, not {_type_name(value)}: "
            "write its parts into fields of their own"
        )
    if isinstance(value, str) and len(value) > MAX_CHARACTERS:
        raise RowError(
            f"{where} has {len(value):,} characters; a column is read up to {MAX_CHARACTERS:,}: "
            "it looks like a text to label, not a column"
        )
    return value


def _type_name(value: Any) -> str:
    names = {type(None): "null", list: "a list", dict: "an object"}
    return names.get(type(value), f"a {type(value).__name__}")
