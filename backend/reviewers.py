"""Who belongs to which tier: the policy's e-mail addresses as Label Studio's user ids."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from backend.runtime import Runtime
from policies.schema import Policy

logger = logging.getLogger(__name__)


def tier_members(runtime: Runtime, policy: Policy) -> dict[str, set[int]]:
    """User ids by tier; a reviewer of two tiers counts for the less expert one.

    Addresses that Label Studio does not know are logged and left out: they may still be invited.
    """
    ids = _user_ids(runtime)
    members: dict[str, set[int]] = {}
    seen: set[int] = set()
    for tier in policy.tiers:
        known = {ids[email.lower()] for email in tier.reviewers if email.lower() in ids}
        unknown = sorted(email for email in tier.reviewers if email.lower() not in ids)
        if unknown:
            logger.warning("policy.unknown_reviewers tier=%s emails=%s", tier.name, unknown)
        members[tier.name] = known - seen
        seen |= known
    return members


def people_of(runtime: Runtime, policy: Policy, tier: str) -> frozenset[int]:
    """User ids of one tier's reviewers, those too that belong to other tiers."""
    ids = _user_ids(runtime)
    emails = (email.lower() for email in policy.tier(tier).reviewers)
    return frozenset(ids[email] for email in emails if email in ids)


def expertise_of(runtime: Runtime, policy: Policy) -> dict[int, int]:
    """User id -> the place of the most expert tier that the user belongs to.

    Who is in no tier is left out, and counts as the least expert.
    """
    ids = _user_ids(runtime)
    return {
        ids[email.lower()]: place
        for place, tier in enumerate(policy.tiers)
        for email in tier.reviewers
        if email.lower() in ids
    }


def _user_ids(runtime: Runtime) -> dict[str, int]:
    return {user.email.lower(): user.id for user in runtime.tool().users()}


def seconds_by_tier(
    lead_times: Mapping[int, tuple[int, float]], members: Mapping[str, set[int]]
) -> dict[str, float]:
    """How long a label took each tier, of those whose people have measured ones.

    ``lead_times`` holds each user's number of labels and their seconds in all.
    """
    seconds: dict[str, float] = {}
    for tier, users in members.items():
        known = [lead_times[user] for user in users if user in lead_times]
        count = sum(labels for labels, _ in known)
        if count:
            seconds[tier] = sum(spent for _, spent in known) / count
    return seconds


def labels_by_tier(labels_by_user: dict[int, int], members: dict[str, set[int]]) -> dict[str, int]:
    """Labels that each tier gave; users outside every tier count for the least expert one."""
    first = next(iter(members))
    tier_of = {user: tier for tier, users in members.items() for user in users}
    given = dict.fromkeys(members, 0)
    for user, count in labels_by_user.items():
        given[tier_of.get(user, first)] += count
    return given
