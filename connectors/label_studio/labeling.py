"""Labelling config XML -> what is asked of people, and so what Labelgate can answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from connectors.label_studio.control_tags import (
    SUPPORTED,
    control_of,
    problem_of,
    split_optional,
)
from connectors.label_studio.controls import (
    ONE_OF_A_LIST,
    Control,
    ControlKind,
    InputKind,
    LabelingError,
)
from connectors.label_studio.markup import Element, elements_of

__all__ = [
    "SUPPORTED",
    "Control",
    "ControlKind",
    "InputKind",
    "Labeling",
    "LabelingError",
    "changes",
    "parse_labeling",
    "single_choice",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labeling:
    """The controls of a config that Labelgate works with, in its order; at least one.

    ``left_out`` names the others, each with the reason.
    """

    controls: tuple[Control, ...]
    left_out: tuple[str, ...] = ()

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

    @property
    def is_list(self) -> bool:
        """Whether an answer is one of ``labels``, and nothing else."""
        return len(self.controls) == 1 and self.controls[0].kind in ONE_OF_A_LIST

    @property
    def speaks_of_more(self) -> bool:
        """Whether an answer may speak of other labels than itself: several, or nodes of a tree."""
        return not self.is_list or self.controls[0].tag == "taxonomy"


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


def parse_labeling(label_config: str, *, control: str | None = None) -> Labeling:
    """All supported controls of a labelling config, or the one named ``control``.

    What is not asked of every task as a whole (about a region, under a condition, about one item of
    a list, a comment that need not be written) is left out where another control remains. Answers
    are cached by the text: Label Studio sends the whole config with every request. Raises
    ``LabelingError`` naming what was found and what is supported.

    >>> parse_labeling(
    ...     '<View><Text name="t" value="$text"/><Choices name="c" toName="t">'
    ...     '<Choice value="Yes"/><Choice value="No" alias="n"/></Choices></View>'
    ... ).labels
    ('Yes', 'n')
    """
    return _parse_labeling(label_config, control)


@lru_cache(maxsize=256)
def _parse_labeling(label_config: str, control: str | None) -> Labeling:
    elements = elements_of(label_config)
    objects = {
        each.attributes["name"]: each
        for each in elements
        if "name" in each.attributes and "toname" not in each.attributes
    }
    found = [each for each in elements if "toname" in each.attributes]
    if control is not None:
        found = [each for each in found if each.attributes.get("name") == control]

    good: dict[str, Element] = {}
    misfits: list[str] = []
    for each in found:
        problem = problem_of(each, objects)
        if problem is None and each.attributes["name"] in good:
            problem = "another control has this name"
        if problem is None:
            good[each.attributes["name"]] = each
        else:
            misfits.append(f"{each.described()} ({problem})")
    if good:
        asked, optional = split_optional(list(good.values()))
        controls = tuple(control_of(each, objects) for each in asked)
        return Labeling(controls=controls, left_out=(*misfits, *optional))
    wanted = "" if control is None else f" named {control!r}"
    raise LabelingError(
        f"the labelling config has no control{wanted} that Labelgate supports; "
        f"found: {', '.join(misfits) or 'no control at all'}; supported: {SUPPORTED}"
    )


def changes(before: Labeling, after: Labeling) -> list[str]:
    """What is asked otherwise than before, in words; [] where only the looks changed."""
    old = {each.name: each for each in before.controls}
    new = {each.name: each for each in after.controls}
    said = [f"the control {name!r} is gone" for name in old if name not in new]
    said += [f"the control {name!r} is new" for name in new if name not in old]
    for name in [name for name in old if name in new]:
        said += _changed(old[name], new[name])
    return said


def _changed(before: Control, after: Control) -> list[str]:
    if before.kind is not after.kind:
        return [f"{before.name!r} asks for {after.kind.value}, not {before.kind.value} any more"]
    gone = [label for label in before.labels if label not in after.labels]
    new = [label for label in after.labels if label not in before.labels]
    said = [f"{before.name!r} no longer offers {_listed(gone)}"] if gone else []
    said += [f"{before.name!r} now offers {_listed(new)}"] if new else []
    if before.buckets != after.buckets:
        buckets = _listed(list(after.buckets)) or "one order"
        said.append(f"{before.name!r} now sorts into {buckets}")
    shown = (before.input_kind, before.data_keys), (after.input_kind, after.data_keys)
    if shown[0] != shown[1]:
        keys = " and ".join(map(repr, after.data_keys))
        said.append(f"{before.name!r} now asks about {keys} ({after.input_kind.value})")
    return said


def _listed(labels: list[str], most: int = 10) -> str:
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(map(repr, labels[:most])) + more
