"""The page at ``/``: projects, queues, cycles, model versions, job runs. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, render_template

from backend.store.figures import ProjectFigures, project_figures
from backend.store.models import ModelVersion, all_versions
from backend.store.projects import all_projects
from backend.store.reports import JobRun, recent_runs
from backend.web.state import web
from policies.loading import parse_policy

blueprint = Blueprint("dashboard", __name__)

_RUNS_SHOWN = 30
_VERSIONS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage:
    """What the template shows of one project; ``capacities`` by view name, labels a day."""

    figures: ProjectFigures
    capacities: dict[str, int]
    versions: list[ModelVersion]


@blueprint.get("/")
def page() -> str:
    """Everything on one page; it is as fresh as the database."""
    runtime = web().runtime
    now = runtime.now()
    with runtime.reads() as session:
        projects = [
            ProjectPage(
                figures=project_figures(session, project, now),
                capacities=_capacities(project.policy_text),
                versions=all_versions(session, project.id)[-_VERSIONS_SHOWN:],
            )
            for project in all_projects(session)
        ]
        runs = recent_runs(session, _RUNS_SHOWN)
    return render_template(
        "dashboard.html",
        projects=projects,
        runs=runs,
        now=now,
        label_studio_url=runtime.settings.label_studio_url,
    )


@blueprint.app_template_filter("estimate")
def estimate(figure: Mapping[str, Any] | None) -> str:
    """A share with its interval and what it rests on, or a dash where it is undefined.

    >>> estimate({"value": 0.934, "low": 0.9, "high": 0.961, "n": 200})
    '93.4 % (90.0 to 96.1, n = 200)'
    >>> estimate({"value": None, "low": None, "high": None, "n": 0})
    '-'
    """
    if figure is None or figure.get("value") is None:
        return "-"
    value, low, high, count = (figure.get(key) for key in ("value", "low", "high", "n"))
    if low is None or high is None:
        return f"{_percent(value)} % (n = {count})"
    return f"{_percent(value)} % ({_percent(low)} to {_percent(high)}, n = {count})"


@blueprint.app_template_filter("time")
def time(moment: datetime | None) -> str:
    """Minutes, in UTC."""
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


@blueprint.app_template_filter("lasted")
def lasted(run: JobRun) -> str:
    """How long a run took; a run without an end is under way, or was killed."""
    if run.ended_at is None:
        return "-"
    return f"{(run.ended_at - run.started_at).total_seconds():.1f} s"


def _percent(share: Any) -> str:
    return f"{100 * float(share):.1f}"


def _capacities(policy_text: str) -> dict[str, int]:
    return {tier.name: tier.daily_capacity for tier in parse_policy(policy_text).tiers}
