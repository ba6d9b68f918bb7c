"""What a breaker that tripped means for certificates: which answers still prove something."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from policies.breaker import Suspension
from policies.certifying import missing
from policies.domain import BoolArray, Candidates, Certificate, Certification
from policies.promises import AutoAccept, Group, Promise
from policies.safeguards import suspended_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """The trips of a model version, and for each group that tripped the tasks that speak for it.

    ``telling`` holds the tasks all of whose answers were given since ``doubted_since``: what was
    answered before proved a promise that did not hold.
    """

    trips: Sequence[Suspension]
    telling: Mapping[Group, Collection[int]]

    @property
    def suspended(self) -> dict[Group, Suspension]:
        """The trips that stand, by group."""
        return {each.group: each for each in self.trips if each.rearmed_at is None}

    @property
    def reset(self) -> dict[Group, Suspension]:
        """Those of them that a new certificate ends."""
        return {group: trip for group, trip in self.suspended.items() if trip.reset_at is not None}

    def due(
        self, promises: Sequence[Promise], certification: Certification | None
    ) -> list[Promise]:
        """The promises that may be looked at: those that had no look yet, and those reset since.

        What is suspended and was not reset gets none, whatever the answers say.
        """
        promised = {(each.predictor, each.label) for each in promises}
        fresh = {(each.predictor, each.label) for each in missing(promises, certification)}
        reset = {proved_with(group, promised) for group in self.reset}
        wanted = (fresh - self.suspended.keys()) | reset
        return [each for each in promises if (each.predictor, each.label) in wanted]

    def counting(self, rule: AutoAccept, answered: Candidates) -> BoolArray:
        """Which of the answered control tasks still prove something of their group."""
        keys = list(self.telling)
        groups = suspended_by(rule, keys, answered)
        counts: BoolArray = groups < 0
        for place, tasks in enumerate(self.telling.values()):
            counts |= (groups == place) & np.isin(answered.task_ids, sorted(tasks))
        return counts


def proved_with(group: Group, promised: Collection[Group]) -> Group:
    """The promise that speaks for a suspended group: its own, or else that of all other labels.

    >>> proved_with(("model", "spam"), [("model", None)])
    ('model', None)
    """
    others = (group[0], None)
    return others if group not in promised and others in promised else group


def regrouped(
    group: Group, labels: Sequence[str], before: AutoAccept | None, now: AutoAccept
) -> list[Group]:
    """The groups that a suspended group's answers are in under another policy; all others first.

    ``labels`` are all that its predictor gives. Where nothing was promised before, nothing says
    which of them were apart: all are taken for suspended.

    >>> rule = AutoAccept(max_error_rate=0.02, confidence=0.95)
    >>> apart = AutoAccept(max_error_rate=0.02, confidence=0.95, labels={"spam": {}})
    >>> regrouped(("model", None), ["ham", "spam"], rule, apart)
    [('model', None), ('model', 'spam')]
    """
    predictor, label = group
    if label is not None:
        return [group]
    together = [each for each in labels if before is None or before.group_label(each) is None]
    found = {(predictor, now.group_label(each)) for each in together}
    return sorted(found, key=lambda each: each[1] or "") or [group]


def doubted_since(
    trips: Sequence[Suspension], certification: Certification | None
) -> dict[Group, datetime]:
    """From when on answers prove something of each group that tripped.

    From its last trip on; or, where a look at the answers given since proved nothing, from the last
    of those on: no answer is looked at twice for the same group.
    """
    since: dict[Group, datetime] = {}
    for each in trips:
        since[each.group] = max(each.since, since.get(each.group, each.since))
    looked = {} if certification is None else {e.group: e for e in certification.certificates}
    return {group: _failed_look(time, looked.get(group)) for group, time in since.items()}


def _failed_look(since: datetime, certificate: Certificate | None) -> datetime:
    if certificate is None or certificate.threshold is not None:
        return since
    if certificate.since is None or certificate.until is None or certificate.since <= since:
        return since
    return certificate.until
