"""Job: the figures of a cycle, once a model version has been trained and its tasks decided."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from audit_jobs.measures.loop_times import mean_times
from backend.reviewers import labels_by_tier, tier_members
from backend.runtime import Runtime
from backend.store.figures import count_predictions, labels_since, project_figures
from backend.store.loops import closed_loops
from backend.store.models import all_versions
from backend.store.projects import ConnectedProject
from backend.store.reports import (
    CYCLE,
    Report,
    reports,
    store_report,
)
from backend.versions import trend_of
from policies.domain import Certification, Estimate
from policies.loading import parse_policy
from policies.schema import Policy
from policies.spending import (
    Outcomes,
    Work,
    avoided_errors,
    cost_all_manual,
    cost_of,
    cost_per_avoided_error,
    labour_by_tier,
)

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
        now = project_figures(session, project)
        versions = all_versions(session, project.id)
        labels = labels_since(session, project.id, BEGINNING)
        predictions = count_predictions(session, project.id)
        loops = closed_loops(session, project.id)
        trend = trend_of(session, project.id, versions)
    serving, certified = now.champion, now.certified
    newest = versions[-1] if versions else None
    accuracy = (serving and serving.verdict["holdout_accuracy"]) or NOTHING_MEASURED
    pass_rate = NOTHING_MEASURED if now.audit is None else now.audit.body["pass_rate"]
    work = Work(
        looks=labels_by_tier(labels, tier_members(runtime, policy)),
        predictions=predictions,
        trainings=len(versions),
    )
    outcomes = Outcomes(
        labelled=now.accepted + now.labelled_tasks,
        accepted=now.accepted,
        accuracy=Estimate(**accuracy),
        pass_rate=Estimate(**pass_rate),
    )
    return {
        "human_labels": now.human_labels,
        "accepted": now.accepted,
        "tasks": now.tasks,
        "holdout_accuracy": accuracy,
        "accuracy_trend": trend.as_json(),
        "agreement": None if now.agreement is None else now.agreement.body["krippendorff_alpha"],
        "audit_pass_rate": None if now.audit is None else pass_rate,
        "loop_seconds": {name: mean.as_json() for name, mean in mean_times(loops).items()},
        "model_version": None if serving is None else serving.version,
        "trained": None if newest is None else newest.version,
        "verdict": None if newest is None else newest.verdict["reason"],
        "certificates": [] if certified is None else _certificates(certified.certification),
        **_costs(policy, work, outcomes, now.tasks),
    }


def _certificates(certification: Certification) -> list[dict[str, Any]]:
    return [
        {
            "predictor": each.predictor,
            "label": each.label,
            "threshold": each.in_force,
            "control_answers": each.control_answers,
            "error": each.error.as_json(),
            "labels_needed": each.labels_needed,
        }
        for each in certification.certificates
    ]


def _costs(policy: Policy, work: Work, outcomes: Outcomes, tasks: int) -> dict[str, Any]:
    cost = cost_of(policy, work)
    avoided = avoided_errors(outcomes)
    return {
        "cost": cost.total,
        "cost_items": cost.items,
        "labour_by_tier": labour_by_tier(policy, work.looks),
        "cost_all_manual": cost_all_manual(policy, tasks),
        "labelled": outcomes.labelled,
        "cost_per_label": cost.total / outcomes.labelled if outcomes.labelled else None,
        "avoided_errors": avoided.as_json(),
        "cost_per_avoided_error": cost_per_avoided_error(cost, avoided).as_json(),
    }
