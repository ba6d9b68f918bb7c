"""Which slices people see more of after drift: what came up, or everything where nothing did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from audit_jobs.drift.columns import Kind
from audit_jobs.drift.traffic import Side, field_columns
from audit_jobs.measures.label_shift import LabelShare, label_shares
from backend.store.drift import left_of
from policies.drift import Drift

# Values of a field that are raised at most, those that rose most: the rest is tail.
MOST_VALUES = 20

Slice = tuple[str | None, str | None, str | None]
ALL: Slice = (None, None, None)


def risen_slices(
    before: Side, after: Side, labels: Sequence[LabelShare] | None, rule: Drift
) -> tuple[Slice, ...]:
    """The predicted labels and the values of the policy's fields whose share certainly rose.

    Where there is none, all traffic: something changed, and nothing says where.
    """
    risen: list[Slice] = [(each.label, None, None) for each in _most(labels or (), rule)]
    for field in rule.fields:
        kind, columns = field_columns(before, after, field)
        if kind is Kind.CATEGORY:
            counts = [Counter(v for v in side if v is not None) for side in columns]
            risen += [(None, field, each.label) for each in _most(label_shares(*counts), rule)]
    return tuple(risen) or (ALL,)


def raised_now(
    before: Iterable[Mapping[str, Any]], found: Iterable[Slice], rule: Drift, now: datetime
) -> list[dict[str, Any]]:
    """The rises to store: those found now afresh, and what is left of earlier ones."""
    fresh = list(found)
    kept = [
        dict(each)
        for each in before
        if (each["label"], each["field"], each["value"]) not in fresh
        and left_of([each], now, rule.half_life_days)
    ]
    new = [
        {
            "label": label,
            "field": field,
            "value": value,
            "factor": rule.factor,
            "most": rule.most,
            "since": now.isoformat(),
        }
        for label, field, value in fresh
    ]
    return [_with_rest(each, rule, now) for each in [*new, *kept]]


def _with_rest(each: dict[str, Any], rule: Drift, now: datetime) -> dict[str, Any]:
    left = left_of([each], now, rule.half_life_days)
    return each | {"factor_now": left[0].factor if left else 1.0}


def _most(shares: Iterable[LabelShare], rule: Drift) -> list[LabelShare]:
    risen = [each for each in shares if each.rose(rule.false_alarm)]
    return sorted(risen, key=lambda each: each.reference - each.current)[:MOST_VALUES]
