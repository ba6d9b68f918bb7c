"""Files of what a deployed model answered: CSV, JSON lines, parquet; read record by record.

Each record comes out as one inference of ``POST /v1/inferences``; what is in it is for the intake
to judge. Nothing is read ahead, so that a file may be larger than the memory.
"""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, AnyStr, cast

import orjson

KINDS = ".csv, .csv.gz, .jsonl, .jsonl.gz or .parquet"
# What a table holds beside the data: every other column is a field of it.
COLUMNS = ("id", "predicted", "score", "model_version", "at", "data_sha256")
_DATA = "data"
_ROWS_AT_ONCE = 1_000
# Characters of a value in a CSV: the standard library's 131,072 are fewer than a long document has.
_LONGEST_VALUE = 20_000_000
_LONGEST_LINE = 50_000_000  # bytes or characters, unpacked: a packed line may grow without end


class InferenceFileError(ValueError):
    """A file that cannot be read; the message names file, line, value and way out."""


@dataclass(frozen=True, slots=True)
class Record:
    """One inference as it stands in a file; ``line`` is where it begins, or its row."""

    line: int
    inference: dict[str, Any]


def read_records(file: Path) -> Iterator[Record]:
    """The records of a file, by its ending.

    A table has the columns ``COLUMNS`` (of which id, predicted and model_version are needed), and
    the data either as JSON in the one column ``data`` or as all other columns. Empty values are
    left out. A line of JSON is an inference as it is sent.

    Raises
        InferenceFileError: unreadable, another ending, not UTF-8, a ragged line, no JSON.
    """
    ending = "".join(file.suffixes[-2:]) if file.suffix == ".gz" else file.suffix
    match ending.lower():
        case ".csv" | ".csv.gz":
            return _told(file, _csv(file))
        case ".jsonl" | ".jsonl.gz":
            return _told(file, _jsonl(file))
        case ".parquet":
            return _told(file, _parquet(file))
    raise InferenceFileError(f"{file}  ends in {ending or 'nothing'!r}: give a {KINDS} file")


def _told(file: Path, records: Iterator[Record]) -> Iterator[Record]:
    """The records; what goes wrong with the file itself in words."""
    line = 0
    try:
        for record in records:
            line = record.line
            yield record
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InferenceFileError(f"{file}  is no whole gzip file: {error}") from None
    except OSError as error:
        raise InferenceFileError(f"{file}  cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InferenceFileError(
            f"{file}  after line {line}: byte 0x{error.object[error.start]:02x} is not UTF-8: save "
            "the file as UTF-8 (in spreadsheets 'CSV UTF-8')"
        ) from None


def _opened(file: Path) -> IO[bytes]:
    packed = file.suffix.lower() == ".gz"
    return cast("IO[bytes]", gzip.open(file)) if packed else file.open("rb")


def _bounded(file: Path, opened: IO[AnyStr]) -> Iterator[AnyStr]:
    """Line by line, as long as each is one that somebody may have written."""
    line = 0
    while content := opened.readline(_LONGEST_LINE + 1):
        line += 1
        if len(content) > _LONGEST_LINE:
            raise InferenceFileError(f"{file}:{line}  is longer than 50 MB: split it")
        yield content


def _csv(file: Path) -> Iterator[Record]:
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_VALUE))  # of the whole process
    with _opened(file) as raw, TextIOWrapper(raw, "utf-8-sig", newline="") as text:
        reader = csv.reader(_bounded(file, text), strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
            _check(file, header)
            line = reader.line_num + 1
            for values in reader:
                if values:  # an empty line is no record
                    if len(values) != len(header):
                        raise InferenceFileError(
                            f"{file}:{line}  has {len(values)} values, the first line names "
                            f"{len(header)} columns: quote values that hold a comma or a line break"
                        )
                    given = {n: v for n, v in zip(header, values, strict=True) if v}
                    yield Record(line, _inference(file, line, _numbered(given)))
                line = reader.line_num + 1
        except csv.Error as error:
            raise InferenceFileError(f"{file}:{reader.line_num}  is no CSV: {error}") from None


def _jsonl(file: Path) -> Iterator[Record]:
    with _opened(file) as lines:
        for line, content in enumerate(_bounded(file, lines), 1):
            if not content.strip():
                continue
            try:
                value = orjson.loads(content)
            except orjson.JSONDecodeError as error:
                raise InferenceFileError(f"{file}:{line}  is no JSON: {error}") from None
            if not isinstance(value, dict):
                raise InferenceFileError(
                    f"{file}:{line}  is a JSON {type(value).__name__}: each line must be one object"
                )
            yield Record(line, value)


def _parquet(file: Path) -> Iterator[Record]:
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError:
        raise InferenceFileError(
            f"{file}  needs pyarrow to be read: pip install pyarrow, or save it as .csv or .jsonl"
        ) from None
    row = 0
    try:
        with parquet.ParquetFile(file) as opened:
            _check(file, opened.schema_arrow.names)
            for batch in opened.iter_batches(batch_size=_ROWS_AT_ONCE):
                for values in batch.to_pylist():
                    row += 1
                    plain = {name: _plain(value) for name, value in values.items()}
                    given = {name: value for name, value in plain.items() if value is not None}
                    yield Record(row, _inference(file, row, given))
    except arrow.ArrowException as error:
        raise InferenceFileError(f"{file}  after row {row}: is no parquet: {error}") from None


def _check(file: Path, header: list[str]) -> None:
    for name in ("id", "predicted", "model_version"):
        if name not in header:
            has = ", ".join(map(repr, header)) or "none"
            raise InferenceFileError(f"{file}:1  has no column {name!r} (it has {has})")
    for name in header:
        if header.count(name) > 1:
            raise InferenceFileError(f"{file}:1  names the column {name!r} twice: rename one")
    others = [name for name in header if name not in (*COLUMNS, _DATA)]
    if _DATA in header and others:
        raise InferenceFileError(
            f"{file}:1  has the column 'data' and {others[0]!r} beside it: give the data as JSON "
            "in 'data', or each field of it in a column of its own"
        )


def _inference(file: Path, line: int, given: dict[str, Any]) -> dict[str, Any]:
    """One row of a table as it would be sent."""
    inference = {name: value for name, value in given.items() if name in COLUMNS}
    data: Any = {name: value for name, value in given.items() if name not in COLUMNS}
    if isinstance(data.get(_DATA), str):
        try:
            data = orjson.loads(data[_DATA])
        except orjson.JSONDecodeError as error:
            raise InferenceFileError(
                f"{file}:{line}  data = {given[_DATA][:60]!r} is no JSON: {error}"
            ) from None
    elif _DATA in data:
        data = data[_DATA]
    return inference | {_DATA: data} if data else inference


def _numbered(given: dict[str, Any]) -> dict[str, Any]:
    """The score as a number, where it is one; the intake says what is wrong with another."""
    try:
        return given | {"score": float(given["score"])} if "score" in given else given
    except ValueError:
        return given


def _plain(value: Any) -> Any:
    """A value of a parquet file as JSON has it; what has no equal stays, and is refused."""
    match value:
        case float():
            return None if math.isnan(value) else value
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return float(value)
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
    return value
