"""Amazon A2I's human-loop activation conditions as a policy file that an admin then completes.

A condition starts a human loop in A2I; here it becomes a route to people. Where it has no exact
equal, the route takes more tasks than the condition did, never fewer, or there is a comment and no
route. What no condition caught was accepted in A2I; here it still has to pass ``auto_accept``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from connectors.a2i_conditions import (
    COMPARISONS,
    FORM_KEY,
    MISSING_FORM_KEY,
    MODERATION_LABEL,
    SAMPLING,
    Check,
    Group,
    read_conditions,
)
from policies.loading import parse_policy
from policies.problems import PolicyError

# A condition in the policy language, as YAML would give it.
Condition = dict[str, Any]

_TIER = "general"
_NO_EQUAL = "NO EQUAL"
_HEAD = """\
# Made from Amazon A2I conditions. Before use, put in your project, people, prices and capacities,
# read the comments below, and run: labelgate policy check FILE

project: My project            # EDIT: the project's title in Label Studio, or its number
stakes: sensitive              # EDIT: low, sensitive or regulated

tiers:                         # EDIT: from the least to the most expert
  - name: general
    reviewers: [ann@example.com, bob@example.com]
    cost_per_label: 0.10
    daily_capacity: 500
  - name: senior
    reviewers: [eve@example.com]
    cost_per_label: 0.60
    daily_capacity: 100

# A2I accepts all that no condition catches. Here it is accepted only from a score that is proved
# on a blind control slice of 10 % of the tasks; until then people get everything.
auto_accept:                   # EDIT: with 95 % confidence at most 3 % of the accepts are wrong
  max_error_rate: 0.03
  confidence: 0.95

"""


@dataclass(slots=True)
class _Route:
    """What became of one condition: the route, or None, and what the admin must know."""

    place: str
    condition: Condition | None = None
    notes: list[str] = field(default_factory=list)


def policy_from_conditions(raw: bytes, source: str) -> str:
    """A policy file for the conditions of a JSON text; ``parse_policy`` takes it as it is.

    Raises
        PolicyError: the JSON is no such document; names every problem with its line.
    """
    routes = [_route(part) for part in _alternatives(read_conditions(raw, source))]
    lines = ["routes:" if any(each.condition for each in routes) else "routes: []"]
    for route in routes:
        lines += [f"  # {note}" for note in (route.place, *route.notes)]
        if route.condition is not None:
            lines += _block(route.condition)
    return _HEAD + "\n".join(lines) + "\n"


def _alternatives(parts: tuple[Check | Group, ...]) -> Iterator[Check | Group]:
    """Any one is enough, so each part of an Or gets a route of its own."""
    for part in parts:
        if isinstance(part, Group) and part.operator == "Or":
            yield from _alternatives(part.parts)
        else:
            yield part


def _route(part: Check | Group) -> _Route:
    """The exact equal where the policy language takes it, else what is wider, else nothing."""
    exact = _Route(part.place)
    exact.condition = _converted(part, exact.notes, wider=False)
    why = _refusal(exact.condition)
    if exact.condition is not None and why is None:
        return exact
    if why is None:
        exact.notes.append(f"{_NO_EQUAL}: no route. With auto_accept: never, people see all tasks.")
        return exact
    wide = _Route(part.place, notes=[f"The exact equal is refused: it {why}."])
    wide.condition = _converted(part, wide.notes, wider=True)
    if wide.condition is not None and _refusal(wide.condition) is None:
        wide.notes.append("So this route takes more: it leaves out the limits from below.")
        return wide
    wide.condition = None
    wide.notes.append(f"{_NO_EQUAL}: no route. With auto_accept: never, people see all tasks.")
    return wide


def _refusal(condition: Condition | None) -> str | None:
    """Why a policy may not have this route, None where it may."""
    if condition is None:
        return None
    try:
        parse_policy(_HEAD + "\n".join(["routes:", *_block(condition)]) + "\n")
    except PolicyError as error:
        return error.problems[0].message
    return None


def _converted(part: Check | Group, notes: list[str], *, wider: bool) -> Condition | None:
    if isinstance(part, Check):
        return _check(part, notes, wider=wider)
    if part.operator == "Not":
        inner: list[str] = []
        found = _converted(part.parts[0], inner, wider=False)
        notes += inner
        # What is wider inside would be narrower outside.
        if found is None or any(note.startswith(_NO_EQUAL) for note in inner):
            notes.append(f"{_NO_EQUAL} for the Not of {part.place}: left out.")
            return None
        return {"not": found}
    parts = [_converted(each, notes, wider=wider) for each in part.parts]
    found_parts = [each for each in parts if each is not None]
    if len(found_parts) < len(parts):
        if part.operator == "Or":  # the rest alone would take fewer tasks
            return None
        notes.append("Without what is left out, this route takes more tasks than A2I's condition.")
    return _combined("all" if part.operator == "And" else "any", found_parts)


def _check(check: Check, notes: list[str], *, wider: bool) -> Condition | None:
    given = check.parameters
    notes.append(_described(check))
    if check.type == SAMPLING:
        notes.append("Beside the control slice, and not blind: people see the model's label.")
        return {"kind": "random_share", "share": _share(given["RandomSamplingPercentage"])}
    if check.type == MODERATION_LABEL:
        labels, prefix = [given["ModerationLabelName"]], "Confidence"
    elif check.type == FORM_KEY:
        labels = [given["ImportantFormKey"], *given.get("ImportantFormKeyAliases", [])]
        prefix = "KeyValueBlockConfidence"
        notes.append("Taken as: the form key is the predicted label, its confidence the score.")
        if any(name.startswith("WordBlock") for name in given):
            notes.append(f"{_NO_EQUAL} for WordBlockConfidence: left out, so more tasks are taken.")
    else:
        missing = check.type == MISSING_FORM_KEY
        why = "a policy looks at labels that are there" if missing else "not a known type"
        notes.append(f"{_NO_EQUAL} for {_quoted(check.type)}: {why}. Left out.")
        return None
    found: list[Condition] = []
    if "*" not in labels:
        found.append({"kind": "predicted_label", "in": list(dict.fromkeys(labels))})
    for name, comparison in COMPARISONS.items():
        if f"{prefix}{name}" in given:
            found += _limits(comparison, _share(given[f"{prefix}{name}"]), wider=wider)
    return _combined("all", found)


def _limits(comparison: str, share: float, *, wider: bool) -> list[Condition]:
    below: Condition = {"kind": "score", "below": share}
    above: Condition = {"kind": "score", "above": share}
    from_above = {"below": below, "at_most": {"not": above}, "equals": {"not": above}}
    from_below = {"above": above, "at_least": {"not": below}, "equals": {"not": below}}
    limits = [from_above.get(comparison), None if wider else from_below.get(comparison)]
    return [limit for limit in limits if limit is not None]


def _combined(operator: str, parts: list[Condition]) -> Condition | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    flat = [inner for part in parts for inner in part.get(operator, [part])]
    return {operator: flat}


def _share(percentage: float) -> float:
    return round(percentage / 100, 12)  # as written: 0.07, not 0.07000000000000001


def _described(check: Check) -> str:
    given = ", ".join(f"{_word(key)} {_quoted(value)}" for key, value in check.parameters.items())
    return f"{_word(check.type)}: {given}"


def _word(text: str) -> str:
    """A name as it is; anything else in quotes, so that no line break ends the comment."""
    return text if text.isidentifier() else _quoted(text)


def _block(condition: Condition) -> list[str]:
    """One route as lines of YAML."""
    lines: list[str] = []
    for key, value in condition.items():
        if key in ("all", "any"):
            lines += [f"    {key}:", *(f"      - {_flow(part)}" for part in value)]
        else:
            lines.append(f"    {key}: {_flow(value, key)}")
    lines.append(f"    tier: {_TIER}")
    return ["  - " + lines[0].lstrip(), *lines[1:]]


def _flow(value: Any, key: str = "") -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flow(v, name)}" for name, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return str(value) if key == "kind" else _quoted(value)


def _quoted(value: Any) -> str:
    """Text in quotes on one line, as JSON and YAML both read it; figures as they are."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in text)
