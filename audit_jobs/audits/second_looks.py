"""What second auditors found: how many looked, and how often the first ones err."""

from __future__ import annotations

from typing import Any

import numpy as np

from audit_jobs.measures.auditor_error import AuditorError, auditor_error
from backend.store.audit_answers import Audits
from policies.domain import BoolArray, ObjectArray
from policies.schema import Policy


def auditors_err(found: Audits, second_share: float) -> AuditorError:
    """How often first auditors err, and the pass rate without their errors.

    What the second auditor says is taken for the truth. Audits that are contested say nothing yet.
    """
    part = ~none(found.first) & ~found.contested
    first, second, labels = found.first[part], found.second[part], found.labels[part]
    wrong = np.asarray(first != labels, dtype=np.bool_)
    # Passes that were looked at again although the policy asks for none now: equal chances.
    share = second_share or 1.0
    return auditor_error(
        found_wrong=wrong,
        looked_again=~none(second),
        wrong_again=np.asarray(second != labels, dtype=np.bool_),
        second_probabilities=np.where(wrong, 1.0, share),
        inclusion_probabilities=found.chances[part],
    )


def second_looks(found: Audits, policy: Policy, auditors: int) -> dict[str, Any]:
    """How many audits a second auditor was asked, and answered; or why nobody can be asked.

    ``auditors`` is how many people of the audit tier can answer at all.
    """
    answered = int(np.count_nonzero(~none(found.second)))
    asked = answered + int(np.count_nonzero(found.waiting & none(found.second)))
    why_none = None
    if auditors < 2:
        few = "nobody" if auditors == 0 else "one person alone"
        why_none = (
            f"{few} of the audit tier {policy.audit.tier!r} can answer: a second look takes two "
            "who count and whom Label Studio knows"
        )
    return {"asked": asked, "answered": answered, "why_none": why_none}


def none(values: ObjectArray) -> BoolArray:
    """Where nothing was said."""
    return np.array([value is None for value in values.tolist()], dtype=np.bool_)
