"""Labelling config XML -> what Labelgate can predict: one choice on a text or an image. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from xml.parsers import expat

MAX_CONFIG_CHARS = 1_000_000
SUPPORTED = (
    'one single-choice <Choices name="..." toName="..."> with at least two <Choice value="...">, '
    'on one <Text>, <HyperText> or <Image value="$key">'
)


_READ = ("text", "hypertext", "image")


class LabelingError(ValueError):
    """The labelling config has no control that Labelgate supports, or is no XML at all."""


class InputKind(StrEnum):
    """What the labelled object shows; ``OTHER`` is read by no model of Labelgate's own."""

    TEXT = "text"
    HYPERTEXT = "hypertext"
    IMAGE = "image"
    TABLE = "table"
    PAIR = "pair"
    OTHER = "other"


class ControlKind(StrEnum):
    """What one control's answer is, and so how ``policies.answer_texts`` writes it."""

    CHOICE = "choice"  # one of the labels (a taxonomy of which one path is picked, too)
    CHOICES = "choices"  # a set of the labels
    TAXONOMY = "taxonomy"  # a set of paths
    RATING = "rating"  # one of "1", "2", ...
    NUMBER = "number"
    PAIRWISE = "pairwise"  # "left" or "right"
    SPANS = "spans"  # marked stretches of a text
    REGIONS = "regions"  # any other marked parts: boxes, polygons, ...
    TEXT = "text"  # written by people


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control of a labelling config.

    ``name`` is the ``from_name`` of its results, ``tag`` the element in lower case, ``labels`` what
    its answers can be made of, in the order of the config (an ``alias`` stands in for its value, as
    in results): choices, paths as ``path_text`` writes them, ratings, sides; () for numbers and
    texts. ``data_keys`` are the keys of the task's data that its objects show (``$text`` ->
    "text"): one, and two for a pair.
    """

    name: str
    tag: str
    kind: ControlKind
    to_names: tuple[str, ...]
    labels: tuple[str, ...]
    input_kind: InputKind
    data_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labeling:
    """The controls of a config that Labelgate works with, in its order; at least one."""

    controls: tuple[Control, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """What the answers can be made of, over all controls, each once."""
        return tuple(dict.fromkeys(label for each in self.controls for label in each.labels))

    @property
    def from_name(self) -> str:
        """The name of the first control."""
        return self.controls[0].name

    @property
    def to_name(self) -> str:
        """The object of the first control."""
        return self.controls[0].to_names[0]

    @property
    def input_kind(self) -> InputKind:
        """What the first control's object shows."""
        return self.controls[0].input_kind

    @property
    def data_key(self) -> str:
        """The key of the task's data that the first control's object shows."""
        return self.controls[0].data_keys[0]


def single_choice(
    name: str, shown: str, input_kind: InputKind, data_key: str, labels: tuple[str, ...]
) -> Labeling:
    """The labelling of one ``<Choices>`` on one object."""
    control = Control(
        name=name,
        tag="choices",
        kind=ControlKind.CHOICE,
        to_names=(shown,),
        labels=labels,
        input_kind=input_kind,
        data_keys=(data_key,),
    )
    return Labeling(controls=(control,))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tag:
    """An element; names in lower case, as Label Studio's own page reads them."""

    name: str
    shown_name: str
    attributes: dict[str, str]
    children: list[_Tag] = field(default_factory=list)

    def described(self) -> str:
        name = self.attributes.get("name")
        return f'<{self.shown_name} name="{name}">' if name else f"<{self.shown_name}>"


def parse_labeling(label_config: str, *, control: str | None = None) -> Labeling:
    """The one supported control of a labelling config, or the one named ``control``.

    Answers are cached by the text: Label Studio sends the whole config with every request.
    Raises ``LabelingError`` naming what was found and what is supported.

    >>> parse_labeling(
    ...     '<View><Text name="t" value="$text"/><Choices name="c" toName="t">'
    ...     '<Choice value="Yes"/><Choice value="No" alias="n"/></Choices></View>'
    ... ).labels
    ('Yes', 'n')
    """
    return _parse_labeling(label_config, control)


@lru_cache(maxsize=256)
def _parse_labeling(label_config: str, control: str | None) -> Labeling:
    tags = _tags(label_config)
    objects = {
        tag.attributes["name"]: tag
        for tag in tags
        if "name" in tag.attributes and "toname" not in tag.attributes
    }
    controls = [tag for tag in tags if "toname" in tag.attributes]
    if control is not None:
        controls = [tag for tag in controls if tag.attributes.get("name") == control]

    fits: list[Labeling] = []
    misfits: list[str] = []
    for tag in controls:
        problem = _problem(tag, objects)
        if problem is None:
            fits.append(_labeling(tag, objects[tag.attributes["toname"]]))
        else:
            misfits.append(f"{tag.described()} ({problem})")

    if len(fits) == 1:
        return fits[0]
    if fits:
        names = ", ".join(fit.from_name for fit in fits)
        raise LabelingError(
            f"the labelling config has {len(fits)} controls that Labelgate could predict: {names}; "
            "name the one to use"
        )
    wanted = "" if control is None else f" named {control!r}"
    raise LabelingError(
        f"the labelling config has no control{wanted} that Labelgate supports; "
        f"found: {', '.join(misfits) or 'no control at all'}; supported: {SUPPORTED}"
    )


def _tags(label_config: str) -> list[_Tag]:
    """All elements in document order. Refuses a DOCTYPE, so that no entity is ever expanded."""
    if len(label_config) > MAX_CONFIG_CHARS:
        raise LabelingError(
            f"the labelling config has {len(label_config)} characters; "
            f"at most {MAX_CONFIG_CHARS} are read"
        )
    found: list[_Tag] = []
    open_tags: list[_Tag] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        lowered = {key.lower(): value for key, value in attributes.items()}
        tag = _Tag(name=name.lower(), shown_name=name, attributes=lowered)
        if open_tags:
            open_tags[-1].children.append(tag)
        open_tags.append(tag)
        found.append(tag)

    def end(name: str) -> None:
        del name
        open_tags.pop()

    def doctype(*declaration: object) -> None:
        del declaration
        raise LabelingError("the labelling config has a DOCTYPE; take it out: it is never needed")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(label_config, True)  # noqa: FBT003 - expat takes it by position only
    except expat.ExpatError as error:
        raise LabelingError(
            f"the labelling config is not well-formed XML: line {error.lineno}, "
            f"column {error.offset}: {expat.ErrorString(error.code)}"
        ) from error
    except UnicodeEncodeError as error:
        raise LabelingError(f"the labelling config is not valid Unicode text: {error}") from error
    return found


def _problem(control: _Tag, objects: dict[str, _Tag]) -> str | None:
    """Why this control is not supported; None where it is."""
    if control.name != "choices":
        return "not <Choices>"
    attributes = control.attributes
    problems = {
        "has no name": not attributes.get("name"),
        f'choice="{attributes.get("choice")}"': attributes.get("choice", "single")
        not in {"single", "single-radio"},
        'allowNested="true": answers with paths': attributes.get("allownested") == "true",
        'perRegion="true"': attributes.get("perregion") == "true",
        'perItem="true"': attributes.get("peritem") == "true",
        "visibleWhen: not always asked": "visiblewhen" in attributes,
        "fewer than two <Choice>, or taken from the task": len(_labels(control)) < 2,
    }
    found = next((problem for problem, holds in problems.items() if holds), None)
    return found or _object_problem(attributes["toname"], objects)


def _object_problem(to_name: str, objects: dict[str, _Tag]) -> str | None:
    shown = objects.get(to_name)
    if shown is None:
        return f'toName="{to_name}" names no object'
    if shown.name not in _READ:
        return f"on {shown.described()}"
    if shown.attributes.get("valuetype", "text") != "text" and shown.name != InputKind.IMAGE:
        return f'on {shown.described()} with valueType="{shown.attributes["valuetype"]}"'
    if _data_key(shown) is None:
        return (
            f'on {shown.described()} with value="{shown.attributes.get("value", "")}", not "$key"'
        )
    return None


def _labeling(control: _Tag, shown: _Tag) -> Labeling:
    return single_choice(
        control.attributes["name"],
        control.attributes["toname"],
        InputKind(shown.name),
        _data_key(shown) or "",
        _labels(control),
    )


def _data_key(shown: _Tag) -> str | None:
    """``$key`` -> key; None for a literal, a template of several keys, or nothing."""
    match = re.fullmatch(r"\$([^${}\s][^${}]*)", shown.attributes.get("value", "").strip())
    return match[1] if match else None


def _labels(control: _Tag) -> tuple[str, ...]:
    """What the answers can be: the outermost choices.

    Label Studio never answers with an inner one unless ``allowNested`` is set (``isSkipped`` in
    the choice tag of its page).
    """
    labels: list[str] = []
    waiting = list(reversed(control.children))
    while waiting:
        tag = waiting.pop()
        if tag.name != "choice":
            waiting.extend(reversed(tag.children))
        elif label := tag.attributes.get("alias") or tag.attributes.get("value"):
            labels.append(label)
    return tuple(dict.fromkeys(labels))
