"""Job: the pass rate of labels that would have been accepted, as blind auditors see them."""

from __future__ import annotations

from typing import Any

from backend.reviewers import expertise_of
from backend.runtime import Runtime
from backend.store.decisions import current_decisions
from backend.store.escalations import final_labels
from backend.store.models import champion
from backend.store.projects import ConnectedProject
from backend.store.reports import AUDIT, Report, newest_report, store_report
from backend.store.votes import human_votes
from policies.domain import Purpose
from policies.intervals import wilson
from policies.loading import parse_policy


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Compare each audited task's would-be label with its auditor's; keep a report of changes.

    Only reviewers of the audit tier and more expert ones count; an answer by anybody else becomes
    the label, but is no audit. A contested audit counts once it is settled. All audits of a
    policy have the same chance of being drawn, so the plain share with its Wilson interval is the
    estimate.
    """
    policy = parse_policy(project.policy_text)
    expertise = expertise_of(runtime, policy)
    enough = policy.order(policy.audit.tier)
    with runtime.reads() as session:
        audits = list(current_decisions(session, project.id, labelled=True, purpose=Purpose.AUDIT))
        votes = human_votes(session, project.id)
        model = champion(session, project.id)
        last = newest_report(session, project.id, AUDIT)
        by_auditors = [vote for vote in votes if expertise.get(vote.user_id, -1) >= enough]
        answered = final_labels(session, project.id, by_auditors)

    judged = [entry.decision for entry in audits if entry.decision.task_id in answered]
    failed = [d.task_id for d in judged if d.label != answered[d.task_id]]
    body = {
        "audited": len(judged),
        "failed": failed,
        "pass_rate": wilson(len(judged) - len(failed), len(judged)).as_json(),
    }

    if last is None or last.body != body:
        with runtime.sessions.begin() as session:
            version = None if model is None else model.version
            report = Report(kind=AUDIT, model_version=version, made_at=runtime.now(), body=body)
            store_report(session, project.id, report)
    return body
