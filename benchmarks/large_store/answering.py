"""What people answer in a week: who takes which task, how long it takes, how often they err."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import insert, or_, select

from backend.store.decisions import is_current
from backend.store.tables import AnnotationRow, DecisionRow, GoldRow, TaskRow
from backend.store.tasks import recount
from benchmarks.large_store.deciding import Play
from connectors.label_studio.answers import result_of
from connectors.label_studio.labeling import parse_labeling
from policies.domain import FloatArray, Purpose
from policies.sampling import QUEUE, draws
from policies.schema import Policy

# Share of wrong answers by tier, and the middle of their lead times in seconds.
ERRORS = {"desk": 0.006, "experts": 0.003}
_SECONDS = {"desk": 14.0, "experts": 31.0}
_BIASED_BY_ANSWER = 0.12  # of the model's errors that were shown are waved through
_SLOWEST = 1.6  # of a tier's people, times the middle one
_BUSY = 0.93  # of a week's capacity is used
_BLIND_FIRST = {Purpose.CONTROL.value: 1, Purpose.HOLDOUT.value: 1, Purpose.AGREEMENT.value: 2}
_SHOWN = frozenset({Purpose.ROUTED.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A task that somebody takes: what it showed, and how many people answer it."""

    task_id: int
    seq: int
    tier: str
    purpose: str
    label: str | None
    score: float | None
    version: str | None
    again: bool
    overlap: int
    at: datetime

    @property
    def shown(self) -> bool:
        """Whether the people saw the model's answer."""
        return self.purpose in _SHOWN and self.label is not None and not self.again


def answer_week(play: Play, policy: Policy, since: datetime, until: datetime) -> list[Answered]:
    """People work from then until then on what is most wanted; the tasks that they took."""
    days = (until - since) / timedelta(days=1)
    taken: list[Answered] = []
    for tier in policy.tiers:
        places = int(tier.daily_capacity * days * _BUSY)
        taken += _taken(play, policy, tier.name, (places, since, until))
    _answer(play, taken, until)
    return taken


def _taken(
    play: Play, policy: Policy, tier: str, room: tuple[int, datetime, datetime]
) -> Iterator[Answered]:
    places, since, until = room
    rows = _waiting(play, tier)
    order = np.argsort(_wanted(policy, rows), kind="stable").tolist()
    left = places
    span = (until - since) * 0.96
    chosen = []
    for place in order:
        row = rows[place]
        overlap = policy.agreement.overlap if row.purpose == Purpose.AGREEMENT.value else 1
        if row.escalated_to is not None:
            overlap = 1
        if left < overlap:
            break
        left -= overlap
        chosen.append((row, overlap))
    for number, (row, overlap) in enumerate(chosen):
        yield Answered(
            task_id=row.task_id,
            seq=row.seq,
            tier=tier,
            purpose=row.purpose,
            label=row.label,
            score=row.score,
            version=row.model_version,
            again=row.escalated_to is not None,
            overlap=overlap,
            at=since + span * ((number + 0.5) / len(chosen)),
        )


def _waiting(play: Play, tier: str) -> list[Any]:
    """The open tasks of a tier, as far as a day's queue looks at them."""
    asked = (
        select(
            DecisionRow.task_id,
            DecisionRow.seq,
            DecisionRow.purpose,
            DecisionRow.label,
            DecisionRow.score,
            DecisionRow.model_version,
            TaskRow.escalated_to,
        )
        .join(TaskRow, is_current())
        .where(
            DecisionRow.project_id == play.project_id,
            TaskRow.deleted_at.is_(None),
            or_(
                (TaskRow.human_labels == 0) & (DecisionRow.tier == tier),
                TaskRow.escalated_to == tier,
            ),
        )
        .order_by(DecisionRow.task_id)
    )
    with play.stage.runtime.reads() as session:
        return list(session.execute(asked).all())


def _wanted(policy: Policy, rows: list[Any]) -> FloatArray:
    """What is settled first: contested tasks, audits, the slices, then what is least certain."""
    draw = draws(policy.salt, QUEUE, np.array([row.task_id for row in rows], np.int64))
    place = [
        0.0
        if row.escalated_to is not None or row.purpose == Purpose.AUDIT.value
        else _BLIND_FIRST.get(row.purpose) or 3 + (row.score or 0.0)
        for row in rows
    ]
    return np.array(place, np.float64) + 0.3 * draw


def _answer(play: Play, taken: list[Answered], now: datetime) -> None:
    """Write the annotations down, and count the tasks' labels anew."""
    stage = play.stage
    rows = sorted(_annotations(play, taken), key=lambda row: row["created_at"])
    for row in rows:
        play.annotations += 1
        row["annotation_id"] = 1_000_000 * play.project_id + play.annotations
        row["first_seen_at"] = row["updated_at"] = row["created_at"]
    stage.clock.at(now)
    if not rows:
        return
    with stage.runtime.sessions.begin() as session:
        session.execute(insert(AnnotationRow), rows)
        recount(session, play.project_id, sorted({row["task_id"] for row in rows}))


def _annotations(play: Play, taken: list[Answered]) -> Iterator[dict[str, Any]]:
    stage, world = play.stage, play.world
    places = world.places(np.array([each.task_id for each in taken], np.int64))
    truths, mistakes = world.truths(places).tolist(), world.mistakes(places).tolist()
    labeling = parse_labeling(stage.project(play.project_id).label_config)
    results = {label: result_of(labeling, label) for label in labeling.labels}
    for each, truth, mistake in zip(taken, truths, mistakes, strict=True):
        chance = stage.rng.random(2 * each.overlap)
        people = stage.rng.permutation(stage.members[each.tier])[: each.overlap].tolist()
        for number, user in enumerate(people):
            said = mistake if chance[2 * number] < ERRORS[each.tier] else truth
            biased = each.shown and chance[2 * number + 1] < _BIASED_BY_ANSWER
            if biased and each.label is not None:
                said = each.label
            yield {
                "project_id": play.project_id,
                "task_id": each.task_id,
                "user_id": user,
                "by_robot": False,
                "label": said,
                "result": results[said],
                "was_cancelled": False,
                "ground_truth": False,
                "lead_time_s": _lead_time(stage.rng, each.tier, user),
                "created_at": each.at + timedelta(minutes=40 * number),
            }


def _lead_time(rng: np.random.Generator, tier: str, user: int) -> float:
    pace = 1 + (_SLOWEST - 1) * (user % 5) / 4
    return round(float(_SECONDS[tier] * pace * rng.lognormal(0, 0.5)), 2)


def mark_gold(play: Play, count: int) -> None:
    """The first tasks that an expert has answered are marked as ground truth in Label Studio."""
    experts = play.stage.members["experts"]
    with play.stage.runtime.sessions.begin() as session:
        rows = session.scalars(
            select(AnnotationRow)
            .where(
                AnnotationRow.project_id == play.project_id,
                AnnotationRow.user_id.in_(experts),
            )
            .order_by(AnnotationRow.annotation_id)
            .limit(count)
        )
        for row in rows:
            row.ground_truth = True


def answer_gold(play: Play, each: int, since: datetime, until: datetime) -> None:
    """The desk answers so many gold tasks beside the queue."""
    stage = play.stage
    with stage.runtime.reads() as session:
        gold = list(
            session.scalars(select(GoldRow.task_id).where(GoldRow.project_id == play.project_id))
        )
    if not gold:
        return
    taken = [
        Answered(
            task_id=int(task_id),
            seq=0,
            tier="desk",
            purpose=Purpose.CONTROL.value,
            label=None,
            score=None,
            version=None,
            again=True,
            overlap=1,
            at=since + (until - since) * stage.rng.random() * 0.9,
        )
        for task_id in stage.rng.choice(gold, size=min(len(gold), each), replace=False).tolist()
    ]
    _answer(play, taken, until)
