"""What audits and drift have found so far: every decision heeds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.audit_plan import AuditPlan
from policies.promises import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Safeguards:
    """``suspended`` says why nothing of a group is accepted now, ``audits`` how many are drawn."""

    suspended: Mapping[Group, str] = field(default_factory=dict)
    audits: AuditPlan = field(default_factory=AuditPlan)


NONE = Safeguards()
