"""Use case: decide every task that needs it: new ones, and all open ones when grounds change.

Grounds are the model version, the policy and the certificate. The queue is alive: whenever one of
them changes, every task that no person has labelled is decided again, earlier accepts included.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backend.candidates import joined, with_class_support
from backend.certification import certify_version
from backend.champion import Champion, load_champion, predict_tasks, predicted_chunks
from backend.job_progress import progress
from backend.predictors.errors import ArtifactError
from backend.runtime import Runtime
from backend.safeguards import gather_safeguards, undecided
from backend.shared_predicting import Shared, answered_together, is_worth_sharing
from backend.store.certificates import StoredCertification, valid_certification
from backend.store.decisions import decisions_of, still_undecided
from backend.store.ledger import Grounds, append_decisions, newest_seq
from backend.store.projects import ConnectedProject
from backend.store.recalls import lock_project
from connectors.label_studio.labeling import parse_labeling
from policies.domain import Candidates, Outcome
from policies.engine import NO_MODEL, decide
from policies.loading import parse_policy
from policies.schema import Policy

logger = logging.getLogger(__name__)

# Small, so that a webhook that comes meanwhile waits for one short transaction only.
CHUNK = 500
# For how long a round asks the model before it decides and delivers what it has.
LONGEST_S = 60.0


def route(runtime: Runtime, project: ConnectedProject) -> dict[str, int]:
    """Predict, certify what has had no look yet, decide, append to the ledger.

    Returns how many tasks were decided, how many of those accepted, and how many are left for the
    next round: a slow model is asked for a minute, so that what it has answered is delivered. A
    task that was answered, recalled or frozen while the model predicted is left as it is. What it
    means for Label Studio is worked out from the ledger by ``backend.queueing``, so a crash between
    the two loses nothing. While the model's file is not what it was, new tasks go to people with
    that reason, and what was decided by it before stays.
    """
    policy = parse_policy(project.policy_text)
    if project.config_problem is not None:
        return _to_people(runtime, project, policy, project.config_problem)
    serving, unreadable = _serving(runtime, project, policy)
    certified = _certified(runtime, project, serving)
    if serving is not None:
        certified = certify_version(runtime, project, policy, serving, certified)
    grounds = Grounds(
        model_version=None if serving is None else serving.model.version,
        policy_hash=project.policy_hash,
        certificate_id=None if certified is None else certified.id,
    )
    labeling = parse_labeling(project.label_config)
    with runtime.reads() as session:
        until_seq = newest_seq(session, project.id)  # before the tasks: none is taken for older
        ids = undecided(session, project, policy, grounds, labeling)
        if unreadable is not None:
            decided = decisions_of(session, project.id, ids)
            ids = [task_id for task_id in ids if task_id not in decided]
    if not ids:
        return {"decided": 0, "accepted": 0, "left": 0}
    candidates = with_class_support(
        _predicted(runtime, project, policy, serving, ids),
        None if serving is None else serving.model,
    )
    if unreadable is not None:
        candidates.problems[candidates.problems == NO_MODEL] = unreadable
    found = _decide(runtime, project, policy, candidates, (grounds, certified, until_seq))
    return {**found, "left": len(ids) - len(candidates)}


def _predicted(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    serving: Champion | None,
    ids: Sequence[int],
) -> Candidates:
    """The first of the tasks, as many as are answered in the time that a round has.

    By this worker alone, until it is seen that others had better help.
    """
    predictor = None if serving is None else serving.predictor
    parts: list[Candidates] = []
    began = time.monotonic()
    asked = 0
    progress("asking the model", 0.0)
    for part in predicted_chunks(runtime, project, policy, predictor, ids):
        parts.append(part)
        asked += len(part)
        progress("asking the model", asked / len(ids))
        seconds = time.monotonic() - began
        if seconds > LONGEST_S:
            break
        if serving is not None and is_worth_sharing(runtime, asked, seconds, len(ids) - asked):
            shared = Shared(project=project, policy=policy, serving=serving)
            rate, deadline = asked / seconds, began + LONGEST_S
            left = np.setdiff1d(ids, joined(parts).task_ids).tolist()
            parts += answered_together(runtime, shared, left, rate, deadline)
            break
    return joined(parts)


def _serving(
    runtime: Runtime, project: ConnectedProject, policy: Policy
) -> tuple[Champion | None, str | None]:
    """The version that serves, or why it cannot be read."""
    try:
        return load_champion(runtime, project.id, policy), None
    except ArtifactError as error:
        logger.warning("routing.model_unreadable project=%d error=%s", project.id, error)
        return None, f"the model that serves cannot be read: {error}"


def _to_people(
    runtime: Runtime, project: ConnectedProject, policy: Policy, why: str
) -> dict[str, int]:
    """Decide what waits without an answer, as long as the labelling config cannot be answered."""
    grounds = Grounds(model_version=None, policy_hash=project.policy_hash, certificate_id=None)
    labeling = parse_labeling(project.label_config)
    with runtime.reads() as session:
        until_seq = newest_seq(session, project.id)
        ids = undecided(session, project, policy, grounds, labeling)
    if not ids:
        return {"decided": 0, "accepted": 0, "left": 0}
    unanswered = predict_tasks(
        runtime, project, policy.model_copy(update={"automation": ()}), None, ids
    )
    problems = np.full(len(unanswered), why, object)
    candidates = replace(unanswered, problems=problems)
    return {**_decide(runtime, project, policy, candidates, (grounds, None, until_seq)), "left": 0}


def _certified(
    runtime: Runtime, project: ConnectedProject, serving: Champion | None
) -> StoredCertification | None:
    if serving is None:
        return None
    with runtime.reads() as session:
        return valid_certification(session, project.id, serving.model.version, project.policy_hash)


def _decide(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    candidates: Candidates,
    rests_on: tuple[Grounds, StoredCertification | None, int],
) -> dict[str, int]:
    """Decide all at once, because shares depend on how much is accepted; append in chunks."""
    grounds, stored, until_seq = rests_on
    with runtime.reads() as session:
        safeguards = gather_safeguards(
            session, project, policy, (grounds.model_version, candidates), runtime.now()
        )
    decisions = decide(
        policy,
        candidates,
        None if stored is None else stored.certification,
        model_version=grounds.model_version,
        safeguards=safeguards,
    )
    decided = accepted = 0
    for start in range(0, len(decisions), CHUNK):
        progress("writing decisions", start / len(decisions))
        rows = list(decisions.rows(slice(start, start + CHUNK)))
        with runtime.sessions.begin() as session:
            lock_project(session, project.id)
            ids = [each.task_id for each in rows]
            left = still_undecided(session, project.id, ids, until_seq)
            rows = [each for each in rows if each.task_id in left]
            append_decisions(session, project.id, rows, grounds, runtime.now())
        decided += len(rows)
        accepted += sum(each.outcome is Outcome.ACCEPT for each in rows)
    return {"decided": decided, "accepted": accepted}
