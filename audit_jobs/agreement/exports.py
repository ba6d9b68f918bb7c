"""Agreement in a Label Studio export: every control, beside what Label Studio says itself."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from audit_jobs.agreement.controls import ControlAgreement, control_agreement
from audit_jobs.measures.distances import Level
from audit_jobs.measures.resampling import estimated, ratios
from connectors.answers import Control
from connectors.label_studio.exports import Export, read_export


def begins_as_json(file: Path) -> bool:
    """True where the first character opens a list or an object; unreadable files are no JSON."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as opened:
            begin = opened.read(64)
    except (OSError, EOFError, zlib.error):
        return False
    return begin.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"[", b"{"}


def export_report(path: Path, level: str) -> dict[str, Any]:
    """The report of an export file in plain values.

    ``level`` is the level of measurement of ratings, numbers and times; with "nominal" each is
    compared at its own: ratings at the ordinal, the others at the interval level.

    Raises
        ExportError: no JSON export of Label Studio; the message says what was found.
    """
    return agreement_in(read_export(path), Level(level))


def agreement_in(export: Export, level: Level = Level.NOMINAL) -> dict[str, Any]:
    """The same of an export that has been read."""
    return {
        "tasks": len(export.tasks),
        "annotators": [
            {"annotator": name, "tasks": tasks}
            for name, tasks in zip(export.annotators, export.annotated, strict=True)
        ],
        "controls": {
            control.name: _control(control, control_agreement(control, level), export.annotators)
            for control in export.controls
        },
        "label_studio_agreement": _own_agreement(export),
        "cancelled": export.cancelled,
        "repeated": export.repeated,
        "problems": [problem.as_json() for problem in export.problems],
    }


def _control(control: Control, found: ControlAgreement, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "type": control.type,
        "per_region": control.per_region,
        "measures": {name: estimate.as_json() for name, estimate in found.measures.items()},
        "compared_by": found.compared,
        "pairs": [
            {
                "annotators": [names[place] for place in pair.annotators],
                "agreement": pair.agreement.as_json(),
            }
            for pair in found.pairs
        ],
        "note": found.note,
    }


def _own_agreement(export: Export) -> dict[str, Any] | None:
    """The mean of what Label Studio Enterprise wrote as each task's ``agreement``, 0 to 100."""
    figures = list(export.tool_agreement.values())
    if not figures:
        return None
    above = np.array(figures)[:, None]
    mean = ratios(["agreement"], np.arange(len(above)), above, np.ones_like(above), size=len(above))
    return {"mean": estimated([mean], len(above))["agreement"].as_json(), "scale": [0, 100]}
