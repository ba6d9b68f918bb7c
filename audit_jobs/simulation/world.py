"""What is simulated: a policy, tasks in the order they come, the label each should get, people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audit_jobs.simulation.reviewers import Reviewers, reviewers
from backend.data_files import DataFileError, Row, read_rows, refuse
from backend.embeddings.bert import Vectors
from backend.embeddings.encoders import Encoder, Space
from backend.embeddings.vectors import Encode
from backend.mismatches import untellable
from connectors.label_studio.labeling import ControlKind, InputKind, Labeling, single_choice
from policies.domain import FloatArray
from policies.schema import Policy

_COLUMNS = ("id", "text", "label")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Task number n (from 1, in the order of arrival) has the data and the truth at n - 1.

    ``encoding`` makes sentence vectors, with the space that they lie in; None for models without.
    """

    policy: Policy
    labeling: Labeling
    data: Sequence[Mapping[str, Any]]
    truth: Sequence[str]
    reviewers: Reviewers
    encoding: tuple[Encode, Space] | None = None

    def __len__(self) -> int:
        return len(self.truth)


def world_of(policy: Policy, file: Path, *, seed: int, max_tasks: int | None) -> World:
    """The tasks of a CSV file with ``id``, ``text`` and ``label``, in an order drawn by ``seed``.

    Further columns become fields of the task, which routes can look at. The order decides which
    tasks are control, holdout and audited, so another seed is another draw of all of these, and of
    people's errors.

    Raises
        DataFileError: a column or a value is missing, an id comes twice, there are no rows, or a
            route looks at what a choice does not have.
    """
    cannot = untellable(policy, [ControlKind.CHOICE])
    if cannot:
        raise DataFileError("\n".join(f"{file}  its labels are choices: {why}" for why in cannot))
    rows = list(read_rows(file, _COLUMNS))
    if not rows:
        raise DataFileError(f"{file}  has no rows: one line for each task is needed")
    refuse(file, list(_problems(rows)))
    order = np.random.default_rng(seed).permutation(len(rows))[:max_tasks].tolist()
    kept = [rows[place].values for place in order]
    labels = tuple(sorted({row.values["label"] for row in rows}))
    return World(
        policy=policy,
        labeling=single_choice("label", "text", InputKind.TEXT, "text", labels),
        data=[{name: value for name, value in row.items() if name != "label"} for row in kept],
        truth=[row["label"] for row in kept],
        reviewers=reviewers(policy.simulation, labels, seed),
    )


def remembered(encoder: Encoder) -> Encode:
    """The encoder behind its own vectors: every version is asked about the same texts."""
    known: dict[str, Vectors] = {}

    def encode(texts: Sequence[str]) -> FloatArray:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, encoder.encode(new), strict=True))
        return np.array([known[text] for text in texts], np.float64)

    return encode


def _problems(rows: Sequence[Row]) -> list[str]:
    problems = []
    first: dict[str, int] = {}
    for row in rows:
        empty = [name for name in _COLUMNS if not row.values[name].strip()]
        problems += [f"{row.line}  {name} is empty: give each task its {name}" for name in empty]
        before = first.setdefault(row.values["id"], row.line)
        if before != row.line:
            problems.append(
                f"{row.line}  id = {row.values['id']!r}  stands in line {before} too: "
                "each task needs an id of its own"
            )
    return problems
