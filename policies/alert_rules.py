"""What must hold within the alert rules of a policy.

As in ``policies.consistency``, the rules read the document as YAML gave it (defaults filled in)
and skip what is malformed, because wrong types are reported elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.alerting import FIGURES
from policies.problems import Issue

_BOUNDS = ("below", "above")
# The bounds that say something: nobody is alarmed by a pass rate that is too high.
_FITTING = {
    "audit_pass_rate": ("below",),
    "agreement": ("below",),
    "correction_rate": _BOUNDS,
    "queue_days": ("above",),
    "job_failed": ("above",),
}
_RATES = ("audit_pass_rate", "agreement", "correction_rate")


def alert_issues(document: Mapping[str, Any]) -> Iterator[Issue]:
    """Every rule of this module that the document breaks."""
    rules = document.get("alerts")
    first: dict[tuple[Any, ...], int] = {}
    for index, rule in enumerate(rules if isinstance(rules, (list, tuple)) else ()):
        if not isinstance(rule, Mapping) or not isinstance(rule.get("when"), str):
            continue
        yield from _bounds(index, rule)
        same = (rule["when"], *(rule.get(bound) for bound in _BOUNDS))
        if all(isinstance(part, (str, int, float, type(None))) for part in same):
            if same in first:
                yield Issue(
                    ("alerts", index),
                    f"watches the same as alerts[{first[same]}]",
                    "one rule tells one tier; without tier it tells all who read the channels",
                )
            first.setdefault(same, index)


def _bounds(index: int, rule: Mapping[str, Any]) -> Iterator[Issue]:
    kind = rule["when"]
    given = {bound: rule[bound] for bound in _BOUNDS if _is_number(rule.get(bound))}
    for bound, value in given.items():
        path = ("alerts", index, bound)
        if kind not in FIGURES:
            yield Issue(path, f"bounds no figure: {kind} is an event", f"leave {bound} out")
        elif bound not in _FITTING[kind]:
            fits = " or ".join(_FITTING[kind])
            yield Issue(path, f"says nothing of {kind}", f"it is watched with {fits}")
        elif kind in _RATES and value > 1:
            meant = f"did you mean {value / 100:g}?" if value <= 100 else None
            yield Issue(path, "must be between 0 and 1", meant)
        elif kind == "job_failed" and value != int(value):
            yield Issue(path, "must be a whole number of runs that failed in a row")
    if kind == "queue_days" and rule.get("above") is None:
        hint = "so many days of the tier's daily_capacity, such as 5"
        yield Issue(("alerts", index), "needs above", hint)
    if len(given) == len(_BOUNDS) and given["below"] >= given["above"]:
        yield Issue(
            ("alerts", index, "below"), "is not under above: every figure would be an alert"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
