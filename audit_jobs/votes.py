"""Votes that a user brings as a CSV file: who gave which item which label."""

from __future__ import annotations

from pathlib import Path

from audit_jobs.measures.ratings import Column, Ratings, number, ratings_in
from backend.data_files import DataFileError, read_columns, read_rows, refuse

COLUMNS = ("item", "worker", "label")


def read_votes(file: Path, *, smallest: float | None = None) -> Ratings:
    """Read the columns ``item``, ``worker`` and ``label`` of a CSV file, plain or gzipped.

    Of the votes of one worker on one item the first is kept. With ``smallest`` every label must
    be a finite number from there up (``-inf``: any number).

    Raises
        DataFileError: no such file or columns, no votes, an empty field, a label that must be a
            number and is none; the message names the line.
    """
    columns = tuple(Column() for _ in COLUMNS)
    for block in read_columns(file, COLUMNS):
        for column, values in zip(columns, block, strict=True):
            column.extend(values)
    items, workers, labels = columns
    wrong = {name for name in labels.names if _wrong_label(name, smallest)}
    if wrong or any(not name.strip() for column in columns for name in column.names):
        refuse(file, _problems(file, wrong))
    if not items.names:
        raise DataFileError(f"{file}  has no rows: one line for each vote is needed")
    return ratings_in(items, workers, labels)


def _problems(file: Path, wrong: set[str]) -> list[str]:
    found = []
    for row in read_rows(file, COLUMNS):
        for name in COLUMNS:
            value = row.values[name]
            if not value.strip():
                hint = "is empty: leave out the line of a vote that was not given"
                found.append(f"{row.line}  {name} = {value!r}  {hint}")
            elif name == "label" and value in wrong:
                hint = "give a number, or take --level nominal for names"
                kind = "is no finite number" if number(value) is None else "is below zero"
                found.append(f"{row.line}  label = {value!r}  {kind}: {hint}")
    return found


def _wrong_label(name: str, smallest: float | None) -> bool:
    if smallest is None:
        return False
    value = number(name)
    return value is None or value < smallest
