"""Whether the scheduler is alive: every project had a round lately, and it went well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from backend.diagnosis.findings import Finding, Topic
from backend.runtime import Runtime
from backend.store.job_runs import JobRun, newest_run
from backend.store.projects import ConnectedProject

TOPIC = Topic("scheduler")
FIRST_JOB = "sync"  # with which every round begins
_PATIENCE = timedelta(minutes=10)  # a round of a large project may take some
_START = "labelgate serve (or labelgate scheduler, where the web process runs apart)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRound:
    """The last round of a project, and how long after it the next is due at the latest."""

    project_id: int
    run: JobRun | None
    now: datetime
    due_after: timedelta


def look(runtime: Runtime, project: ConnectedProject) -> SeenRound:
    """Read when the project's last round began."""
    with runtime.reads() as session:
        run = newest_run(session, FIRST_JOB, project.id)
    interval = timedelta(seconds=runtime.settings.sync_interval_s)
    return SeenRound(
        project_id=project.id, run=run, now=runtime.now(), due_after=3 * interval + _PATIENCE
    )


def judge(seen: SeenRound) -> Finding:
    """Whether it was lately, and went well."""
    check = f"project {seen.project_id}"
    if seen.run is None:
        return TOPIC.failed(check, "no round has ever begun for this project", _START)
    age = seen.now - seen.run.started_at
    when = f"the last round began {_ago(age)} ago"
    if age > seen.due_after:
        return TOPIC.failed(check, f"{when}: the scheduler does not run", _START)
    if seen.run.outcome == "failed":
        return TOPIC.failed(
            check,
            f"{when} and failed: {(seen.run.error or '').strip()[:300]}",
            "labelgate jobs log --limit 5, and do what the message says",
        )
    return TOPIC.ok(check, when)


def _ago(age: timedelta) -> str:
    seconds = max(0, round(age.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7_200:
        return f"{seconds // 60} minutes"
    return f"{seconds // 3600} hours"
