"""An answer as one text: what the ledger, the store and every comparison hold. Pure.

Equal texts are equal answers, whoever gave them. An answer of one value is that value: a choice
("Spam"), a path of a taxonomy of which one is picked ("Food / Fruit"), a rating ("4"), a number
("3.5"), the picked side ("left"). An answer of several parts is JSON in one fixed form: a set of
labels, marked spans, other regions, items in order, or, where a project asks several things, one
text by control.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PATH_SEPARATOR = " / "
REGION_DECIMALS = 4
# The one column of a ranking without buckets.
RANK = "rank"
# Start and end (exclusive) in characters, and what the span is called.
SpanText = tuple[int, int, str]


def json_text(value: Any) -> str:
    """JSON in the one form that answers are compared in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def set_text(labels: Iterable[str]) -> str:
    """A set of labels; the empty one says that none applies.

    >>> set_text(["joy", "anger", "joy"])
    '["anger","joy"]'
    """
    return json_text(sorted(set(labels)))


def labels_of_set(text: str) -> tuple[str, ...]:
    """The labels of a set, sorted. ValueError where the text is none."""
    found = json.loads(text)
    if not isinstance(found, list) or not all(isinstance(label, str) for label in found):
        raise ValueError(f"not a set of labels: {text[:100]}")
    return tuple(found)


def path_text(path: Sequence[str]) -> str:
    """A path of a taxonomy, from its root.

    >>> path_text(["Food", "Fruit"])
    'Food / Fruit'
    """
    return PATH_SEPARATOR.join(path)


def number_text(value: float) -> str:
    """A number as short as it can be written without changing it.

    >>> number_text(4.0), number_text(3.5), number_text(-0.0)
    ('4', '3.5', '0')
    """
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return repr(float(value))


def spans_text(spans: Iterable[SpanText]) -> str:
    """Marked spans in the order of the text; an empty list says that nothing is to be marked.

    >>> spans_text([(9, 14, "LOC"), (0, 4, "PER")])
    '[{"end":4,"labels":["PER"],"start":0},{"end":14,"labels":["LOC"],"start":9}]'
    """
    return json_text(
        [
            {"start": start, "end": end, "labels": [label]}
            for start, end, label in sorted(set(spans))
        ]
    )


def spans_of(text: str) -> tuple[SpanText, ...]:
    """The spans of a text, sorted; one with several labels is one for each.

    ValueError where the text holds no spans.
    """
    try:
        found = {
            (int(region["start"]), int(region["end"]), str(label))
            for region in json.loads(text)
            for label in region["labels"]
        }
    except (TypeError, KeyError) as error:
        raise ValueError(f"no spans: {text[:100]}") from error
    return tuple(sorted(found))


def regions_text(regions: Iterable[Mapping[str, Any]]) -> str:
    """Marked regions, each a mapping of plain values; equal ones count once.

    Numbers are rounded to four decimals, which is finer than any hand, and regions stand in a fixed
    order.

    >>> regions_text([{"type": "number", "value": {"x": 10.00001, "labels": ["B", "A"]}}])
    '[{"type":"number","value":{"labels":["A","B"],"x":10}}]'
    """
    return json_text([json.loads(each) for each in sorted({region_text(each) for each in regions})])


def region_text(region: Mapping[str, Any]) -> str:
    """One region in the form that regions are ordered and compared in."""
    return json_text(_rounded(region))


def regions_of(text: str) -> tuple[dict[str, Any], ...]:
    """The regions of a text, in its order. ValueError where it holds none."""
    found = json.loads(text)
    if not isinstance(found, list) or not all(
        isinstance(each, dict) and isinstance(each.get("value"), dict) for each in found
    ):
        raise ValueError(f"no regions: {text[:100]}")
    return tuple(found)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"a region has the number {value}")
        rounded = round(value, REGION_DECIMALS)
        return int(rounded) if rounded.is_integer() else rounded
    if isinstance(value, Mapping):
        return {str(key): _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        names = all(isinstance(each, str) for each in value)
        return sorted(set(value)) if names else [_rounded(each) for each in value]
    return value


def ranking_text(columns: Mapping[str, Sequence[str]]) -> str:
    """The ids of a list's items, best first, in each column; ``RANK`` is the one without buckets.

    >>> ranking_text({RANK: ["b", "a"]}), ranking_text({"best": ["b"], "rest": []})
    ('{"rank":["b","a"]}', '{"best":["b"],"rest":[]}')
    """
    return json_text({name: list(items) for name, items in columns.items()})


def ranking_of(text: str) -> dict[str, tuple[str, ...]]:
    """The items by column, each once. ValueError where the text holds no ranking."""
    found = json.loads(text)
    if not isinstance(found, dict) or not all(
        isinstance(items, list) and all(isinstance(item, str) for item in items)
        for items in found.values()
    ):
        raise ValueError(f"not a ranking: {text[:100]}")
    items = [item for column in found.values() for item in column]
    if len(set(items)) < len(items):
        raise ValueError(f"a ranking that names an item twice: {text[:100]}")
    return {name: tuple(column) for name, column in found.items()}


def controls_text(answers: Mapping[str, str | None]) -> str:
    """The answers to several controls; None stands for a control that was left unanswered."""
    return json_text(dict(answers))


def controls_of(text: str) -> dict[str, str | None]:
    """The answers by control. ValueError where the text holds none."""
    found = json.loads(text)
    if not isinstance(found, dict) or not all(
        each is None or isinstance(each, str) for each in found.values()
    ):
        raise ValueError(f"not answers by control: {text[:100]}")
    return found
