"""Candidates as bytes, so that another worker's answers can be joined with one's own.

JSON with Python's NaN, compressed: nothing but plain values can come out of it, whoever wrote it.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

import numpy as np

from policies.domain import Candidates, ObjectArray, column


def packed(candidates: Candidates) -> bytes:
    """All columns but ``monitored``, which is read from the store anew."""
    plain = {
        "task_ids": candidates.task_ids.tolist(),
        "labels": candidates.labels.tolist(),
        "scores": candidates.scores.tolist(),
        "problems": candidates.problems.tolist(),
        "fields": {name: values.tolist() for name, values in candidates.fields.items()},
        "signals": {name: values.tolist() for name, values in candidates.signals.items()},
        "predictors": candidates.predictors.tolist(),
        "mentions": _plain(candidates.mentions),
        "listed": candidates.listed,
        "part_scores": _plain(candidates.part_scores),
    }
    return zlib.compress(json.dumps(plain).encode(), 1)


def unpacked(content: bytes) -> Candidates:
    """The candidates in what ``packed`` made."""
    plain: dict[str, Any] = json.loads(zlib.decompress(content))
    return Candidates(
        task_ids=np.array(plain["task_ids"], np.int64),
        labels=column(plain["labels"]),
        scores=np.array(plain["scores"], np.float64),
        problems=column(plain["problems"]),
        fields={name: column(values) for name, values in plain["fields"].items()},
        signals={name: np.array(values, np.float64) for name, values in plain["signals"].items()},
        predictors=column(plain["predictors"]),
        mentions=_tuples(plain["mentions"]),
        listed=plain["listed"],
        part_scores=_tuples(plain["part_scores"]),
    )


def _plain(values: ObjectArray | None) -> list[Any] | None:
    return None if values is None else values.tolist()


def _tuples(values: list[list[Any] | None] | None) -> ObjectArray | None:
    if values is None:
        return None
    return column([None if each is None else tuple(each) for each in values])
