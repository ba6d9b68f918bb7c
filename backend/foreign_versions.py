"""Use case: keep a project's versions in step with its foreign model, before a round decides.

A foreign model changes when it likes. Each version that it reports, under what the policy and the
labelling config ask of it, is a version of its own here: certificates, audits and breakers are
about one version, and a new one is proved anew. ADR 0020 says when it is calibrated.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from backend.foreign import FOREIGN, fingerprint, is_foreign, source_of
from backend.predictors.foreign.predictor import checked
from backend.predictors.foreign.recalibration import (
    LEAST_ANSWERS,
    UNCALIBRATED,
    Calibration,
    fit_calibration,
)
from backend.predictors.foreign.source import ModelUnavailableError, Source
from backend.predictors.protocol import Asked
from backend.promotion import put_in_service
from backend.runtime import Runtime
from backend.sameness import likeness_in
from backend.slices import labelled_slices
from backend.store.models import (
    EXAMPLES_BY_LABEL,
    KEPT,
    LEARNS_ELSEWHERE,
    ModelVersion,
    champion,
    next_number,
    note_lineage,
    retire_champion,
    store_version,
)
from backend.store.projects import ConnectedProject
from backend.store.promotions import Kind
from backend.store.recalls import lock_project
from backend.store.tasks import stored_tasks
from backend.store.training import request_training
from backend.store.votes import count_new_labels
from connectors.label_studio.labeling import parse_labeling
from policies.decisions import is_none
from policies.domain import BoolArray, Estimate, FloatArray
from policies.intervals import wilson
from policies.likeness import aligned
from policies.models import Foreign
from policies.schema import Policy

logger = logging.getLogger(__name__)

# How many control answers there were when a calibration was last tried in vain.
_TRIED = "calibration_tried"
# A vain try asks the model for the whole slice: the next one waits for half as many answers more.
_PATIENCE = 1.5
_LONGEST_NAME = 60
NOTHING, UNAVAILABLE = "nothing to do", "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """A model's answers to ``asked`` tasks of people: raw scores, and which are right."""

    asked: int = 0
    scores: FloatArray = field(default_factory=lambda: np.empty(0))
    right: BoolArray = field(default_factory=lambda: np.empty(0, np.bool_))


def register_foreign(runtime: Runtime, project: ConnectedProject, policy: Policy) -> dict[str, Any]:
    """Make what the foreign model reports now the serving version, calibrated where it can be.

    A model that cannot be asked changes nothing: tasks go to people meanwhile. Where the policy
    came back to a model of Labelgate's own, the foreign version is retired and a training asked
    for. Returns what was done as ``state``, and why.
    """
    with runtime.reads() as session:
        serving = champion(session, project.id)
    if not isinstance(policy.model, Foreign):
        return _come_back(runtime, project, serving)
    source = source_of(runtime, project.id, policy.model)
    try:
        reported = source.reported(project.label_config)
    except ModelUnavailableError as error:
        logger.warning("foreign.unavailable project=%d why=%s", project.id, error)
        return {"state": UNAVAILABLE, "why": str(error)}
    mark = fingerprint(policy.model, parse_labeling(project.label_config))
    with runtime.reads() as session:
        slices = labelled_slices(session, project, policy)
    known = _is_known(serving, reported, mark)
    if known and not _calibration_is_due(serving, len(slices.control)):
        return {"state": NOTHING}

    control = _measured(runtime, project, source, slices.control)
    calibration = fit_calibration(control.scores, control.right)
    if known and calibration.answers == 0:
        _note_try(runtime, project, serving, len(slices.control))
        return {"state": NOTHING}
    holdout = _measured(runtime, project, source, slices.holdout)
    # No answer is not right.
    accuracy = wilson(int(np.count_nonzero(holdout.right)), holdout.asked)

    return _register(
        runtime,
        project,
        serving,
        _Found(
            kind=policy.model.kind,
            name=source.name,
            reported=reported,
            fingerprint=mark,
            calibration=calibration,
            tried=len(slices.control),
            accuracy=accuracy,
            trains=getattr(policy.model, "train", False),
            new=not known,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What is to be registered; ``new`` where it is more than a new calibration."""

    kind: str
    name: str
    reported: str
    fingerprint: str
    calibration: Calibration
    tried: int
    accuracy: Estimate
    trains: bool
    new: bool

    @property
    def reason(self) -> str:
        if not self.new:
            return f"calibrated on {self.calibration.answers} control answers"
        return f"the model {self.name} answers as version {self.reported}"


def _is_known(serving: ModelVersion | None, reported: str, mark: str) -> bool:
    if serving is None or not is_foreign(serving):
        return False
    origin = serving.lineage[FOREIGN]
    return bool(origin["reported"] == reported and origin["fingerprint"] == mark)


def _calibration_is_due(serving: ModelVersion | None, answers: int) -> bool:
    """Once for each version, as soon as there are answers enough; see ADR 0020."""
    if serving is None or answers < LEAST_ANSWERS:
        return False
    origin: Mapping[str, Any] = serving.lineage[FOREIGN]
    tried = serving.lineage.get(_TRIED, 0)
    started_without = tried < LEAST_ANSWERS
    uncalibrated = bool(origin["calibration"]["answers"] == 0)
    return uncalibrated and bool(started_without or answers >= _PATIENCE * tried)


def _measured(
    runtime: Runtime, project: ConnectedProject, source: Source, labels: Mapping[int, str]
) -> _Measured:
    if not labels:
        return _Measured()
    with runtime.reads() as session:
        tasks = stored_tasks(session, project.id, sorted(labels))
    asked = Asked(
        labeling=parse_labeling(project.label_config),
        label_config=project.label_config,
        task_ids=[task.id for task in tasks],
        data=[task.data for task in tasks],
        download=lambda path: runtime.tool().download(path),
    )
    said = checked(asked, source.answers(asked), UNCALIBRATED)
    answered = ~is_none(said.texts)
    truths = np.array([labels[task.id] for task in tasks], dtype=np.object_)
    alike = aligned(truths, said.texts, likeness_in(project))
    right: BoolArray = np.asarray(said.texts == alike, dtype=np.bool_)
    return _Measured(asked=len(tasks), scores=said.scores[answered], right=right[answered])


def _register(
    runtime: Runtime, project: ConnectedProject, serving: ModelVersion | None, found: _Found
) -> dict[str, Any]:
    now = runtime.now()
    with runtime.sessions.begin() as session:
        lock_project(session, project.id)
        if _serves_another(session, project.id, serving):
            return {"state": NOTHING}  # another round was faster; the next one looks again
        number = next_number(session, project.id)
        version = _version_name(number, found)
        store_version(
            session,
            project.id,
            ModelVersion(
                version=version,
                number=number,
                path="",
                sha256="",
                labels=parse_labeling(project.label_config).labels,
                state=KEPT,
                verdict={"reason": found.reason, "holdout_accuracy": found.accuracy.as_json()},
                lineage=_lineage(project, serving, found),
                trained_at=now,
                promoted_at=None,
            ),
            now,
        )
        put_in_service(runtime, session, project, version, (Kind.REPORTED, found.reason))
    logger.info("foreign.registered project=%d version=%s %s", project.id, version, found.reason)
    return {"state": "registered", "version": version, "why": found.reason}


def _lineage(
    project: ConnectedProject, serving: ModelVersion | None, found: _Found
) -> dict[str, Any]:
    return {
        FOREIGN: {
            "kind": found.kind,
            "name": found.name,
            "reported": found.reported,
            "fingerprint": found.fingerprint,
            "calibration": asdict(found.calibration),
        },
        _TRIED: found.tried,
        EXAMPLES_BY_LABEL: {},
        LEARNS_ELSEWHERE: found.trains,
        "policy_hash": project.policy_hash,
        "parent": None if serving is None else serving.version,
        "reason": found.reason,
    }


def _version_name(number: int, found: _Found) -> str:
    """Such as v7-yolo-2024-05-01-c1: the number makes it unique, c1 says that it is calibrated."""
    names = [found.name] if found.reported == found.name else [found.name, found.reported]
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(names)).strip("-.")[:_LONGEST_NAME]
    calibrated = "-c1" if found.calibration.answers else ""
    return f"v{number}-{plain}{calibrated}"


def _serves_another(session: Session, project_id: int, serving: ModelVersion | None) -> bool:
    now = champion(session, project_id)
    return (now and now.version) != (serving and serving.version)


def _note_try(
    runtime: Runtime, project: ConnectedProject, serving: ModelVersion | None, answers: int
) -> None:
    if serving is not None:
        with runtime.sessions.begin() as session:
            note_lineage(session, project.id, serving.version, {_TRIED: answers})


def _come_back(
    runtime: Runtime, project: ConnectedProject, serving: ModelVersion | None
) -> dict[str, Any]:
    if serving is None or not is_foreign(serving):
        return {"state": NOTHING}
    why = "the policy names a model of Labelgate's own"
    now = runtime.now()
    with runtime.sessions.begin() as session:
        lock_project(session, project.id)
        retire_champion(session, project.id, now)
        request_training(session, project.id, why, count_new_labels(session, project.id), now)
    logger.info("foreign.retired project=%d version=%s", project.id, serving.version)
    return {"state": "retired", "version": serving.version, "why": why}
