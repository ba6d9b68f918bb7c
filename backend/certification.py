"""Use case: certify a model version's thresholds on the blind control slice.

Every group of answers that the policy makes a promise about gets one look a version and policy, as
soon as there are enough control answers to prove anything: looking again and again at growing data
until it passes would break the promise. A group whose breaker tripped and was reset gets another
one, on answers given since the trip alone.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from sqlalchemy.orm import Session

from backend.breakers.rearming import doubts_of, settle_resets
from backend.candidates import with_class_support
from backend.champion import Champion, predict_tasks
from backend.runtime import Runtime
from backend.sameness import said_alike
from backend.slices import control_answers, proving_since
from backend.store.certificates import (
    StoredCertification,
    last_certification,
    store_certification,
    valid_certification,
)
from backend.store.escalations import contested_task_ids
from backend.store.models import champion
from backend.store.projects import ConnectedProject
from backend.store.recalls import lock_project
from backend.store.tasks import unlabelled_task_ids
from backend.store.votes import answered_between
from policies.certifying import (
    Evidence,
    certify_promises,
    extended,
    raised_as_before,
    reaching_auto_accept,
    ready,
)
from policies.domain import Candidates, Certificate, part_of
from policies.promises import AutoAccept, Promise, groups_of, least_answers, promises_of
from policies.sampling import SLICE, draws
from policies.schema import Policy

logger = logging.getLogger(__name__)

_POOL_SAMPLE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose certificates are asked for."""

    runtime: Runtime
    project: ConnectedProject
    policy: Policy
    serving: Champion

    def reaching(self, ids: Sequence[int]) -> Candidates:
        """The tasks whose answer comes as far as the threshold: no route takes them to people."""
        predicted = predict_tasks(
            self.runtime, self.project, self.policy, self.serving.predictor, ids
        )
        candidates = with_class_support(predicted, self.serving.model)
        return part_of(candidates, reaching_auto_accept(self.policy, candidates))


def certify_version(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    serving: Champion,
    standing: StoredCertification | None = None,
) -> StoredCertification | None:
    """Certify what of the champion's promises has had no look yet, and keep it beside the rest.

    ``standing`` is what is certified already; it comes back where nothing new can be looked at.
    The thresholds to test are quantiles of the champion's scores of tasks that nobody has
    labelled, so that no control answer has a say in what is tested on it. Tasks that a route takes
    to people, or whose label is never accepted, say nothing about what is accepted: neither their
    scores nor their control answers count.
    """
    rule = policy.auto_accept
    if not isinstance(rule, AutoAccept):
        return None
    version = serving.model.version
    looked = None if standing is None else standing.certification
    with runtime.reads() as session:
        doubts = doubts_of(session, project.id, version, looked)
        promised = version_promises(rule, policy, serving.predictor.labels)
        promises = doubts.due(promised, looked)
        since = proving_since(session, project.id, version)
        control = control_answers(session, project, policy, version)
        pool = unlabelled_task_ids(session, project.id)
        waiting = pool + contested_task_ids(session, project.id)
    if not promises or len(control) < min(map(least_answers, promises)):
        return standing
    asked = Asked(runtime=runtime, project=project, policy=policy, serving=serving)
    answered = asked.reaching(sorted(control))
    answered = part_of(answered, doubts.counting(rule, answered))
    due = ready(rule, promises, answered, slice_is_open=slice_is_open(policy, waiting))
    if not due:
        return standing

    evidence = Evidence(
        control=answered,
        truth=said_alike(project, control, answered),
        pool=asked.reaching(sample(pool)),
    )
    found = certify_promises(rule, due, evidence, model_version=version)
    with runtime.reads() as session:
        dated = _dated(session, project, found, (rule, answered))
        if looked is None:  # another policy than that under which audits moved thresholds
            dated = raised_as_before(dated, last_certification(session, project.id, version))
        certification = extended(looked, dated, version)

    with runtime.sessions.begin() as session:
        lock_project(session, project.id)
        if not _unchanged(session, project, version, (since, standing)):
            return valid_certification(session, project.id, version, project.policy_hash)
        stored = store_certification(
            session, project.id, certification, project.policy_hash, runtime.now()
        )
        groups = [(each.predictor, each.label) for each in promised]
        settle_resets(session, project.id, doubts, (found, groups), stored.certified_at)
    _log(project, found)
    return stored


def _unchanged(
    session: Session,
    project: ConnectedProject,
    version: str,
    before: tuple[datetime | None, StoredCertification | None],
) -> bool:
    """Whether what was certified still counts: for the version that serves, on what stood then.

    Where the promise was withdrawn meanwhile, these answers prove nothing any more; where another
    process certified or promoted meanwhile, what it left holds.
    """
    since, standing = before
    serving = champion(session, project.id)
    valid = valid_certification(session, project.id, version, project.policy_hash)
    return (
        proving_since(session, project.id, version) == since
        and serving is not None
        and serving.version == version
        and (valid and valid.id) == (standing and standing.id)
    )


def version_promises(
    rule: AutoAccept, policy: Policy, labels: Sequence[str]
) -> tuple[Promise, ...]:
    """What is promised of the answers of a version that knows these labels."""
    return promises_of(rule, policy.says(labels), policy.tiers[0].cost_per_label)


def slice_is_open(policy: Policy, pool: Sequence[int]) -> bool:
    """Whether control tasks still wait for their answer among those that have none."""
    ids = np.array(pool, dtype=np.int64)
    return bool((draws(policy.salt, SLICE, ids) < policy.control.share).any())


def sample(ids: Sequence[int]) -> Sequence[int]:
    """Every k-th id, so that at most ``_POOL_SAMPLE`` are left; enough to place a grid."""
    return ids[:: max(1, math.ceil(len(ids) / _POOL_SAMPLE))]


def _dated(
    session: Session,
    project: ConnectedProject,
    certificates: Sequence[Certificate],
    rests_on: tuple[AutoAccept, Candidates],
) -> tuple[Certificate, ...]:
    """The certificates with the times between which their control answers were given."""
    rule, answered = rests_on
    groups = groups_of(rule, [each.group for each in certificates], answered)
    dated = []
    for place, certificate in enumerate(certificates):
        window = answered_between(session, project.id, answered.task_ids[groups == place].tolist())
        since, until = (None, None) if window is None else window
        dated.append(replace(certificate, since=since, until=until))
    return tuple(dated)


def _log(project: ConnectedProject, found: Sequence[Certificate]) -> None:
    for certificate in found:
        logger.info(
            "threshold.certified project=%d version=%s predictor=%s threshold=%s answers=%d "
            "errors=%d",
            project.id,
            certificate.model_version,
            certificate.predictor,
            certificate.threshold,
            certificate.control_answers,
            certificate.errors,
        )
