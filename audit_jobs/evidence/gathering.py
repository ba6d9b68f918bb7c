"""What is known of a project in a period, from the store, in plain values."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from sqlalchemy.orm import Session

from audit_jobs.documents.stored import told
from audit_jobs.evidence.people import Reviewers
from audit_jobs.evidence.period import Period
from audit_jobs.figures.assembly import changed_features
from audit_jobs.figures.incidents import incidents
from backend.store.acts import acts_between
from backend.store.certificates import certificate_of
from backend.store.ledger_check import verify_ledger
from backend.store.models import all_versions
from backend.store.oversight import (
    Overseen,
    certified_between,
    entry_before,
    given,
    overseen,
    policies_between,
)
from backend.store.projects import ConnectedProject
from backend.store.promotions import promotions
from backend.store.reports import (
    AGREEMENT,
    AUDIT,
    CURVES,
    DRIFT,
    FIGURES,
    MONITORING,
    newest_report,
    reports,
)
from policies.certifying import told as told_certificate
from policies.domain import Outcome
from policies.loading import PolicyError, parse_policy
from policies.promises import AutoAccept

# What a report of the period's end holds; the figures of a week carry its name.
_AUDIT = ("audited", "failed_in_all", "pass_rate", "corrected_pass_rate", "unanswered", "claim")
_AGREEMENT = "krippendorff_alpha"
_SLICES = ("routed", "agreement_drawn", "random")


def evidence(
    session: Session, project: ConnectedProject, period: Period, reviewers: Reviewers
) -> dict[str, Any]:
    """The whole body of a report; what was not measured by then is null.

    Jobs' measurements are those that stood at the end of the period. The ledger is recomputed
    here, from its first entry to its last.
    """
    stored = newest_report(session, project.id, FIGURES, period.end)
    monitored = newest_report(session, project.id, MONITORING, period.end)
    return {
        "project": {"id": project.id, "title": project.title},
        "period": {"since": period.start.isoformat(), "until": period.end.isoformat()},
        "labelgate": version("labelgate"),
        "made_at": None if stored is None else stored.made_at.isoformat(),
        "model_version": None if stored is None else stored.model_version,
        **({} if stored is None else told(stored)),
        "monitoring": None if monitored is None else told(monitored),
        "incidents": _happened(session, project.id, period),
        "policies": _policies(session, project.id, period),
        "certificates": _certificates(session, project.id, period),
        "oversight": _oversight(session, project.id, period, reviewers),
        "scores": _scores(session, project.id, period),
        "audits": _audits(session, project.id, period),
        "agreement": _agreement(session, project.id, period),
        "drift_looks": _drift(session, project.id, period),
        "models": _models(session, project.id, period),
        "acts": [
            {"at": each.at, "who": each.who, "what": each.what, "detail": dict(each.detail)}
            for each in acts_between(session, project.id, period.start, period.end)
        ],
        "ledger": _ledger(session, project.id, period),
    }


def _happened(session: Session, project_id: int, period: Period) -> dict[str, Any]:
    """Incidents of the period, and the alerts that stand now where it goes on until now."""
    found = incidents(session, project_id)
    return {
        "suspensions": [
            each for each in found["suspensions"] if period.overlaps(each["at"], each["rearmed_at"])
        ],
        **{
            kind: [each for each in found[kind] if period.holds(each["at"])]
            for kind in ("recalls", "thresholds")
        },
        "alerts": [each for each in found["alerts"] if each["since"] < period.end],
    }


def _policies(session: Session, project_id: int, period: Period) -> list[dict[str, Any]]:
    found = policies_between(session, project_id, period.start, period.end)
    return [{**asdict(each), **_promise(each.text)} for each in found]


def _promise(text: str) -> dict[str, Any]:
    """What a policy promises of labels without a person; a policy of an older schema may not load.

    Its text is in the report all the same.
    """
    try:
        policy = parse_policy(text)
    except PolicyError as error:
        return {"stakes": None, "promise": None, "unreadable": str(error)}
    rule = policy.auto_accept
    promised = (
        {
            "max_error_rate": rule.max_error_rate,
            "confidence": rule.confidence,
            "audit_share": policy.audit.share,
            "audit_tier": policy.audit.tier,
        }
        if isinstance(rule, AutoAccept)
        else None
    )
    return {"stakes": policy.stakes.value, "promise": promised, "unreadable": None}


def _certificates(session: Session, project_id: int, period: Period) -> list[dict[str, Any]]:
    return [
        {
            "certification": each.id,
            "model_version": each.model_version,
            "policy_hash": each.policy_hash,
            "certified_at": each.certified_at,
            "ended_at": each.voided_at,
            "ended_because": each.void_reason,
            "withdrawn": each.withdrawn,
            "in_words": told_certificate(certificate_of(dict(evidence)), 0.0),
            "evidence": {name: value for name, value in evidence.items() if name != "grid"},
        }
        for each in certified_between(session, project_id, period.start, period.end)
        for evidence in each.evidence
    ]


def _oversight(
    session: Session, project_id: int, period: Period, reviewers: Reviewers
) -> dict[str, Any]:
    decided = overseen(session, project_id, period.start, period.end)
    people = given(session, project_id, period.start, period.end)
    in_all = sum(each.labels for each in people)
    tasks = sum(each.tasks for each in decided)
    alone = sum(each.tasks - each.seen for each in decided if _accepted(each))
    return {
        "tasks": tasks,
        "without_a_person": alone,
        "decisions": [asdict(each) for each in decided],
        "labels": in_all,
        "tiers_known": reviewers.known,
        "people": [
            {
                **asdict(each),
                "share": each.labels / in_all,
                "tier": reviewers.tier(each.user_id),
                "name": reviewers.name(each.user_id),
            }
            for each in people
        ],
    }


def _accepted(each: Overseen) -> bool:
    """What was drawn for an audit stands on the model's word as well until somebody has looked."""
    return each.outcome == Outcome.ACCEPT.value


def _audits(session: Session, project_id: int, period: Period) -> dict[str, Any] | None:
    found = newest_report(session, project_id, AUDIT, period.end)
    if found is None:
        return None
    return {
        "as_of": found.made_at,
        **{name: found.body.get(name) for name in _AUDIT},
        "by_label": found.body.get("by_label", {}),
        "by_week": {
            week: rate
            for week, rate in found.body.get("by_week", {}).items()
            if period.has_week(week)
        },
    }


def _scores(session: Session, project_id: int, period: Period) -> dict[str, Any] | None:
    """What the scores of the version that served were worth when that was last measured."""
    found = newest_report(session, project_id, CURVES, period.end)
    if found is None:
        return None
    return {
        "as_of": found.made_at,
        "model_version": found.model_version,
        "answers": found.body["answers"],
        "groups": found.body["groups"],
        "reliability": found.body["reliability"],
    }


def _agreement(session: Session, project_id: int, period: Period) -> dict[str, Any] | None:
    found = newest_report(session, project_id, AGREEMENT, period.end)
    if found is None:
        return None
    controls = {
        name: {
            "type": control["type"],
            "all": control.get("measures", {}).get(_AGREEMENT),
            **{part: control["slices"].get(part, {}).get(_AGREEMENT) for part in _SLICES},
        }
        for name, control in found.body.get("controls", {}).items()
    }
    return {"as_of": found.made_at, "controls": controls}


def _drift(session: Session, project_id: int, period: Period) -> list[dict[str, Any]]:
    return [
        {
            "at": each.made_at,
            "model_version": each.model_version,
            "drifted": each.body["drifted"],
            "features": changed_features(each.body),
        }
        for each in reports(session, project_id, DRIFT)
        if period.holds(each.made_at)
    ]


def _models(session: Session, project_id: int, period: Period) -> list[dict[str, Any]]:
    served = promotions(session, project_id)
    return [
        {
            "version": each.version,
            "trained_at": each.trained_at,
            "state": each.state,
            "holdout_accuracy": each.verdict.get("holdout_accuracy"),
            "verdict": each.verdict.get("reason"),
            "examples": each.lineage.get("examples"),
            "sha256": each.sha256,
            "served": [
                {"at": change.at, "on_the_word_of": change.kind.value, "why": change.why}
                for change in served
                if change.version == each.version and period.holds(change.at)
            ],
        }
        for each in all_versions(session, project_id)
        if each.trained_at < period.end
    ]


def _ledger(session: Session, project_id: int, period: Period) -> dict[str, Any]:
    check = verify_ledger(session, project_id)
    last = entry_before(session, project_id, period.end)
    return {
        "verified": check.why is None,
        "why_not": check.why,
        "broken_entry": check.broken_seq,
        "entries": check.entries,
        "head": check.head,
        "last_of_period": None if last is None else {"entry": last[0], "hash": last[1]},
    }
