"""Job: how good each annotator is where the truth is known, and whose answers count.

The truth is what is marked as ground truth in Label Studio, and for the tasks that the policy
lists the top tier's answer.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from audit_jobs.measures.gold import below, gold_of, gold_scores
from audit_jobs.measures.ratings import ratings_of
from backend.retraining import ask
from backend.reviewers import expertise_of
from backend.runtime import Runtime
from backend.store.alerts import Alert, store_alert
from backend.store.annotators import stopped_users, store_stopped
from backend.store.gold import GoldTask, gold_tasks, ground_truths, store_gold
from backend.store.models import champion
from backend.store.projects import ConnectedProject, store_placed_for
from backend.store.reports import GOLD, Report, newest_report, store_report
from backend.store.tasks import recount_users
from backend.store.votes import Vote, votes_among
from policies.adjudication import most_named
from policies.domain import Estimate
from policies.loading import parse_policy
from policies.schema import Policy

logger = logging.getLogger(__name__)

# Only the newest answers of each person count, so that who has learned can come back.
RECENT = 50
ALERT = "gold"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    """What the store knows: ``listed`` are the votes on the tasks that the policy names."""

    policy: Policy
    truths: Sequence[Vote]
    listed: Sequence[Vote]
    known: Sequence[GoldTask]
    stopped: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Gold, and what came of it: ``conflicting`` truths and ``waiting`` listed tasks are none."""

    tasks: tuple[GoldTask, ...]
    conflicting: tuple[int, ...]
    waiting: tuple[int, ...]


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Score everybody on gold, and note who counts; keep a report of changes."""
    policy = parse_policy(project.policy_text)
    with runtime.reads() as session:
        gathered = _Gathered(
            policy=policy,
            truths=ground_truths(session, project.id),
            listed=votes_among(session, project.id, policy.gold.tasks),
            known=gold_tasks(session, project.id),
            stopped=stopped_users(session, project.id),
        )
        last = newest_report(session, project.id, GOLD)
    nothing = not (gathered.truths or policy.gold.tasks or gathered.known or gathered.stopped)
    if nothing and last is None:
        return {"state": "no gold"}
    found = gold_found(gathered, _top(runtime, policy))
    with runtime.reads() as session:
        votes = votes_among(session, project.id, [task.task_id for task in found.tasks])

    scores = scores_of(votes, found.tasks)
    stopped = stopped_by(scores, policy.gold.minimum, gathered.stopped)
    body = _body(policy, found, scores, stopped)

    if last is None or last.body != body or found.tasks != tuple(gathered.known):
        with runtime.sessions.begin() as session:
            _record(session, project, (found.tasks, stopped, scores), runtime.now())
            version = champion(session, project.id)
            report = Report(
                kind=GOLD,
                model_version=None if version is None else version.version,
                made_at=runtime.now(),
                body=body,
            )
            store_report(session, project.id, report)
    return {name: body[name] for name in ("tasks", "stopped", "conflicting", "waiting")}


def gold_found(gathered: _Gathered, top: Collection[int]) -> _Found:
    """The gold tasks, by id; ``top`` are the people of the top tier."""
    marked: dict[int, list[Vote]] = defaultdict(list)
    for vote in gathered.truths:
        marked[vote.task_id].append(vote)
    conflicting = {task for task, votes in marked.items() if len({v.label for v in votes}) > 1}
    tasks = {
        task_id: GoldTask(
            task_id=task_id, label=votes[0].label, authors=frozenset(v.user_id for v in votes)
        )
        for task_id, votes in marked.items()
        if task_id not in conflicting
    }
    by_top: dict[int, list[str]] = defaultdict(list)
    for vote in gathered.listed:
        if vote.user_id in top and vote.user_id not in gathered.stopped:
            by_top[vote.task_id].append(vote.label)
    for task_id, labels in by_top.items():
        if task_id not in marked:
            label = most_named(labels)
            tasks[task_id] = GoldTask(task_id=task_id, label=label, authors=frozenset(top))
    listed = gathered.policy.gold.tasks
    return _Found(
        tasks=tuple(tasks[task_id] for task_id in sorted(tasks)),
        conflicting=tuple(sorted(conflicting)),
        waiting=tuple(task for task in listed if task not in marked and task not in tasks),
    )


def scores_of(votes: Iterable[Vote], tasks: Iterable[GoldTask]) -> dict[int, Estimate]:
    """User id -> the share of right answers among the newest ones, not on one's own truth."""
    gold = {task.task_id: task for task in tasks}
    newest: dict[int, list[Vote]] = defaultdict(list)
    for vote in votes:
        if vote.user_id not in gold[vote.task_id].authors:
            newest[vote.user_id].append(vote)
    counted = [vote for own in newest.values() for vote in own[-RECENT:]]
    ratings = ratings_of(
        [str(vote.task_id) for vote in counted],
        [str(vote.user_id) for vote in counted],
        [vote.label for vote in counted],
    )
    truth = gold_of(ratings, {str(task_id): task.label for task_id, task in gold.items()})
    scores = zip(ratings.rater_names, gold_scores(ratings, truth), strict=True)
    return dict(sorted((int(name), score) for name, score in scores))


def stopped_by(
    scores: Mapping[int, Estimate], minimum: float | None, before: Mapping[int, str]
) -> dict[int, str]:
    """Whose answers do not count, and why.

    They stop once the score is under the minimum for certain, and count again once it is at the
    minimum: between the two everybody stays as he is, so that nobody flickers.
    """
    stopped: dict[int, str] = {}
    for user, score in scores.items():
        if minimum is None or score.value is None:
            continue
        if user in before and score.value < minimum:
            stopped[user] = before[user]
        elif user not in before and below(score, minimum):
            stopped[user] = _why(score, minimum)
    return stopped


def _why(score: Estimate, minimum: float) -> str:
    right = round((score.value or 0.0) * score.n)
    return f"{right} of {score.n} gold answers are right, the policy asks for {minimum:.0%}"


def _top(runtime: Runtime, policy: Policy) -> frozenset[int]:
    if not policy.gold.tasks:
        return frozenset()
    top = len(policy.tiers) - 1
    places = expertise_of(runtime, policy)
    return frozenset(user for user, place in places.items() if place == top)


def _body(
    policy: Policy, found: _Found, scores: Mapping[int, Estimate], stopped: Mapping[int, str]
) -> dict[str, Any]:
    return {
        "tasks": len(found.tasks),
        "conflicting": list(found.conflicting),
        "waiting": list(found.waiting),
        "minimum": policy.gold.minimum,
        "annotators": [
            {"user_id": user, "score": score.as_json(), "counts": user not in stopped}
            for user, score in scores.items()
        ],
        "stopped": [{"user_id": user, "why": why} for user, why in stopped.items()],
    }


def _record(
    session: Session,
    project: ConnectedProject,
    decided: tuple[Sequence[GoldTask], Mapping[int, str], Mapping[int, Estimate]],
    now: datetime,
) -> None:
    """Gold and who counts, with all that follows: labels counted anew, alerts, a training."""
    tasks, stopped, scores = decided
    store_gold(session, project.id, tasks, now)
    changed = store_stopped(session, project.id, stopped, now)
    store_placed_for(session, project.id, "gold since")
    if not changed:
        return
    recount_users(session, project.id, changed)
    policy = parse_policy(project.policy_text)
    for user in sorted(changed):
        alert = _alert((user, stopped.get(user), scores.get(user)), policy.gold.minimum, now)
        store_alert(session, project.id, alert)
        logger.warning("gold.counting project=%d user=%d: %s", project.id, user, alert.says)
    if champion(session, project.id) is not None:
        who = ", ".join(str(user) for user in sorted(changed))
        ask(session, project, policy, f"gold changed whether user {who} counts", now)


def _alert(
    person: tuple[int, str | None, Estimate | None], minimum: float | None, now: datetime
) -> Alert:
    user, why, score = person
    says = f"user {user} counts again"
    if why is not None and minimum is not None:
        says = (
            f"the answers of user {user} have stopped counting: {why}. They count again once "
            f"{minimum:.0%} of that person's newest {RECENT} gold answers are right; gold tasks "
            "stay in the queue for that"
        )
    return Alert(
        name=ALERT,
        about=f"user {user}",
        opened=why is not None,
        says=says,
        detail={"user_id": user, "score": None if score is None else score.as_json()},
        made_at=now,
    )
