"""Job: the figures of a cycle, once a model version has been trained and its tasks decided."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from audit_jobs.measures.cost import cost_all_manual, labour_cost
from backend.reviewers import labels_by_tier, tier_members
from backend.runtime import Runtime
from backend.store.figures import labels_since, project_figures
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
        **_costs(runtime, policy, labels, now.tasks),
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


def _costs(
    runtime: Runtime, policy: Policy, labels: dict[int, int], tasks: int
) -> dict[str, float]:
    price = {tier.name: tier.cost_per_label for tier in policy.tiers}
    given = labels_by_tier(labels, tier_members(runtime, policy))
    return {
        "cost": labour_cost(given, price),
        "cost_all_manual": cost_all_manual(tasks, policy.tiers[0].cost_per_label),
    }
