"""Job: once a night audits move the thresholds, each group's by one bounded step at most."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from backend.leasing import holding
from backend.reviewers import expertise_of
from backend.runtime import Runtime
from backend.store.audit_answers import Audits, audits
from backend.store.certificates import (
    StoredCertification,
    store_certification,
    valid_certification,
)
from backend.store.models import champion
from backend.store.projects import ConnectedProject
from backend.store.reports import THRESHOLD, Report, reports, store_report
from backend.store.suspensions import standing_suspensions
from policies.domain import BoolArray, Certificate
from policies.loading import parse_policy
from policies.promises import AutoAccept, Group
from policies.schema import Policy
from policies.threshold_moves import AuditedAccepts, ThresholdMove, move_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    """What is certified, what audits found since, and the groups that are left alone tonight."""

    stored: StoredCertification
    audits: Audits
    left_alone: frozenset[Group]


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Move the thresholds that bounds ask to move, with a certification and a report of each move.

    A group moves at most once a calendar day (UTC); suspended ones are left alone. All tasks that
    nobody has labelled are decided again by the new certification.
    """
    policy = parse_policy(project.policy_text)
    rule = policy.auto_accept
    if not isinstance(rule, AutoAccept):
        return {"state": "nothing is accepted", "moved": []}
    with holding(runtime, f"thresholds {project.id}") as lease:
        if lease is None:
            return {"state": "another process moves them", "moved": []}
        found = _gathered(runtime, project, policy)
        if found is None:
            return {"state": "nothing is certified", "moved": []}

        moves = _moves(rule, policy.audit.step, found)

        return {"moved": _apply(runtime, project, found, moves) if moves else []}


def _gathered(runtime: Runtime, project: ConnectedProject, policy: Policy) -> _Gathered | None:
    expertise = expertise_of(runtime, policy)
    enough = policy.order(policy.audit.tier)
    with runtime.reads() as session:
        model = champion(session, project.id)
        if model is None:
            return None
        stored = valid_certification(session, project.id, model.version, project.policy_hash)
        if stored is None:
            return None
        suspended = standing_suspensions(session, project.id, model.version)
        moved = _moved_on(session, project.id, model.version, _day(runtime.now()))
        auditors = [user for user, place in expertise.items() if place >= enough]
        found = audits(session, project.id, auditors)
    return _Gathered(
        stored=stored, audits=found, left_alone=moved.union(each.group for each in suspended)
    )


def _moves(rule: AutoAccept, step: float, found: _Gathered) -> dict[Group, ThresholdMove]:
    version = found.stored.certification.model_version
    counted = found.audits.judged & np.asarray(found.audits.versions == version, dtype=np.bool_)
    moves = {}
    for certificate in found.stored.certification.certificates:
        if certificate.group in found.left_alone:
            continue
        part = counted & _of_group(rule, certificate.group, found.audits)
        audited = AuditedAccepts(
            scores=found.audits.scores[part],
            wrong=~found.audits.passed[part],
            chances=found.audits.chances[part],
        )
        move = move_of(certificate, audited, floor=rule.floor, step=step)
        if move is not None:
            moves[certificate.group] = move
    return moves


def _of_group(rule: AutoAccept, group: Group, found: Audits) -> BoolArray:
    """The audits of answers that this group's certificate is about."""
    pairs = zip(found.predictors.tolist(), found.labels.tolist(), strict=True)
    return np.array([(by, rule.group_label(label)) == group for by, label in pairs], dtype=np.bool_)


def _apply(
    runtime: Runtime,
    project: ConnectedProject,
    found: _Gathered,
    moves: Mapping[Group, ThresholdMove],
) -> list[dict[str, Any]]:
    """Store what moved; nothing where something else was certified meanwhile."""
    before = found.stored.certification
    after = replace(before, certificates=tuple(_moved(each, moves) for each in before.certificates))
    bodies = _bodies(before.certificates, moves)
    now = runtime.now()
    with runtime.sessions.begin() as session:
        valid = valid_certification(session, project.id, before.model_version, project.policy_hash)
        if valid is None or valid.id != found.stored.id:
            return []
        stored = store_certification(session, project.id, after, project.policy_hash, now)
        for body in bodies:
            body |= {"certificate": stored.id, "replaces": found.stored.id}
            report = Report(
                kind=THRESHOLD, model_version=before.model_version, made_at=now, body=body
            )
            store_report(session, project.id, report)
    for body in bodies:
        logger.info(
            "threshold.moved project=%d version=%s group=%s from=%.3f to=%.3f",
            project.id,
            before.model_version,
            body["group"],
            body["from"],
            body["to"],
        )
    return bodies


def _moved(certificate: Certificate, moves: Mapping[Group, ThresholdMove]) -> Certificate:
    move = moves.get(certificate.group)
    if move is None or certificate.threshold is None:
        return certificate
    return replace(certificate, raised_to=move.to if move.to > certificate.threshold else None)


def _bodies(
    certificates: Sequence[Certificate], moves: Mapping[Group, ThresholdMove]
) -> list[dict[str, Any]]:
    """Each move with the evidence; ``bound`` is the bound of the error rate that asked for it."""
    found = []
    for each in certificates:
        move = moves.get(each.group)
        if move is None:
            continue
        up = move.to > move.start
        predictor, label = each.group
        found.append(
            {
                "group": {"predictor": predictor, "label": label},
                "from": move.start,
                "to": move.to,
                "proved": each.threshold,
                "bound": move.bounds.low if up else move.bounds.high,
                "evidence": {
                    "max_error_rate": each.max_error_rate,
                    "confidence": each.confidence,
                    "audits": move.bounds.audits,
                    "errors": move.bounds.errors,
                    "error": {
                        "value": move.bounds.value,
                        "low": move.bounds.low,
                        "high": move.bounds.high,
                        "n": move.bounds.audits,
                    },
                },
            }
        )
    return found


def _moved_on(session: Session, project_id: int, model_version: str, day: date) -> frozenset[Group]:
    """The groups whose threshold audits have moved on that day already."""
    return frozenset(
        (report.body["group"]["predictor"], report.body["group"]["label"])
        for report in reports(session, project_id, THRESHOLD)
        if report.model_version == model_version and _day(report.made_at) == day
    )


def _day(time: datetime) -> date:
    return time.astimezone(UTC).date()
