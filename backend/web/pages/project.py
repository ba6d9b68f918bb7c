"""The page of one project: its loop, queues, figures, cycles, model versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, render_template
from sqlalchemy.orm import Session

from backend.breakers.states import BreakerState, breaker_states
from backend.counting import shown_counts
from backend.figures.gathered import gather
from backend.figures.sections import figures_of
from backend.loop_states import LoopState, TierQueue, loop_state
from backend.retraining import Standing, standings
from backend.settings import Settings
from backend.store.alerts import Alert
from backend.store.counts import ProjectCounts
from backend.store.figures import ProjectReports, project_reports
from backend.store.models import ModelVersion, all_versions
from backend.store.projects import ConnectedProject
from backend.store.reports import SHADOW, Report, newest_report
from backend.store.shadows import open_shadow
from backend.versions import file_problem, trend_of
from backend.web.access import Role, needs
from backend.web.pages.projects import shown_project
from backend.web.state import web
from policies.accuracy_trend import Trend
from policies.alert_wording import what_follows
from policies.certifying import told
from policies.domain import Outcome
from policies.loading import parse_policy
from policies.promises import AutoAccept, least_answers
from policies.schema import Policy

blueprint = Blueprint("project", __name__)

_REQUESTS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage:
    """What the template shows of one project; ``policy`` is the one in force.

    ``unreadable`` is what is wrong with the file of the version that serves, None where nothing
    is; ``shadow`` what the version that is in shadow has shown so far.
    """

    figures: ProjectReports
    state: LoopState
    policy: Policy
    newest: ModelVersion | None
    versions_made: int
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
    def tiers(self) -> dict[str, TierQueue]:
        """Each tier's day, by its name."""
        return {each.name: each for each in self.state.tiers}


@blueprint.get("/projects/<int:project_id>")
@needs(Role.VIEWER)
def page(project_id: int) -> str:
    """One project; its numbers are those of the last round."""
    runtime = web().runtime
    now = runtime.now()
    with runtime.reads() as session:
        project = shown_project(session, project_id)
        shown = _page_of(session, runtime.settings, project, now)
        gathered = gather(session, project, runtime.settings.label_studio_pages)
    return render_template(
        "project.html",
        page=shown,
        drawn=figures_of(gathered),
        project=project,
        now=now,
        label_studio_url=runtime.settings.label_studio_pages,
    )


def _page_of(
    session: Session, settings: Settings, project: ConnectedProject, now: datetime
) -> ProjectPage:
    policy = parse_policy(project.policy_text)
    counts = shown_counts(session, project, now)
    figures = project_reports(session, project)
    versions = all_versions(session, project.id)
    running = open_shadow(session, project.id)
    shown = newest_report(session, project.id, SHADOW) if running is not None else None
    return ProjectPage(
        figures=figures,
        state=loop_state(session, settings, project, counts, now),
        policy=policy,
        newest=versions[-1] if versions else None,
        versions_made=len(versions),
        breakers=breaker_states(session, project.id, policy),
        training=standings(session, project.id, _REQUESTS_SHOWN),
        trend=trend_of(session, project.id, versions),
        unreadable=None if figures.champion is None else file_problem(settings, figures.champion),
        shadow=shown if shown and running and shown.model_version == running.version else None,
    )


@blueprint.app_template_filter("open_in_queues")
def open_in_queues(counts: ProjectCounts) -> int:
    """Tasks that people are asked now."""
    return sum(each.open for each in counts.queues)


@blueprint.app_template_filter("sent_to_people")
def sent_to_people(counts: ProjectCounts) -> int:
    """Current decisions that a person answers."""
    decided = counts.decisions.items()
    return sum(count for name, count in decided if name.startswith(f"{Outcome.REVIEW}/"))


@blueprint.app_template_filter("follows")
def follows(alert: Alert, project_id: int) -> tuple[str, str]:
    """What an alert has brought about by itself, and what a person does now."""
    return what_follows(alert.name, project_id)


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
