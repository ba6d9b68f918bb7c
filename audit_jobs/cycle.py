"""Job: the figures of a cycle, once a model version has been trained and its tasks decided."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from backend.reviewers import labels_by_tier, tier_members
from backend.runtime import Runtime
from backend.store.figures import count_predictions, labels_since, project_figures
from backend.store.models import all_versions
from backend.store.projects import ConnectedProject
from backend.store.reports import (
    CYCLE,
    Report,
    reports,
    store_report,
)
from policies.domain import Certification
from policies.loading import parse_policy
from policies.schema import Policy
from policies.spending import Work, cost_all_manual, cost_of

NOTHING_MEASURED = {"value": None, "low": None, "high": None, "n": 0}
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Keep a report for the newest version, if it has none yet."""
    with runtime.reads() as session:
        versions = all_versions(session, project.id)
        past = reports(session, project.id, CYCLE)
    if not versions or any(versions[-1].version == report.body["trained"] for report in past):
        return {"state": "nothing to do"}

    body = {"cycle": len(past) + 1, **figures(runtime, project)}

    with runtime.sessions.begin() as session:
        report = Report(
            kind=CYCLE,
            model_version=body["model_version"],
            made_at=runtime.now(),
            body=body,
        )
        store_report(session, project.id, report)
    return body


def figures(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """The project's figures as they stand now."""
    policy = parse_policy(project.policy_text)
    with runtime.reads() as session:
        now = project_figures(session, project, runtime.now())
        versions = all_versions(session, project.id)
        labels = labels_since(session, project.id, BEGINNING)
        predictions = count_predictions(session, project.id)
    serving, certified = now.champion, now.certified
    newest = versions[-1] if versions else None
    return {
        "human_labels": now.human_labels,
        "accepted": now.accepted,
        "tasks": now.tasks,
        "holdout_accuracy": NOTHING_MEASURED
        if serving is None
        else serving.verdict["holdout_accuracy"],
        "agreement": None if now.agreement is None else now.agreement.body["krippendorff_alpha"],
        "audit_pass_rate": None if now.audit is None else now.audit.body["pass_rate"],
        "model_version": None if serving is None else serving.version,
        "trained": None if newest is None else newest.version,
        "verdict": None if newest is None else newest.verdict["reason"],
        "certificates": [] if certified is None else _certificates(certified.certification),
        **_costs(
            policy,
            Work(
                looks=labels_by_tier(labels, tier_members(runtime, policy)),
                predictions=predictions,
                trainings=len(versions),
            ),
            now.tasks,
        ),
    }


def _certificates(certification: Certification) -> list[dict[str, Any]]:
    return [
        {
            "predictor": each.predictor,
            "label": each.label,
            "threshold": each.threshold,
            "control_answers": each.control_answers,
            "error": each.error.as_json(),
            "labels_needed": each.labels_needed,
        }
        for each in certification.certificates
    ]


def _costs(policy: Policy, work: Work, tasks: int) -> dict[str, Any]:
    cost = cost_of(policy, work)
    return {
        "cost": cost.total,
        "cost_items": cost.items,
        "cost_all_manual": cost_all_manual(policy, tasks),
    }
