"""A result's JSON <-> what it answers to all controls of a labelling config, as one text. Pure.

The text is that of ``policies.answer_texts``: of one control its answer, of several controls their
answers by name.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.label_studio.control_answers import (
    Part,
    mentioned,
    parts_in,
    plain,
    problem_of,
    said_by,
    scores_of,
    written,
)
from connectors.label_studio.controls import OF_PARTS, Control, ControlKind
from connectors.label_studio.labeling import Labeling
from connectors.label_studio.result_values import Item
from policies.answer_texts import controls_of, controls_text


def answer_of(labeling: Labeling, result: Sequence[Any]) -> str | None:
    """What a result answers; None where nothing was answered.

    A control with one answer that was not given, or given several times, is unanswered; a set,
    spans and regions are always answered, be it by nothing. Of several controls the whole is
    unanswered where every one with one answer is, and no other has anything in it. Whether the
    config still offers the answer is for ``offers`` to say.
    """
    answers = {
        control.name: said_by(control, _items(control, result)) for control in labeling.controls
    }
    if len(labeling.controls) == 1:
        return answers[labeling.from_name]
    single = [control for control in labeling.controls if control.kind not in OF_PARTS]
    if single and all(_is_empty(control, answers[control.name]) for control in labeling.controls):
        return None
    return controls_text(answers)


def scored_answer_of(
    labeling: Labeling, result: Sequence[Any]
) -> tuple[str | None, tuple[float, ...]]:
    """What a model's result answers, with the scores of its parts in the order of the text.

    () where the answer has no parts, or where an item of the result has no ``score``.
    """
    scores: list[float] = []
    for control in sorted(labeling.controls, key=lambda each: each.name):
        if control.kind in OF_PARTS:
            found = scores_of(control, _items(control, result))
            if found is None:
                return answer_of(labeling, result), ()
            scores += found
    return answer_of(labeling, result), tuple(scores)


def result_of(
    labeling: Labeling,
    answer: str,
    part_scores: Sequence[float] = (),
    data: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The result JSON that says ``answer``; the same answer always gives the same bytes.

    ``part_scores`` are those of all parts in the order of the text (controls by name); where there
    are not as many as parts, none is written. ``data`` is the task's, to quote marked text from.
    Raises ``ValueError`` for what the config does not offer: Label Studio would store it without
    a word and show an empty form.
    """
    problem = offers(labeling, answer)
    if problem is not None:
        raise ValueError(problem)
    answers = _by_control(labeling, answer)
    counts = {control.name: parts_in(control, text) for control, text in answers}
    scored = bool(part_scores) and len(part_scores) == sum(counts.values())
    starts = {name: sum(counts[other] for other in counts if other < name) for name in counts}
    return [
        _item(control, part, part_scores[starts[control.name] :] if scored else ())
        for control, text in answers
        for part in written(control, text, _shown(control, data))
    ]


def offers(labeling: Labeling, answer: str) -> str | None:
    """Why an answer cannot be shown under this config; None where it can.

    >>> from connectors.label_studio.labeling import InputKind, single_choice
    >>> offers(single_choice("topic", "t", InputKind.TEXT, "text", ("A", "B")), "C")
    "label 'C' is not a choice of 'topic': A, B"
    """
    if len(labeling.controls) > 1:
        try:
            answers = controls_of(answer)
        except ValueError as error:
            return str(error)
        known = [control.name for control in labeling.controls]
        strange = next((name for name in answers if name not in known), None)
        if strange is not None:
            return f"the config has no control {strange!r}: {', '.join(known)}"
        if all(text is None for text in answers.values()):
            return "no control is answered"
    problems = (problem_of(control, text) for control, text in _by_control(labeling, answer))
    return next(filter(None, problems), None)


def mentions(labeling: Labeling, answer: str) -> tuple[str, ...]:
    """The labels that an answer speaks of, each once: what rules about labels are held against.

    Those in a set, of spans and of regions, and of a taxonomy's path those of all nodes above too;
    () for numbers and written texts. An answer that an earlier config gave its form speaks of
    itself.
    """
    try:
        found = [
            label
            for control, text in _by_control(labeling, answer)
            for label in mentioned(control, text)
        ]
    except (ValueError, TypeError, AttributeError):
        return (answer,)
    return tuple(dict.fromkeys(found))


def by_label(labeling: Labeling, counts: Mapping[str, int]) -> dict[str, int]:
    """How many answers speak of each label, sorted by it; ``counts`` are those of each answer.

    Where answers are one label of a list these are the same figures.
    """
    found: Counter[str] = Counter()
    for answer, count in counts.items():
        for label in [answer] if labeling.is_list else mentions(labeling, answer):
            found[label] += count
    return dict(sorted(found.items()))


def plain_answer(labeling: Labeling, answer: str) -> Any:
    """An answer in plain values for other programs: text, number, list, or these by control.

    One that an earlier config gave its form stays a text.
    """
    try:
        found = {
            control.name: plain(control, text) for control, text in _by_control(labeling, answer)
        }
    except (ValueError, TypeError):
        return answer
    return found if len(labeling.controls) > 1 else found[labeling.from_name]


def _items(control: Control, result: Sequence[Any]) -> list[Item]:
    return [
        item
        for item in result
        if isinstance(item, dict)
        and item.get("from_name") == control.name
        and isinstance(item.get("value"), dict)
    ]


def _is_empty(control: Control, text: str | None) -> bool:
    return text is None or (control.kind in OF_PARTS and not json.loads(text))


def _by_control(labeling: Labeling, answer: str) -> list[tuple[Control, str]]:
    """The controls that are answered, in the order of the config, each with its text."""
    if len(labeling.controls) == 1:
        return [(labeling.controls[0], answer)]
    answers = controls_of(answer)
    found = [(control, answers.get(control.name)) for control in labeling.controls]
    return [(control, text) for control, text in found if text is not None]


def _shown(control: Control, data: Mapping[str, Any] | None) -> str | None:
    if control.kind is not ControlKind.SPANS or data is None:
        return None
    shown = data.get(control.data_keys[0])
    return shown if isinstance(shown, str) else None


def _item(control: Control, part: Part, scores: Sequence[float]) -> dict[str, Any]:
    item = {
        "id": _id(control, part),
        "from_name": control.name,
        "to_name": control.to_names[0],
        "type": control.tag,
        **part.frame,
        "value": part.value,
    }
    if scores and len(part.parts):
        item["score"] = min(scores[place] for place in part.parts)
    return item


def _id(control: Control, part: Part) -> str:
    """The same for the same answer; controls that say something of one region share it."""
    if part.place and control.kind is ControlKind.REGIONS:
        name = f"{control.to_names[0]}\0{part.place}"
    elif part.place:
        name = f"{control.name}\0{control.to_names[0]}\0{part.place}"
    else:
        said = next(iter(part.value.values()))
        single = said[0] if isinstance(said, list) and len(said) == 1 else said
        said = single if isinstance(single, str) else json.dumps(said)
        name = f"{control.name}\0{control.to_names[0]}\0{said}"
    return hashlib.blake2s(name.encode(errors="surrogatepass"), digest_size=5).hexdigest()
