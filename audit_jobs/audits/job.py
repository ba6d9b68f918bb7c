"""Job: the pass rate of accepted labels, as blind auditors see them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from audit_jobs.agreement.slices import MOST_WEEKS
from audit_jobs.audits.alerts import alerts_due
from audit_jobs.audits.claim import claim_of
from audit_jobs.audits.second_looks import auditors_err, second_looks
from audit_jobs.measures.audits import pass_rate, pass_rates
from backend.reviewers import expertise_of, people_of
from backend.runtime import Runtime
from backend.store.alerts import open_alerts, store_alert
from backend.store.annotators import stopped_users
from backend.store.audit_answers import Audits, audits, count_accepts
from backend.store.models import ModelVersion, champion
from backend.store.projects import ConnectedProject
from backend.store.reports import AUDIT, Report, newest_report, store_report
from backend.store.suspensions import suspensions
from policies.audit_plan import BANDS, score_bands
from policies.automation import RULES_ALONE
from policies.domain import ObjectArray
from policies.loading import parse_policy
from policies.promises import AutoAccept
from policies.schema import Policy

# Reports are kept for ever: the newest errors and the largest slices say enough.
MOST_FAILED = 200
_MOST_SLICES = 50
_MOST_LABELS = 1_000


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Compare each audited task's would-be label with its auditors'; keep a report of changes.

    Only reviewers of the audit tier and more expert ones count; an answer by anybody else becomes
    the label, but is no audit. A contested audit counts once it is settled.
    """
    policy = parse_policy(project.policy_text)
    expertise = expertise_of(runtime, policy)
    enough = policy.order(policy.audit.tier)
    tier = people_of(runtime, policy, policy.audit.tier)
    with runtime.reads() as session:
        auditors = [user for user, place in expertise.items() if place >= enough]
        found = audits(session, project.id, auditors, policy.drift.fields)
        accepts = count_accepts(session, project.id)
        able = tier.difference(stopped_users(session, project.id))
        model = champion(session, project.id)
        last = newest_report(session, project.id, AUDIT)
        standing = open_alerts(session, project.id)
        tripped = {each.model_version for each in suspensions(session, project.id)}

    body = {
        **rates(found, accepts),
        "second_looks": second_looks(found, policy, len(able)),
        **_auditors(found, policy),
        "claim": standing_claim(found, policy, model, tripped),
    }
    now = runtime.now()
    due = alerts_due(body["claim"], standing, now)

    if last is None or last.body != body or due:
        version = None if model is None else model.version
        with runtime.sessions.begin() as session:
            if last is None or last.body != body:
                report = Report(kind=AUDIT, model_version=version, made_at=now, body=body)
                store_report(session, project.id, report)
            for alert in due:
                store_alert(session, project.id, alert, version)
    return body


def rates(found: Audits, accepts: int) -> dict[str, Any]:
    """The pass rate over all audits that count, and apart by whatever tells accepts apart.

    The first is about the ``accepts`` that stand, the others about all that are alike.
    """
    judged = found.judged
    passed, chances = found.passed[judged], found.chances[judged]
    failed = found.task_ids[judged][~passed].tolist()
    overall = pass_rate(passed, chances, population=max(accepts, len(passed)))

    def by(groups: ObjectArray) -> dict[str, Any]:
        apart = pass_rates(groups[judged], passed, chances)
        return {name: each.estimate.as_json() for name, each in apart.items()}

    bands = np.array(BANDS, dtype=object)
    return {
        "audited": len(passed),
        "failed": failed[-MOST_FAILED:],
        "failed_in_all": len(failed),
        "pass_rate": overall.estimate.as_json(),
        "effective_n": overall.effective_n,
        "unanswered": _unanswered(found),
        "by_label": _largest(by(found.labels), _MOST_LABELS),
        "by_version": by(found.versions),
        "by_predictor": by(found.predictors),
        "by_policy": by(found.policies),
        "by_score": by(bands[score_bands(found.scores)]),
        "by_week": dict(sorted(by(found.weeks).items())[-MOST_WEEKS:]),
        "by_slice": {field: _largest(by(_named(values))) for field, values in found.slices.items()},
    }


def standing_claim(
    found: Audits, policy: Policy, model: ModelVersion | None, tripped: Collection[str]
) -> dict[str, Any] | None:
    """What audits say of the promise; None without one.

    Those of all versions count together, as they do where audits are drawn, but none of an earlier
    version that ``tripped`` its breaker: what was accepted then was taken back.
    """
    rule = policy.auto_accept
    if not isinstance(rule, AutoAccept):
        return None
    version = RULES_ALONE if model is None else model.version
    out = sorted(set(tripped) - {version})
    part = found.judged & ~np.isin(found.versions.astype(str), out)
    passed, chances = found.passed[part], found.chances[part]
    rate = pass_rate(passed, chances)
    claim = claim_of(~passed, chances, rule.max_error_rate, rule.confidence)
    return {"model_version": version, "pass_rate": rate.estimate.as_json(), **claim}


def _unanswered(found: Audits) -> dict[str, int]:
    """Audits that do not count: nobody answered, no auditor did, or auditors differ so far."""
    judged = found.judged
    return {
        "waiting": int(np.count_nonzero(~found.answered)),
        "contested": int(np.count_nonzero(found.contested)),
        "answered_by_others": int(np.count_nonzero(found.answered & ~judged & ~found.contested)),
    }


def _auditors(found: Audits, policy: Policy) -> dict[str, Any]:
    err = auditors_err(found, policy.audit.second_share)
    return {
        "auditor_error": {
            "sensitivity": err.sensitivity.as_json(),
            "specificity": err.specificity.as_json(),
            "reason": err.reason,
        },
        "corrected_pass_rate": err.pass_rate.as_json(),
    }


def _named(values: ObjectArray) -> ObjectArray:
    """Values of a field, nothing where a task lacks it."""
    return np.array(["" if each is None else each for each in values.tolist()], dtype=object)


def _largest(by_value: dict[str, Any], most: int = _MOST_SLICES) -> dict[str, Any]:
    """The values with the most audits: a field may have one of its own for every task.

    So may answers that are not one label of a list.
    """
    ordered = sorted(by_value.items(), key=lambda item: (-item[1]["n"], item[0]))
    return dict(ordered[:most])
