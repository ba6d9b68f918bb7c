"""Second auditors: which audits somebody else of the audit tier answers too, as blind as the first.

Every error that an audit finds gets one, and a random share of what passed: auditors err too, and
how often shows only where two of them answered the same task.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from policies.adjudication import Verdict
from policies.sampling import draws
from policies.schema import Policy

# Its own stream: a small draw for the audit says nothing about the second look.
SECOND_LOOK = "second_look"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What is known of one audit: the ``label`` that would have been accepted, what auditors said.

    ``said`` has one label an auditor, oldest first. ``drawn`` says that a second auditor looks even
    if the audit passed; ``others`` is how many more auditors could be asked.
    """

    label: str | None
    said: tuple[str, ...]
    drawn: bool
    others: int


def drawn_for_second_looks(policy: Policy, task_ids: Iterable[int]) -> frozenset[int]:
    """Those of the audited tasks that two auditors answer whatever the first one says."""
    ids = np.fromiter(task_ids, dtype=np.int64)
    drawn = draws(policy.salt, SECOND_LOOK, ids) < policy.audit.second_share
    return frozenset(ids[drawn].tolist())


def looked_at_again(verdict: Verdict, audit: Audited) -> Verdict:
    """The verdict on an audit, and whether one more auditor is asked.

    The first answer stays the label until the second one is in. Where the two differ a third
    decides by majority; without a third auditor it is the verdict as it stands: the top tier's
    newest answer, or a more expert tier.
    """
    first, *later = audit.said or (None,)
    if first is None or not audit.others:
        return verdict
    if not later and verdict.label is not None and (audit.drawn or first != audit.label):
        return replace(verdict, one_more=True, reason=f"{verdict.reason}; a second auditor looks")
    if len(later) == 1 and later[0] != first:
        return Verdict(label=first, one_more=True, reason="two auditors differ: a third decides")
    return verdict
