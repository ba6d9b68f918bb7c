"""The jobs: what ran, how it ended, what it said; admins run one again or ask for one."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from flask import Blueprint, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from backend.job_names import JOB_NAMES
from backend.retraining import Standing, standings
from backend.store.acts import Act, record_act
from backend.store.job_requests import (
    JobRequest,
    ask_for_job,
    open_job_requests,
    request_of_run,
)
from backend.store.job_runs import (
    DONE,
    FAILED,
    OPEN,
    JobRun,
    RunsAsked,
    alive_among,
    log_of_run,
    recent_runs,
    run_numbered,
)
from backend.store.projects import project_titles
from backend.web.access import Role, needs, visitor
from backend.web.errors import RequestError
from backend.web.numbers import row_number
from backend.web.pages.projects import shown_project
from backend.web.state import web
from backend.work_standing import work_standing

blueprint = Blueprint("jobs", __name__)

_RUNS_SHOWN = 50
_OUTCOMES = {DONE: "done", FAILED: "failed", OPEN: "running or cut off"}
# An error that no one has put into words: its class and what it says.
_UNEXPECTED = re.compile(r"[A-Za-z_.]+(?:Error|Exception|Exit)\b")


@blueprint.get("/jobs")
@needs(Role.VIEWER, for_all=True)
def page() -> str:
    """Who works, and the newest runs: all, or those of a job, a project, an outcome."""
    runtime = web().runtime
    asked = _asked()
    with runtime.reads() as session:
        titles = project_titles(session)
        runs = recent_runs(session, _RUNS_SHOWN + 1, asked)
        alive = alive_among(session, runs, datetime.now(UTC))
        waiting = open_job_requests(session, visitor().projects)
    return render_template(
        "jobs.html",
        runs=runs[:_RUNS_SHOWN],
        older=runs[_RUNS_SHOWN - 1].id if len(runs) > _RUNS_SHOWN else None,
        alive=alive,
        asked=asked,
        waiting=waiting,
        work=work_standing(runtime),
        titles={key: title for key, title in titles.items() if visitor().sees(key)},
        jobs=JOB_NAMES,
        outcomes=_OUTCOMES,
        now=runtime.now(),
    )


@blueprint.get("/jobs/<int:run_id>")
@needs(Role.VIEWER, for_all=True)
def one(run_id: int) -> str:
    """One run: how it stands, its report or its error, the last lines of its log."""
    runtime = web().runtime
    with runtime.reads() as session:
        run = _shown_run(session, run_id)
        alive = run.id in alive_among(session, [run], datetime.now(UTC))
        return render_template(
            "job_run.html",
            run=run,
            alive=alive,
            log=log_of_run(session, run.id),
            asked=request_of_run(session, run.id),
            training=_training(session, run) if alive else None,
            titles=project_titles(session),
            unexpected=run.error is not None and _UNEXPECTED.match(run.error) is not None,
            jobs=JOB_NAMES,
            now=runtime.now(),
        )


@blueprint.post("/jobs/<int:run_id>/retry")
@needs(Role.ADMIN)
def retry(run_id: int) -> Response:
    """Ask for the same job of the same project once more."""
    runtime = web().runtime
    with runtime.reads() as session:
        run = _shown_run(session, run_id)
        alive = run.id in alive_among(session, [run], datetime.now(UTC))
    if alive:
        message = f"run {run_id} is not over: wait for its end, its page says when"
        raise RequestError(409, "job_running", message)
    if run.project_id is None:
        raise RequestError(409, "no_project", f"run {run_id} was of no project: ask for the job")
    return _ask(run.job, run.project_id, f"run {run_id} again")


@blueprint.post("/jobs/run")
@needs(Role.ADMIN)
def ask() -> Response:
    """Ask for a job of a project; the scheduler runs it within a second or so."""
    project_id = request.form.get("project", type=row_number)
    if project_id is None:
        raise RequestError(400, "project_needed", "say which project: go back and choose one")
    return _ask(request.form.get("job", ""), project_id, "asked for on the page of jobs")


def _ask(job: str, project_id: int, why: str) -> Response:
    """Keep the request and who made it; back to the runs, where it stands until it is run."""
    if job not in JOB_NAMES:
        known = ", ".join(JOB_NAMES)
        raise RequestError(400, "no_such_job", f"no job is called {job[:40]!r}; there are {known}")
    runtime = web().runtime
    now, who = runtime.now(), visitor().name
    with runtime.sessions.begin() as session:
        shown_project(session, project_id)
        kept = ask_for_job(
            session,
            JobRequest(
                id=0,
                job=job,
                project_id=project_id,
                asked_by=who,
                why=why,
                asked_at=now,
                taken_at=None,
                run_id=None,
            ),
        )
        detail = {"job": job, "request": kept.id, "why": why}
        act = Act(project_id=project_id, who=who, what="job.asked", detail=detail, at=now)
        record_act(session, act)
    return redirect(url_for("jobs.page"), 303)


def _asked() -> RunsAsked:
    """What the address asks for; what no run could be is no filter."""
    outcome = request.args.get("outcome")
    return RunsAsked(
        job=request.args.get("job") or None,
        project_id=request.args.get("project", type=row_number),
        outcome=outcome if outcome in _OUTCOMES else None,
        before=request.args.get("before", type=row_number),
        projects=visitor().projects,
    )


def _shown_run(session: Session, run_id: int) -> JobRun:
    """The run of this number, if the visitor may see it; else ``RequestError`` (404)."""
    run = run_numbered(session, run_id)
    allowed = visitor().projects
    if run is None or (allowed is not None and run.project_id not in allowed):
        message = f"no run {run_id} is kept: runs are forgotten after 30 days"
        raise RequestError(404, "no_such_run", message)
    return run


def _training(session: Session, run: JobRun) -> Standing | None:
    """How the training stands that a run of the job ``retrain`` carries out."""
    if run.job != "retrain" or run.project_id is None:
        return None
    newest = standings(session, run.project_id, 1)
    return newest[0] if newest and newest[0].request.open else None
