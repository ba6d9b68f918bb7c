"""What trips mean for certificates and freezes; a new certificate arms the breaker again."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from backend.breakers.alerts import moved, opened
from backend.runtime import Runtime
from backend.store.alerts import open_alerts, store_alert
from backend.store.freezes import Standing
from backend.store.models import all_versions, champion
from backend.store.projects import ConnectedProject, policy_text_of
from backend.store.suspensions import (
    rearm_suspension,
    reset_suspension,
    standing_suspensions,
    store_group,
    store_suspension,
    suspensions,
    use_up_reset,
)
from backend.store.votes import answered_after
from policies.breaker import Suspension
from policies.domain import Certificate, Certification
from policies.loading import parse_policy
from policies.promises import AutoAccept, Group
from policies.rearming import Doubts, doubted_since, proved_with, regrouped
from policies.safeguards import suspended_by
from policies.trips import scope_named

logger = logging.getLogger(__name__)


def doubts_of(
    session: Session, project_id: int, model_version: str, certification: Certification | None
) -> Doubts:
    """The trips of a version, and the answers that still speak for the groups that tripped."""
    trips = suspensions(session, project_id, model_version)
    since = doubted_since(trips, certification)
    return Doubts(
        trips=trips,
        telling={group: answered_after(session, project_id, time) for group, time in since.items()},
    )


def settle_resets(
    session: Session,
    project_id: int,
    doubts: Doubts,
    found: tuple[Sequence[Certificate], Collection[Group]],
    now: datetime,
) -> None:
    """Arm the groups whose promise was proved; where it was not, the reset is used up.

    ``found`` has the new certificates, and the groups of all promises.
    """
    certificates, promised = found
    made = {each.group: each for each in certificates}
    for group, trip in doubts.reset.items():
        certificate = made.get(proved_with(group, promised))
        if certificate is None:
            continue
        if certificate.threshold is None:
            use_up_reset(session, trip.id)
        else:
            rearm_suspension(session, trip.id, now)
        about = scope_named(certificate.model_version, group)
        outcome = "still_suspended" if certificate.threshold is None else "armed"
        logger.info("breaker.%s project=%d about=%s", outcome, project_id, about)


def without_suspended(rule: AutoAccept, standing: Standing, doubts: Doubts) -> Standing:
    """Accepts of a group whose breaker tripped are held: no freeze takes them or looks at them."""
    held = suspended_by(rule, list(doubts.suspended), standing.answers) >= 0
    return replace(standing, accepted=standing.accepted & ~held, settled=standing.settled & ~held)


def reset_breakers(
    runtime: Runtime, project: ConnectedProject, label: str | None, why: str
) -> list[Suspension]:
    """Let what is suspended be certified anew: all groups of the serving version, or a label's.

    Returns the suspensions that were reset; one that was reset before keeps its reason and is left
    out.
    """
    with runtime.sessions.begin() as session:
        serving = champion(session, project.id)
        if serving is None:
            return []
        due = [
            each
            for each in standing_suspensions(session, project.id, serving.version)
            if each.reset_at is None and (label is None or each.group[1] == label)
        ]
        for each in due:
            reset_suspension(session, each.id, why, runtime.now())
    return due


def regroup(session: Session, project: ConnectedProject, now: datetime) -> None:
    """Before a policy comes into force: what is suspended stays so, however it cuts the answers.

    A label that gets a promise of its own leaves the group of all others, which tripped with it.
    """
    text = policy_text_of(session, project.id)
    rule = parse_policy(project.policy_text).auto_accept
    trips = suspensions(session, project.id)
    if text is None or not trips or not isinstance(rule, AutoAccept):
        return
    policy = parse_policy(text)
    before = policy.auto_accept if isinstance(policy.auto_accept, AutoAccept) else None
    labels = {each.version: each.labels for each in all_versions(session, project.id)}
    known = {(each.model_version, each.group, each.since) for each in trips}
    alerts = open_alerts(session, project.id)
    for trip in trips:
        said = policy.says(labels.get(trip.model_version, ())).get(trip.group[0], ())
        groups = regrouped(trip.group, said, before, rule)
        alert = alerts.get(("breaker", scope_named(trip.model_version, trip.group)))
        if trip.group not in groups:
            store_group(session, trip.id, groups[0])
            if alert is not None:
                store_alert(session, project.id, moved(alert, now), trip.model_version)
        for group in groups:
            part = replace(trip, group=group)
            if (trip.model_version, group, trip.since) in known:
                continue
            if group != groups[0] or trip.group in groups:
                store_suspension(session, project.id, part)
            if alert is not None and part.rearmed_at is None:
                tripped = replace(opened(part, {}), made_at=now)
                store_alert(session, project.id, tripped, trip.model_version)
