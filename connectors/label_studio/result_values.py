"""The values in the items of a result, whatever else they hold. Pure.

Label Studio stores any list as a result, so what is not as it should be is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from policies.answer_texts import region_text

Item = Mapping[str, Any]
# What of a region's item belongs to its answer, beside its value.
FRAME = ("type", "original_width", "original_height", "image_rotation", "item_index")
# What a value holds beside labels and place: it follows from the place, and models leave it out.
QUOTE = "text"


def strings(values: Iterable[Item], key: str) -> list[str]:
    """The texts in the lists under ``key``."""
    return [each for value in values for each in listed(value.get(key)) if isinstance(each, str)]


def read_paths(values: Iterable[Item]) -> list[list[str]]:
    """The paths of taxonomies, from their roots."""
    return [
        path
        for value in values
        for path in listed(value.get("taxonomy"))
        if is_list(path) and path and all(isinstance(node, str) for node in path)
    ]


def read_spans(values: Iterable[Item]) -> list[tuple[int, int, str]]:
    """The marked stretches, one for each label of each."""
    found = []
    for value in values:
        start, end = whole_number(value.get("start")), whole_number(value.get("end"))
        if start is None or end is None or not 0 <= start < end:
            continue
        names = [each for each in listed(value.get("labels")) if isinstance(each, str)]
        found += [(start, end, name) for name in names]
    return found


def read_regions(items: Iterable[Item]) -> list[tuple[dict[str, Any], Item]]:
    """The regions as they are written in an answer, each with the item that holds it."""
    found = []
    for item in items:
        value = {key: each for key, each in item["value"].items() if key != QUOTE}
        frame = {name: item[name] for name in FRAME if item.get(name) is not None}
        region = {**frame, "value": value}
        if isinstance(item.get("type"), str) and _is_readable(region):
            found.append((region, item))
    return found


def _is_readable(region: Mapping[str, Any]) -> bool:
    try:
        region_text(region)
    except ValueError:  # a number that is none
        return False
    return True


def finite(value: Any) -> float | None:
    """A number; None where the value is none, or no finite one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def whole_number(value: Any) -> int | None:
    """A number without a fraction; None where the value is none."""
    number = finite(value)
    return int(number) if number is not None and number.is_integer() else None


def listed(value: Any) -> list[Any]:
    """The list, an empty one where the value is none."""
    return value if isinstance(value, list) else []


def is_list(value: Any) -> bool:
    """Whether the value is a list."""
    return isinstance(value, list)
