"""One control element of a labelling config -> a ``Control``, or why it is not supported. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connectors.label_studio.controls import Control, ControlKind, InputKind
from connectors.label_studio.markup import Element
from policies.answer_texts import path_text

SUPPORTED = (
    "Choices, Taxonomy, Rating, Number, Pairwise, Ranker, TextArea, Labels and all controls that "
    'mark regions, each with a name, on an object with value="$key", asked of every task as a whole'
)
# Controls that mark parts of what is shown, where the marks are no stretches of a plain text.
_REGION_TAGS = frozenset(
    {
        *("rectanglelabels", "polygonlabels", "ellipselabels", "keypointlabels", "brushlabels"),
        *("bitmasklabels", "vectorlabels", "rectangle", "polygon", "ellipse", "keypoint", "brush"),
        *("bitmask", "vector", "hypertextlabels", "paragraphlabels", "timeserieslabels"),
        *("timelinelabels", "videorectangle", "labels"),
    }
)
_KINDS = {
    "taxonomy": ControlKind.TAXONOMY,
    "rating": ControlKind.RATING,
    "number": ControlKind.NUMBER,
    "pairwise": ControlKind.PAIRWISE,
    "ranker": ControlKind.RANKING,
    "textarea": ControlKind.TEXT,
}
# Objects that a model of Labelgate's own reads.
_READ = ("text", "hypertext", "image", "table", "list")
_UNLABELLED = (ControlKind.NUMBER, ControlKind.PAIRWISE, ControlKind.RANKING, ControlKind.TEXT)
_CONDITIONAL = "visibleWhen: not always asked"
# Label Studio's own default.
_DEFAULT_STARS = 5
_MOST_STARS = 1_000
Objects = Mapping[str, Element]


def split_optional(elements: Sequence[Element]) -> tuple[list[Element], list[str]]:
    """The controls that everybody answers, and the others, described.

    Others are those in a view that may be hidden, and texts that need not be written: a comment is
    no part of the answer. Where no control would be left they are all taken.
    """
    whys = [_optional(each) for each in elements]
    asked = [each for each, why in zip(elements, whys, strict=True) if why is None]
    if not asked:
        return list(elements), []
    left_out = [
        f"{each.described()} ({why})"
        for each, why in zip(elements, whys, strict=True)
        if why is not None
    ]
    return asked, left_out


def _optional(element: Element) -> str | None:
    if element.conditional:
        return _CONDITIONAL
    if element.name == "textarea" and element.attributes.get("required") != "true":
        return 'a text that need not be written: no required="true"'
    return None


def problem_of(element: Element, objects: Objects) -> str | None:
    """Why this control is not supported; None where it is."""
    attributes = element.attributes
    if _kind(element, objects) is None:
        return "not a control that Labelgate works with"
    problems = {
        "has no name": not attributes.get("name"),
        'allowNested="true": answers with paths': attributes.get("allownested") == "true",
        'perRegion="true"': attributes.get("perregion") == "true",
        'perItem="true"': attributes.get("peritem") == "true",
        _CONDITIONAL: "visiblewhen" in attributes,
        "apiUrl: its paths are not in the config": "apiurl" in attributes,
    }
    found = next((problem for problem, holds in problems.items() if holds), None)
    return found or _labels_problem(element, objects) or _objects_problem(element, objects)


def control_of(element: Element, objects: Objects) -> Control:
    """A control that has no problem."""
    shown = [objects[name] for name in _to_names(element)]
    kind = _kind(element, objects)
    if kind is None:
        raise ValueError(f"{element.described()} is no control")
    paths = _paths(element) if element.name == "taxonomy" else ()
    return Control(
        name=element.attributes["name"],
        tag=element.name,
        kind=kind,
        to_names=_to_names(element),
        labels=_labels(element, kind),
        input_kind=_input_kind(shown),
        data_keys=tuple(each.key() or "" for each in shown),
        paths=paths,
        buckets=_buckets(element),
    )


def _kind(element: Element, objects: Objects) -> ControlKind | None:
    if element.name == "choices":
        single = element.attributes.get("choice", "single") in {"single", "single-radio"}
        return ControlKind.CHOICE if single else ControlKind.CHOICES
    if element.name == "taxonomy" and element.attributes.get("maxusages") == "1":
        return ControlKind.CHOICE
    if element.name == "labels" and _on(element, objects) == {"text"}:
        return ControlKind.SPANS
    if element.name in _REGION_TAGS:
        return ControlKind.REGIONS
    return _KINDS.get(element.name)


def _on(element: Element, objects: Objects) -> set[str]:
    return {objects[name].name for name in _to_names(element) if name in objects}


def _to_names(element: Element) -> tuple[str, ...]:
    names = element.attributes.get("toname", "")
    return tuple(each.strip() for each in names.split(",") if each.strip())


def _labels_problem(element: Element, objects: Objects) -> str | None:
    kind = _kind(element, objects)
    if kind is None or kind in _UNLABELLED:
        return None
    if kind is ControlKind.RATING:
        stars = element.attributes.get("maxrating", str(_DEFAULT_STARS))
        good = stars.isascii() and stars.isdigit() and 1 <= int(stars) <= _MOST_STARS
        return None if good else f'maxRating="{stars}"'
    labels = _labels(element, kind)
    if element.name == "choices" and kind is ControlKind.CHOICE and len(labels) < 2:
        return "fewer than two <Choice>, or taken from the task"
    bare = kind is ControlKind.REGIONS and not element.name.endswith("labels")
    if not labels and not bare:
        inside = "Label" if kind in (ControlKind.SPANS, ControlKind.REGIONS) else "Choice"
        return f"no <{inside}>, or taken from the task"
    if element.name == "taxonomy" and len(set(labels)) < len(labels):
        return 'two of its paths read the same once joined by " / "'
    return None


def _objects_problem(element: Element, objects: Objects) -> str | None:
    names = _to_names(element)
    pair = element.name == "pairwise"
    if len(names) != (2 if pair else 1):
        wanted = "two objects" if pair else "one object"
        return f'toName="{element.attributes["toname"]}" names not {wanted}'
    found = next(filter(None, (_object_problem(name, objects) for name in names)), None)
    if found is None and element.name == "ranker":
        return _ranker_problem(element, objects[names[0]])
    return found


def _object_problem(to_name: str, objects: Objects) -> str | None:
    shown = objects.get(to_name)
    if shown is None:
        return f'toName="{to_name}" names no object'
    linked = shown.attributes.get("valuetype", "text") != "text"
    if linked and shown.name in {InputKind.TEXT, InputKind.HYPERTEXT}:
        return f'on {shown.described()} with valueType="{shown.attributes["valuetype"]}"'
    if shown.key() is None:
        return (
            f'on {shown.described()} with value="{shown.attributes.get("value", "")}", not "$key"'
        )
    return None


def _input_kind(shown: list[Element]) -> InputKind:
    names = [each.name for each in shown]
    if len(names) == 2:
        return InputKind.PAIR if set(names) == {"text"} else InputKind.OTHER
    return InputKind(names[0]) if names[0] in _READ else InputKind.OTHER


def _labels(element: Element, kind: ControlKind) -> tuple[str, ...]:
    """What the answers can be made of.

    Of choices the outermost: Label Studio never answers with an inner one unless ``allowNested``
    is set (``isSkipped`` in the choice tag of its page).
    """
    match kind:
        case ControlKind.NUMBER | ControlKind.RANKING | ControlKind.TEXT:
            return ()
        case ControlKind.PAIRWISE:
            return ("left", "right")  # whatever leftClass and rightClass are called
        case ControlKind.RATING:
            stars = int(element.attributes.get("maxrating", _DEFAULT_STARS))
            return tuple(str(star) for star in range(1, stars + 1))
    if element.name == "taxonomy":
        return tuple(map(path_text, _paths(element)))
    named = map(_said, element.outermost("choice" if element.name == "choices" else "label"))
    return tuple(dict.fromkeys(label for label in named if label))


def _buckets(element: Element) -> tuple[str, ...]:
    return tuple(each.attributes.get("name", "") for each in element.outermost("bucket"))


def _ranker_problem(element: Element, shown: Element) -> str | None:
    if shown.name != InputKind.LIST:
        return f"on {shown.described()}, not on a <List>"
    names = _buckets(element)
    if "" in names:
        return "a <Bucket> without a name"
    return "two <Bucket> of one name" if len(set(names)) < len(names) else None


def _said(element: Element) -> str | None:
    return element.attributes.get("alias") or element.attributes.get("value")


def _paths(taxonomy: Element) -> tuple[tuple[str, ...], ...]:
    """Every path that can be picked, from the root, in the order of the config."""
    leaves_only = taxonomy.attributes.get("leafsonly") == "true"
    found: list[tuple[str, ...]] = []
    waiting: list[tuple[tuple[str, ...], Element]] = [
        ((), each) for each in reversed(list(taxonomy.outermost("choice")))
    ]
    while waiting:
        before, choice = waiting.pop()
        inside = list(choice.outermost("choice"))
        label = _said(choice)
        if not label:
            continue
        path = (*before, label)
        if not (leaves_only and inside):
            found.append(path)
        waiting.extend((path, each) for each in reversed(inside))
    return tuple(dict.fromkeys(found))
