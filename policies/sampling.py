"""Reproducible draws: who is in the control slice, the holdout, an audit, an agreement check.

A draw depends on the policy's salt, the stream and the task's id alone; that of an audit on the
accepted label too (see ADR 0013). Not on the policy's hash: then every edit of a policy would move
tasks between training and holdout (see ADR 0005).
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from policies.domain import FloatArray, IntArray, ObjectArray

# One stream decides control and holdout together, so that no task is in both.
SLICE, AUDIT, AGREEMENT = "slice", "audit", "agreement"
# Orders tasks of equal worth. Its own stream: the others are small for the tasks that they picked.
QUEUE = "queue"


def draws(salt: str, stream: str, task_ids: IntArray) -> FloatArray:
    """One number in [0, 1) for each task id, the same whenever and wherever it is asked for.

    SplitMix64's finaliser (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
    generators") over the id, once more over the result combined with the stream's 64-bit key, so
    that neighbouring ids and different streams are independent. Any integer is a valid id.
    """
    return _drawn(task_ids, _key(f"{len(salt)}:{salt}:{stream}"))


def labelled_draws(salt: str, stream: str, task_ids: IntArray, labels: ObjectArray) -> FloatArray:
    """The same for pairs of a task and a label: another label is another draw."""
    codes, names = coded(labels)
    prefix = f"{len(salt)}:{salt}:{len(stream)}:{stream}"
    keys = np.array([_key(f"{prefix}:label:{name}") for name in names], np.uint64)
    return _drawn(task_ids, keys[codes])


def coded(labels: ObjectArray) -> tuple[IntArray, list[str | None]]:
    """Labels as numbers, and the label of each number; in the order in which they come."""
    listed: list[str | None] = labels.tolist()
    codes = {label: number for number, label in enumerate(dict.fromkeys(listed))}
    return np.fromiter(map(codes.__getitem__, listed), np.int64, len(listed)), list(codes)


def _key(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def _drawn(task_ids: IntArray, keys: np.uint64 | NDArray[np.uint64]) -> FloatArray:
    mixed = _mix(_mix(np.asarray(task_ids, dtype=np.int64).view(np.uint64)) ^ keys)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = values + np.uint64(0x9E3779B97F4A7C15)  # arrays wrap around silently, as meant
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
