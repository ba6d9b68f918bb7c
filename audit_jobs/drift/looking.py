"""One look at the traffic: the window against the reference, with all figures of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from audit_jobs.drift.comparison import Comparison, compare
from audit_jobs.drift.raising import Slice, risen_slices
from audit_jobs.drift.reference import FEWEST_NEW, LOOKS, Period
from audit_jobs.drift.traffic import (
    Side,
    output_features,
    output_shares,
    random_part,
    read_side,
    sampled,
    samples_of,
)
from audit_jobs.measures.drift import FEWEST
from audit_jobs.measures.estimated_accuracy import estimated_accuracy
from backend.champion import Champion
from backend.runtime import Runtime
from backend.store.drift import arrivals
from backend.store.projects import ConnectedProject
from connectors.label_studio.labeling import parse_labeling
from policies.domain import BoolArray, FloatArray
from policies.drift import Drift
from policies.intervals import wilson
from policies.schema import Policy

# Tasks of a window that is given in days: more of them see no smaller change worth an alarm.
MOST_IN_WINDOW = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The tasks of a look, ascending, and when the first and the last of them became known."""

    ids: tuple[int, ...]
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look found; ``risen`` are the slices to raise, none without drift."""

    comparison: Comparison
    window: Window
    risen: tuple[Slice, ...]
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose traffic is looked at."""

    runtime: Runtime
    project: ConnectedProject
    policy: Policy
    serving: Champion
    control: Mapping[int, str]


def window_of(
    session: Session, project_id: int, rule: Drift, after: datetime, now: datetime
) -> Window | None:
    """The newest tasks since the reference: by number, or of so many days; None for too few."""
    newest = rule.window
    if rule.days is not None:
        after = max(after, now - timedelta(days=rule.days))
        newest = MOST_IN_WINDOW
    found = arrivals(session, project_id, after, newest=newest)
    if len(found) < FEWEST_NEW:
        return None
    return Window(
        ids=tuple(sorted(task_id for task_id, _ in found)), since=found[-1][1], until=found[0][1]
    )


def look(asked: Asked, period: Period, window: Window) -> Look:
    """Compare the window with the reference, at the part of the false alarms that a look has."""
    runtime, project, policy = asked.runtime, asked.project, asked.policy
    labeling, predictor = parse_labeling(project.label_config), asked.serving.predictor
    with runtime.reads() as session:
        known = [each for each, _ in arrivals(session, project.id, period.since, period.until)]
    ids = sampled(policy, known, labeling.input_kind)
    before = read_side(runtime, project, predictor, ids, random_part(policy, ids))
    everything = np.ones(len(window.ids), np.bool_)
    after = read_side(runtime, project, predictor, window.ids, everything)

    samples = samples_of(before, after, labeling, policy.drift.fields)
    samples.tested += output_features(before, after)
    shares = output_shares(before, after, predictor.labels)
    level = policy.drift.false_alarm / LOOKS
    comparison = compare(samples, shares, level)

    risen = risen_slices(before, after, shares, policy.drift) if comparison.drifted else ()
    sizes = {
        "known": len(known),
        "tasks": len(before.ids),
        "random_part": len(before.answers),
    }
    figures = {
        "reference": {**period.as_json(), **sizes},
        "window": _window_json(window, after, policy.drift),
        "unreadable": {"reference": before.unreadable, "current": after.unreadable},
        "false_alarm": {"policy": policy.drift.false_alarm, "this_look": level},
        **_accuracy(asked, before, after),
    }
    return Look(comparison=comparison, window=window, risen=risen, figures=figures)


def _window_json(window: Window, after: Side, rule: Drift) -> dict[str, Any]:
    return {
        "tasks": len(after.ids),
        "since": window.since.isoformat(),
        "until": window.until.isoformat(),
        "asked": {"tasks": None if rule.days else rule.window, "days": rule.days},
    }


def _accuracy(asked: Asked, before: Side, after: Side) -> dict[str, Any]:
    """The accuracy of the window: estimated from confidence, and measured where people answered.

    The confidence is corrected on the control answers of the window, on those of the reference as
    well where the window has too few.
    """
    here, right_here = _answered(after, asked.control)
    corrects, right = here, right_here
    where = "control answers of the window"
    if len(here) < FEWEST:
        earlier, right_earlier = _answered(before, asked.control)
        corrects = np.concatenate([here, earlier])
        right = np.concatenate([right_here, right_earlier])
        where = "control answers of the window and of the reference"
    if len(corrects) < FEWEST:
        corrects, right = corrects[:0], right[:0]
        where = "nothing: there are too few control answers"
    estimate = estimated_accuracy(after.confidence, corrects, right)
    measured = wilson(int(right_here.sum()), len(right_here))
    return {
        "estimated_accuracy": estimate.as_json(),
        "estimate_corrected_by": {"what": where, "n": len(corrects)},
        "measured_accuracy": measured.as_json(),
    }


def _answered(side: Side, control: Mapping[int, str]) -> tuple[FloatArray, BoolArray]:
    """How sure the model was of control tasks that people answered, and whether it was right."""
    found = [
        (sure, answer == control[task_id])
        for task_id, sure, answer in zip(
            side.answered_ids, side.confidence.tolist(), side.answers, strict=True
        )
        if task_id in control
    ]
    sure = np.array([each for each, _ in found], np.float64)
    return sure, np.array([right for _, right in found], np.bool_)
