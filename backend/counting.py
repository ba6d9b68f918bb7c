"""Use case: the sums over a project's large tables, made in a round so that no page makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from backend.reviewers import labels_by_tier, tier_members
from backend.runtime import Runtime
from backend.store.alerts import open_alerts
from backend.store.certificates import valid_certification
from backend.store.counts import (
    ProjectCounts,
    TierDay,
    counts_of,
    kept_with_counts,
    store_counts,
)
from backend.store.figures import labels_since
from backend.store.ledger import newest_seq
from backend.store.models import all_versions, champion
from backend.store.projects import ConnectedProject
from backend.store.suspensions import standing_suspensions
from backend.store.tallies import (
    count_accepted_since,
    count_first_answers,
    is_small,
    proving_looks,
    seq_before,
    tallies,
    tally_marks,
)
from backend.store.training import RUNNING, open_requests
from policies.drift import DRIFT_ALERT, TRAFFIC
from policies.loading import parse_policy, policy_if_it_loads
from policies.promises import AutoAccept
from policies.schema import Policy
from policies.spending import Saving, Work, saving_of
from policies.stages import Stage, Standing, stage_of

WEEK = timedelta(days=7)
# Tasks, and entries of the ledger, that are counted while somebody waits: a tenth of a second.
_COUNTED_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _ModelAnswers:
    """How many answers models gave, as the ledger's part after ``since`` and all of it tell it.

    It ended with ``until``, so that what was counted once need not be counted again.
    """

    since: int
    until: int
    this_week: int
    in_all: int


_NOTHING_COUNTED = _ModelAnswers(since=0, until=0, this_week=0, in_all=0)


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Job: count anew and keep it, unless nothing that counts has moved within the hour.

    After an hour it counts all the same, because seven days and a day end by themselves.
    """
    now = runtime.now()
    policy = parse_policy(project.policy_text)
    with runtime.reads() as session:
        kept = kept_with_counts(session, project.id)
        marks = _marks(session, project, now)
        if kept.get("marks") == marks:
            return {"state": "nothing new"}
    members = tier_members(runtime, policy)
    with runtime.reads() as session:
        answers = _model_answers(session, project.id, kept.get("answers"), now - WEEK)
        counts = _with_people(
            session, (project, policy), counted(session, project, now), (members, answers)
        )

    with runtime.sessions.begin() as session:
        store_counts(session, project.id, counts, {"marks": marks, "answers": asdict(answers)})
    return {"state": "counted", "tasks": counts.tasks, "stage": counts.stage.value}


def shown_counts(
    session: Session, project: ConnectedProject, now: datetime
) -> ProjectCounts | None:
    """The last counts; before the job's first run what the tables say now.

    Then what needs Label Studio (who belongs to which tier) is None: no page waits for it. Nor does
    one wait until a large project is counted: of that there is None before the first run.
    """
    found = counts_of(session, project.id)
    if found is None and is_small(session, project.id, _COUNTED_AT_ONCE):
        return counted(session, project, now)
    return found


def counted(session: Session, project: ConnectedProject, now: datetime) -> ProjectCounts:
    """What the tables say now, but for what needs Label Studio."""
    found = tallies(session, project)
    return ProjectCounts(
        tasks=found.tasks,
        human_labels=found.human_labels,
        labelled_tasks=found.labelled_tasks,
        accepted=found.accepted,
        accepted_this_week=count_accepted_since(session, project.id, now - WEEK),
        waiting=found.waiting,
        decisions=found.decisions,
        deliveries=found.deliveries,
        queues=found.queues,
        labels_this_week=None,
        today=None,
        saved_this_week=None,
        saved=None,
        stage=stage_now(session, project),
        as_of=now,
    )


def stage_now(session: Session, project: ConnectedProject) -> Stage:
    """The stage of the loop, by what serves, is proved, suspended, trained and has drifted."""
    policy = policy_if_it_loads(project.policy_text)
    serving = champion(session, project.id)
    certified = suspended = None
    if serving is not None:
        version = serving.version
        certified = valid_certification(session, project.id, version, project.policy_hash)
        suspended = standing_suspensions(session, project.id, version)
    standing = Standing(
        has_model=serving is not None,
        may_accept=policy is not None and isinstance(policy.auto_accept, AutoAccept),
        proved=certified is not None and bool(certified.certification.thresholds),
        suspended=bool(suspended),
        trains=any(each.state == RUNNING for each in open_requests(session, project.id)),
        drifted=(DRIFT_ALERT, TRAFFIC) in open_alerts(session, project.id),
    )
    return stage_of(standing)


def _marks(session: Session, project: ConnectedProject, now: datetime) -> list[Any]:
    """What the counts hang on, as it comes back from JSON."""
    return [
        now.astimezone(UTC).strftime("%Y-%m-%dT%H"),
        project.policy_hash,
        sorted(project.views),
        stage_now(session, project).value,
        len(all_versions(session, project.id)),
        *tally_marks(session, project.id),
    ]


def _model_answers(
    session: Session, project_id: int, kept: Mapping[str, int] | None, week_began: datetime
) -> _ModelAnswers:
    """Counted on from what was kept: the ledger only grows, and the week only moves on."""
    until, since = newest_seq(session, project_id), seq_before(session, project_id, week_began)
    before = (
        _ModelAnswers(**kept) if kept else _ModelAnswers(since=0, until=0, this_week=0, in_all=0)
    )

    def first(after: int, end: int) -> int:
        return count_first_answers(session, project_id, after, end) if end > after else 0

    new = first(before.until, until)
    if before.since <= since <= before.until:
        this_week = before.this_week - first(before.since, since) + new
    else:
        this_week = first(since, until)
    return _ModelAnswers(since=since, until=until, this_week=this_week, in_all=before.in_all + new)


def _with_people(
    session: Session,
    of: tuple[ConnectedProject, Policy],
    counts: ProjectCounts,
    found: tuple[dict[str, set[int]], _ModelAnswers],
) -> ProjectCounts:
    """The counts with what takes to know who belongs to which tier."""
    (project, policy), (members, answers), now = of, found, counts.as_of
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    today = labels_by_tier(labels_since(session, project.id, midnight), members)
    week = labels_by_tier(labels_since(session, project.id, now - WEEK), members)
    trained = [each.trained_at for each in all_versions(session, project.id)]

    def saving(accepted: int, since: datetime | None, predictions: int) -> Saving:
        looks = labels_by_tier(proving_looks(session, project.id, since), members)
        trainings = sum(since is None or each >= since for each in trained)
        proving = Work(looks=looks, predictions=predictions, trainings=trainings)
        return saving_of(policy, accepted, proving)

    return replace(
        counts,
        labels_this_week=week,
        today={
            tier.name: TierDay(answered=today[tier.name], capacity=tier.daily_capacity)
            for tier in policy.tiers
        },
        saved_this_week=saving(counts.accepted_this_week, now - WEEK, answers.this_week),
        saved=saving(counts.accepted, None, answers.in_all),
    )
