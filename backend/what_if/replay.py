"""Replay the sampled history under a policy, with the planner that ``policy plan`` uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.what_if.gathering import Gathered
from policies.domain import BoolArray, part_of
from policies.planning import History, Plan, changes, plan
from policies.safeguards import Safeguards
from policies.samples import Figures, figures_of, first_audits
from policies.sampling import SLICE, draws
from policies.schema import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A plan of the sample, and its figures for the whole project."""

    plan: Plan
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The gathered history, and what the policy in force does with it."""

    gathered: Gathered
    policy: Policy
    now: Replayed


def baseline(gathered: Gathered, policy: Policy) -> Baseline:
    """The policy in force on its own history."""
    found = _planned(gathered, policy, policy)
    figures = figures_of(policy, found, gathered.sample)
    return Baseline(gathered=gathered, policy=policy, now=Replayed(plan=found, figures=figures))


def replay(base: Baseline, policy: Policy) -> Replayed:
    """The same history under another policy, with how many decisions that changes."""
    same = policy == base.policy
    found = base.now.plan if same else _planned(base.gathered, base.policy, policy)
    changed = changes(found.decisions, base.now.plan.decisions)
    return Replayed(plan=found, figures=figures_of(policy, found, base.gathered.sample, changed))


def _planned(gathered: Gathered, in_force: Policy, policy: Policy) -> Plan:
    labels = {label for label in gathered.history.candidates.labels if label is not None}
    return plan(
        policy,
        gathered.history,
        blind_under_both(gathered.evidence, in_force, policy),
        seconds=gathered.seconds,
        safeguards=Safeguards(
            suspended=gathered.suspended,
            audits=first_audits(policy, labels, gathered.sample),
        ),
    )


def blind_under_both(evidence: History, in_force: Policy, policy: Policy) -> History:
    """The evidence that is in a slice of both policies: that people answered it blind is needed.

    A larger control slice would hold tasks that nobody has answered blind yet; of a smaller one the
    rest is trained on.
    """
    drawn = draws(policy.salt, SLICE, evidence.candidates.task_ids)
    control = drawn < min(in_force.control.share, policy.control.share)
    holdout = drawn >= 1 - min(in_force.holdout.share, policy.holdout.share)
    return _part(evidence, np.asarray(control | holdout, bool))


def _part(history: History, places: BoolArray) -> History:
    return History(
        candidates=part_of(history.candidates, places),
        labels=history.labels[places],
        tiers=history.tiers[places],
        lead_times=history.lead_times[places],
    )
