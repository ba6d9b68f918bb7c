"""The result of one annotation: Label Studio's JSON -> an answer to each control. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connectors.answers import Attribute, Kind, Ranking, Region, Relation
from connectors.label_studio.regions import (
    EmptyRegionError,
    RegionError,
    has_place,
    image_size,
    regions_of,
)
from connectors.label_studio.result_values import finite

# Relations have no control of their own in a result.
RELATIONS = "relations"
# Regions that Label Studio knows and that no measure compares.
_UNMEASURED = frozenset(
    {"vector", "vectorlabels", "videovector", "videovectorlabels", "bitmask", "bitmasklabels"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """Which control: its ``from_name``, the type its results have, and whether it is per region."""

    control: str
    type: str
    kind: Kind
    per_region: bool = False


@dataclass(slots=True, kw_only=True)
class Result:
    """What one annotation says, by control.

    A control in ``unreadable`` was answered, nobody can say what; ``problems`` says why, by
    control. ``sizes`` are those of the images the regions stand on, ``quotes`` one marked text with
    its place, for each control that has them.
    """

    values: dict[Name, Any] = field(default_factory=dict)
    unreadable: set[Name] = field(default_factory=set)
    problems: list[tuple[str, str]] = field(default_factory=list)
    sizes: dict[Name, tuple[int, int]] = field(default_factory=dict)
    quotes: dict[Name, tuple[int, str]] = field(default_factory=dict)


def parse_result(items: list[Any]) -> Result:
    """Every answer of an annotation's result; what is wrong is said in ``problems``, not raised."""
    result = Result()
    known = [item for item in items if _is_item(item)]
    if len(known) < len(items):
        result.problems.append(
            ("", f"{len(items) - len(known)} of {len(items)} entries of its result are no answers")
        )
    regions: dict[str, Region | None] = {}
    for item in known:
        if item["type"] not in _VALUES and item["type"] != "relation":
            _add_regions(result, regions, item)
    for item in known:
        if item["type"] in _VALUES:
            _add_value(result, regions, item)
        elif item["type"] == "relation":
            _add_relation(result, regions, item)
    return result


def _is_item(item: Any) -> bool:
    match item:
        case {"type": "relation"}:
            return isinstance(item.get("from_id"), str) and isinstance(item.get("to_id"), str)
        case {"type": str(), "from_name": str(), "value": dict()}:
            return True
    return False


def _add_regions(result: Result, regions: dict[str, Region | None], item: dict[str, Any]) -> None:
    measured = has_place(item["value"]) and item["type"] not in _UNMEASURED
    kind = Kind.REGIONS if measured else Kind.UNMEASURED
    name = Name(control=item["from_name"], type=item["type"], kind=kind)
    place = str(item.get("id"))
    result.values.setdefault(name, ())
    if not measured:
        return
    size = image_size(item)
    if size is not None:
        result.sizes[name] = size
    regions.setdefault(place, None)
    with_problem = f"region {place}: "
    try:
        found, mended = regions_of(item)
    except EmptyRegionError as error:
        result.problems.append((name.control, f"{with_problem}{error}; it is left out"))
        return
    except RegionError as error:
        result.problems.append((name.control, f"{with_problem}{error}"))
        result.unreadable.add(name)
        return
    if mended:
        result.problems.append((name.control, f"{with_problem}{mended}"))
    result.values[name] += found
    regions[place] = regions[place] or found[0]
    text = item["value"].get("text")
    if isinstance(text, str) and isinstance(item["value"].get("start"), int):
        result.quotes.setdefault(name, (item["value"]["start"], text))


def _add_value(result: Result, regions: dict[str, Region | None], item: dict[str, Any]) -> None:
    kind, read = _VALUES[item["type"]]
    place = str(item.get("id"))
    per_region = place in regions or has_place(item["value"])
    name = Name(control=item["from_name"], type=item["type"], kind=kind, per_region=per_region)
    try:
        value = read(item["value"])
        region = _region_of(item, regions) if per_region else None
    except EmptyRegionError as error:
        result.problems.append((name.control, f"region {place}: {error}; it is left out"))
        return
    except RegionError as error:
        where = f"region {place}: " if per_region else ""
        result.problems.append((name.control, f"{where}{error}"))
        result.unreadable.add(name)
        return
    if region is not None:
        attribute = Attribute(region=region, value=value)
        result.values[name] = (*result.values.get(name, ()), attribute)
    elif not per_region:
        result.values[name] = value


def _region_of(item: dict[str, Any], regions: dict[str, Region | None]) -> Region | None:
    """The region that an attribute is about; None where the region itself was left out."""
    place = str(item.get("id"))
    if place in regions:
        return regions[place]
    found, _ = regions_of(item | {"type": ""})
    return found[0]


def _add_relation(result: Result, regions: dict[str, Region | None], item: dict[str, Any]) -> None:
    name = Name(control=RELATIONS, type="relation", kind=Kind.RELATIONS)
    result.values.setdefault(name, ())
    source, target = regions.get(item["from_id"]), regions.get(item["to_id"])
    if source is None or target is None:
        missing = item["from_id"] if source is None else item["to_id"]
        result.problems.append((RELATIONS, f"it points to region {missing}, which cannot be read"))
        result.unreadable.add(name)
        return
    if item.get("direction") == "left":
        source, target = target, source
    labels = item.get("labels")
    relation = Relation(
        source=source,
        target=target,
        labels=tuple(sorted(map(str, labels))) if isinstance(labels, list) else (),
        directed=item.get("direction", "right") in ("left", "right"),  # it may be a list
    )
    result.values[name] += (relation,)


def _strings(value: Any, key: str) -> Iterator[str]:
    found = value.get(key)
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list):
        raise RegionError(f"its {key} is {found!r}, not a list of texts")
    for each in found:
        yield " / ".join(map(str, each)) if isinstance(each, list) else str(each)


def _choices(value: dict[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(set(_strings(value, "choices"))))


def _taxonomy(value: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    paths = value.get("taxonomy")
    if not isinstance(paths, list) or not all(isinstance(path, list) for path in paths):
        raise RegionError(f"its taxonomy is {paths!r}, not a list of paths")
    return tuple(sorted({tuple(map(str, path)) for path in paths}))


def _picked(value: dict[str, Any]) -> str:
    picked = value.get("selected")
    if not isinstance(picked, str):
        raise RegionError(f"its selected is {picked!r}, not a side")
    return picked


def _number(key: str) -> Callable[[dict[str, Any]], float]:
    def read(value: dict[str, Any]) -> float:
        found = value.get(key)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise RegionError(f"its {key} is {found!r}, not a number")
        number = finite(found)
        if number is None:
            raise RegionError(f"its {key} is {str(found)[:40]}, not a finite number")
        return number

    return read


def _moment(value: dict[str, Any]) -> float:
    text = value.get("datetime")
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        raise RegionError(f"its datetime is {text!r}, not a date or time in ISO 8601") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _text(value: dict[str, Any]) -> str:
    return "\n".join(_strings(value, "text"))


def _ranking(value: dict[str, Any]) -> Ranking:
    ranker = value.get("ranker")
    columns: dict[Any, Any] = ranker if isinstance(ranker, dict) else {"": ranker}
    if not all(isinstance(items, list) for items in columns.values()):
        raise RegionError(f"its ranker is {ranker!r}, not lists of items")
    return Ranking(
        columns=tuple((str(name), tuple(map(str, items))) for name, items in columns.items())
    )


_VALUES: dict[str, tuple[Kind, Callable[[dict[str, Any]], Any]]] = {
    "choices": (Kind.CHOICES, _choices),
    "taxonomy": (Kind.TAXONOMY, _taxonomy),
    "pairwise": (Kind.PAIRWISE, _picked),
    "rating": (Kind.RATING, _number("rating")),
    "number": (Kind.NUMBER, _number("number")),
    "datetime": (Kind.DATETIME, _moment),
    "textarea": (Kind.TEXT, _text),
    "ranker": (Kind.RANKING, _ranking),
}
