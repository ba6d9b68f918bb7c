"""Use case: put another policy in force for a connected project, knowing what it will change."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.connecting import PolicyFile, Replacement, connect_policy, connect_project
from backend.histories import project_history
from backend.reviewers import seconds_by_tier, tier_members
from backend.runtime import Runtime
from backend.safeguards import gather_safeguards
from backend.store.acts import Act
from backend.store.figures import lead_times
from backend.store.models import champion
from backend.store.open_decisions import OpenDecision, open_decisions
from backend.store.projects import ConnectedProject
from connectors.annotation_tool import AnnotationToolUnavailableError
from policies.decisions import Decisions
from policies.explanations import run_tests
from policies.planning import Plan, changes, plan
from policies.schema import Policy

logger = logging.getLogger(__name__)


class DraftFailsError(Exception):
    """A draft does not pass the tests that the policy itself holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a policy would do with the open tasks, and how many decisions it would change."""

    plan: Plan
    changed: int


def propose(
    runtime: Runtime, project: ConnectedProject, policy: Policy, against: Policy | None = None
) -> Proposal:
    """Plan the policy on the project's store, compared with ``against`` or with what is in force.

    A task that was never decided counts as changed.
    """
    found = _planned(runtime, project, policy)
    if against is not None:
        other = _planned(runtime, project, against)
        return Proposal(plan=found, changed=changes(found.decisions, other.decisions))
    with runtime.reads() as session:
        current = {each.task_id: each for each in open_decisions(session, project.id)}
    return Proposal(plan=found, changed=_changed(found.decisions, current))


def apply_policy(
    runtime: Runtime, project: ConnectedProject, policy_file: Path
) -> ConnectedProject:
    """Store the policy under its hash and make it the project's; views follow its tiers.

    The next round of jobs decides every unlabelled task anew, and each decision names the hash.
    Raises as ``connect_project`` does, and then the policy in force before stays in force.
    """
    return connect_project(runtime, str(project.id), policy_file)


def apply_draft(
    runtime: Runtime, project: ConnectedProject, draft: PolicyFile, act: Act
) -> ConnectedProject:
    """The same with a draft that was made from the project's policy, if that is still in force.

    Raises DraftFailsError where one of its own tests fails, PolicyChangedError where another policy
    came into force meanwhile; then, as wherever it raises, nothing is put in force.
    """
    failed = [tried for tried in run_tests(draft.policy) if tried.wrong]
    if failed:
        told = "; ".join(f"{tried.test.name}: {', '.join(tried.wrong)}" for tried in failed)
        raise DraftFailsError(
            f"{len(failed)} of {len(draft.policy.tests)} tests of the policy fail, nothing is "
            f"applied: {told}"
        )
    replacement = Replacement(instead_of=project.policy_hash, act=act)
    return connect_policy(runtime, str(project.id), draft, replacement)


def _planned(runtime: Runtime, project: ConnectedProject, policy: Policy) -> Plan:
    history = project_history(runtime, project, policy)
    with runtime.reads() as session:
        serving = champion(session, project.id)
        version = None if serving is None else serving.version
        safeguards = gather_safeguards(
            session, project, policy, (version, history.open.candidates), runtime.now()
        )
    return plan(
        policy,
        history.open,
        history.evidence,
        seconds=_measured_seconds(runtime, project, policy),
        safeguards=safeguards,
    )


def _measured_seconds(
    runtime: Runtime, project: ConnectedProject, policy: Policy
) -> dict[str, float]:
    """How long a label took each tier; without Label Studio nobody knows who belongs to which."""
    with runtime.reads() as session:
        by_user = lead_times(session, project.id)
    if not by_user:
        return {}
    try:
        return seconds_by_tier(by_user, tier_members(runtime, policy))
    except AnnotationToolUnavailableError as error:
        logger.warning("plan.no_lead_times project=%d error=%s", project.id, error)
        return {}


def _changed(decisions: Decisions, current: dict[int, OpenDecision]) -> int:
    ids = decisions.task_ids.tolist()
    before = [current.get(task_id) for task_id in ids]
    same = [
        each is not None and each.outcome == outcome and each.tier == tier
        for each, outcome, tier in zip(before, decisions.outcomes, decisions.tiers, strict=True)
    ]
    return len(ids) - int(np.count_nonzero(same))
