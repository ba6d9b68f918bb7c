"""Files with the data behind inferences: a JSON object a line, ``{"id": ..., "data": {...}}``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson


class InferenceDataError(ValueError):
    """A file that cannot be used; the message names file, line, field, value and way out."""


def read_data(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The id and the data of each line, as they stand in the file; empty lines say nothing.

    Raises
        InferenceDataError: unreadable, or a line that is no such object.
    """
    try:
        with file.open("rb") as opened:
            for number, line in enumerate(opened, start=1):
                if line.strip():
                    yield _record(f"{file}:{number}", line)
    except OSError as error:
        raise InferenceDataError(f"{file}  cannot be read: {error.strerror}") from error


def _record(place: str, line: bytes) -> tuple[str, dict[str, Any]]:
    expected = 'a JSON object {"id": ..., "data": {...}} is expected'
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InferenceDataError(f"{place}  is no JSON ({error}): {expected}") from None
    if not isinstance(record, dict):
        raise InferenceDataError(f"{place}  is a JSON {type(record).__name__}: {expected}")
    for field in ("id", "data"):
        if field not in record:
            raise InferenceDataError(f"{place}  {field} is missing: {expected}")
    name, data = record["id"], record["data"]
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise InferenceDataError(
            f"{place}  id = {name!r}  must be text or a whole number, as it was sent"
        )
    if not isinstance(data, dict):
        raise InferenceDataError(
            f"{place}  data is a JSON {type(data).__name__}: it must be an object, as it was sent"
        )
    return str(name), data
