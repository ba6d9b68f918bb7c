"""Two CSV files, the reference and the current one, compared column by column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from audit_jobs.drift.columns import (
    PROBABILITY,
    Column,
    Kind,
    as_feature,
    is_numeric,
    kind_of,
    numbers,
    probability_columns,
    without_missing,
)
from audit_jobs.drift.comparison import Comparison, Samples, compare
from audit_jobs.drift.features import text_features
from audit_jobs.measures.drift import FEWEST, Numbers
from audit_jobs.measures.label_shift import LabelShare, label_shares, true_shares
from backend.data_files import DataFileError, column_names, read_columns
from policies.domain import FloatArray

PREDICTED = "predicted"
SCORE = "confidence (largest probability)"
_Table = dict[str, Column]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileComparison:
    """A comparison of files, with what each column was taken for."""

    comparison: Comparison
    columns: dict[str, str]
    rows: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """The comparison with the columns and the numbers of rows."""
        return {**self.comparison.as_json(), "columns": self.columns, "rows": self.rows}


def compare_files(
    reference: Path, current: Path, label_column: str | None, false_alarm: float
) -> FileComparison:
    """Compare every column that both files have.

    ``label_column`` is ``predicted`` where None is given and there is one.

    Raises
        DataFileError: a file that cannot be read or has no rows, no column in common, or no such
            label column.
    """
    names = {file: column_names(file) for file in (reference, current)}
    for file, own in names.items():
        if not any(own):
            raise DataFileError(f"{file}  is empty: the first line must name the columns")
        if label_column is not None and label_column not in own:
            has = ", ".join(map(repr, own))
            raise DataFileError(
                f"{file}:1  has no column {label_column!r} (it has {has}): give another "
                "--label-column, or none"
            )
    common = [name for name in names[reference] if name in names[current]]
    if not common:
        raise DataFileError(
            f"{current}:1  has no column in common with {reference}: nothing can be compared"
        )
    label = label_column or (PREDICTED if PREDICTED in common else None)
    before, after = (_table(file, common) for file in (reference, current))
    kinds = {name: kind_of(name, before[name], after[name]) for name in common}
    if label is not None:
        kinds[label] = Kind.CATEGORY
    return _compared((before, after), kinds, label, false_alarm)


def _compared(
    tables: tuple[_Table, _Table], kinds: dict[str, Kind], label: str | None, false_alarm: float
) -> FileComparison:
    before, after = tables
    probabilities = _probabilities(before, after, kinds)
    kinds |= dict.fromkeys(probabilities, Kind.PROBABILITY)
    samples = Samples()
    for name, kind in kinds.items():
        if kind is Kind.TEXT:
            old, new = ([value or "" for value in table[name]] for table in tables)
            samples.add(text_features(name, old, new))
        elif kind in {Kind.NUMBER, Kind.CATEGORY}:
            samples.tested.append(as_feature(name, kind, before[name], after[name]))
    if probabilities:
        best = [_largest(probabilities, side) for side in (0, 1)]
        samples.tested.append(Numbers(name=SCORE, reference=best[0], current=best[1]))
    labels = None if label is None else _labels(tables, label, probabilities)
    sizes = [len(next(iter(table.values()))) for table in tables]
    return FileComparison(
        comparison=compare(samples, labels, false_alarm),
        columns={name: kind.value for name, kind in kinds.items()},
        rows={"reference": sizes[0], "current": sizes[1]},
    )


def _table(file: Path, names: list[str]) -> _Table:
    columns: list[list[str | None]] = [[] for _ in names]
    for block in read_columns(file, names):
        for column, values in zip(columns, block, strict=True):
            column.extend(without_missing(values))
    if not columns[0]:
        raise DataFileError(f"{file}  has a first line and no rows: nothing can be compared")
    return dict(zip(names, columns, strict=True))


def _probabilities(
    before: _Table, after: _Table, kinds: Mapping[str, Kind]
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """The columns that hold the probability of each label, by column."""
    named = [name for name in kinds if name.startswith(PROBABILITY)]
    if not all(is_numeric(table[name]) for name in named for table in (before, after)):
        return {}
    values = {name: (numbers(before[name]), numbers(after[name])) for name in named}
    return {name: values[name] for name in probability_columns(values)}


def _largest(probabilities: Mapping[str, tuple[FloatArray, FloatArray]], side: int) -> FloatArray:
    largest: FloatArray = np.column_stack([each[side] for each in probabilities.values()]).max(1)
    return largest


def _labels(
    tables: tuple[_Table, _Table],
    label: str,
    probabilities: Mapping[str, tuple[FloatArray, FloatArray]],
) -> list[LabelShare]:
    """Every label's shares: counted, and estimated by EM where there are probabilities."""
    counts = [Counter(value for value in table[label] if value is not None) for table in tables]
    enough = min(each.total() for each in counts) >= FEWEST
    shares = label_shares(*counts, test=enough)
    if not probabilities:
        return shares
    rows = [np.column_stack([each[side] for each in probabilities.values()]) for side in (0, 1)]
    known = [side[np.isfinite(side).all(axis=1)] for side in rows]
    if not all(len(side) for side in known):
        return shares
    estimated = true_shares(known[1], known[0].mean(axis=0)).tolist()
    by_label = {
        name.removeprefix(PROBABILITY): share
        for name, share in zip(probabilities, estimated, strict=True)
    }
    return [replace(each, estimated=by_label.get(each.label)) for each in shares]
