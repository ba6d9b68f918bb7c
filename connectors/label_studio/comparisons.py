"""What a labelling config lets people compare, and what an answer says of two answers. Pure.

Two texts side by side (Pairwise), the items of a list (Ranker), or texts that each have stars of
their own (Rating): all of them come to one choice for two answers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, takewhile
from typing import Any

from connectors.label_studio.controls import Control, ControlKind
from connectors.label_studio.labeling import Labeling
from connectors.label_studio.rankings import items_of, shown_order
from policies.answer_texts import RANK, controls_of, ranking_of
from policies.judgments import Choice

# The choices by which people say of a pair what Label Studio's Pairwise has no word for.
EVEN = (Choice.TIE.value, Choice.NONE.value)
_SIDES = ("left", "right")
_BODIES = ("body", "html", "title")
_JOINTS = " _-.:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One thing that people compare answers by; "" is the preference itself.

    ``controls`` are one Pairwise (and, where there is one, the choice between ``EVEN``), one
    Ranker, or one Rating for each answer.
    """

    criterion: str
    controls: tuple[Control, ...]

    @property
    def kind(self) -> ControlKind:
        """That of the first control."""
        return self.controls[0].kind

    @property
    def names(self) -> tuple[str, ...]:
        """The data keys of the answers in the order of the config; () for the items of a list."""
        if self.kind is ControlKind.RANKING:
            return ()
        rated = self.controls if self.kind is ControlKind.RATING else self.controls[:1]
        return tuple(key for control in rated for key in control.data_keys)

    @property
    def source(self) -> str:
        """The data key of the list whose items are compared; "" where each answer has its own."""
        return self.controls[0].data_keys[0] if self.kind is ControlKind.RANKING else ""


def comparisons_of(labeling: Labeling, prompt: str = "") -> tuple[Comparison, ...]:
    """What people compare under this config; () where it has no Pairwise, Ranker or two Ratings.

    The first of its kind in the config is the preference, the others are criteria, called as their
    controls; where there is a Pairwise, stars for its two answers are criteria too. Of several
    Ratings on each answer the first ones belong together, the second ones, and so on; what their
    names have in common is the criterion's name. A Rating of the ``prompt`` compares nothing.
    """
    pairwise = _of_kind(labeling, ControlKind.PAIRWISE)
    even = tuple(each for each in labeling.controls if _says_even(each))[:1]
    found = [
        Comparison(
            criterion="" if place == 0 else control.name,
            controls=(control, *(even if place == 0 else ())),
        )
        for place, control in enumerate(pairwise)
    ]
    seen: set[str] = set()
    for control in _of_kind(labeling, ControlKind.RANKING):
        key = control.data_keys[0]
        found.append(Comparison(criterion=control.name if key in seen else "", controls=(control,)))
        seen.add(key)
    found += _rated(labeling, prompt, main=not pairwise)
    return tuple(found)


def answers_shown(comparison: Comparison, data: Mapping[str, Any]) -> dict[str, str]:
    """The answers' texts by name, in the order in which they are shown; those without are left out.

    An item of a list is called by its id, and its text is its body, else its HTML or its title.
    """
    if comparison.source:
        items = items_of(data, comparison.source)
        texts = {name: _body(items[name]) for name in shown_order(items)}
    else:
        texts = {name: _text(data.get(name)) for name in comparison.names}
    return {name: text for name, text in texts.items() if text is not None}


def said_by_control(labeling: Labeling, answer: str | None) -> dict[str, str | None]:
    """An answer's text by control. ValueError where it is none under this config."""
    if answer is None:
        return {}
    return {labeling.from_name: answer} if len(labeling.controls) == 1 else controls_of(answer)


def choice_between(
    comparison: Comparison, said: Mapping[str, str | None], one: str, other: str
) -> Choice:
    """What was said of two answers: ``Choice.A`` for the one; NONE where nothing was.

    Items in one bucket are alike, and buckets stand from the best to the worst. Of an item that
    stands in none, or was not rated, nothing is said. ValueError for a text of another form.
    """
    match comparison.kind:
        case ControlKind.PAIRWISE:
            return _picked(comparison, said, one)
        case ControlKind.RANKING:
            places = _places(comparison.controls[0], said.get(comparison.controls[0].name))
        case _:
            places = {
                control.data_keys[0]: -float(stars)
                for control in comparison.controls
                if (stars := said.get(control.name)) is not None
            }
    first, second = places.get(one, math.nan), places.get(other, math.nan)
    if first == second:
        return Choice.TIE
    if math.isnan(first) or math.isnan(second):
        return Choice.NONE
    return Choice.A if first < second else Choice.B


def compared_names(comparison: Comparison, shown: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every two of the answers that are shown and that this compares, in their order."""
    names = shown if comparison.source else [each for each in comparison.names if each in shown]
    return combinations(names, 2)


def _of_kind(labeling: Labeling, kind: ControlKind) -> list[Control]:
    return [control for control in labeling.controls if control.kind is kind]


def _says_even(control: Control) -> bool:
    return control.kind is ControlKind.CHOICE and set(control.labels) <= set(EVEN)


def _rated(labeling: Labeling, prompt: str, *, main: bool) -> list[Comparison]:
    by_answer: dict[str, list[Control]] = {}
    for control in _of_kind(labeling, ControlKind.RATING):
        if control.data_keys[0] != prompt:
            by_answer.setdefault(control.data_keys[0], []).append(control)
    if len(by_answer) < 2:
        return []
    together = list(zip(*by_answer.values(), strict=False))
    return [
        Comparison(criterion="" if main and place == 0 else _stem(controls), controls=controls)
        for place, controls in enumerate(together)
    ]


def _stem(controls: Sequence[Control]) -> str:
    """What the controls' names have in common, at their beginning or else at their end."""
    names = [control.name for control in controls]
    backwards = _beginning([name[::-1] for name in names])[::-1]
    stems = (_beginning(names).strip(_JOINTS), backwards.strip(_JOINTS), names[0])
    return next(filter(None, stems))


def _beginning(names: Sequence[str]) -> str:
    """The characters with which all the names begin."""
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in alike)


def _picked(comparison: Comparison, said: Mapping[str, str | None], one: str) -> Choice:
    pair, *even = comparison.controls
    side = said.get(pair.name)
    if side in _SIDES:
        picked = pair.data_keys[_SIDES.index(side)]
        return Choice.A if picked == one else Choice.B
    if side is not None:
        raise ValueError(f"{side!r} is no side of {pair.name!r}")
    word = said.get(even[0].name) if even else None
    return Choice.NONE if word is None else Choice(word)


def _places(control: Control, text: str | None) -> dict[str, float]:
    if text is None:
        return {}
    columns = ranking_of(text)
    if not control.buckets:
        return {name: float(place) for place, name in enumerate(columns.get(RANK, ()))}
    return {
        name: float(place)
        for place, bucket in enumerate(control.buckets)
        for name in columns.get(bucket, ())
    }


def _body(item: Mapping[str, Any]) -> str | None:
    return next(filter(None, (_text(item.get(key)) for key in _BODIES)), None)


def _text(value: Any) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None
