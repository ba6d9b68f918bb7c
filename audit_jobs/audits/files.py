"""Audits that a user brings as a CSV file: which label, whether it passed, what chance it had."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.data_files import DataFileError, column_names, read_columns, read_rows, refuse
from policies.domain import BoolArray, FloatArray, ObjectArray

COLUMNS = ("id", "label", "passed", "inclusion_probability")
_PASSED, _CHANCE = COLUMNS[2:]
_VERDICTS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Audits:
    """Columns of one length, in the order of the file."""

    labels: ObjectArray
    passed: BoolArray
    chances: FloatArray


def read_audits(file: Path) -> Audits:
    """Read ``id``, ``label``, ``passed`` and ``inclusion_probability``, plain or gzipped.

    Raises
        DataFileError: no such file or columns, no rows, a value that is none, an id given twice.
    """
    ids, labels, passed, chances = _columns(file, COLUMNS)
    repeated = len(set(ids)) < len(ids)
    found = Audits(
        labels=np.array(labels, dtype=np.object_),
        passed=_verdicts(passed),
        chances=_chances(chances),
    )
    blank = any(not name.strip() for name in {*ids, *labels})
    if repeated or blank or not _right(passed, found.chances):
        refuse(file, _problems(file, COLUMNS, Counter(ids) if repeated else Counter()))
    return found


def read_stream(file: Path) -> tuple[BoolArray, FloatArray | None]:
    """Read ``passed`` in the order of the audits, and ``inclusion_probability`` where it is there.

    Raises
        DataFileError: no such file or column, no rows, a value that is none.
    """
    weighted = _CHANCE in column_names(file)
    columns = (_PASSED, _CHANCE) if weighted else (_PASSED,)
    read = _columns(file, columns)
    chances = _chances(read[1]) if weighted else np.ones(len(read[0]))
    if not _right(read[0], chances):
        refuse(file, _problems(file, columns, Counter()))
    return _verdicts(read[0]), chances if weighted else None


def _columns(file: Path, names: Sequence[str]) -> list[list[str]]:
    blocks = list(read_columns(file, names))
    columns = [list(itertools.chain.from_iterable(parts)) for parts in zip(*blocks, strict=True)]
    if not columns or not columns[0]:
        raise DataFileError(f"{file}  has no rows: one line for each audit is needed")
    return columns


def _verdict(text: str) -> bool | None:
    return _VERDICTS.get(text.strip().lower())


def _verdicts(texts: Sequence[str]) -> BoolArray:
    known = {text: bool(_verdict(text)) for text in set(texts)}
    return np.fromiter(map(known.__getitem__, texts), dtype=np.bool_, count=len(texts))


def _chance(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _chances(texts: Sequence[str]) -> FloatArray:
    known = {text: _chance(text) for text in set(texts)}
    return np.fromiter(map(known.__getitem__, texts), dtype=np.float64, count=len(texts))


def _right(passed: Sequence[str], chances: FloatArray) -> bool:
    verdicts = all(_verdict(text) is not None for text in set(passed))
    return verdicts and bool(((chances > 0) & (chances <= 1)).all())


def _problems(file: Path, columns: Sequence[str], ids: Counter[str]) -> list[str]:
    checks: dict[str, tuple[Callable[[str], bool], str]] = {
        "id": (lambda text: bool(text.strip()), "is empty: name the task that was audited"),
        "label": (lambda text: bool(text.strip()), "is empty: give the label that was accepted"),
        _PASSED: (
            lambda text: _verdict(text) is not None,
            "is none of 1, 0, true, false, yes, no: say whether the auditor gave the same label",
        ),
        _CHANCE: (
            lambda text: 0 < _chance(text) <= 1,
            "is no number above 0 and at most 1: give the chance with which it was drawn",
        ),
    }
    found = []
    seen: set[str] = set()
    for row in read_rows(file, columns):
        for name in columns:
            holds, hint = checks[name]
            if not holds(row.values[name]):
                found.append(f"{row.line}  {name} = {row.values[name]!r}  {hint}")
        name = row.values.get("id", "")
        if ids[name] > 1 and name in seen:
            hint = "stands above already: keep one line for each audit"
            found.append(f"{row.line}  id = {name!r}  {hint}")
        seen.add(name)
    return found
