"""What audits and drift have found so far: every decision heeds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from policies.audit_plan import AuditPlan
from policies.domain import Candidates, IntArray
from policies.promises import AutoAccept, Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Safeguards:
    """``suspended`` says why nothing of a group is accepted now, ``audits`` how many are drawn.

    Without a plan the policy's share of all accepts is drawn, and nothing else.
    """

    suspended: Mapping[Group, str] = field(default_factory=dict)
    audits: AuditPlan | None = None


NONE = Safeguards()


def suspended_by(rule: AutoAccept, groups: Sequence[Group], answers: Candidates) -> IntArray:
    """Each answer's place in ``groups``, those that are suspended; -1 where none holds it.

    The groups are those of the policy under which the breaker tripped, which may have been cut
    otherwise since: a label stays suspended whatever group it is in now, and with ``each_label``
    so do all labels of a predictor whose labels were suspended together.

    >>> rule = AutoAccept(max_error_rate=0.02, confidence=0.95, each_label=True)
    >>> answers = Candidates(
    ...     task_ids=np.arange(2), labels=np.array(["spam", "ham"], object), scores=np.ones(2),
    ...     problems=np.full(2, None, object), fields={},
    ... )
    >>> suspended_by(rule, [("model", "ham")], answers).tolist()
    [-1, 0]
    >>> suspended_by(rule, [("model", None)], answers).tolist()
    [0, 0]
    """
    places = {group: place for place, group in enumerate(groups)}
    known: dict[tuple[str, str | None], int] = {}

    def place(answer: tuple[str, str | None]) -> int:
        predictor, label = answer
        if answer not in known:
            own = places.get(answer, -1)
            together = label is None or label not in rule.labels
            known[answer] = places.get((predictor, None), -1) if own < 0 and together else own
        return known[answer]

    if not places:
        return np.full(len(answers), -1, np.int64)
    pairs = zip(answers.predictors.tolist(), answers.labels.tolist(), strict=True)
    return np.fromiter(map(place, pairs), np.int64, len(answers))
