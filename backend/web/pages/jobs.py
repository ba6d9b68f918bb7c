"""The jobs: what ran, how it ended."""

from __future__ import annotations

from flask import Blueprint, render_template

from backend.store.job_runs import recent_runs
from backend.web.access import Role, needs
from backend.web.state import web

blueprint = Blueprint("jobs", __name__)

_RUNS_SHOWN = 30


@blueprint.get("/jobs")
@needs(Role.VIEWER)
def page() -> str:
    """The newest runs."""
    runtime = web().runtime
    with runtime.reads() as session:
        runs = recent_runs(session, _RUNS_SHOWN)
    return render_template("jobs.html", runs=runs, now=runtime.now())
