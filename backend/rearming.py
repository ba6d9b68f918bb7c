"""What trips mean for certificates and freezes; a new certificate arms the breaker again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from backend.runtime import Runtime
from backend.store.freezes import Standing
from backend.store.models import champion
from backend.store.projects import ConnectedProject
from backend.store.suspensions import (
    rearm_suspension,
    reset_suspension,
    standing_suspensions,
    suspensions,
    use_up_reset,
)
from backend.store.votes import answered_after
from policies.breaker import Suspension
from policies.domain import Certificate, Certification
from policies.promises import AutoAccept
from policies.rearming import Doubts, doubted_since
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
    found: Sequence[Certificate],
    now: datetime,
) -> None:
    """Arm the groups whose promise was proved; where it was not, the reset is used up."""
    for certificate in found:
        trip = doubts.reset.get(certificate.group)
        if trip is None:
            continue
        if certificate.threshold is None:
            use_up_reset(session, trip.id)
        else:
            rearm_suspension(session, trip.id, now)
        about = scope_named(certificate.model_version, certificate.group)
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
