"""Use case: put accepts back into review, as many as a window holds and no others.

The decisions are appended in short transactions. What is to be taken back is told in a report
before the first and counted in another after the last, so a crash between is continued by running
it again: it takes back exactly the rest.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy.orm import Session

from backend.runtime import Runtime
from backend.store.ledger import LedgerEntry, newest_seq
from backend.store.projects import ConnectedProject
from backend.store.recalls import (
    BEGUN,
    DONE,
    Accept,
    accepted_since,
    data_of,
    entries_of,
    lock_project,
    open_recall,
    recalled_by_label,
    standing_accepts,
    store_recall,
    take_back,
    waiting_recalls,
)
from connectors.label_studio.answers import by_label, mentions
from connectors.label_studio.labeling import parse_labeling
from policies.loading import parse_policy
from policies.recalls import Scope, recall_reason, recalled
from policies.schema import Policy

logger = logging.getLogger(__name__)

# Small, so that a webhook that comes meanwhile waits for one short transaction only.
CHUNK = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why accepts are taken back; ``suspension`` is the trip of a breaker that asked for it.

    ``decided_after`` leaves out what was decided earlier, whenever its label was first accepted.
    """

    why: str
    suspension: int | None = None
    decided_after: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """What a recall took back, or would. ``frozen`` of its tasks had been frozen before.

    ``freezes`` says how many by the number of the freeze: an export of that number holds their
    labels. ``oldest`` and ``newest`` are when the first and the last of the labels were accepted.
    """

    tasks: int
    by_label: dict[str, int]
    frozen: int
    freezes: dict[str, int]
    oldest: datetime | None
    newest: datetime | None

    def as_json(self) -> dict[str, Any]:
        """Under the names that reports and commands print."""
        return {
            "tasks": self.tasks,
            "by_label": self.by_label,
            "frozen": self.frozen,
            "freezes": self.freezes,
            "oldest": None if self.oldest is None else self.oldest.isoformat(),
            "newest": None if self.newest is None else self.newest.isoformat(),
        }


def recall(
    runtime: Runtime,
    project: ConnectedProject,
    scope: Scope,
    cause: Cause,
    *,
    dry_run: bool = False,
) -> Recalled:
    """Take back the accepts of a scope that nobody has labelled, frozen ones too, oldest first.

    A label counts from when it was first accepted (``backend.store.recalls.accepted_since``), not
    from when it was last confirmed. Each task goes blind to the first tier that may decide its
    label; the next delivery withdraws the robot's annotation, and never a person's. A dry run
    changes nothing.
    """
    found = _gather(runtime, project, scope, cause)
    if dry_run:
        return _summary(project, found)
    reason = recall_reason(scope, cause.why)
    begun = _begin(runtime, project, found, (scope, cause, reason))
    if begun is None:
        return _summary(project, ())

    policy = parse_policy(project.policy_text)
    for start in range(0, len(found), CHUNK):
        seqs = [accept.seq for _, accept in found[start : start + CHUNK]]
        with runtime.reads() as session:
            part = entries_of(session, project.id, seqs)
            data = _types(session, project.id, policy, part)
        taken = [
            (entry, recalled(policy, entry.decision, data[entry.decision.task_id], reason))
            for entry in part
        ]
        with runtime.sessions.begin() as session:
            take_back(session, project.id, taken, project.policy_hash, runtime.now())

    done = _end(runtime, project, reason, begun)
    logger.info("recall.done project=%d tasks=%d", project.id, done["tasks"])
    return Recalled(
        tasks=done["tasks"],
        by_label=done["by_label"],
        frozen=done["frozen"],
        freezes=done["freezes"],
        oldest=_time(done["oldest"]),
        newest=_time(done["newest"]),
    )


def hand_over(runtime: Runtime, project: ConnectedProject) -> int:
    """Give recalled tasks to the tiers of a policy that came since; how many.

    Recalled tasks are not decided again by the version that accepted them, under no policy; but a
    tier of the policy before may be gone.
    """
    with runtime.reads() as session:
        waiting = waiting_recalls(session, project.id, project.policy_hash)
    if not waiting:
        return 0
    policy = parse_policy(project.policy_text)
    moved = 0
    for start in range(0, len(waiting), CHUNK):
        part = waiting[start : start + CHUNK]
        with runtime.sessions.begin() as session:
            data = _types(session, project.id, policy, part)
            taken = [
                (entry, recalled(policy, decision, data[decision.task_id], decision.reason))
                for entry in part
                for decision in (entry.decision,)
            ]
            moved += take_back(session, project.id, taken, project.policy_hash, runtime.now())
    return moved


def _gather(
    runtime: Runtime, project: ConnectedProject, scope: Scope, cause: Cause
) -> list[tuple[datetime, Accept]]:
    """The accepts of the scope with the time since when they stand, oldest first.

    What was decided before the window is in none: it was accepted then at the latest.
    """
    policy = parse_policy(project.policy_text)
    labeling = parse_labeling(project.label_config)
    times = [time for time in (scope.since, cause.decided_after) if time is not None]

    @cache  # many accepts are of few sorts
    def wanted(predictor: str | None, label: str | None, version: str | None) -> bool:
        named = scope.label is not None and label is not None and not labeling.is_list
        spoken = scope.label if named and scope.label in mentions(labeling, label or "") else label
        return scope.takes((predictor, spoken), version, policy)

    with runtime.reads() as session:
        accepts = [
            each
            for each in standing_accepts(
                session, project.id, decided_after=max(times, default=None)
            )
            if wanted(each.predictor, each.label, each.model_version)
        ]
        since = accepted_since(session, project.id, [each.task_id for each in accepts])
    found = [(since[each.task_id], each) for each in accepts if scope.spans(since[each.task_id])]
    return sorted(found, key=lambda pair: (pair[0], pair[1].task_id))


def _types(
    session: Session, project_id: int, policy: Policy, entries: Sequence[LedgerEntry]
) -> Mapping[int, dict[str, Any]]:
    """The data of the entries' tasks, empty where no tier of the policy looks at their types."""
    ids = [each.decision.task_id for each in entries]
    if all(tier.task_types is None for tier in policy.tiers):
        return {task_id: {} for task_id in ids}
    return data_of(session, project_id, ids)


def _begin(
    runtime: Runtime,
    project: ConnectedProject,
    found: Sequence[tuple[datetime, Accept]],
    asked: tuple[Scope, Cause, str],
) -> dict[str, Any] | None:
    """The report that the recall begins with: that of one that was cut off, or a new one.

    None where there is nothing to take back; a breaker's recall is told all the same.
    """
    scope, cause, reason = asked
    with runtime.sessions.begin() as session:
        lock_project(session, project.id)
        before = open_recall(session, project.id, reason)
        if before is not None:
            return before.body
        if not found and (cause.suspension is None or cause.decided_after is not None):
            return None
        body = {
            "state": BEGUN,
            "reason": reason,
            "why": cause.why,
            "suspension": cause.suspension,
            "after_seq": newest_seq(session, project.id),
            **scope.as_json(),
            **_summary(project, found).as_json(),
        }
        store_recall(session, project.id, body, scope.model_version, runtime.now())
    return body


def _end(
    runtime: Runtime, project: ConnectedProject, reason: str, begun: dict[str, Any]
) -> dict[str, Any]:
    """Report what was taken back, counted in the ledger; once, where two were at it."""
    with runtime.sessions.begin() as session:
        lock_project(session, project.id)
        taken = recalled_by_label(session, project.id, reason, begun["after_seq"])
        named = by_label(parse_labeling(project.label_config), taken)
        done = {**begun, "state": DONE, "tasks": sum(taken.values()), "by_label": named}
        standing = open_recall(session, project.id, reason)
        if standing is not None and standing.body == begun:
            version = begun["scope"]["version"]
            store_recall(session, project.id, done, version, runtime.now())
    return done


def _summary(project: ConnectedProject, found: Sequence[tuple[datetime, Accept]]) -> Recalled:
    labels = Counter(each.label or "" for _, each in found)
    freezes = Counter(str(each.freeze) for _, each in found if each.freeze is not None)
    return Recalled(
        tasks=len(found),
        by_label=by_label(parse_labeling(project.label_config), labels),
        frozen=freezes.total(),
        freezes=dict(sorted(freezes.items())),
        oldest=found[0][0] if found else None,
        newest=found[-1][0] if found else None,
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
