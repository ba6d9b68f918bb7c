"""Use case: a version in shadow answers the tasks that come in, beside the one that serves.

Nobody is shown its answers, and nothing is decided by them. They are held against the serving
version's, and against what people say of the same tasks later; the control slice is left out of
that, because certificates rest on it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np

from backend.candidates import model_alone
from backend.champion import Champion, load_champion, load_version, predict_tasks
from backend.predictors.errors import ArtifactError
from backend.promotion import put_in_service, recertify
from backend.runtime import Runtime
from backend.sameness import likeness_in
from backend.slices import labelled_slices
from backend.store.models import ModelVersion, all_versions
from backend.store.projects import ConnectedProject
from backend.store.promotions import Kind
from backend.store.reports import SHADOW, Report, newest_report, store_report
from backend.store.shadows import (
    Shadow,
    ShadowAnswer,
    count_answers,
    end_shadows,
    open_shadow,
    shadow_answers,
    store_answers,
    unanswered_arrivals,
)
from policies.domain import Candidates, Estimate
from policies.intervals import wilson
from policies.likeness import Likeness
from policies.loading import parse_policy
from policies.paired import difference, mean_difference, sign_test

logger = logging.getLogger(__name__)

_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A version in shadow beside the one that served, over the tasks that both answered.

    ``disagreement`` is the share of other answers, ``score_shift`` the mean rise of the score.
    ``wins`` and ``losses`` are the tasks that people answered since and that one of the two alone
    got right; ``answered`` is how many people answered, and ``gain`` the difference in accuracy.
    """

    tasks: int
    disagreement: Estimate
    score_shift: Estimate
    answered: int
    wins: int
    losses: int
    gain: Estimate

    def as_json(self) -> dict[str, Any]:
        """All of it in plain values, with the exact sign test of wins and losses."""
        return {
            "tasks": self.tasks,
            "disagreement": self.disagreement.as_json(),
            "score_shift": self.score_shift.as_json(),
            "answered": self.answered,
            "wins": self.wins,
            "losses": self.losses,
            "p_value": sign_test(self.wins, self.losses),
            "gain": self.gain.as_json(),
        }

    @property
    def says(self) -> str:
        """The comparison in a few words."""
        other = "-" if self.disagreement.value is None else f"{self.disagreement.value:.1%}"
        return (
            f"{self.tasks:,} tasks in shadow, another answer to {other}; of {self.answered:,} that "
            f"people answered {self.wins} better, {self.losses} worse"
        )


def shadow(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Let the version in shadow answer what came in; at its end it serves, or is kept.

    A crash in between repeats a chunk at most. A version whose file is damaged ends its shadow.
    """
    with runtime.reads() as session:
        running = open_shadow(session, project.id)
    if running is None:
        return {"state": "nothing in shadow"}
    try:
        answered = _answer(runtime, project, running)
    except ArtifactError as error:
        return _end(runtime, running, project, f"its file cannot be read: {error}")
    found = _noted(runtime, project, running)
    late = running.days is not None and (
        runtime.now() - running.started_at >= timedelta(days=running.days)
    )
    if found.tasks < running.tasks and not late:
        return {"version": running.version, "answered": answered, "of": running.tasks}
    return _conclude(runtime, project, running, found)


def _noted(runtime: Runtime, project: ConnectedProject, running: Shadow) -> Comparison:
    """What the shadow has shown by now, kept as a report whenever that changed."""
    found = compare(runtime, project, running)
    body = {"shadow": running.id, "of": running.tasks, "says": found.says, **found.as_json()}
    with runtime.reads() as session:
        last = newest_report(session, project.id, SHADOW)
    if last is None or last.body != body:
        report = Report(
            kind=SHADOW, model_version=running.version, made_at=runtime.now(), body=body
        )
        with runtime.sessions.begin() as session:
            store_report(session, project.id, report)
    return found


def _answer(runtime: Runtime, project: ConnectedProject, running: Shadow) -> int:
    """Both versions' answers to the tasks that came since, as many as are still wanted."""
    with runtime.reads() as session:
        wanted = running.tasks - count_answers(session, running.id)
        ids = unanswered_arrivals(session, project.id, running, wanted)
        models = {each.version: each for each in all_versions(session, project.id)}
    serving = _serving(runtime, project) if ids else None
    if serving is None:
        return 0
    policy = model_alone(parse_policy(project.policy_text))
    predictor = load_version(runtime, project, policy, models[running.version])
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        new, old = (
            predict_tasks(runtime, project, policy, each, chunk)
            for each in (predictor, serving.predictor)
        )
        answers = _paired(serving.model, new, old)
        with runtime.sessions.begin() as session:
            store_answers(session, running.id, answers, runtime.now())
    return len(ids)


def _serving(runtime: Runtime, project: ConnectedProject) -> Champion | None:
    """The version to answer beside; None where there is none that can be read."""
    try:
        return load_champion(runtime, project.id)
    except ArtifactError as error:
        logger.warning("shadow.champion_unreadable project=%d error=%s", project.id, error)
        return None


def _paired(serving: ModelVersion, new: Candidates, old: Candidates) -> list[ShadowAnswer]:
    return [
        ShadowAnswer(
            task_id=task_id,
            label=label,
            score=score if np.isfinite(score) else None,
            serving_version=serving.version,
            serving_label=serving_label,
            serving_score=serving_score if np.isfinite(serving_score) else None,
        )
        for task_id, label, score, serving_label, serving_score in zip(
            new.task_ids.tolist(),
            new.labels.tolist(),
            new.scores.tolist(),
            old.labels.tolist(),
            old.scores.tolist(),
            strict=True,
        )
    ]


def compare(runtime: Runtime, project: ConnectedProject, running: Shadow) -> Comparison:
    """What a shadow has shown so far, with what people have said of its tasks by now."""
    policy = parse_policy(project.policy_text)
    with runtime.reads() as session:
        answers = shadow_answers(session, running.id)
        slices = labelled_slices(session, project, policy)
    said = {**slices.training, **slices.holdout}
    return compared(_anchored(answers, said, likeness_in(project)), said)


def _anchored(
    answers: Sequence[ShadowAnswer], said: Mapping[int, str], likeness: Likeness
) -> Sequence[ShadowAnswer]:
    """The answers with people's text, or the serving version's, wherever theirs is alike."""
    if likeness.is_plain:
        return answers
    made = []
    for each in answers:
        truth = said.get(each.task_id)
        standing = [] if truth is None else [truth]
        serving = each.serving_label
        if serving is not None:
            serving = likeness.anchored(serving, standing)
            standing.append(serving)
        label = None if each.label is None else likeness.anchored(each.label, standing)
        made.append(replace(each, label=label, serving_label=serving))
    return made


def compared(answers: Sequence[ShadowAnswer], said: Mapping[int, str]) -> Comparison:
    """The comparison of two versions' answers; ``said`` is people's answer by task. Pure."""
    both = [each for each in answers if None not in (each.label, each.serving_label)]
    shifts = [
        each.score - each.serving_score
        for each in both
        if each.score is not None and each.serving_score is not None
    ]
    asked = [each for each in answers if each.task_id in said]
    right = [
        (each.label == said[each.task_id], each.serving_label == said[each.task_id])
        for each in asked
    ]
    wins, losses = right.count((True, False)), right.count((False, True))
    return Comparison(
        tasks=len(answers),
        disagreement=wilson(sum(each.label != each.serving_label for each in both), len(both)),
        score_shift=mean_difference(np.array(shifts, np.float64)),
        answered=len(asked),
        wins=wins,
        losses=losses,
        gain=difference(wins, losses, len(asked)),
    )


def _conclude(
    runtime: Runtime, project: ConnectedProject, running: Shadow, found: Comparison
) -> dict[str, Any]:
    """It serves where people's answers do not speak against it; by hand it only tells."""
    if not running.promotes:
        return _end(runtime, running, project, f"done: {found.says}")
    if found.wins < found.losses:
        return _end(runtime, running, project, f"kept: worse in shadow: {found.says}")
    why = f"no worse in shadow: {found.says}"
    with runtime.sessions.begin() as session:
        current = open_shadow(session, project.id)
        if current is None or current.id != running.id:
            return {"state": "ended meanwhile", "version": running.version}
        end_shadows(session, project.id, f"promoted: {why}", runtime.now())
        put_in_service(runtime, session, project, running.version, (Kind.SHADOW, why))
    recertify(runtime, project)
    return {"state": "promoted", "version": running.version, "why": why}


def _end(
    runtime: Runtime, running: Shadow, project: ConnectedProject, outcome: str
) -> dict[str, Any]:
    with runtime.sessions.begin() as session:
        current = open_shadow(session, project.id)
        if current is not None and current.id == running.id:
            end_shadows(session, project.id, outcome, runtime.now())
    logger.info("shadow.ended project=%d version=%s %s", project.id, running.version, outcome)
    return {"state": "ended", "version": running.version, "why": outcome}
