"""Use case: decide every task that needs it: new ones, and all open ones when grounds change.

Grounds are the model version, the policy and the certificate. The queue is alive: whenever one of
them changes, every task that no person has labelled is decided again, earlier accepts included.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backend.candidates import with_class_support
from backend.certification import certify_version
from backend.champion import Champion, load_champion, predict_tasks
from backend.runtime import Runtime
from backend.safeguards import gather_safeguards, undecided
from backend.store.certificates import StoredCertification, valid_certification
from backend.store.decisions import still_undecided
from backend.store.ledger import Grounds, append_decisions, newest_seq
from backend.store.projects import ConnectedProject
from backend.store.recalls import lock_project
from connectors.label_studio.labeling import parse_labeling
from policies.domain import Candidates, Outcome
from policies.engine import decide
from policies.loading import parse_policy
from policies.schema import Policy

# Small, so that a webhook that comes meanwhile waits for one short transaction only.
CHUNK = 500


def route(runtime: Runtime, project: ConnectedProject) -> dict[str, int]:
    """Predict, certify what has had no look yet, decide, append to the ledger.

    Returns how many tasks were decided and how many of those accepted. A task that was answered,
    recalled or frozen while the model predicted is left as it is. What it means for Label
    Studio is worked out from the ledger by ``backend.queueing``, so a crash between the two loses
    nothing.
    """
    policy = parse_policy(project.policy_text)
    if project.config_problem is not None:
        return _to_people(runtime, project, policy, project.config_problem)
    serving = load_champion(runtime, project.id, policy)
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
    if not ids:
        return {"decided": 0, "accepted": 0}
    predictor = None if serving is None else serving.predictor
    candidates = with_class_support(
        predict_tasks(runtime, project, policy, predictor, ids),
        None if serving is None else serving.model,
    )
    return _decide(runtime, project, policy, candidates, (grounds, certified, until_seq))


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
        return {"decided": 0, "accepted": 0}
    unanswered = predict_tasks(
        runtime, project, policy.model_copy(update={"automation": ()}), None, ids
    )
    problems = np.full(len(unanswered), why, object)
    candidates = replace(unanswered, problems=problems)
    return _decide(runtime, project, policy, candidates, (grounds, None, until_seq))


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
