"""Answers of a deployed model that a user brings as a CSV file, some of them verified."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import numpy as np

from audit_jobs.measures.production_accuracy import Drawn, Given
from backend.data_files import DataFileError, column_names, read_columns, read_rows, refuse
from policies.domain import FloatArray, column

COLUMNS = ("id", "at", "model_version", "predicted", "truth", "share")
# So many standard errors under what the verified answers stand for, a file cannot hold them all.
_CERTAINLY_FEWER = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedFile:
    """The verified answers, and all of them counted.

    ``whole`` says that the file holds all that the model answered, not the verified ones alone.
    """

    drawn: Drawn
    given: Given
    whole: bool


def read_inferences(file: Path, slices: Sequence[str] = ()) -> EvaluatedFile:
    """Read ``COLUMNS`` and the slice columns, plain or gzipped; ``truth`` is empty where unknown.

    Raises
        DataFileError: no such file or columns, no rows, a time or share that is none, an id twice.
    """
    ids, at, versions, predicted, truths, shares, *values = _columns(file, slices)
    times, chances = [_time(text) for text in at], _shares(shares)
    verified = np.array([bool(truth.strip()) for truth in truths], dtype=np.bool_)
    wrong = bool((verified & ~((chances > 0) & (chances <= 1))).any())
    blank = any(not value.strip() for value in {*ids, *versions, *predicted})
    repeated = len(set(ids)) < len(ids)
    if wrong or blank or repeated or None in times:
        refuse(file, _problems(file, Counter(ids) if repeated else Counter()))
    every = Drawn(
        at=np.array(times, "datetime64[us]"),
        versions=column(versions),
        predicted=column(predicted),
        shares=chances,
        truths=column([truth if truth.strip() else None for truth in truths]),
        right=np.array([said == true for said, true in zip(predicted, truths, strict=True)]),
        slices={
            name: column([value or None for value in each])
            for name, each in zip(slices, values, strict=True)
        },
    )
    drawn = every.part(verified)
    whole = _holds_all(len(ids), drawn.shares)
    given = Given(
        days=every.at.astype("datetime64[D]"),
        versions=every.versions,
        predicted=every.predicted,
        slices=every.slices,
        counts=np.full(len(ids), int(whole), np.int64),
    )
    return EvaluatedFile(drawn=drawn, given=given, whole=whole)


def _columns(file: Path, slices: Sequence[str]) -> list[list[str]]:
    own = column_names(file)
    for name in slices:
        if name not in own:
            has = ", ".join(map(repr, own))
            raise DataFileError(f"{file}:1  has no column {name!r} (it has {has}): it is no slice")
    blocks = list(read_columns(file, (*COLUMNS, *slices)))
    read = [list(chain.from_iterable(parts)) for parts in zip(*blocks, strict=True)]
    if not read or not read[0]:
        raise DataFileError(f"{file}  has no rows: one line for each answer is needed")
    return read


def _holds_all(rows: int, shares: FloatArray) -> bool:
    """Whether there are as many rows as the verified ones stand for, but for chance."""
    stand_for = float((1 / shares).sum())
    error = math.sqrt(float(((1 - shares) / shares**2).sum()))
    return rows >= stand_for - _CERTAINLY_FEWER * error and rows > 0


def _time(text: str) -> datetime | None:
    """A time in UTC; one without a zone is taken for UTC."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _shares(texts: Sequence[str]) -> FloatArray:
    known = {text: _share(text) for text in set(texts)}
    return np.fromiter(map(known.__getitem__, texts), dtype=np.float64, count=len(texts))


def _problems(file: Path, ids: Counter[str]) -> list[str]:
    checks: dict[str, tuple[Callable[[str], bool], str]] = {
        "id": (lambda text: bool(text.strip()), "is empty: name the answer"),
        "at": (
            lambda text: _time(text) is not None,
            "is no time: write it as 2026-03-01T12:00:00+00:00",
        ),
        "model_version": (lambda text: bool(text.strip()), "is empty: name the model's version"),
        "predicted": (lambda text: bool(text.strip()), "is empty: give what the model said"),
    }
    hint = "is no number above 0 and at most 1: give the chance with which it was drawn"
    found = []
    seen: set[str] = set()
    for row in read_rows(file, COLUMNS):
        for name, (holds, says) in checks.items():
            if not holds(row.values[name]):
                found.append(f"{row.line}  {name} = {row.values[name]!r}  {says}")
        if row.values["truth"].strip() and not 0 < _share(row.values["share"]) <= 1:
            found.append(f"{row.line}  share = {row.values['share']!r}  {hint}")
        name = row.values["id"]
        if ids[name] > 1 and name in seen:
            twice = "stands above already: keep one line for each answer"
            found.append(f"{row.line}  id = {name!r}  {twice}")
        seen.add(name)
    return found
