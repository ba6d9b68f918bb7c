"""The page at ``/``: projects, queues, cycles, model versions, job runs. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, render_template
from sqlalchemy.orm import Session

from backend.breakers.states import BreakerState, breaker_states
from backend.retraining import Standing, standings
from backend.settings import Settings
from backend.store.figures import ProjectFigures, project_figures
from backend.store.models import ModelVersion, all_versions
from backend.store.projects import ConnectedProject, all_projects
from backend.store.reports import SHADOW, JobRun, Report, newest_report, recent_runs
from backend.store.shadows import open_shadow
from backend.versions import file_problem, trend_of
from backend.web.curves import Curve, curve_of
from backend.web.state import web
from connectors.label_studio.answer_words import answer_words
from connectors.label_studio.labeling import LabelingError, parse_labeling
from policies.accuracy_trend import Trend
from policies.certifying import told
from policies.loading import parse_policy
from policies.promises import AutoAccept, least_answers
from policies.schema import Policy

blueprint = Blueprint("dashboard", __name__)

_RUNS_SHOWN = 30
_VERSIONS_SHOWN = 20
_REQUESTS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage:
    """What the template shows of one project; ``policy`` is the one in force.

    ``unreadable`` is what is wrong with the file of the version that serves, None where nothing
    is; ``shadow`` what the version that is in shadow has shown so far.
    """

    figures: ProjectFigures
    policy: Policy
    versions: list[ModelVersion]
    breakers: list[BreakerState]
    training: list[Standing]
    trend: Trend
    unreadable: str | None
    shadow: Report | None

    @property
    def training_now(self) -> str:
        """What is queued or running; else how the newest request ended."""
        now = [each.says for each in reversed(self.training) if each.request.open]
        if now:
            return ", ".join(now)
        return self.training[0].says if self.training else "none asked for"

    @property
    def curve(self) -> Curve | None:
        """The accuracy of deployed models over time, with what is expected of the newest."""
        report = self.figures.monitoring
        if report is None:
            return None
        of_all = [each for each in report.body["curve"] if each["model_version"] is None]
        decay = report.body["decay"].get(report.model_version or "")
        expected = decay["baseline"] if decay else None
        points = [(each["period"], each["accuracy"]) for each in of_all]
        return curve_of(points, expected["accuracy"] if expected else None)


@blueprint.get("/")
def page() -> str:
    """Everything on one page; it is as fresh as the database."""
    runtime = web().runtime
    now = runtime.now()
    with runtime.reads() as session:
        projects = [
            _page_of(session, runtime.settings, project, now) for project in all_projects(session)
        ]
        runs = recent_runs(session, _RUNS_SHOWN)
    return render_template(
        "dashboard.html",
        projects=projects,
        runs=runs,
        now=now,
        label_studio_url=runtime.settings.label_studio_url,
    )


def _page_of(
    session: Session, settings: Settings, project: ConnectedProject, now: datetime
) -> ProjectPage:
    policy = parse_policy(project.policy_text)
    figures = project_figures(session, project, now)
    versions = all_versions(session, project.id)
    running = open_shadow(session, project.id)
    shown = newest_report(session, project.id, SHADOW) if running is not None else None
    return ProjectPage(
        figures=figures,
        policy=policy,
        versions=versions[-_VERSIONS_SHOWN:],
        breakers=breaker_states(session, project.id, policy),
        training=standings(session, project.id, _REQUESTS_SHOWN),
        trend=trend_of(session, project.id, versions),
        unreadable=None if figures.champion is None else file_problem(settings, figures.champion),
        shadow=shown if shown and running and shown.model_version == running.version else None,
    )


@blueprint.app_template_filter("answer")
def answer(text: str, page: ProjectPage) -> str:
    """An answer in words, as far as the project's labelling config says what it means."""
    try:
        return answer_words(parse_labeling(page.figures.project.label_config), text)
    except LabelingError:  # told by an alert, and everything goes to people
        return text


@blueprint.app_template_filter("estimate")
def estimate(figure: Mapping[str, Any] | None) -> str:
    """A share with its interval and what it rests on, or a dash where it is undefined.

    >>> estimate({"value": 0.934, "low": 0.9, "high": 0.961, "n": 200})
    '93.4 % (90.0 to 96.1, n = 200)'
    >>> estimate({"value": None, "low": None, "high": None, "n": 0})
    '-'
    """
    if not figure or figure.get("value") is None:
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


@blueprint.app_template_filter("promise")
def promise(page: ProjectPage) -> str:
    """What is accepted now without a person, on which evidence, or why nothing is."""
    rule = page.policy.auto_accept
    if not isinstance(rule, AutoAccept):
        return "a person confirms every label"
    if page.figures.champion is None:
        return "nothing: there is no model yet"
    if page.figures.certified is None:
        return f"nothing: a threshold needs at least {least_answers(rule)} control answers"
    suspended = {each.group: each for each in page.breakers if each.state != "armed"}
    return " · ".join(
        f"{suspended[each.group].about}: nothing, it is suspended"
        if each.group in suspended
        else told(each, rule.floor)
        for each in page.figures.certified.certification.certificates
    )


@blueprint.app_template_filter("alpha")
def alpha(figure: Mapping[str, Any] | None) -> str:
    """A coefficient with its interval; no share, so no percent.

    >>> alpha({"value": 0.8, "low": 0.7, "high": 0.9, "n": 40})
    '0.800 (0.700 to 0.900, n = 40)'
    """
    if not figure or figure["value"] is None:
        return "-"
    if figure["low"] is None or figure["high"] is None:
        return "{value:.3f} (n = {n})".format(**figure)
    return "{value:.3f} ({low:.3f} to {high:.3f}, n = {n})".format(**figure)


@blueprint.app_template_filter("cost")
def cost(body: Mapping[str, Any]) -> str:
    """What a cycle had cost in all by then, beside what people alone would have cost.

    >>> cost({"cost": 1234.5, "cost_all_manual": 2000.0})
    '1,234.50 (2,000.00)'
    >>> cost({})
    '-'
    """
    if body.get("cost") is None or body.get("cost_all_manual") is None:
        return "-"
    return f"{body['cost']:,.2f} ({body['cost_all_manual']:,.2f})"


@blueprint.app_template_filter("hours")
def hours(figure: Mapping[str, Any] | None) -> str:
    """A time in hours, from seconds.

    >>> hours({"value": 5400.0, "low": 3600.0, "high": 7200.0, "n": 4})
    '1.5 h (1.0 to 2.0, n = 4)'
    """
    return _scaled(figure, 1 / 3600, "{:.1f}", " h")


@blueprint.app_template_filter("points")
def points(figure: Mapping[str, Any] | None) -> str:
    """What a hundred labels are worth, in points of accuracy.

    >>> points({"value": 0.0002, "low": -0.0001, "high": 0.0005, "n": 80})
    '+2.0 points (-1.0 to +5.0, n = 80)'
    """
    return _scaled(figure, 10_000, "{:+.1f}", " points")


@blueprint.app_template_filter("gained")
def gained(figure: Mapping[str, Any] | None) -> str:
    """A difference of two shares, in points.

    >>> gained({"value": 0.01, "low": -0.02, "high": 0.04, "n": 80})
    '+1.0 points (-2.0 to +4.0, n = 80)'
    """
    return _scaled(figure, 100, "{:+.1f}", " points")


def _scaled(figure: Mapping[str, Any] | None, factor: float, how: str, unit: str) -> str:
    if not figure or figure.get("value") is None:
        return "-"
    value = how.format(figure["value"] * factor) + unit
    if figure["low"] is None or figure["high"] is None:
        return f"{value} (n = {figure['n']})"
    low, high = (how.format(figure[end] * factor) for end in ("low", "high"))
    return f"{value} ({low} to {high}, n = {figure['n']})"
