"""Everything that a project's figures are made of, read from the store once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from backend.store.certificates import valid_certification
from backend.store.models import CHAMPION, ModelVersion, all_versions
from backend.store.projects import ConnectedProject
from backend.store.promotions import Promotion, promotions
from backend.store.reports import (
    AGREEMENT,
    AUDIT,
    BREAKER,
    CORRECTIONS,
    CURVES,
    CYCLE,
    DRIFT,
    FIGURES,
    MONITORING,
    STRATEGIES,
    Report,
    newest_report,
    newest_reports,
)
from backend.store.suspensions import suspensions
from connectors.label_studio.answer_words import answer_words
from connectors.label_studio.labeling import LabelingError, parse_labeling
from policies.breaker import Suspension
from policies.domain import Certification
from policies.loading import parse_policy
from policies.schema import Policy

_MOST_BREAKER_REPORTS = 300
_MOST_LOOKS = 60
_MOST_CYCLES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The newest report of each kind (None before the first), and rows of reports, oldest first.

    ``words`` says an answer as people read it. ``label_studio_url`` is where its tasks are shown.
    """

    project: ConnectedProject
    policy: Policy
    label_studio_url: str
    words: Callable[[str], str]
    versions: list[ModelVersion]
    promotions: list[Promotion]
    certification: Certification | None
    curves: Report | None
    six: Report | None
    audit: Report | None
    agreement: Report | None
    corrections: Report | None
    strategies: Report | None
    monitoring: Report | None
    breakers: list[Report]
    suspensions: list[Suspension]
    drifts: list[Report]
    cycles: list[Report]

    def name(self, chart: str) -> str:
        """A chart's name, unique on a page and in a report of several projects."""
        return f"{chart}-{self.project.id}"

    def task_link(self, task_id: int | str) -> str:
        """The task in Label Studio.

        Its Data Manager takes a task's number; a filter by many numbers in a link breaks the page
        of the whole project, so a list of tasks is a list of links.
        """
        return f"{self.label_studio_url}/projects/{self.project.id}/data?{_query(task=task_id)}"

    def decisions_link(self, **wanted: str) -> str:
        """The decisions that are so, in our own explorer."""
        return f"/projects/{self.project.id}/decisions?{_query(**wanted)}"


def gather(session: Session, project: ConnectedProject, label_studio_url: str) -> Gathered:
    """Read it: a few rows of each kind, whatever the size of the project."""
    policy = parse_policy(project.policy_text)
    versions = all_versions(session, project.id)
    serving = next((each for each in versions if each.state == CHAMPION), None)
    newest = partial(newest_report, session, project.id)
    newest_few = partial(newest_reports, session, project.id)
    certified = (
        None
        if serving is None
        else valid_certification(session, project.id, serving.version, project.policy_hash)
    )
    return Gathered(
        project=project,
        policy=policy,
        label_studio_url=label_studio_url,
        words=_words(project.label_config),
        versions=versions,
        promotions=promotions(session, project.id),
        certification=None if certified is None else certified.certification,
        curves=newest(CURVES),
        six=newest(FIGURES),
        audit=newest(AUDIT),
        agreement=newest(AGREEMENT),
        corrections=newest(CORRECTIONS),
        strategies=newest(STRATEGIES),
        monitoring=newest(MONITORING),
        breakers=newest_few(BREAKER, _MOST_BREAKER_REPORTS),
        suspensions=suspensions(session, project.id),
        drifts=newest_few(DRIFT, _MOST_LOOKS),
        cycles=newest_few(CYCLE, _MOST_CYCLES),
    )


def body(report: Report | None) -> Mapping[str, Any]:
    """What a report says; nothing before the first."""
    return {} if report is None else report.body


def _words(label_config: str) -> Callable[[str], str]:
    """How answers read, as far as the labelling config says what they mean."""
    try:
        return partial(answer_words, parse_labeling(label_config))
    except LabelingError:  # told by an alert, and everything goes to people
        return str


def _query(**values: int | str) -> str:
    return urlencode(values)
