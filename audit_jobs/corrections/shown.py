"""Who was shown what: the answers of a project put beside what their forms held.

A form holds what was delivered last before the answer. Where that is not known, because the task
was delivered anew since, or never, the decision in force tells: Label Studio asks for the
prediction of a task that has none, and is given it unless the task is blind.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from audit_jobs.corrections.files import UNKNOWN_TIER
from audit_jobs.measures.corrections import Answers
from audit_jobs.measures.ratings import ordered
from backend.store.corrections import AnsweredTask, InForce
from policies.adjudication import ESCALATION
from policies.domain import Outcome, Purpose

# Drawn at random from all tasks: what is measured on them holds for all.
_RANDOM = frozenset({Purpose.CONTROL, Purpose.HOLDOUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An answer beside the prediction that its author saw, or was not to see.

    ``probability`` is the chance of the draw, NaN where the task was not drawn from all tasks;
    ``first`` says that nobody had answered the task before.
    """

    task_id: int
    user_id: int
    said: str
    predicted: str
    model_version: str | None
    score: float
    shown: bool
    probability: float
    seconds: float
    at: datetime
    first: bool

    @property
    def week(self) -> str:
        """The ISO week of the answer (UTC)."""
        year, week, _ = self.at.isocalendar()
        return f"{year}-W{week:02d}"


def seen_by_people(answered: Iterable[AnsweredTask]) -> tuple[list[Seen], dict[str, int]]:
    """The answers to tasks with a prediction, oldest first; how many were left out, by why.

    Each person's first answer to a task counts. An answer to a task that was accepted is none to a
    pre-label: the robot's annotation stood there.
    """
    found: list[Seen] = []
    left: Counter[str] = Counter()
    tasks: set[int] = set()
    pairs: set[tuple[int, int]] = set()
    for answer in answered:
        if (answer.task_id, answer.user_id) in pairs:
            left["repeated"] += 1
            continue
        pairs.add((answer.task_id, answer.user_id))
        seen = _seen(answer, first=answer.task_id not in tasks)
        tasks.add(answer.task_id)
        if isinstance(seen, str):
            left[seen] += 1
        else:
            found.append(seen)
    return found, dict(left)


def columns_of(seen: Sequence[Seen], tiers: Mapping[int, str]) -> Answers:
    """The answers in columns; ``tiers`` says who belongs where by user id."""
    labels = ordered({each.said for each in seen} | {each.predicted for each in seen})
    users = sorted({each.user_id for each in seen})
    names = sorted({tiers.get(user, UNKNOWN_TIER) for user in users})
    label_at = {label: place for place, label in enumerate(labels)}
    user_at = {user: place for place, user in enumerate(users)}
    tier_at = {user: names.index(tiers.get(user, UNKNOWN_TIER)) for user in users}
    return Answers(
        predicted=np.array([label_at[each.predicted] for each in seen], dtype=np.int64),
        said=np.array([label_at[each.said] for each in seen], dtype=np.int64),
        labels=labels,
        shown=np.array([each.shown for each in seen], dtype=np.bool_),
        probability=np.array([each.probability for each in seen], dtype=np.float64),
        score=np.array([each.score for each in seen], dtype=np.float64),
        seconds=np.array([each.seconds for each in seen], dtype=np.float64),
        tier=np.array([tier_at[each.user_id] for each in seen], dtype=np.int64),
        tiers=tuple(names),
        reviewer=np.array([user_at[each.user_id] for each in seen], dtype=np.int64),
        reviewers=tuple(map(str, users)),
        ids=tuple(str(each.task_id) for each in seen),
    )


def _seen(answer: AnsweredTask, *, first: bool) -> Seen | str:
    """The answer beside its prediction, or why there is none."""
    if answer.verifies:
        return "a deployed model's"  # of control too: what was drawn of it is no fair part of all
    decision = answer.in_force
    look = _look(answer)
    if look is not None and look["accepts"] and not answer.mirrored:
        return "accepted"
    shown = look is not None and look["label"] is not None and not answer.mirrored
    told: tuple[str, str | None]
    if look is not None and shown:
        told = (look["label"], look["version"])
    elif decision is None or decision.label is None:
        return "nothing predicted"
    else:
        told = (decision.label, decision.model_version)
        if look is None and not answer.mirrored:
            if decision.outcome is Outcome.ACCEPT and decision.purpose is not Purpose.AUDIT:
                return "accepted"
            shown = decision.purpose is Purpose.ROUTED and decision.rule != ESCALATION
    same = decision is not None and told == (decision.label, decision.model_version)
    score = decision.score if decision is not None and same else None
    return Seen(
        task_id=answer.task_id,
        user_id=answer.user_id,
        said=answer.label,
        predicted=told[0],
        model_version=told[1],
        score=math.nan if score is None else score,
        shown=shown,
        probability=math.nan if shown or not first else _chance(decision),
        seconds=math.nan if answer.lead_time_s is None else answer.lead_time_s,
        at=answer.created_at,
        first=first,
    )


def _look(answer: AnsweredTask) -> dict[str, Any] | None:
    """What was delivered before the answer; None where that is not known, or was in no view."""
    look, when = answer.delivered, answer.delivered_at
    if look is None or when is None or when > answer.created_at:
        return None
    nothing = look["marker"] is None and look["label"] is None and not look["accepts"]
    return None if nothing else look


def _chance(decision: InForce | None) -> float:
    drawn = decision is not None and decision.purpose in _RANDOM
    return decision.inclusion_probability if decision is not None and drawn else math.nan
