"""Which of a project's controls models answer, and what of a task's data they read for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from connectors.label_studio.comparisons import EVEN
from connectors.label_studio.labeling import Control, ControlKind, InputKind
from policies.schema import Policy


def as_tables(controls: Sequence[Control]) -> tuple[Control, ...]:
    """The controls as if their objects showed tables: what they read are fields of the data."""
    return tuple(replace(each, input_kind=InputKind.TABLE) for each in controls)


def modelled(controls: Sequence[Control]) -> tuple[Control, ...]:
    """The controls that models answer: all, but for a choice between "tie" and "none" beside pairs.

    It says of a pair what a Pairwise has no word for. A model always likes one side better.
    """
    if all(each.kind is not ControlKind.PAIRWISE for each in controls):
        return tuple(controls)
    return tuple(
        each
        for each in controls
        if each.kind is not ControlKind.CHOICE or not set(each.labels) <= set(EVEN)
    )


def with_prompt(controls: Sequence[Control], field: str | None) -> tuple[Control, ...]:
    """The controls, those of pairs and lists as if they showed the prompt beside the answers."""
    shown = {InputKind.PAIR: 2, InputKind.LIST: 1}
    return tuple(
        replace(each, data_keys=(*each.data_keys[: shown[each.input_kind]], field))
        if field is not None and each.input_kind in shown
        else each
        for each in controls
    )


def prompt_of(policy: Policy) -> str | None:
    """The field of what people compare answers to; None where the project asks no preferences."""
    return None if policy.preferences is None else policy.preferences.prompt
