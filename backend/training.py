"""Use case: carry out a training request, in a process of its own, one at a time.

A version is recorded, promoted or kept and its request closed in one transaction: a trainer that
dies before leaves the champion serving and the request to be taken up again.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from backend.challenge import champion_to_beat, judged, stored
from backend.fitting import Wanted, fit_version
from backend.foreign import forward_training
from backend.gate import Verdict
from backend.leasing import Lease, LeaseLostError, holding
from backend.lineage import (
    ENCODER,
    LEARNING_CURVE,
    Origin,
    described,
    learned_from,
    lineage_of_project,
)
from backend.predictors import artifacts
from backend.predictors.embedded import EmbeddedPredictor
from backend.predictors.errors import ArtifactError, TrainingError
from backend.predictors.learning_curve import curve_as_plain
from backend.promotion import recertify
from backend.prompt_leakage import without_measured_prompts
from backend.retraining import lease_name
from backend.runtime import Runtime
from backend.slices import labelled_slices
from backend.store.lineages import Lineage
from backend.store.models import (
    KEPT,
    ModelVersion,
    next_number,
)
from backend.store.projects import ConnectedProject
from backend.store.training import (
    CANCELLED,
    FAILED,
    FORWARDED,
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
from policies.loading import parse_policy
from policies.models import Foreign
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
            elsewhere = isinstance(attempt.policy.model, Foreign)
            return _forward(attempt) if elsewhere else _train(attempt)
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
        except (TrainingError, AnnotationToolError, ArtifactError) as error:
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


def _forward(attempt: _Attempt) -> dict[str, Any]:
    """Have the model trained where it is; its new version shows itself by its name."""
    runtime = attempt.runtime
    attempt.telling.stage(TRAINING)
    said = forward_training(runtime, attempt.project, attempt.policy)
    with runtime.sessions.begin() as session:
        attempt.lease.require(session)
        end_training(session, attempt.request.id, Ending(FORWARDED, said), runtime.now())
    return {"state": FORWARDED, "why": said}


def _train(attempt: _Attempt) -> dict[str, Any]:
    runtime, project, telling = attempt.runtime, attempt.project, attempt.telling
    telling.stage(READING)
    with runtime.reads() as session:
        slices = labelled_slices(session, project, attempt.policy)
        slices = without_measured_prompts(session, project, attempt.policy, slices)
        examples = learned_from(session, project, slices)
    champion, lost = champion_to_beat(runtime, project)

    telling.stage(TRAINING)
    wanted = Wanted(
        version=attempt.version,
        seed=attempt.number,
        progress=telling.share,
        weights=slices.weights,
    )
    predictor = fit_version(runtime, project, attempt.policy, slices.training, wanted)
    trained_at = runtime.now()
    telling.stage(GATING)
    lineage = lineage_of_project(project, examples)
    origin = Origin(
        seed=attempt.number,
        parent=None if champion is None else champion.model.version,
        reason=attempt.request.reason,
    )
    says = described(attempt.policy, lineage, origin)
    if predictor.space is not None:
        says[ENCODER] = asdict(predictor.space)
    if predictor.learning is not None:
        says[LEARNING_CURVE] = curve_as_plain(predictor.learning)
    verdict, right = judged(
        runtime, project, attempt.policy, slices.holdout, ((predictor, says), champion)
    )
    if lost is not None:
        verdict = replace(verdict, reason=f"{verdict.reason}: {lost}")

    telling.stage(RECORDING)
    state, why = _record(
        attempt, predictor, replace(lineage, holdout=right), (says, verdict, trained_at)
    )
    logger.info("training.ended project=%d version=%s %s", project.id, attempt.version, state)
    if state == PROMOTED:
        recertify(runtime, project)
    return {"state": state, "version": attempt.version, "why": why}


def _record(
    attempt: _Attempt,
    made: EmbeddedPredictor,
    lineage: Lineage,
    found: tuple[dict[str, Any], Verdict, datetime],
) -> tuple[str, str]:
    runtime, project = attempt.runtime, attempt.project
    says, verdict, trained_at = found
    folder = runtime.settings.models_dir
    artifacts.forget(folder, project.id, made.version)  # of an attempt that died before its commit
    artifact = artifacts.save(folder, project.id, made)
    model = ModelVersion(
        version=attempt.version,
        number=attempt.number,
        path=artifact.path,
        sha256=artifact.sha256,
        labels=made.labels,
        state=KEPT,
        verdict={"reason": verdict.reason, **verdict.evidence},
        lineage=says,
        trained_at=trained_at,
        promoted_at=None,
    )
    with runtime.sessions.begin() as session:
        attempt.lease.require(session)
        state, why = stored(runtime, session, project, attempt.policy, (model, lineage, verdict))
        ending = Ending(state, why, attempt.version)
        if not end_training(session, attempt.request.id, ending, runtime.now()):
            raise TrainingCancelledError("the training was cancelled")  # undoes the version too
    return state, why
