"""Use case: retrain when the policy's trigger is met, in a process of its own, one at a time.

A version is recorded, promoted or kept and its request closed in one transaction: a trainer that
dies before leaves the champion serving and the request to be taken up again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from backend.challenge import champion_to_beat, judged, stored
from backend.fitting import Wanted, fit_version
from backend.gate import Verdict
from backend.leasing import Lease, holding
from backend.lineage import Origin, described, learned_from, lineage_of_project
from backend.predictors import artifacts
from backend.predictors.memory import KEEPS, needed_of
from backend.predictors.protocol import TrainingError
from backend.predictors.sklearn_models import SklearnPredictor
from backend.promotion import recertify
from backend.runtime import Runtime
from backend.slices import labelled_slices
from backend.store.lineages import Lineage
from backend.store.models import (
    CHAMPION,
    KEPT,
    ModelVersion,
    all_versions,
    next_number,
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
        examples = learned_from(session, project, slices)
    champion, lost = champion_to_beat(runtime, project)

    wanted = Wanted(version=attempt.version, seed=attempt.number, weights=slices.weights)
    predictor = fit_version(runtime, project, attempt.policy, slices.training, wanted)
    trained_at = runtime.now()
    lineage = lineage_of_project(project, examples)
    origin = Origin(
        seed=attempt.number,
        parent=None if champion is None else champion.model.version,
        reason=attempt.request.reason,
    )
    says = described(attempt.policy, lineage, origin)
    verdict, right = judged(
        runtime, project, attempt.policy, slices.holdout, ((predictor, says), champion)
    )
    if lost is not None:
        verdict = replace(verdict, reason=f"{verdict.reason}: {lost}")

    state, why = _record(
        attempt, predictor, replace(lineage, holdout=right), (says, verdict, trained_at)
    )
    logger.info("training.ended project=%d version=%s %s", project.id, attempt.version, state)
    if state == "promoted":
        recertify(runtime, project)
    return {"state": state, "version": attempt.version, "why": why}


def _record(
    attempt: _Attempt,
    made: SklearnPredictor,
    lineage: Lineage,
    found: tuple[dict[str, Any], Verdict, datetime],
) -> tuple[str, str]:
    runtime, project = attempt.runtime, attempt.project
    says, verdict, trained_at = found
    artifact = artifacts.save(
        runtime.settings.models_dir, project.id, made.version, made.model, made.memory
    )
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
        end_training(session, attempt.request.id, why, attempt.version, runtime.now())
    return state, why
