"""Use case: the policy's alert rules that have a bound, held against the newest figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from backend.runtime import Runtime
from backend.store.alert_figures import (
    agreement_alphas,
    audit_pass_rate,
    correction_rate,
    failed_in_a_row,
    waiting_by_tier,
)
from backend.store.alerts import Alert, open_alerts, store_alert
from backend.store.models import champion
from backend.store.projects import ConnectedProject
from policies.alert_wording import shown
from policies.alerting import AlertRule, Judgement, judged
from policies.domain import Estimate
from policies.schema import Policy

# In an alert's detail: the bounds of the rule that raised it.
WATCHED = "watched"
_NAMES = {
    "audit_pass_rate": "the audit pass rate",
    "correction_rate": "the correction rate",
    "agreement": "the alpha of the routed queue",
}
Figures = Mapping[str, Mapping[str, Estimate]]


def watch(runtime: Runtime, project: ConnectedProject, policy: Policy) -> list[Alert]:
    """Open and close the rules' own alerts; those that changed now."""
    rules = [rule for rule in policy.alerts if rule.watches]
    now = runtime.now()
    with runtime.reads() as session:
        standing = {
            event: alert
            for event, alert in open_alerts(session, project.id).items()
            if WATCHED in alert.detail
        }
        if not rules and not standing:
            return []
        figures = _figures(session, project.id, policy, {rule.when for rule in rules})
        model = champion(session, project.id)

    due = alerts_due(rules, figures, standing, now)

    if due:
        with runtime.sessions.begin() as session:
            for alert in due:
                version = None if model is None else model.version
                store_alert(session, project.id, alert, version)
    return due


def alerts_due(
    rules: Sequence[AlertRule],
    figures: Figures,
    standing: Mapping[tuple[str, str], Alert],
    now: datetime,
) -> list[Alert]:
    """The alerts to store: a figure went past a rule's bound, or came back, or nobody watches it.

    ``figures`` are by kind and what they are about ("" where there is one of the kind only). A
    figure that is missing leaves its alert as it is, as long as its rule stands.
    """
    due: list[Alert] = []
    left = dict(standing)
    for rule in rules:
        for subject, figure in figures.get(rule.when, {}).items():
            event = rule.alert, _about(rule, subject)
            before = left.pop(event, None)
            found = judged(rule, figure)
            if found is Judgement.PAST and before is None:
                due.append(_alert(rule, subject, figure, now, opened=True))
            elif found is Judgement.INSIDE and before is not None:
                due.append(_alert(rule, subject, figure, now, opened=False))
    bounds = [(rule.alert, rule.bounds) for rule in rules]
    measured = {rule.alert for rule in rules if rule.when in figures}
    due += [
        _unwatched(alert, now)
        for alert in left.values()
        if (alert.name, alert.detail[WATCHED]) not in bounds or alert.name in measured
    ]
    return due


def _figures(
    session: Session, project_id: int, policy: Policy, kinds: set[str]
) -> dict[str, dict[str, Estimate]]:
    found: dict[str, dict[str, Estimate]] = {}
    for kind, read in (("audit_pass_rate", audit_pass_rate), ("correction_rate", correction_rate)):
        figure = read(session, project_id) if kind in kinds else None
        if figure is not None:
            found[kind] = {"": figure}
    if "agreement" in kinds:
        alphas = agreement_alphas(session, project_id)
        found |= {"agreement": alphas} if alphas else {}
    if "queue_days" in kinds:
        waiting = waiting_by_tier(session, project_id)
        found["queue_days"] = {
            tier.name: _exact(waiting.get(tier.name, 0) / tier.daily_capacity)
            for tier in policy.tiers
        }
    if "job_failed" in kinds:
        failed = failed_in_a_row(session, project_id)
        found["job_failed"] = {job: _exact(runs) for job, runs in failed.items()}
    return found


def _exact(count: float) -> Estimate:
    """A figure that is counted, not estimated: its interval is itself."""
    return Estimate(value=count, low=count, high=count, n=1)


def _about(rule: AlertRule, subject: str) -> str:
    said = (f"{name} {bound:g}" for name, bound in rule.bounds.items() if bound is not None)
    return " ".join([*([subject] if subject else []), " and ".join(said)])


def _alert(
    rule: AlertRule, subject: str, figure: Estimate, now: datetime, *, opened: bool
) -> Alert:
    detail: dict[str, Any] = {WATCHED: rule.bounds, "subject": subject or None}
    counted = figure.low == figure.high
    # What is counted stands in the sentence; an interval is told apart.
    detail |= {rule.when: figure.value if counted else figure.as_json()}
    return Alert(
        name=rule.alert,
        about=_about(rule, subject),
        opened=opened,
        says=_says(rule, subject, figure, opened=opened),
        detail=detail,
        made_at=now,
    )


def _says(rule: AlertRule, subject: str, figure: Estimate, *, opened: bool) -> str:
    value, bounds = figure.value or 0.0, rule.bounds
    below, above = bounds["below"], bounds["above"]
    if rule.when == "job_failed":
        if opened:
            return f"job {subject} has failed {value:g} times in a row"
        return f"job {subject} goes well again"
    if rule.when == "queue_days":
        than = "more than" if opened else "no more than"
        return f"tier {subject} has {value:.1f} days of work waiting, {than} {above:g}"
    of = f"{subject}: " if subject else ""
    what = f"{of}{_NAMES[rule.when]} is {shown(figure.as_json())}"
    if not opened:
        return f"{what}, inside the rule's bounds again"
    under = below is not None and figure.high is not None and figure.high < below
    return f"{what}, certainly {f'under {below:g}' if under else f'over {above:g}'}"


def _unwatched(alert: Alert, now: datetime) -> Alert:
    return alert.over(f"{alert.name}, {alert.about}: no rule or no figure of it is left", now)
