"""CSV files that a user brings, plain or gzipped: rows with their line, or a clear message."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

LARGEST_FILE = 1_000_000_000  # bytes, unpacked: what a packed file may grow to
_MOST_SHOWN = 10
_BLOCK_ROWS = 500  # few enough to stay in the processor's cache: ten times the speed of 50,000


class DataFileError(ValueError):
    """A data file that cannot be used; the message names file, line, column, value and way out."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record: the line on which it starts, and its values by column."""

    line: int
    values: dict[str, str]


def read_rows(file: Path, needed: Sequence[str]) -> Iterator[Row]:
    """The records of a CSV file with a header, UTF-8, gzipped where its name ends in ``.gz``.

    Raises
        DataFileError: unreadable, not UTF-8, empty, without a needed column, or a ragged line.
    """
    reader = csv.reader(io.StringIO(_text(file), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(file, header, needed)
        line = reader.line_num + 1
        for values in reader:
            if values:  # an empty line is no record
                if len(values) != len(header):
                    found = f"has {len(values)} values, the first line names {len(header)} columns"
                    raise DataFileError(
                        f"{file}:{line}  {found}: quote values that hold a comma or a line break"
                    )
                yield Row(line, dict(zip(header, values, strict=True)))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataFileError(f"{file}:{reader.line_num}  is no CSV: {error}") from None


def read_columns(file: Path, needed: Sequence[str]) -> Iterator[list[Sequence[str]]]:
    """The needed columns of the same file, block by block: for millions of rows.

    Raises
        DataFileError: as ``read_rows`` does; of values that are wrong only that can name the line.
    """
    reader = csv.reader(io.StringIO(_text(file), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(file, header, needed)
        places = [header.index(name) for name in needed]
        while block := list(islice(reader, _BLOCK_ROWS)):
            if {*map(len, block)} != {len(header)}:
                block = _whole_rows(block, len(header), file, needed)
            columns = list(zip(*block, strict=True)) or [()] * len(header)
            yield [columns[place] for place in places]
    except csv.Error as error:
        raise DataFileError(f"{file}:{reader.line_num}  is no CSV: {error}") from None


def column_names(file: Path) -> list[str]:
    """The names in the first line of the same file, for columns that it may have.

    Raises
        DataFileError: unreadable, not UTF-8, or a first line that is no CSV.
    """
    try:
        header = next(csv.reader(io.StringIO(_text(file), newline=""), strict=True), [])
    except csv.Error as error:
        raise DataFileError(f"{file}:1  is no CSV: {error}") from None
    return [name.strip() for name in header]


def refuse(file: Path, problems: Sequence[str]) -> None:
    """Raise DataFileError with the first of the problems, if there are any.

    Each is written as "LINE  column = value  what is wrong".
    """
    if problems:
        lines = [f"{file}:{problem}" for problem in problems[:_MOST_SHOWN]]
        if len(problems) > _MOST_SHOWN:
            lines.append(f"and {len(problems) - _MOST_SHOWN:,} more lines like these")
        raise DataFileError("\n".join(lines))


def _whole_rows(
    block: list[list[str]], width: int, file: Path, needed: Sequence[str]
) -> list[list[str]]:
    if {*map(len, block)} - {0, width}:
        deque(read_rows(file, needed), maxlen=0)  # raises at the ragged line
    return [row for row in block if row]  # an empty line is no record


def _check_header(file: Path, header: Sequence[str], needed: Sequence[str]) -> None:
    wanted = f"the columns {', '.join(needed)} are needed"
    if not any(header):
        raise DataFileError(f"{file}  is empty: {wanted}, named in the first line")
    for name in needed:
        if name not in header:
            has = ", ".join(map(repr, header))
            raise DataFileError(f"{file}:1  has no column {name!r} (it has {has}): {wanted}")
    for name in header:
        if header.count(name) > 1:
            raise DataFileError(f"{file}:1  names the column {name!r} twice: rename one")


def _text(file: Path) -> str:
    try:
        content = _bytes(file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataFileError(f"{file}  is no whole gzip file: {error}") from None
    except OSError as error:
        raise DataFileError(f"{file}  cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_FILE:
        raise DataFileError(f"{file}  is larger than 1 GB: split it, or take a sample")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataFileError(
            f"{file}:{line}  byte 0x{content[error.start]:02x} is not UTF-8: "
            "save the file as UTF-8 (in spreadsheets 'CSV UTF-8')"
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataFileError(f"{file}:{line}  holds a zero byte: this is no text file")
    return text


def _bytes(file: Path) -> bytes:
    with file.open("rb") as raw:
        if file.suffix == ".gz":
            with gzip.open(raw) as unpacked:
                return unpacked.read(LARGEST_FILE + 1)
        return raw.read(LARGEST_FILE + 1)
