"""One control's part of a result <-> its answer as a text. Pure.

Label Studio stores any list as a result, so nothing about its shape is taken for granted.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.label_studio.controls import OF_PARTS, ONE_OF_A_LIST, Control, ControlKind
from connectors.label_studio.rankings import ranking_problem, read_ranking, written_ranking
from connectors.label_studio.result_values import (
    FRAME,
    QUOTE,
    Item,
    finite,
    is_list,
    listed,
    read_paths,
    read_regions,
    read_spans,
    strings,
)
from policies.answer_texts import (
    PATH_SEPARATOR,
    labels_of_set,
    number_text,
    path_text,
    ranking_text,
    region_text,
    regions_of,
    regions_text,
    set_text,
    spans_of,
    spans_text,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One item of a result to be written; ``place`` says where, the same for all its controls.

    ``parts`` are the places of the answer's parts in it (labels, spans, regions), whose scores are
    the item's.
    """

    value: dict[str, Any]
    frame: dict[str, Any]
    place: str
    parts: range


def said_by(control: Control, items: Iterable[Item]) -> str | None:
    """What the items of a control say; None where it was not answered, or several times.

    A set, spans and regions are always answered: nothing picked or marked is the empty one.
    """
    values = [each["value"] for each in items]
    match control.kind:
        case ControlKind.CHOICES:
            return set_text(strings(values, "choices"))
        case ControlKind.TAXONOMY:
            return set_text(map(path_text, read_paths(values)))
        case ControlKind.SPANS:
            return spans_text(read_spans(values))
        case ControlKind.REGIONS:
            return regions_text(each for each, _ in read_regions(items))
        case ControlKind.TEXT:
            return "\n".join(strings(values, "text")).strip() or None
        case _:
            return _only(_singles(control, values))


def scores_of(control: Control, items: Iterable[Item]) -> tuple[float, ...] | None:
    """The scores of an answer's parts, in their order in its text; None where one has none."""
    scored: dict[Any, float] = {}
    for part, score in _scored_parts(control, items):
        if score is None:
            return None
        scored[part] = score
    return tuple(scored[part] for part in sorted(scored))


def parts_in(control: Control, text: str) -> int:
    """How many parts an answer has that scores of their own belong to."""
    return len(_OF_PARTS[control.kind](text)) if control.kind in _OF_PARTS else 0


def written(control: Control, text: str, shown: str | None) -> Iterator[Part]:
    """The items that say this; ``shown`` is the text that spans are marked in, if it is known."""
    match control.kind:
        case ControlKind.CHOICES:
            labels = list(labels_of_set(text))
            if labels:
                yield _whole({"choices": labels}, len(labels))
        case ControlKind.TAXONOMY:
            paths = [_path(control, label) for label in labels_of_set(text)]
            if paths:
                yield _whole({"taxonomy": paths}, len(paths))
        case ControlKind.SPANS:
            for place, (start, end, label) in enumerate(spans_of(text)):
                value = {"start": start, "end": end, "labels": [label]}
                quote = {} if shown is None else {QUOTE: shown[start:end]}
                yield Part(
                    value=value | quote,
                    frame={},
                    place=f"{start}\0{end}\0{label}",
                    parts=range(place, place + 1),
                )
        case ControlKind.REGIONS:
            yield from _written_regions(control, text)
        case ControlKind.RANKING:
            yield _whole(written_ranking(control, text), 0)
        case _:
            yield _whole(_single_value(control, text), 0)


def problem_of(control: Control, text: str) -> str | None:
    """Why a text is no answer that the control can show; None where it can."""
    try:
        if control.kind is ControlKind.RANKING:
            return ranking_problem(control, text)
        return _problem(control, text)
    except (ValueError, TypeError, KeyError) as error:
        return f"no answer to {control.name!r}: {error}"


def mentioned(control: Control, text: str) -> Iterator[str]:
    """The labels that an answer speaks of: its own, and of a path those of all nodes above too."""
    match control.kind:
        case ControlKind.NUMBER | ControlKind.RANKING | ControlKind.TEXT:
            return
        case ControlKind.CHOICES | ControlKind.TAXONOMY:
            labels: Iterable[str] = labels_of_set(text)
        case ControlKind.SPANS:
            labels = [label for _, _, label in spans_of(text)]
        case ControlKind.REGIONS:
            labels = [label for each in regions_of(text) for label in region_labels(each)]
        case _:
            labels = [text]
    for label in labels:
        yield label
        if control.tag == "taxonomy":
            nodes = label.split(PATH_SEPARATOR)
            yield from (PATH_SEPARATOR.join(nodes[:end]) for end in range(1, len(nodes)))


def plain(control: Control, text: str) -> Any:
    """An answer as a file for other programs holds it."""
    match control.kind:
        case kind if kind in OF_PARTS or kind is ControlKind.RANKING:
            return json.loads(text)
        case ControlKind.NUMBER | ControlKind.RATING:
            number = float(text)
            return int(number) if number.is_integer() else number
        case _:
            return text


def region_labels(region: Mapping[str, Any]) -> list[str]:
    """What a region of an answer is called; [] where it has no name."""
    value = region["value"]
    labels = value.get(region.get("type"), value.get("labels"))
    return [label for label in labels if isinstance(label, str)] if is_list(labels) else []


def _singles(control: Control, values: Iterable[Item]) -> list[Any]:
    """All values that a control with one answer was given."""
    values = list(values)
    if control.tag == "taxonomy":
        return [path_text(path) for path in read_paths(values)]
    match control.kind:
        case ControlKind.CHOICE:
            return [each for value in values for each in listed(value.get("choices"))]
        case ControlKind.RATING:
            stars = [finite(value.get("rating")) for value in values]
            return [number_text(each) for each in stars if each]  # no star is no answer
        case ControlKind.NUMBER:
            numbers = [finite(value.get("number")) for value in values]
            return [number_text(each) for each in numbers if each is not None]
        case ControlKind.RANKING:
            columns = read_ranking(control, values)
            return [] if columns is None else [ranking_text(columns)]
        case _:
            sides = [value.get("selected") for value in values]
            return [each for each in sides if each in control.labels]


def _only(found: Sequence[Any]) -> str | None:
    match found:
        case [str(answer)]:
            return answer
    return None


def _single_value(control: Control, text: str) -> dict[str, Any]:
    if control.tag == "taxonomy":
        return {"taxonomy": [_path(control, text)]}
    match control.kind:
        case ControlKind.RATING:
            return {"rating": int(text)}
        case ControlKind.NUMBER:
            return {"number": plain(control, text)}
        case ControlKind.PAIRWISE:
            return {"selected": text}
        case ControlKind.TEXT:
            return {"text": [text]}
        case _:
            return {"choices": [text]}


def _problem(control: Control, text: str) -> str | None:
    if control.kind in ONE_OF_A_LIST:
        return _unoffered(control, [text])
    match control.kind:
        case ControlKind.CHOICES | ControlKind.TAXONOMY:
            return _unoffered(control, labels_of_set(text))
        case ControlKind.SPANS:
            return _unoffered(control, [label for _, _, label in spans_of(text)])
        case ControlKind.REGIONS:
            return _regions_problem(control, regions_of(text))
        case ControlKind.NUMBER:
            finite = math.isfinite(float(text))
            return None if finite else f"{text!r} is no number for {control.name!r}"
        case _:
            return None if text.strip() else f"an empty text is no answer to {control.name!r}"


def _regions_problem(control: Control, regions: Sequence[Mapping[str, Any]]) -> str | None:
    strange = [each.get("type") for each in regions if each.get("type") != control.tag]
    if strange:
        return f"a region of {control.name!r} is {strange[0]!r}, not {control.tag!r}"
    return _unoffered(control, [name for each in regions for name in region_labels(each)])


def _unoffered(control: Control, labels: Iterable[str]) -> str | None:
    unknown = next((label for label in labels if label not in control.labels), None)
    if unknown is None or not (control.labels or control.kind in ONE_OF_A_LIST):
        return None
    return f"label {unknown!r} is not a choice of {control.name!r}: {', '.join(control.labels)}"


def _whole(value: dict[str, Any], parts: int) -> Part:
    return Part(value=value, frame={}, place="", parts=range(parts))


def _written_regions(control: Control, text: str) -> Iterator[Part]:
    drawn: Counter[str] = Counter()
    for number, region in enumerate(regions_of(text)):
        value = dict(region["value"])
        where = {key: each for key, each in value.items() if key not in (control.tag, "labels")}
        place = region_text(where)
        again = "\0again" * drawn[place]  # regions of one shape, each with a label, stay apart
        drawn[place] += 1
        yield Part(
            value=value,
            frame={name: region[name] for name in FRAME if name in region},
            place=place + again,
            parts=range(number, number + 1),
        )


def _path(control: Control, label: str) -> list[str]:
    return list(control.paths[control.labels.index(label)])


def _scored_parts(control: Control, items: Iterable[Item]) -> Iterator[tuple[Any, float | None]]:
    """Every part, by what it is ordered by in the answer's text, with the score of its item."""
    items = list(items)
    if control.kind is ControlKind.REGIONS:
        yield from (
            (region_text(each), finite(item.get("score"))) for each, item in read_regions(items)
        )
        return
    read: dict[ControlKind, Callable[[list[Any]], Iterable[Any]]] = {
        ControlKind.CHOICES: lambda values: strings(values, "choices"),
        ControlKind.TAXONOMY: lambda values: map(path_text, read_paths(values)),
        ControlKind.SPANS: read_spans,
    }
    for item in items:
        for part in read[control.kind]([item["value"]]):
            yield part, finite(item.get("score"))


_OF_PARTS: dict[ControlKind, Callable[[str], Sequence[Any]]] = {
    ControlKind.CHOICES: labels_of_set,
    ControlKind.TAXONOMY: labels_of_set,
    ControlKind.SPANS: spans_of,
    ControlKind.REGIONS: regions_of,
}
