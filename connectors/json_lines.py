"""Files of JSON lines that a user brings, plain or gzipped: objects with their line. Reads only."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

LARGEST_LINE = 50_000_000  # bytes, unpacked: a packed line may grow without end
LARGEST_FILE = 1_000_000_000  # bytes, unpacked
_MOST_SHOWN = 10
_LONGEST_SHOWN = 60
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class JsonLinesError(ValueError):
    """A file that cannot be used; the message names file, line, field, value and way out."""


def read_objects(path: Path, needed: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every line's number and object, UTF-8, gzipped where the name ends in ``.gz``.

    Empty lines are none. ``needed`` says in words what each line is to be.

    Raises
        JsonLinesError: unreadable, not UTF-8, too large, a line that is no JSON or no object, a
            name that stands twice in an object.
    """
    try:
        for line, content in _lines(path):
            yield line, _object(f"{path}:{line}", content, needed)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise JsonLinesError(f"{path}  is no whole gzip file: {error}") from None
    except OSError as error:
        raise JsonLinesError(f"{path}  cannot be read: {error.strerror}") from None


def refuse(path: Path, problems: list[str]) -> None:
    """Raise JsonLinesError with the first of the problems, if there are any.

    Each is written as "LINE  FIELD = VALUE  what is wrong and what to do".
    """
    if problems:
        lines = [f"{path}:{problem}" for problem in problems[:_MOST_SHOWN]]
        if len(problems) > _MOST_SHOWN:
            lines.append(f"and {len(problems) - _MOST_SHOWN:,} more lines like these")
        raise JsonLinesError("\n".join(lines))


def shown(value: Any) -> str:
    """A value as it stands in a message, shortened."""
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as raw:
        if path.suffix == ".gz":
            with gzip.open(raw) as unpacked:
                yield from _bounded(path, unpacked)
        else:
            yield from _bounded(path, raw)


def _bounded(path: Path, opened: IO[bytes] | gzip.GzipFile) -> Iterator[tuple[int, bytes]]:
    line, size = 0, 0
    while content := opened.readline(LARGEST_LINE + 1):
        line, size = line + 1, size + len(content)
        if len(content) > LARGEST_LINE:
            raise JsonLinesError(f"{path}:{line}  is longer than 50 MB: split it")
        if size > LARGEST_FILE:
            raise JsonLinesError(f"{path}  is larger than 1 GB: split it, or take a sample")
        content = (content.removeprefix(_BYTE_ORDER_MARK) if line == 1 else content).strip()
        if content:
            yield line, content


def _object(where: str, content: bytes, needed: str) -> dict[str, Any]:
    try:
        record = json.loads(content.decode("utf-8"), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        byte = f"byte 0x{content[error.start]:02x}"
        raise JsonLinesError(f"{where}  {byte} is not UTF-8: save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise JsonLinesError(f"{where}  is no JSON ({error}): {needed}") from None
    if not isinstance(record, dict):
        raise JsonLinesError(f"{where}  holds {shown(record)}: {needed}")
    return record


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(members)
    if len(record) != len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice in one object, and one would be lost")
    return record
