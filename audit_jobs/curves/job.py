"""Job: what the serving version's scores are worth, on the control answers that prove it.

No page may read and predict thousands of tasks, so what the curves show is kept as a report; an
evidence pack shows those that stood at the end of its period.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from audit_jobs.agreement.job import measurement_due
from audit_jobs.measures.reliability import reliability
from audit_jobs.measures.selective_risk import cheapest_point, selective_risk
from backend.candidates import with_class_support
from backend.certification import version_promises
from backend.champion import Champion, load_champion, predict_tasks
from backend.predictors.errors import ArtifactError
from backend.runtime import Runtime
from backend.sameness import said_alike
from backend.slices import control_answers, proving_since
from backend.store.corrections import answered_state
from backend.store.models import champion
from backend.store.projects import ConnectedProject
from backend.store.reports import CURVES, Report, newest_report, store_report
from connectors.annotation_tool import AnnotationToolError
from policies.certifying import reaching_auto_accept
from policies.domain import MODEL, BoolArray, Candidates, part_of
from policies.loading import parse_policy
from policies.promises import AutoAccept, Promise, groups_of
from policies.schema import Policy

logger = logging.getLogger(__name__)

# More say nothing that these do not; the newest tasks, which are most like those to come.
MOST_ANSWERS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Control answers with what the version says of their tasks, and whether people contradict.

    ``reaching`` are those that no route takes to people: what an acceptance is decided about.
    """

    candidates: Candidates
    wrong: BoolArray
    reaching: BoolArray


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Measure and keep the curves, unless nothing has changed that could move them."""
    now = runtime.now()
    with runtime.reads() as session:
        model = champion(session, project.id)
        last = newest_report(session, project.id, CURVES)
        if model is None:
            return {"state": "no model yet"}
        since = proving_since(session, project.id, model.version)
        state = {
            "answers": answered_state(session, project.id).answers,
            "policy": project.policy_hash,
            "label_config": hashlib.sha256(project.label_config.encode()).hexdigest(),
            "version": model.version,
            "since": None if since is None else since.isoformat(),
        }
    if last is not None and not _due(state, last, now):
        return {"state": "nothing new", "answers": state["answers"]}
    policy = parse_policy(project.policy_text)
    try:
        serving = load_champion(runtime, project.id, policy)
        if serving is None or serving.model.version != model.version:
            return {"state": "promoted meanwhile"}  # the next round measures it
        scored = _scored(runtime, project, policy, serving)
    except (ArtifactError, AnnotationToolError) as error:
        logger.warning("curves.not_measured project=%d error=%s", project.id, error)
        return {"state": "failed", "why": str(error)}

    body: dict[str, Any] = {
        "state": state,
        "model_version": model.version,
        "answers": len(scored.candidates),
        "groups": _groups(policy, serving, scored),
        "reliability": _reliabilities(scored),
    }

    with runtime.sessions.begin() as session:
        report = Report(kind=CURVES, model_version=model.version, made_at=now, body=body)
        store_report(session, project.id, report)
    return {"answers": body["answers"], "groups": len(body["groups"])}


def _due(state: dict[str, Any], last: Report, now: datetime) -> bool:
    before = last.body["state"]
    if any(before[name] != state[name] for name in ("version", "since")):
        return True
    return measurement_due(state, last, now)


def _scored(
    runtime: Runtime, project: ConnectedProject, policy: Policy, serving: Champion
) -> Scored:
    with runtime.reads() as session:
        truth = control_answers(session, project, policy, serving.model.version)
    ids = sorted(truth)[-MOST_ANSWERS:]
    predicted = predict_tasks(runtime, project, policy, serving.predictor, ids)
    asked = with_class_support(predicted, serving.model)
    answered = np.array([label is not None for label in asked.labels.tolist()], dtype=np.bool_)
    known = part_of(asked, answered & np.isfinite(asked.scores))
    said = said_alike(project, truth, known)
    return Scored(
        candidates=known,
        wrong=np.asarray(known.labels != said, dtype=np.bool_),
        reaching=_reaching(policy, known),
    )


def _reaching(policy: Policy, known: Candidates) -> BoolArray:
    """All of them where nothing is ever accepted: then the curve says what could be."""
    if not isinstance(policy.auto_accept, AutoAccept):
        return np.ones(len(known), dtype=np.bool_)
    return reaching_auto_accept(policy, known)


def _groups(policy: Policy, serving: Champion, scored: Scored) -> list[dict[str, Any]]:
    """A curve for each group of answers that the policy makes a promise about."""
    part = part_of(scored.candidates, scored.reaching)
    wrong = scored.wrong[scored.reaching]
    rule = policy.auto_accept
    if not isinstance(rule, AutoAccept):
        chosen = np.asarray(part.predictors == MODEL, dtype=np.bool_)
        return [_curve((MODEL, None), part, wrong, chosen)]
    promises = version_promises(rule, policy, serving.predictor.labels)
    places = groups_of(rule, [(each.predictor, each.label) for each in promises], part)
    return [
        _curve((each.predictor, each.label), part, wrong, places == place)
        | _promised(each, rule.floor, (part, wrong, places == place))
        for place, each in enumerate(promises)
    ]


def _curve(
    group: tuple[str, str | None], part: Candidates, wrong: BoolArray, chosen: BoolArray
) -> dict[str, Any]:
    predictor, label = group
    return {
        "predictor": predictor,
        "label": label,
        "answers": int(np.count_nonzero(chosen)),
        "errors": int(np.count_nonzero(wrong[chosen])),
        "points": [point.as_json() for point in selective_risk(part.scores[chosen], wrong[chosen])],
    }


def _promised(
    promise: Promise, floor: float, answers: tuple[Candidates, BoolArray, BoolArray]
) -> dict[str, Any]:
    part, wrong, chosen = answers
    eligible = chosen & (part.scores >= floor)
    cheapest = (
        None
        if promise.costs is None
        else cheapest_point(part.scores[eligible], wrong[eligible], promise.costs)
    )
    return {
        "max_error_rate": promise.max_error_rate,
        "confidence": promise.confidence,
        "cheapest": None if cheapest is None else cheapest.as_json(),
    }


def _reliabilities(scored: Scored) -> list[dict[str, Any]]:
    """One for each predictor, those that a route takes to people too: their scores count there."""
    by = scored.candidates.predictors
    names: Sequence[str] = sorted(set(by.tolist()), key=lambda name: (name != MODEL, name))
    found = []
    for name in names:
        chosen = np.asarray(by == name, dtype=np.bool_)
        measured = reliability(scored.candidates.scores[chosen], ~scored.wrong[chosen])
        found.append({"predictor": name, **measured.as_json()})
    return found
