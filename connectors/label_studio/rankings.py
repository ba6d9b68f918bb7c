"""What a ranker says of the items of a list: its value in a result <-> its answer. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connectors.label_studio.controls import Control
from connectors.label_studio.result_values import Item, is_list, listed
from policies.answer_texts import RANK, ranking_of

# A key that JavaScript takes for a place in an array, and so puts before all others, by its number.
_PLACE = re.compile(r"0|[1-9][0-9]{0,9}")
_MOST_PLACES = 2**32 - 2


def read_ranking(control: Control, values: Sequence[Item]) -> dict[str, list[str]] | None:
    """The items by column; None where they cannot be told, or where one stands twice.

    Items that were left in the list, outside of all buckets, are part of no answer: Label Studio
    keeps them under "_", a name of its own that may change. A ranking without buckets has one
    column, called as the control; empty it says nothing.
    """
    match values:
        case [{"ranker": dict(columns)}]:
            pass
        case _:
            return None
    if control.buckets:
        found = {name: columns.get(name, []) for name in control.buckets}
    else:
        found = {RANK: columns.get(control.name)}
    items = [item for column in found.values() for item in listed(column)]
    readable = all(is_list(column) for column in found.values())
    readable = readable and all(isinstance(item, str) for item in items)
    if not readable or len(set(items)) < len(items):
        return None
    return found if control.buckets or items else None


def written_ranking(control: Control, text: str) -> dict[str, Any]:
    """The value of a result that says this, with every bucket, in the order of the config."""
    columns = ranking_of(text)
    found = {name: list(columns.get(name, ())) for name in control.buckets}
    return {"ranker": found or {control.name: list(columns[RANK])}}


def ranking_problem(control: Control, text: str) -> str | None:
    """Why the control cannot show this ranking; None where it can. ValueError where it is none."""
    columns = ranking_of(text)
    known = control.buckets or (RANK,)
    strange = next((name for name in columns if name not in known), None)
    if strange is not None:
        return f"{control.name!r} has no bucket {strange!r}: {', '.join(known)}"
    empty = not control.buckets and not columns.get(RANK)
    return f"an order of no items is no answer to {control.name!r}" if empty else None


def ranking_words(control: Control, text: str) -> str:
    """A ranking on one line, the best first."""
    columns = ranking_of(text)
    if not control.buckets:
        return " > ".join(columns[RANK])
    named = ((name, columns.get(name, ())) for name in control.buckets)
    return " / ".join(f"{name}: {', '.join(items) or 'none'}" for name, items in named)


def shown_order(ids: Iterable[str]) -> tuple[str, ...]:
    """The ids of a list's items in the order in which Label Studio's page first shows them.

    The page keeps the items by id in a JavaScript object, which puts whole numbers first and
    sorts them: a drawn order is lost on ids such as "2" and "10".

    >>> shown_order(["b", "10", "2", "a"])
    ('2', '10', 'b', 'a')
    """
    each = list(dict.fromkeys(ids))
    numbers = {name for name in each if _PLACE.fullmatch(name) and int(name) <= _MOST_PLACES}
    return (*sorted(numbers, key=int), *(name for name in each if name not in numbers))


def items_of(data: Mapping[str, Any], key: str) -> dict[str, Mapping[str, Any]]:
    """The items of a task's list by id, in its order; {} where the data hold no such list."""
    found = [item for item in listed(data.get(key)) if isinstance(item, Mapping)]
    return {
        str(item["id"]): item
        for item in found
        if isinstance(item.get("id"), str | int) and not isinstance(item["id"], bool)
    }
