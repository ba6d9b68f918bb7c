"""What a job has stored of a project, as commands tell it."""

from __future__ import annotations

from typing import Any

from backend.store.projects import ConnectedProject
from backend.store.reports import Report


def stored_report(project: ConnectedProject, report: Report) -> dict[str, Any]:
    """A report with whose it is, when it was made and of which model version."""
    return {
        "project": {"id": project.id, "title": project.title},
        "made_at": report.made_at.isoformat(),
        "model_version": report.model_version,
        **told(report),
    }


def told(report: Report) -> dict[str, Any]:
    """What a report says, without what the job knows it again by."""
    return {name: value for name, value in report.body.items() if name != "made_of"}
