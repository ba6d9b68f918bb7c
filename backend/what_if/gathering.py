"""Gather what a replay rests on: a sample of the project's tasks, and the answers that prove.

The model's answers are those that the ledger holds: nothing is predicted anew, so a page can ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy.orm import Session

from backend.inferences.verification import with_monitored
from backend.runtime import Runtime
from backend.safeguards import suspended_groups
from backend.sameness import said_alike
from backend.store.escalations import final_labels
from backend.store.ledger import newest_seq
from backend.store.models import champion
from backend.store.projects import ConnectedProject
from backend.store.sampled import (
    DecidedTasks,
    Numbers,
    answered_tasks,
    decided_tasks,
    drawable,
    joined_tasks,
    task_numbers,
)
from backend.store.votes import human_votes_among, mean_lead_time
from backend.what_if.drawing import CHUNK, Bounds, draw, numbers_among
from connectors.label_studio.answers import mentions
from connectors.label_studio.labeling import Labeling, parse_labeling
from policies.domain import (
    MODEL,
    MONITORED,
    BoolArray,
    Candidates,
    FloatArray,
    IntArray,
    ObjectArray,
    column,
)
from policies.engine import NO_MODEL
from policies.planning import History
from policies.promises import AutoAccept, Group, least_answers
from policies.samples import Sample
from policies.sampling import SLICE, draws
from policies.schema import Policy

SAMPLE = Bounds(tasks=20_000, numbers=60_000)
# Tasks of the slices that are looked up, and how many of their answers are weighed at most.
_MOST_SLICE_LOOKUPS = 20_000
_MOST_PROOF = 6_000
# Which numbers are of a slice is computed, not looked up: so many are enough to find those in.
_MOST_HASHED = 1_000_000
_PURPOSES_OF_DEPLOYED = frozenset(each.value for each in MONITORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How old the sampled answers are, for the words on the page.

    Of the sample's tasks ``serving`` were answered by the version that serves now, ``earlier`` by
    others, ``unanswered`` by none. ``proof`` are the evidence's control and holdout answers,
    ``proof_by_serving`` those to answers of the version that serves.
    """

    version: str | None
    as_of: datetime
    entries: int
    serving: int
    earlier: int
    unanswered: int
    proof: int
    proof_by_serving: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """A project's history in a sample, all that a replay needs.

    ``evidence`` are answered tasks of control and holdout under the policy in force. ``suspended``
    says why nothing of a group is accepted now; ``seconds`` how long a label takes the tiers of
    which the policy does not say it.
    """

    history: History
    evidence: History
    sample: Sample
    suspended: dict[Group, str]
    seconds: dict[str, float]
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    """Tasks that people have answered, with the version whose decision holds of each."""

    task_ids: IntArray
    versions: ObjectArray


def gather(
    runtime: Runtime, project: ConnectedProject, policy: Policy, bounds: Bounds = SAMPLE
) -> Gathered:
    """Draw the sample of a project that is under this policy; the same draw until much has come."""
    labeling = parse_labeling(project.label_config)
    with runtime.reads() as session:
        serving = champion(session, project.id)
        version = None if serving is None else serving.version
        tasks, sample = _sampled(session, project.id, policy, bounds)
        answered = _proving(policy, version, _answered(session, project.id, policy, tasks))
        proving, labels = _settled(session, project.id, policy, answered)
        history = _candidates(session, (project, policy, labeling), tasks)
        evidence = _candidates(session, (project, policy, labeling), proving)
        suspended = {} if version is None else suspended_groups(session, project.id, version)
        seconds = _seconds(session, project.id, policy, proving)
        entries = newest_seq(session, project.id)
    truth = said_alike(project, labels, evidence)
    known = np.array([each is not None for each in tasks.labels], bool)
    by_serving = tasks.versions == version
    return Gathered(
        history=_history(history, np.full(len(history), None, object)),
        evidence=_history(evidence, truth),
        sample=sample,
        suspended=suspended,
        seconds=seconds,
        standing=Standing(
            version=version,
            as_of=runtime.now(),
            entries=entries,
            serving=int(np.count_nonzero(known & by_serving)),
            earlier=int(np.count_nonzero(known & ~by_serving)),
            unanswered=int(np.count_nonzero(~known)),
            proof=len(proving),
            proof_by_serving=int(np.count_nonzero(proving.versions == version)),
        ),
    )


def _sampled(
    session: Session, project_id: int, policy: Policy, bounds: Bounds
) -> tuple[DecidedTasks, Sample]:
    numbers = drawable(session, project_id)
    with_data = bool(policy.fields_used)

    def look_up(drawn: list[int]) -> DecidedTasks:
        return decided_tasks(session, project_id, numbers.numbers, drawn, data=with_data)

    found = draw((numbers.low, numbers.high), project_id, bounds, look_up)
    tasks = joined_tasks(found.chunks or [look_up([])])
    tasks = _in_order(tasks)
    size = max(0, numbers.size)
    return tasks, Sample(numbers=size, drawn=found.numbers, tasks=len(tasks))


def _answered(
    session: Session, project_id: int, policy: Policy, sampled: DecidedTasks
) -> _Answered:
    """Tasks of control and holdout that people have answered.

    Which tasks are drawn for a slice is a matter of their number alone, so that numbers can be
    chosen before anything is looked up; those of the sample are among them already.
    """
    ends = task_numbers(session, project_id)
    ids = numbers_among((ends.low, ends.high), project_id, _MOST_HASHED)
    ids = ids[_in_slices(policy, ids)][:_MOST_SLICE_LOOKUPS]
    ids = np.union1d(ids, sampled.task_ids[_in_slices(policy, sampled.task_ids)])
    found = [answered_tasks(session, project_id, chunk) for chunk in _chunks(ids)]
    return _Answered(
        task_ids=np.concatenate([task_ids for task_ids, _ in found]),
        versions=np.concatenate([versions for _, versions in found]),
    )


def _chunks(ids: IntArray) -> list[list[int]]:
    """As many as one statement looks up; one of none where there are none."""
    return [ids[start : start + CHUNK].tolist() for start in range(0, max(len(ids), 1), CHUNK)]


def _settled(
    session: Session, project_id: int, policy: Policy, answered: IntArray
) -> tuple[DecidedTasks, dict[int, str]]:
    """Those whose answers have come to one, and that; of very many a random part."""
    if len(answered) > _MOST_PROOF:
        answered = answered[numbers_among((0, len(answered) - 1), project_id, _MOST_PROOF)]
    among = answered.tolist()
    votes = human_votes_among(session, project_id, among)
    labels = final_labels(session, project_id, votes, among)
    known = answered[np.array([task_id in labels for task_id in among], bool)]
    with_data = bool(policy.fields_used)
    found = [
        decided_tasks(session, project_id, Numbers.TASKS, chunk, data=with_data)
        for chunk in _chunks(known)
    ]
    return _in_order(joined_tasks(found)), labels


def _proving(policy: Policy, version: str | None, answered: _Answered) -> IntArray:
    """The answers to what the serving version said, where they can prove anything, else all.

    A version that has just begun to serve has said nothing yet of what people had answered before.
    """
    rule = policy.auto_accept
    needed = least_answers(rule) if isinstance(rule, AutoAccept) else 1
    by_serving = np.asarray(answered.versions == version, bool)
    control = draws(policy.salt, SLICE, answered.task_ids) < policy.control.share
    if np.count_nonzero(by_serving & control) >= needed:
        return np.asarray(answered.task_ids[by_serving], np.int64)
    return answered.task_ids


def _in_slices(policy: Policy, ids: IntArray) -> BoolArray:
    drawn = draws(policy.salt, SLICE, ids)
    return (drawn < policy.control.share) | (drawn >= 1 - policy.holdout.share)


def _candidates(
    session: Session, of: tuple[ConnectedProject, Policy, Labeling], tasks: DecidedTasks
) -> Candidates:
    """The tasks as the policy decides on them, with what the ledger says of the predictions."""
    project, policy, labeling = of
    deployed = np.isin(tasks.purposes.astype(str), sorted(_PURPOSES_OF_DEPLOYED))
    labels = tasks.labels.copy()
    labels[deployed] = None  # what the project's own model would have said is not kept
    missing = np.array([label is None for label in labels], bool)
    scores = np.array([np.nan if each is None else each for each in tasks.scores], np.float64)
    scores[missing] = np.nan
    candidates = Candidates(
        task_ids=tasks.task_ids,
        labels=labels,
        scores=scores,
        problems=_problems(tasks, missing),
        fields={name: _field(tasks, name) for name in policy.fields_used},
        signals={name: _signal(tasks, name) for name in policy.signals_used},
        predictors=column([each or MODEL for each in tasks.predictors]),
        mentions=_mentions(labeling, labels),
        listed=labeling.is_list,
    )
    if deployed.any():
        return with_monitored(session, project.id, candidates, labeling)
    return candidates


def _problems(tasks: DecidedTasks, missing: BoolArray) -> ObjectArray:
    """Why a task has no answer: told by the ledger, except where a slice took it."""
    rows = zip(tasks.rules.tolist(), tasks.reasons.tolist(), missing.tolist(), strict=True)
    return column(
        [
            (reason if rule == "problem" else NO_MODEL) if gone else None
            for rule, reason, gone in rows
        ]
    )


def _field(tasks: DecidedTasks, name: str) -> ObjectArray:
    return column([(data or {}).get(name) for data in tasks.data])


def _signal(tasks: DecidedTasks, name: str) -> FloatArray:
    values = [(signals or {}).get(name, np.nan) for signals in tasks.signals]
    return np.array(values, np.float64)


def _mentions(labeling: Labeling, labels: ObjectArray) -> ObjectArray | None:
    if not labeling.speaks_of_more:
        return None
    return column([() if text is None else mentions(labeling, text) for text in labels])


def _seconds(
    session: Session, project_id: int, policy: Policy, proving: DecidedTasks
) -> dict[str, float]:
    """The mean time of the evidence's labels, for tiers of which the policy says nothing."""
    silent = [tier.name for tier in policy.tiers if tier.seconds_per_label is None]
    if not silent:
        return {}
    mean = mean_lead_time(session, project_id, proving.task_ids.tolist())
    return {} if mean is None else dict.fromkeys(silent, mean)


def _history(candidates: Candidates, labels: ObjectArray) -> History:
    n = len(candidates)
    return History(
        candidates=candidates,
        labels=labels,
        tiers=np.full(n, None, object),
        lead_times=np.full(n, np.nan),
    )


def _in_order(tasks: DecidedTasks) -> DecidedTasks:
    return _part(tasks, np.argsort(tasks.task_ids, kind="stable"))


def _part(tasks: DecidedTasks, places: BoolArray | IntArray) -> DecidedTasks:
    names = DecidedTasks.__dataclass_fields__
    return DecidedTasks(**{name: getattr(tasks, name)[places] for name in names})
