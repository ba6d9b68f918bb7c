"""What in a project cannot give the preferences that its policy asks for, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connectors.annotation_tool import Task
from connectors.label_studio.comparisons import Comparison, comparisons_of
from connectors.label_studio.labeling import Labeling
from connectors.label_studio.rankings import items_of, shown_order
from policies.judgments import Order
from policies.preferences import Preferences
from policies.schema import Policy

_PAIR = "labelgate preferences pair FILE.jsonl --out TASKS.jsonl"
_TWO = 2


def uncomparable(policy: Policy, labeling: Labeling) -> list[str]:
    """Why a project's config asks for no preferences, where its policy does."""
    if policy.preferences is None or comparisons_of(labeling, policy.preferences.prompt):
        return []
    asked = " and ".join(f"{each.name!r} ({each.kind.value})" for each in labeling.controls)
    return [
        (
            f"preferences needs answers to compare, but the project asks {asked}: give it a "
            "Pairwise on two texts, a Ranker on a List, or a Rating on each of several texts, or "
            "take the section out"
        )
    ]


def unordered(policy: Policy, labeling: Labeling, tasks: Sequence[Task]) -> list[str]:
    """What tasks of a project lack that asks for preferences: what was answered, a drawn order."""
    fields = policy.preferences
    comparisons = () if fields is None else comparisons_of(labeling, fields.prompt)
    if fields is None or not comparisons or not tasks:
        return []
    checks: list[tuple[Callable[[Mapping[str, Any]], bool], str]] = [
        (
            lambda data: _has_prompt(fields, data),
            (
                f"no text in {fields.prompt!r}, the field of what was answered: name the right one "
                "under preferences.prompt"
            ),
        ),
        (
            lambda data: _has_order(fields, comparisons[0], data),
            (
                f"no drawn order in {fields.order!r}, so nobody could tell a better answer from a "
                f"better place: make tasks with {_PAIR}, or shuffle the answers and "
                f"{_how(comparisons[0])}"
            ),
        ),
        (
            lambda data: all(_keeps_order(each, data) for each in comparisons if each.source),
            (
                "answers whose ids are whole numbers, which Label Studio's page sorts: the drawn "
                'order is lost, call them "a1", "a2" and so on'
            ),
        ),
    ]
    problems = []
    for holds, lack in checks:
        lacking = [task.id for task in tasks if not holds(task.data)]
        if lacking:
            problems.append(
                f"{len(lacking):,} of the first {len(tasks):,} tasks, such as {lacking[0]}, have "
                f"{lack}"
            )
    return problems


def _has_prompt(fields: Preferences, data: Mapping[str, Any]) -> bool:
    prompt = data.get(fields.prompt)
    return isinstance(prompt, str) and bool(prompt.strip())


def _has_order(fields: Preferences, comparison: Comparison, data: Mapping[str, Any]) -> bool:
    drawn = data.get(fields.order)
    if len(comparison.names) == _TWO:
        return drawn in tuple(Order)
    return drawn not in (None, "", False)


def _how(comparison: Comparison) -> str:
    if len(comparison.names) == _TWO:
        left, right = comparison.names
        return f"write there ab where A stands in {left!r}, ba where it stands in {right!r}"
    return "write there how"


def _keeps_order(comparison: Comparison, data: Mapping[str, Any]) -> bool:
    ids = tuple(items_of(data, comparison.source))
    return shown_order(ids) == ids
