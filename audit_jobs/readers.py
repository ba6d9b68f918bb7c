"""Job: how sure the consensus of each task is that several people of a tier have read.

``backend.escalation`` asks one more reader, or the next tier, by it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from audit_jobs.measures.one_coin import posterior_beside
from audit_jobs.measures.ratings import ratings_of
from backend.runtime import Runtime
from backend.store.consensus import Consensus, read_tasks, store_consensus
from backend.store.projects import ConnectedProject
from backend.store.reports import CONSENSUS, Report, newest_report, store_report
from backend.store.shared_tasks import shared_state
from backend.store.votes import Vote, human_votes
from policies.loading import parse_policy


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Take the consensus of the tasks in doubt, where the policy asks more readers for them."""
    policy = parse_policy(project.policy_text)
    if not policy.agreement.adaptive:
        return {"state": "every task has as many readers as the policy's overlap"}
    with runtime.reads() as session:
        state = {**shared_state(session, project.id).as_json(), "policy": project.policy_hash}
        last = newest_report(session, project.id, CONSENSUS)
        if last is not None and last.body["state"] == state:
            return {"state": "nothing new"}
        tasks = read_tasks(session, project.id)
        votes = human_votes(session, project.id)

    bar = policy.agreement.confidence
    found = consensus_of_votes(votes, tasks)
    new = [each for each in found if not _stands(each, tasks[each.task_id], bar)]
    body = {
        "state": state,
        "tasks": len(found),
        "sure": sum(each.confidence >= bar for each in found),
        "confidence": bar,
    }

    with runtime.sessions.begin() as session:
        store_consensus(session, project.id, new)
        report = Report(kind=CONSENSUS, model_version=None, made_at=runtime.now(), body=body)
        store_report(session, project.id, report)
    return {"tasks": body["tasks"], "sure": body["sure"], "taken": len(new)}


def consensus_of_votes(votes: Sequence[Vote], wanted: Collection[int]) -> list[Consensus]:
    """The most probable label of the wanted tasks by the one-coin model of all votes.

    All votes, because how good a reader is shows on the other tasks that he has read.
    """
    ratings = ratings_of(
        [str(vote.task_id) for vote in votes],
        [str(vote.user_id) for vote in votes],
        [vote.label for vote in votes],
    )
    made = posterior_beside(ratings)
    answers = np.bincount(ratings.units, minlength=len(ratings.unit_names))
    said = _fingerprints(votes, set(wanted))
    places: Mapping[str, int] = {name: place for place, name in enumerate(ratings.unit_names)}
    units = [(task_id, places[str(task_id)]) for task_id in wanted if str(task_id) in places]
    return [
        Consensus(
            task_id=task_id,
            label=ratings.categories[int(made.labels[unit])],
            confidence=float(made.confidence[unit]),
            answers=int(answers[unit]),
            fingerprint=said[task_id],
        )
        for task_id, unit in units
        if np.isfinite(made.confidence[unit])
    ]


def _fingerprints(votes: Iterable[Vote], wanted: Collection[int]) -> dict[int, str]:
    said: dict[int, list[str]] = defaultdict(list)
    for vote in votes:
        if vote.task_id in wanted:
            said[vote.task_id].append(f"{vote.user_id} {vote.label}")
    return {
        task_id: hashlib.blake2s("\n".join(sorted(each)).encode(), digest_size=8).hexdigest()
        for task_id, each in said.items()
    }


def _stands(now: Consensus, before: Consensus | None, bar: float) -> bool:
    """Whether what was taken before holds: sure answers do not come into doubt by other tasks'."""
    return before is not None and before.fingerprint == now.fingerprint and before.confidence >= bar
