"""Use case: certify a model version's threshold on the blind control slice.

One certificate a version and policy, made as soon as there are enough control answers to prove
anything: looking again and again at growing data until it passes would break the promise.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence

import numpy as np

from backend.candidates import column, part_of, with_class_support
from backend.champion import Champion, predict_tasks
from backend.runtime import Runtime
from backend.slices import labelled_slices
from backend.store.certificates import StoredCertificate, store_certificate
from backend.store.projects import ConnectedProject
from backend.store.tasks import unlabelled_task_ids
from policies.domain import Candidates, Certificate, FloatArray
from policies.planning import reaching_auto_accept
from policies.sampling import SLICE, draws
from policies.schema import AutoAccept, Policy
from policies.thresholds import certify, first_level, grid_from_scores

logger = logging.getLogger(__name__)

_POOL_SAMPLE = 5_000


def certify_version(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    serving: Champion,
) -> StoredCertificate | None:
    """Certify the champion and keep the certificate; None where it is too early, or never asked.

    The thresholds to test are quantiles of the champion's scores of tasks that nobody has
    labelled, so that no control answer has a say in what is tested on it. Tasks that a route takes
    to people, or whose label is never accepted, say nothing about what is accepted: neither their
    scores nor their control answers count.
    """
    rule = policy.auto_accept
    if not isinstance(rule, AutoAccept):
        return None
    with runtime.reads() as session:
        control = labelled_slices(session, project, policy).control
        pool = unlabelled_task_ids(session, project.id)
    wait = answers_to_wait_for(rule, policy, pool)
    if len(control) < wait:
        return None
    answered = _reaching(runtime, project, policy, serving, sorted(control))
    if len(answered) < wait:
        return None

    open_scores = _reaching(runtime, project, policy, serving, sample(pool)).scores
    certificate = _certify(rule, serving.model.version, (answered, control), open_scores)

    with runtime.sessions.begin() as session:
        stored = store_certificate(
            session, project.id, certificate, project.policy_hash, runtime.now()
        )
    logger.info(
        "threshold.certified project=%d version=%s threshold=%s answers=%d errors=%d",
        project.id,
        certificate.model_version,
        certificate.threshold,
        certificate.control_answers,
        certificate.errors,
    )
    return stored


def _reaching(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    serving: Champion,
    ids: Sequence[int],
) -> Candidates:
    """The tasks whose answer comes as far as the threshold: no route takes them to people."""
    predicted = predict_tasks(runtime, project, policy, serving.predictor, ids)
    candidates = with_class_support(predicted, serving.model)
    return part_of(candidates, reaching_auto_accept(policy, candidates))


def _certify(
    rule: AutoAccept,
    version: str,
    control: tuple[Candidates, Mapping[int, str]],
    open_scores: FloatArray,
) -> Certificate:
    answered, labels = control
    truth = column([labels[task_id] for task_id in answered.task_ids.tolist()])
    grid = grid_from_scores(
        open_scores,
        max_error_rate=rule.max_error_rate,
        confidence=rule.confidence,
        n_labelled=len(answered),
        floor=rule.floor,
    )
    return certify(
        answered.scores,
        np.asarray(answered.labels != truth, dtype=np.bool_),
        grid=grid,
        max_error_rate=rule.max_error_rate,
        confidence=rule.confidence,
        model_version=version,
    )


def answers_to_wait_for(rule: AutoAccept, policy: Policy, pool: Sequence[int]) -> int:
    """Control answers at which a version gets its one look.

    Just enough for a faultless model proves nothing for a good one, so the look waits for twice as
    many, or for the end of the slice where the project is small. It depends on counts alone, never
    on what the answers say.
    """
    ids = np.array(pool, dtype=np.int64)
    slice_is_open = bool((draws(policy.salt, SLICE, ids) < policy.control.share).any())
    return least_answers(rule) * (2 if slice_is_open else 1)


def sample(ids: Sequence[int]) -> Sequence[int]:
    """Every k-th id, so that at most ``_POOL_SAMPLE`` are left; enough to place a grid."""
    return ids[:: max(1, math.ceil(len(ids) / _POOL_SAMPLE))]


def least_answers(rule: AutoAccept) -> int:
    """Control answers below which not even a faultless model could be certified."""
    level = first_level(rule.confidence)
    return math.ceil(math.log(level) / math.log1p(-rule.max_error_rate))
