"""Answers that a user brings as a CSV file: what was predicted, what was said, what was shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audit_jobs.measures.corrections import Answers
from audit_jobs.measures.ratings import Column, number, ordered
from backend.data_files import DataFileError, read_columns, read_rows, refuse
from policies.domain import FloatArray, IntArray

NEEDED = ("id", "predicted", "label", "shown")
OPTIONAL = ("tier", "reviewer", "seconds", "score", "inclusion_probability")
UNKNOWN_TIER, UNKNOWN_REVIEWER = "(no tier)", "(nobody named)"
_SHOWN = {"1": True, "true": True, "0": False, "false": False}


def read_answers(file: Path) -> Answers:
    """Read a CSV file, plain or gzipped; every row is an answer.

    Raises
        DataFileError: no such file or columns, no rows, an empty field that is needed, a value
            that is no flag or no number in its bounds; the message names the line.
    """
    first = next(read_rows(file, NEEDED), None)
    if first is None:
        raise DataFileError(f"{file}  has no rows: one line for each answer is needed")
    names = (*NEEDED, *(name for name in OPTIONAL if name in first.values))
    columns = {name: Column() for name in names if name != "id"}
    ids: list[str] = []
    for block in read_columns(file, names):
        for name, values in zip(names, block, strict=True):
            if name == "id":
                ids += values
            else:
                columns[name].extend(values)
    if _wrong(columns) or not all(map(str.strip, ids)):
        refuse(file, _problems(file, names))
    answers = _answers(ids, columns)
    undrawn = np.flatnonzero(~answers.shown & np.isnan(answers.probability))
    if len(undrawn):
        _refuse_undrawn(file, names, set(undrawn.tolist()))
    return answers


def _refuse_undrawn(file: Path, names: Sequence[str], places: set[int]) -> None:
    hint = "is needed where shown is 0: the chance with which the task was drawn"
    lines = [row.line for place, row in enumerate(read_rows(file, names)) if place in places]
    refuse(file, [f"{line}  inclusion_probability = ''  {hint}" for line in lines])


def _answers(ids: Sequence[str], columns: dict[str, Column]) -> Answers:
    n = len(ids)
    labels = ordered({*columns["predicted"].names, *columns["label"].names})
    tiers, tier = _named(columns.get("tier"), UNKNOWN_TIER, n)
    reviewers, reviewer = _named(columns.get("reviewer"), UNKNOWN_REVIEWER, n)
    flags = np.array([_SHOWN[each.strip().lower()] for each in columns["shown"].names])
    probability = _numbers(columns.get("inclusion_probability"), n)
    return Answers(
        predicted=columns["predicted"].codes_in(labels),
        said=columns["label"].codes_in(labels),
        labels=labels,
        shown=flags[columns["shown"].codes],
        probability=np.ones(n) if probability is None else probability,
        score=_or_unknown(_numbers(columns.get("score"), n), n),
        seconds=_or_unknown(_numbers(columns.get("seconds"), n), n),
        tier=tier,
        tiers=tiers,
        reviewer=reviewer,
        reviewers=reviewers,
        ids=tuple(ids),
    )


def _named(column: Column | None, unknown: str, n: int) -> tuple[tuple[str, ...], IntArray]:
    if column is None:
        return (unknown,), np.zeros(n, dtype=np.int64)
    names = [name.strip() or unknown for name in column.names]
    every = tuple(sorted(set(names)))
    codes = np.array([every.index(name) for name in names], dtype=np.int64)
    return every, codes[column.codes]


def _numbers(column: Column | None, n: int) -> FloatArray | None:
    if column is None:
        return None
    found = np.array([_number(name) for name in column.names], dtype=np.float64)
    return found[column.codes] if n else found


def _number(text: str) -> float:
    value = number(text)
    return math.nan if value is None else value


def _or_unknown(column: FloatArray | None, n: int) -> FloatArray:
    return np.full(n, np.nan) if column is None else column


def _wrong(columns: dict[str, Column]) -> bool:
    return any(_hint(name, value) for name, column in columns.items() for value in column.names)


def _problems(file: Path, names: Sequence[str]) -> list[str]:
    found = []
    for row in read_rows(file, names):
        for name in names:
            value = row.values[name]
            hint = _hint(name, value)
            if hint:
                found.append(f"{row.line}  {name} = {value!r}  {hint}")
    return found


def _hint(name: str, value: str) -> str | None:
    """What is wrong with a value; None where nothing is."""
    if name in {"id", "predicted", "label"}:
        return None if value.strip() else "is empty: leave out tasks without a prediction or answer"
    if name == "shown":
        known = value.strip().lower() in _SHOWN
        return None if known else "must be 1 or true where the person saw the prediction, else 0"
    if name in {"tier", "reviewer"} or not value.strip():
        return None
    return _hint_of_number(name, number(value))


def _hint_of_number(name: str, value: float | None) -> str | None:
    if value is None:
        return "is no finite number"
    if name == "seconds" and value < 0:
        return "must not be below 0"
    if name == "inclusion_probability" and not 0 < value <= 1:
        return "must be above 0 and at most 1: the chance with which the task was drawn"
    return None
