"""Use case: ask for a training, say how it stands, cancel it. One queue for all that asks.

What asks: enough new labels, the days that the policy names, the button in Label Studio, drift,
the breaker, changed rules, people by command or program. None of them trains:
``backend.training`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from backend.fitting import asked_of
from backend.foreign import untrained_here
from backend.predictors.memory.kept import KEEPS, needed_of
from backend.predictors.trainable import unlearned
from backend.runtime import Runtime
from backend.slices import labelled_slices
from backend.store.leases import lease_is_held
from backend.store.models import CHAMPION, ModelVersion, all_versions
from backend.store.projects import ConnectedProject
from backend.store.training import (
    MOST_ATTEMPTS,
    QUEUED,
    RUNNING,
    TrainingRequest,
    last_request,
    open_requests,
    recent_requests,
    refuse_training,
    request_training,
    training_request,
)
from backend.store.votes import count_new_labels
from connectors.label_studio.labeling import parse_labeling
from policies.loading import parse_policy
from policies.models import Embedded
from policies.schema import Policy, Retrain


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A request and how it stands in words; ``share`` is how much of the training is done."""

    request: TrainingRequest
    says: str
    share: float | None

    def as_json(self) -> dict[str, Any]:
        """For programs; times as ISO texts, None where they have not come."""
        request = self.request
        return {
            "id": request.id,
            "state": request.state,
            "says": self.says,
            "stage": request.stage if request.state == RUNNING else None,
            "progress": self.share,
            "reasons": list(request.reasons),
            "attempts": request.attempts,
            "human_labels": request.human_labels,
            "outcome": request.outcome,
            "model_version": request.model_version,
            "requested_at": _iso(request.requested_at),
            "started_at": _iso(request.started_at),
            "ended_at": _iso(request.ended_at),
        }


def lease_name(project_id: int) -> str:
    """The lease of the one training that a project may have under way."""
    return f"training/{project_id}"


def unlearnable(project: ConnectedProject, policy: Policy) -> str | None:
    """What the project asks for that no model of Labelgate's own can learn; None: nothing."""
    if not isinstance(policy.model, Embedded):
        return None
    labeling, _ = asked_of(parse_labeling(project.label_config), policy)
    return next(filter(None, map(unlearned, labeling.controls)), None)


def lacking_labels(session: Session, project: ConnectedProject, policy: Policy) -> str | None:
    """Why there is too little to train on; None: there is enough."""
    impossible = untrained_here(policy) or unlearnable(project, policy)
    if impossible is not None:
        return impossible
    usable = len(labelled_slices(session, project, policy).training)
    lacks = policy.retrain.minimum_labels - usable
    if lacks <= 0:
        return None
    return (
        f"{lacks} more labels are needed to train: {usable} can be learned from (control and "
        f"holdout cannot), retrain.minimum_labels is {policy.retrain.minimum_labels}"
    )


def ask(
    session: Session, project: ConnectedProject, policy: Policy, reason: str, now: datetime
) -> str | None:
    """Queue a training that follows from what happened; why not, where too few labels came yet."""
    lacking = lacking_labels(session, project, policy)
    if lacking is None:
        labels = count_new_labels(session, project.id)
        request_training(session, project.id, reason, labels, now)
    return lacking


def ask_visibly(
    session: Session, project: ConnectedProject, policy: Policy, reason: str, now: datetime
) -> TrainingRequest:
    """The same where people want to see why not: a wish that cannot be met is kept as refused."""
    lacking = ask(session, project, policy, reason, now)
    if lacking is not None:
        return refuse_training(session, project.id, reason, lacking, now)
    return next(r for r in open_requests(session, project.id) if r.state == QUEUED)


def request_if_due(runtime: Runtime, project: ConnectedProject) -> bool:
    """Queue a training where the policy's count of labels or of days is reached; once."""
    policy, now = parse_policy(project.policy_text), runtime.now()
    with runtime.reads() as session:
        labels = count_new_labels(session, project.id)
        last = last_request(session, project.id)
        reason = _lacking(all_versions(session, project.id), project, policy)
        reason = reason or _due(policy.retrain, last, labels, now)
        if reason is None or lacking_labels(session, project, policy) is not None:
            return False
    with runtime.sessions.begin() as session:
        return request_training(session, project.id, reason, labels, now)


def attended(session: Session, project_id: int) -> bool:
    """Whether a trainer is at work, here or elsewhere."""
    # Leases run on the wall clock, whatever time a job is run for.
    return lease_is_held(session, lease_name(project_id), datetime.now(UTC))


def standing(session: Session, request_id: int) -> Standing:
    """How one request stands."""
    return _standing(session, training_request(session, request_id))


def standings(session: Session, project_id: int, most: int) -> list[Standing]:
    """The newest requests and how they stand, newest first."""
    return [_standing(session, each) for each in recent_requests(session, project_id, most)]


def _standing(session: Session, request: TrainingRequest) -> Standing:
    alive = request.state == RUNNING and attended(session, request.project_id)
    share = request.progress if alive else None
    return Standing(request=request, says=told(request, alive=alive), share=share)


def told(request: TrainingRequest, *, alive: bool) -> str:
    """How a request stands, in words; ``alive`` says that a trainer works at it."""
    if not request.open:
        # "kept: worse than ..." and "cancelled by ..." say it themselves.
        words = request.outcome or ""
        return words if words.startswith(request.state) else f"{request.state}: {words}"
    died = f"; an attempt died: {request.outcome}" if request.outcome else ""
    if request.state == QUEUED:
        return f"queued{died}"
    if not alive:
        return f"waits to be taken up again, {request.attempts} of {MOST_ATTEMPTS} attempts{died}"
    stage = request.stage or "starting"
    share = "" if request.progress is None else f" {request.progress * 100:.0f} %"
    return f"{stage}{share}{died}"


def _due(retrain: Retrain, last: TrainingRequest | None, labels: int, now: datetime) -> str | None:
    """What of the policy's counts is reached since the last request; None: nothing."""
    if last is None:
        return f"{labels} new human labels"
    new = labels - last.human_labels
    if new >= retrain.after_annotations:
        return f"{new} new human labels"
    if retrain.every_days is None or new == 0:
        return None
    since = last.started_at or last.requested_at
    if last.open or now - since < timedelta(days=retrain.every_days):
        return None
    return f"{retrain.every_days:g} days since the last training"


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


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
