"""Use case: carry out a training request, in a process of its own, one at a time.

A version is recorded, promoted or kept and its request closed in one transaction: a trainer that
dies before leaves the champion serving and the request to be taken up again.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping
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
from backend.leasing import Lease, LeaseLostError, holding
from backend.predictors import artifacts
from backend.predictors.embedded import EmbeddedPredictor
from backend.predictors.memory import KEEPS, wanted_of
from backend.predictors.protocol import Predictor, TrainingError
from backend.retraining import lease_name
from backend.runtime import Runtime
from backend.slices import labelled_slices
from backend.store.models import (
    CHAMPION,
    EXAMPLES_BY_LABEL,
    KEPT,
    ModelVersion,
    next_number,
    store_version,
)
from backend.store.projects import ConnectedProject
from backend.store.training import (
    CANCELLED,
    FAILED,
    PROMOTED,
    Ending,
    TrainingRequest,
    end_training,
    give_back,
    start_training,
)
from backend.store.votes import count_new_labels
from backend.training_progress import (
    GATING,
    READING,
    RECORDING,
    TRAINING,
    Telling,
    TrainingCancelledError,
)
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
    telling: Telling
    number: int

    @property
    def version(self) -> str:
        return f"v{self.number}"


def train(runtime: Runtime, project: ConnectedProject, holder: str | None = None) -> dict[str, Any]:
    """Carry out the next training request, if there is one and nobody else is at it.

    ``holder`` is the name under which the lease is held, so that whoever started this process can
    free it once the process is dead; default: a new one.
    """
    with holding(runtime, lease_name(project.id), holder) as lease:
        if lease is None:
            return {"state": "running elsewhere"}
        attempt = _begin(runtime, project, lease)
        if attempt is None:
            return {"state": "nothing to do"}
        try:
            return _train(attempt)
        except (SystemExit, KeyboardInterrupt):
            with runtime.sessions.begin() as session:
                give_back(session, attempt.request.id)
            raise
        except TrainingCancelledError as error:
            logger.info("training.cancelled project=%d", project.id)
            return {"state": CANCELLED, "why": str(error)}
        except LeaseLostError as error:
            logger.warning("training.lease_lost project=%d", project.id)
            return {"state": "running elsewhere", "why": str(error)}
        except (TrainingError, AnnotationToolError, artifacts.ArtifactError) as error:
            with runtime.sessions.begin() as session:
                lease.require(session)
                failed = Ending(FAILED, str(error))
                end_training(session, attempt.request.id, failed, runtime.now())
            logger.warning("training.failed project=%d error=%s", project.id, error)
            return {"state": FAILED, "why": str(error)}


def _begin(runtime: Runtime, project: ConnectedProject, lease: Lease) -> _Attempt | None:
    """Take the next request up; None where there is none."""
    with runtime.sessions.begin() as session:
        labels = count_new_labels(session, project.id)
        request = start_training(session, project.id, labels, runtime.now())
    if request is None:
        return None
    with runtime.reads() as session:
        number = next_number(session, project.id)
    return _Attempt(
        runtime=runtime,
        project=project,
        policy=parse_policy(project.policy_text),
        request=request,
        lease=lease,
        telling=Telling(runtime, lease, request.id),
        number=number,
    )


def _train(attempt: _Attempt) -> dict[str, Any]:
    runtime, project, telling = attempt.runtime, attempt.project, attempt.telling
    telling.stage(READING)
    with runtime.reads() as session:
        slices = labelled_slices(session, project, attempt.policy)
    try:
        champion = load_champion(runtime, project.id)
    except artifacts.ArtifactError as error:
        logger.warning("training.champion_unreadable project=%d error=%s", project.id, error)
        champion = None  # nothing serves, so nothing is to be lost by a new version

    telling.stage(TRAINING)
    wanted = Wanted(version=attempt.version, seed=attempt.number, progress=telling.share)
    predictor = fit_version(runtime, project, attempt.policy, slices.training, wanted)
    trained_at = runtime.now()
    telling.stage(GATING)
    before = None if champion is None else _right(attempt, champion.predictor, slices.holdout)
    verdict = judge(_right(attempt, predictor, slices.holdout), before)

    telling.stage(RECORDING)
    lineage = _lineage(attempt, slices.training, champion)
    _record(attempt, predictor, (lineage, trained_at), verdict)
    logger.info(
        "training.ended project=%d version=%s %s", project.id, attempt.version, verdict.reason
    )
    return {
        "state": PROMOTED if verdict.promoted else KEPT,
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
    folder = runtime.settings.models_dir
    artifacts.forget(folder, project.id, made.version)  # of an attempt that died before its commit
    artifact = artifacts.save(folder, project.id, made)
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
        state = PROMOTED if verdict.promoted else KEPT
        ending = Ending(state, verdict.reason, attempt.version)
        if not end_training(session, attempt.request.id, ending, now):
            raise TrainingCancelledError("the training was cancelled")  # undoes the version too
