"""Use case: retrain when the policy's trigger is met, in a process of its own, one at a time.

A version is recorded, promoted or kept and its request closed in one transaction: a trainer that
dies before leaves the champion serving and the request to be taken up again.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version as installed_version
from typing import Any

import numpy as np
import orjson

from backend.candidates import model_alone
from backend.champion import Champion, load_champion, predict_tasks
from backend.fitting import Wanted, fit_version
from backend.gate import Verdict, judge
from backend.leasing import Lease, holding
from backend.predictors import artifacts
from backend.predictors.embedded import EmbeddedPredictor
from backend.predictors.memory import (
    KEEPS,
    needed_of,
    wanted_of,
)
from backend.predictors.protocol import Predictor, TrainingError
from backend.runtime import Runtime
from backend.slices import labelled_slices
from backend.store.models import (
    CHAMPION,
    EXAMPLES_BY_LABEL,
    KEPT,
    ModelVersion,
    all_versions,
    next_number,
    store_version,
)
from backend.store.projects import ConnectedProject
from backend.store.training import (
    TrainingRequest,
    end_training,
    give_back,
    labels_at_last_request,
    request_training,
    start_training,
)
from backend.store.votes import count_new_labels
from connectors.annotation_tool import AnnotationToolError
from policies.domain import BoolArray
from policies.loading import parse_policy
from policies.schema import Policy

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """One training under way: what it was given."""

    runtime: Runtime
    project: ConnectedProject
    policy: Policy
    request: TrainingRequest
    lease: Lease
    number: int

    @property
    def version(self) -> str:
        return f"v{self.number}"


def lease_name(project_id: int) -> str:
    """The lease of the one training that a project may have under way."""
    return f"training/{project_id}"


def request_if_due(runtime: Runtime, project: ConnectedProject) -> bool:
    """Queue a training where enough people's labels came since the last request; once."""
    policy = parse_policy(project.policy_text)
    with runtime.reads() as session:
        labels = count_new_labels(session, project.id)
        seen = labels_at_last_request(session, project.id)
        lacking = _lacking(all_versions(session, project.id), project, policy)
        if seen and labels - seen < policy.retrain.after_annotations and not lacking:
            return False
        usable = len(labelled_slices(session, project, policy).training)
    if usable < policy.retrain.minimum_labels:
        return False
    reason = lacking or f"{labels - seen} new human labels"
    with runtime.sessions.begin() as session:
        return request_training(session, project.id, reason, labels, runtime.now())


def _lacking(
    versions: Sequence[ModelVersion], project: ConnectedProject, policy: Policy
) -> str | None:
    """What the policy needs that the serving version does not keep; None once it was tried."""
    serving = next((each for each in versions if each.state == CHAMPION), None)
    if serving is None or versions[-1].lineage.get("policy_hash") == project.policy_hash:
        return None
    kept = serving.lineage.get(KEEPS, ())
    needed = [part for part in needed_of(policy) if part not in kept]
    if not needed:
        return None
    return f"the policy needs {' and '.join(needed)}, which {serving.version} does not keep"


def train(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Carry out the next training request, if there is one and nobody else is at it."""
    with holding(runtime, lease_name(project.id)) as lease:
        if lease is None:
            return {"state": "running elsewhere"}
        with runtime.sessions.begin() as session:
            request = start_training(session, project.id, runtime.now())
        if request is None:
            return {"state": "nothing to do"}
        with runtime.reads() as session:
            number = next_number(session, project.id)
        attempt = _Attempt(
            runtime=runtime,
            project=project,
            policy=parse_policy(project.policy_text),
            request=request,
            lease=lease,
            number=number,
        )
        try:
            return _train(attempt)
        except (SystemExit, KeyboardInterrupt):
            with runtime.sessions.begin() as session:
                give_back(session, request.id)
            raise
        except (TrainingError, AnnotationToolError, artifacts.ArtifactError) as error:
            with runtime.sessions.begin() as session:
                lease.require(session)
                end_training(session, request.id, str(error), None, runtime.now())
            logger.warning("training.failed project=%d error=%s", project.id, error)
            return {"state": "failed", "why": str(error)}


def _train(attempt: _Attempt) -> dict[str, Any]:
    runtime, project = attempt.runtime, attempt.project
    with runtime.reads() as session:
        slices = labelled_slices(session, project, attempt.policy)
    try:
        champion = load_champion(runtime, project.id)
    except artifacts.ArtifactError as error:
        logger.warning("training.champion_unreadable project=%d error=%s", project.id, error)
        champion = None  # nothing serves, so nothing is to be lost by a new version

    wanted = Wanted(version=attempt.version, seed=attempt.number)
    predictor = fit_version(runtime, project, attempt.policy, slices.training, wanted)
    trained_at = runtime.now()
    before = None if champion is None else _right(attempt, champion.predictor, slices.holdout)
    verdict = judge(_right(attempt, predictor, slices.holdout), before)

    lineage = _lineage(attempt, slices.training, champion)
    _record(attempt, predictor, (lineage, trained_at), verdict)
    logger.info(
        "training.ended project=%d version=%s %s", project.id, attempt.version, verdict.reason
    )
    return {
        "state": "promoted" if verdict.promoted else "kept",
        "version": attempt.version,
        "why": verdict.reason,
    }


def _right(attempt: _Attempt, predictor: Predictor, holdout: Mapping[int, str]) -> BoolArray:
    """Which holdout answers the predictor gets right, by task id; no answer is not right."""
    candidates = predict_tasks(
        attempt.runtime, attempt.project, model_alone(attempt.policy), predictor, sorted(holdout)
    )
    return np.array(
        [
            label == holdout[int(task_id)]
            for task_id, label in zip(candidates.task_ids, candidates.labels, strict=True)
        ],
        dtype=np.bool_,
    )


def _lineage(
    attempt: _Attempt, labels: Mapping[int, str], champion: Champion | None
) -> dict[str, Any]:
    """What the version was made of, so that it can be made again."""
    data = orjson.dumps(sorted(labels.items()))
    return {
        "examples": len(labels),
        EXAMPLES_BY_LABEL: dict(sorted(Counter(labels.values()).items())),
        "data_sha256": hashlib.sha256(data).hexdigest(),
        KEEPS: list(wanted_of(attempt.policy)),
        "policy_hash": attempt.project.policy_hash,
        "seed": attempt.number,
        "parent": None if champion is None else champion.model.version,
        "reason": attempt.request.reason,
        "libraries": {name: installed_version(name) for name in ("labelgate", "scikit-learn")},
    }


def _record(
    attempt: _Attempt,
    made: EmbeddedPredictor,
    origin: tuple[dict[str, Any], datetime],
    verdict: Verdict,
) -> None:
    runtime, project = attempt.runtime, attempt.project
    lineage, trained_at = origin
    artifact = artifacts.save(runtime.settings.models_dir, project.id, made)
    now = runtime.now()
    with runtime.sessions.begin() as session:
        attempt.lease.require(session)
        store_version(
            session,
            project.id,
            ModelVersion(
                version=attempt.version,
                number=attempt.number,
                path=artifact.path,
                sha256=artifact.sha256,
                labels=made.labels,
                state=CHAMPION if verdict.promoted else KEPT,
                verdict={"reason": verdict.reason, **verdict.evidence},
                lineage=lineage,
                trained_at=trained_at,
                promoted_at=now if verdict.promoted else None,
            ),
            now,
        )
        end_training(session, attempt.request.id, verdict.reason, attempt.version, now)
