"""Consensus of a Label Studio export: one answer to each control and task, where there can be one.

Labels go through the chosen method, text spans and upright boxes through a majority for each.
"""

from __future__ import annotations

import gzip
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.markup import escape
from rich.table import Table

from audit_jobs.consensus.regions import Kept, kept_regions, why_not_merged
from audit_jobs.measures.consensus import Consensus, ConsensusError
from audit_jobs.measures.ratings import Ratings, ratings_of
from backend.commands.output import new_table
from backend.data_files import DataFileError
from connectors.answers import Answer, Control, Kind
from connectors.label_studio.exports import Problem, read_export

FORMATS = (".jsonl", ".jsonl.gz")
_MOST_SHOWN = 10
_LABELS = frozenset({Kind.CHOICES, Kind.PAIRWISE})
_ALONE = "no task was answered by two annotators, so each answer is one person's"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlConsensus:
    """The consensus on one control; ``answers`` has what is written of each task, by its place.

    ``regions`` counts those kept and is None where the control marks none that can be merged.
    ``note`` says why there is no consensus, or what must be known about the one there is.
    """

    name: str
    type: str
    answers: Mapping[int, dict[str, Any]]
    regions: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConsensus:
    """The consensus on every control of an export, by the method that labels went through."""

    method: str
    tasks: tuple[str, ...]
    controls: tuple[ControlConsensus, ...]
    cancelled: int
    problems: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values; ``units`` are the tasks that have a consensus."""
        return {
            "method": self.method,
            "tasks": len(self.tasks),
            "controls": {
                control.name: {
                    "type": control.type,
                    "units": len(control.answers),
                    "regions": control.regions,
                    "note": control.note,
                }
                for control in self.controls
            },
        }


def export_consensus(
    file: Path, name: str, method: Callable[[Ratings], Consensus]
) -> ExportConsensus:
    """The consensus on every control of an export file; ``name`` is the method's.

    Raises
        ExportError: no JSON export of Label Studio; the message says what was found.
        ConsensusError: the method cannot work with a control's answers.
    """
    export = read_export(file)
    return ExportConsensus(
        method=name,
        tasks=export.tasks,
        controls=tuple(control_consensus(control, method) for control in export.controls),
        cancelled=export.cancelled,
        problems=export.problems,
    )


def control_consensus(control: Control, method: Callable[[Ratings], Consensus]) -> ControlConsensus:
    """The consensus on one control, or a note that says why there is none."""
    reason = _why_none(control)
    if reason is not None:
        note = f"it has no consensus: {reason}"
        return ControlConsensus(name=control.name, type=control.type, answers={}, note=note)
    if control.kind is Kind.REGIONS:
        return _merged_regions(control)
    return _elected_labels(control, method)


def _why_none(control: Control) -> str | None:
    if control.per_region:
        return "its answers are about single regions, not about the task"
    if control.kind is Kind.REGIONS:
        return why_not_merged([region for answer in control.answers for region in answer.value])
    if control.kind not in _LABELS:
        return "only single labels, text spans and upright boxes can have one"
    if control.kind is Kind.CHOICES:
        several = sum(len(answer.value) > 1 for answer in control.answers)
        if several:
            return f"{several:,} of {len(control.answers):,} answers choose several labels at once"
    return None


def _elected_labels(control: Control, method: Callable[[Ratings], Consensus]) -> ControlConsensus:
    votes = [(answer, _label(answer)) for answer in control.answers]
    ratings = ratings_of(
        [str(answer.task) for answer, label in votes if label is not None],
        [str(answer.annotator) for answer, label in votes if label is not None],
        [label for _, label in votes if label is not None],
    )
    if not len(ratings):
        note = "it has no consensus: nobody chose a label"
        return ControlConsensus(name=control.name, type=control.type, answers={}, note=note)
    try:
        found = method(ratings)
    except ConsensusError as error:
        raise ConsensusError(f"{control.name}: {error}") from error
    labels = zip(ratings.unit_names, found.labels.tolist(), found.confidence.tolist(), strict=True)
    return ControlConsensus(
        name=control.name,
        type=control.type,
        answers={
            int(task): {"label": ratings.categories[label], "confidence": _known(sure)}
            for task, label, sure in labels
        },
        note=_noted(
            _alone([answer for answer, label in votes if label is not None]),
            f"tied tasks: {len(found.tied):,}, the first label in order stands"
            if len(found.tied)
            else None,
            None if found.converged else "the estimate still moved at the last round",
        ),
    )


def _label(answer: Answer[Any]) -> str | None:
    """The one label of an answer; None where a choice was left empty."""
    if isinstance(answer.value, str):
        return answer.value
    return str(answer.value[0]) if answer.value else None


def _merged_regions(control: Control) -> ControlConsensus:
    merged = kept_regions(control.answers)
    tied = sum(each.tied for found in merged.values() for each in found)
    return ControlConsensus(
        name=control.name,
        type=control.type,
        answers={task: _regions_answer(found) for task, found in merged.items()},
        regions=sum(map(len, merged.values())),
        note=_noted(
            _alone(control.answers),
            f"regions whose label is tied: {tied:,}, the first in order stands" if tied else None,
        ),
    )


def _regions_answer(found: Sequence[Kept]) -> dict[str, Any]:
    """The regions of a task, and the mean of their confidence; None where nothing is kept."""
    regions = [
        each.place | {"label": each.label or None, "confidence": each.confidence} for each in found
    ]
    mean = sum(each.confidence for each in found) / len(found) if found else None
    return {"regions": regions, "confidence": mean}


def _alone(answers: Sequence[Answer[Any]]) -> str | None:
    most = max(Counter(answer.task for answer in answers).values())
    return _ALONE if most < 2 else None


def _noted(*notes: str | None) -> str | None:
    return "; ".join(filter(None, notes)) or None


def _known(sure: float) -> float | None:
    return None if math.isnan(sure) else sure


def write_consensus(file: Path, found: ExportConsensus) -> None:
    """Write a line for each task and control; the file is there whole or not at all.

    Raises
        DataFileError: the file cannot be written.
    """
    lines = (
        {"task": name, "control": control.name, **control.answers[task]}
        for task, name in enumerate(found.tasks)
        for control in found.controls
        if task in control.answers
    )
    content = b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
    # No time in the packed file: the same export makes the same bytes.
    packed = gzip.compress(content, mtime=0) if file.suffix == ".gz" else content
    made = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        made.write_bytes(packed)
        made.replace(file)
    except OSError as error:
        with suppress(OSError):
            made.unlink()
        raise DataFileError(f"{file}  cannot be written: {error.strerror}") from None


def reading_notes(found: ExportConsensus) -> list[str]:
    """What of the export does not count as it stands."""
    notes = [
        ", ".join(filter(None, problem.as_json().values()))
        for problem in found.problems[:_MOST_SHOWN]
    ]
    if len(found.problems) > _MOST_SHOWN:
        notes.append(f"and {len(found.problems) - _MOST_SHOWN:,} more problems like these")
    if found.cancelled:
        notes.append(f"skipped annotations left out: {found.cancelled:,}")
    return notes


def export_tables(found: ExportConsensus) -> list[Table | str]:
    """Every control in a table for a terminal, and its note below."""
    table = new_table()
    for column in ("control", "type", "tasks with consensus", "regions"):
        table.add_column(column, justify="left" if column in {"control", "type"} else "right")
    for control in found.controls:
        regions = "-" if control.regions is None else f"{control.regions:,}"
        cells = (escape(control.name), escape(control.type))
        table.add_row(*cells, f"{len(control.answers):,}", regions)
    notes = [
        f"[yellow]{escape(control.name)}: {escape(control.note)}[/]"
        for control in found.controls
        if control.note
    ]
    return [f"{found.method}: {len(found.tasks):,} tasks", table, *notes]
