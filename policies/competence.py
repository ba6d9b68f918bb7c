"""What a tier may decide: its labels and its types of task; the top tier decides everything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

# The field of a task's data that says of which type it is.
TASK_TYPE = "task_type"


class Tier(Protocol):
    """A tier as far as this module looks at it; ``policies.schema.TierSpec`` is one."""

    @property
    def labels(self) -> Sequence[str] | None:
        """The labels that it may decide; None: all."""

    @property
    def task_types(self) -> Sequence[str] | None:
        """The types of task that it takes; None: all."""


def type_name(value: object) -> str | None:
    """The type of a task by what stands in its field, as a policy file would write it.

    >>> [type_name(value) for value in ("mail", 7, True, None)]
    ['mail', '7', 'true', None]
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def takes(tier: Tier, task_type: str | None) -> bool:
    """Whether the tier takes tasks of this type; a task without a type is of any."""
    return tier.task_types is None or task_type is None or task_type in tier.task_types


def decides(tier: Tier, label: str | None) -> bool:
    """Whether the tier may decide this label; what nobody has labelled yet, anybody may."""
    return tier.labels is None or label is None or label in tier.labels


def next_able(
    tiers: Sequence[Tier], start: int, labels: Iterable[str | None], task_type: str | None
) -> int:
    """The least expert tier from ``start`` on that takes the task and may decide all the labels.

    The top tier where there is none: it decides everything.
    """
    wanted = tuple(labels)
    for place in range(start, len(tiers) - 1):
        tier = tiers[place]
        if takes(tier, task_type) and all(decides(tier, label) for label in wanted):
            return place
    return len(tiers) - 1
