"""How each group's breaker stands, as the page, the metrics and the command show it.

Read from what the last round stored, so that it costs two short queries and no question to Label
Studio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy.orm import Session

from backend.runtime import Runtime
from backend.store.models import champion
from backend.store.projects import ConnectedProject
from backend.store.reports import BREAKER, Report, newest_report, store_report
from backend.store.suspensions import standing_suspensions
from policies.breaker import Suspension
from policies.promises import AutoAccept, Group
from policies.schema import Policy
from policies.trips import Watched, scope_named


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """A group's breaker. It trips where ``statistic`` reaches ``limit``.

    ``state`` is armed, suspended, or reset: then it waits for a new certificate, and at most
    ``waiting_for`` control answers are lacking for the look at it. ``audits`` and ``errors`` are
    those that were counted since it was last armed. ``since``, ``why`` and ``good_until`` are of
    the trip, None where it is armed.
    """

    model_version: str
    group: Group
    state: Literal["armed", "suspended", "reset"]
    statistic: float
    limit: float
    max_error_rate: float
    audits: int
    errors: int
    since: datetime | None = None
    why: str | None = None
    good_until: datetime | None = None
    reset_at: datetime | None = None
    reset_why: str | None = None
    waiting_for: int | None = None

    @property
    def about(self) -> str:
        """The version and the group in words."""
        return scope_named(self.model_version, self.group)

    def as_json(self) -> dict[str, Any]:
        """Plain values, as commands print them."""
        times = {"since": self.since, "good_until": self.good_until, "reset_at": self.reset_at}
        return {
            "version": self.model_version,
            "predictor": self.group[0],
            "label": self.group[1],
            "state": self.state,
            "statistic": self.statistic,
            "limit": self.limit,
            "max_error_rate": self.max_error_rate,
            "audits": self.audits,
            "errors": self.errors,
            "why": self.why,
            **{name: None if time is None else time.isoformat() for name, time in times.items()},
            "reset_why": self.reset_why,
            "waiting_for": self.waiting_for,
        }


def breaker_states(session: Session, project_id: int, policy: Policy) -> list[BreakerState]:
    """Every group of the version that serves; none where nothing is accepted or nothing serves."""
    model = champion(session, project_id)
    if model is None or not isinstance(policy.auto_accept, AutoAccept):
        return []
    last = newest_report(session, project_id, BREAKER)
    body = last.body if last is not None and last.model_version == model.version else {"groups": []}
    known = {(each["predictor"], each["label"]): each for each in body["groups"]}
    standing = {
        each.group: each for each in standing_suspensions(session, project_id, model.version)
    }
    groups = dict.fromkeys([*known, *standing])
    return [
        _state(model.version, group, policy, (known.get(group), standing.get(group)))
        for group in groups
    ]


def _state(
    version: str,
    group: Group,
    policy: Policy,
    found: tuple[dict[str, Any] | None, Suspension | None],
) -> BreakerState:
    figures, trip = found
    limit = float(policy.breaker.average_run)
    if trip is None:
        return BreakerState(
            model_version=version,
            group=group,
            state="armed",
            limit=limit,
            max_error_rate=promised_error_rate(policy, group),
            statistic=0.0 if figures is None else figures["statistic"],
            audits=0 if figures is None else figures["audits"],
            errors=0 if figures is None else figures["errors"],
        )
    return BreakerState(
        model_version=version,
        group=group,
        state="suspended" if trip.reset_at is None else "reset",
        limit=limit,
        max_error_rate=promised_error_rate(policy, group),
        statistic=trip.statistic,
        audits=trip.audits,
        errors=trip.errors,
        since=trip.since,
        why=trip.why,
        good_until=trip.good_until,
        reset_at=trip.reset_at,
        reset_why=trip.reset_why,
        waiting_for=None if figures is None or trip.reset_at is None else figures["waiting_for"],
    )


def promised_error_rate(policy: Policy, group: Group) -> float:
    """The largest share of a group's accepts that may be wrong; 0 where nothing is accepted."""
    rule = policy.auto_accept
    if not isinstance(rule, AutoAccept):
        return 0.0
    return rule.of(group[1]).max_error_rate or rule.max_error_rate


def keep(
    runtime: Runtime,
    project: ConnectedProject,
    version: str,
    looked: Sequence[tuple[Watched, int | None]],
) -> None:
    """Store what the audits have come to, where it has changed.

    Each group with the control answers that are lacking for a look at it, None where it waits for
    none.
    """
    body = {
        "groups": [
            {
                "predictor": each.group[0],
                "label": each.group[1],
                "audits": each.audits,
                "errors": each.errors,
                "statistic": each.statistic,
                "max_error_rate": each.max_error_rate,
                "waiting_for": lacking,
            }
            for each, lacking in looked
        ]
    }
    with runtime.reads() as session:
        last = newest_report(session, project.id, BREAKER)
    if last is not None and (last.model_version, last.body) == (version, body):
        return
    with runtime.sessions.begin() as session:
        report = Report(kind=BREAKER, model_version=version, made_at=runtime.now(), body=body)
        store_report(session, project.id, report)
