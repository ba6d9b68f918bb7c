"""Job: carry out the project's training request in a process of its own."""

from __future__ import annotations

from typing import Any

from audit_jobs.processes import run_apart
from backend.runtime import Runtime
from backend.store.projects import ConnectedProject
from backend.store.training import open_requests


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Train once if a request waits; returns when the trainer has ended."""
    with runtime.reads() as session:
        if not open_requests(session, project.id):
            return {"trained": False}
    command = ["train", "--queued", "--project", str(project.id)]
    return {"trained": True, "said": run_apart(runtime.settings, command, "the trainer")}
