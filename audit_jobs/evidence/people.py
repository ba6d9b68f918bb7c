"""Who the people of a report are: their tiers, and their names where those are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.reviewers import tier_members
from backend.runtime import Runtime
from backend.settings import SettingsError
from backend.store.projects import ConnectedProject
from connectors.annotation_tool import AnnotationToolError
from policies.loading import policy_if_it_loads

OUTSIDE = "in no tier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewers:
    """User id -> tier, and -> e-mail address; ``known`` is False where nobody could be asked."""

    tiers: Mapping[int, str]
    names: Mapping[int, str]
    known: bool

    def tier(self, user_id: int) -> str | None:
        """The tier of the policy in force that a person belongs to; None where nothing says."""
        return self.tiers.get(user_id, OUTSIDE) if self.known else None

    def name(self, user_id: int) -> str | None:
        """The person's address; None where it is not asked for."""
        return self.names.get(user_id)


_NOBODY_KNOWN = Reviewers(tiers={}, names={}, known=False)


def reviewers_of(runtime: Runtime, project: ConnectedProject, *, named: bool) -> Reviewers:
    """Ask Label Studio, which knows who is behind an address; without it the numbers must do."""
    policy = policy_if_it_loads(project.policy_text)
    if policy is None:  # it names the tiers
        return _NOBODY_KNOWN
    try:
        members = tier_members(runtime, policy)
        users = runtime.tool().users() if named else []
    except (AnnotationToolError, SettingsError):
        return _NOBODY_KNOWN
    return Reviewers(
        tiers={user: tier for tier, users_of in members.items() for user in users_of},
        names={user.id: user.email for user in users},
        known=True,
    )
