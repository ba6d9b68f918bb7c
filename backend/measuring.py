"""A version's answers to the holdout: what the gate compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from backend.candidates import model_alone, with_examples_seen
from backend.champion import predict_tasks
from backend.gate import Bars
from backend.predictors.protocol import Predictor
from backend.runtime import Runtime
from backend.sameness import likeness_in, said_alike
from backend.store.projects import ConnectedProject
from policies.certifying import reaching_auto_accept
from policies.decisions import is_none
from policies.domain import Candidates, ObjectArray, column
from policies.gate_checks import Measured, Reach
from policies.likeness import aligned
from policies.promises import AutoAccept, groups_of, promises_of
from policies.schema import Policy


def measured(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    version: tuple[Predictor, Mapping[str, int]],
    holdout: Mapping[int, str],
) -> Measured:
    """A predictor's answers to the holdout tasks, by task id; no answer is not right.

    A task that is not stored has none.

    ``version`` is the predictor with how many examples of each label it has seen. How much could be
    accepted is measured on the whole policy's answers, those of its rules of automation among them.
    """
    predictor, seen = version
    ids = sorted(holdout)
    alone = predict_tasks(runtime, project, model_alone(policy), predictor, ids)
    rows = np.searchsorted(ids, alone.task_ids)
    scores, said = np.full(len(ids), np.nan), np.full(len(ids), None, dtype=np.object_)
    scores[rows], said[rows] = alone.scores, alone.labels
    reach = None
    if isinstance(policy.auto_accept, AutoAccept):
        answered = alone  # images are fetched once where the model alone answers, and no route asks
        if policy.automation or policy.routes:
            answered = predict_tasks(runtime, project, policy, predictor, ids)
        answered = with_examples_seen(answered, seen)
        truth = said_alike(project, holdout, answered)
        reach = _reach(policy.auto_accept, policy, predictor.labels, (answered, truth))
    truths = column([holdout[task_id] for task_id in ids])
    return Measured(
        right=np.asarray(aligned(truths, said, likeness_in(project)) == said, np.bool_)
        & ~is_none(said),
        scores=scores,
        said=said,
        reach=reach,
    )


def _reach(
    rule: AutoAccept,
    policy: Policy,
    labels: Sequence[str],
    answers: tuple[Candidates, ObjectArray],
) -> Reach:
    answered, truth = answers
    promises = promises_of(rule, policy.says(labels), policy.tiers[0].cost_per_label)
    groups = groups_of(rule, [(each.predictor, each.label) for each in promises], answered)
    reaches = reaching_auto_accept(policy, answered) & (answered.scores >= rule.floor)
    return Reach(
        scores=answered.scores,
        wrong=np.asarray(answered.labels != truth, np.bool_),
        groups=np.where(reaches, groups, -1),
        limits=tuple(promise.max_error_rate for promise in promises),
    )


def bars_of(policy: Policy, holdout: Mapping[int, str]) -> Bars:
    """What the policy asks of a challenger, with what people said of the holdout."""
    return Bars(
        truth=column([holdout[task_id] for task_id in sorted(holdout)]),
        protected=dict(policy.retrain.protected),
        most_share_lost=policy.retrain.most_share_lost,
    )
