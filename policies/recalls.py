"""Taking accepts back: which ones, and what the ledger says of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from policies.breaker import RECALL
from policies.competence import TASK_TYPE, next_able, type_name
from policies.domain import MODEL, Decision, Outcome, Purpose
from policies.promises import AutoAccept, Group
from policies.schema import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The accepts to take back: those accepted after ``since``, and at ``until`` or before.

    None stands for no bound. ``label`` is the accepted one, ``group`` a promise's group of
    answers; None takes all.
    """

    since: datetime | None
    until: datetime | None = None
    model_version: str | None = None
    label: str | None = None
    group: Group | None = None

    def spans(self, accepted_at: datetime) -> bool:
        """Whether an accept of that time is in the window."""
        after = self.since is None or accepted_at > self.since
        return after and (self.until is None or accepted_at <= self.until)

    def takes(
        self, answer: tuple[str | None, str | None], model_version: str | None, policy: Policy
    ) -> bool:
        """Whether a version's accepts of an answer (predictor, label) are of these, at any time."""
        if self.model_version is not None and model_version != self.model_version:
            return False
        if self.label is not None and answer[1] != self.label:
            return False
        return self.group is None or covers(self.group, answer, policy)

    @property
    def words(self) -> str:
        """The scope as the reasons of decisions and the report name it."""
        label = self.label if self.group is None else self.group[1]
        what = "accepts" if label is None else f"accepts of {label!r}"
        by = self.model_version or "any version"
        by += "" if self.group is None or self.group[0] == MODEL else f" ({self.group[0]})"
        since = "" if self.since is None else f" after {self.since.isoformat()}"
        until = "" if self.until is None else f" until {self.until.isoformat()}"
        return f"{what} by {by}{since}{until}"

    def as_json(self) -> dict[str, Any]:
        """The window under ``since`` and ``until``, the rest under ``scope``."""
        return {
            "since": None if self.since is None else self.since.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
            "scope": {
                "version": self.model_version,
                "label": self.label,
                "group": None if self.group is None else list(self.group),
            },
        }


def covers(group: Group, answer: tuple[str | None, str | None], policy: Policy) -> bool:
    """Whether a group holds an answer (predictor, label), cut as ``suspended_by`` cuts groups."""
    predictor, label = answer
    rule = policy.auto_accept
    apart = isinstance(rule, AutoAccept) and label in rule.labels
    by_it = (predictor or MODEL) == group[0]
    return by_it and (label == group[1] or (group[1] is None and not apart))


def group_of(policy: Policy, decision: Decision) -> Group:
    """The promise's group that an answer belongs to under this policy."""
    rule, label = policy.auto_accept, decision.label
    own = rule.group_label(label) if isinstance(rule, AutoAccept) else None
    return decision.predictor or MODEL, own


def recall_reason(scope: Scope, why: str) -> str:
    """What the ledger says of every task of a recall."""
    return f"taken back ({scope.words}): {why}"


def recalled(policy: Policy, accept: Decision, data: dict[str, Any], reason: str) -> Decision:
    """The decision that takes an accept back: to the first tier that may decide its label, blind.

    Label, score and predictor stay, so that the ledger says what was in doubt.
    """
    task_type = type_name(data.get(TASK_TYPE))
    place = next_able(policy.tiers, 0, [accept.label], task_type)
    return replace(
        accept,
        outcome=Outcome.REVIEW,
        purpose=Purpose.RECALL,
        tier=policy.tiers[place].name,
        rule=RECALL,
        reason=reason,
        inclusion_probability=1.0,
    )
