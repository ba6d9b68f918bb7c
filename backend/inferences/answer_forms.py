"""The forms in which a deployed model's answer may come, as the one text that answers are. Pure."""

from __future__ import annotations

from typing import Any

from connectors.label_studio.answers import answer_of, offers, result_of
from connectors.label_studio.control_answers import problem_of
from connectors.label_studio.controls import ControlKind
from connectors.label_studio.labeling import Labeling
from policies.answer_texts import number_text, set_text

FORMS = "a label, an answer's text, a number, a list of labels, or a result as Label Studio has it"
_SETS = (ControlKind.CHOICES, ControlKind.TAXONOMY)


def answer_text(labeling: Labeling, value: Any) -> str:
    """The text of ``policies.answer_texts`` that says the same as what was sent.

    Raises ``ValueError`` where it says nothing, or what the labelling config does not offer.
    """
    try:
        return _offered(labeling, value)
    # A stranger's JSON inside a text may have any shape, depth and size of number.
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError(f"is no answer: {error}; send {FORMS}") from None


def _offered(labeling: Labeling, value: Any) -> str:
    text = _as_text(labeling, value)
    if labeling.is_list:
        if text in labeling.labels:
            return text
        problem = problem_of(labeling.controls[0], text)
    else:
        problem = offers(labeling, text)
        problem = problem and f"{problem}; send {FORMS}"
    if problem is not None:
        raise ValueError(problem)
    # JSON that was written by another hand may have its parts in another order.
    whole = answer_of(labeling, result_of(labeling, text))
    if whole is None:
        raise ValueError("answers nothing")
    return whole


def _as_text(labeling: Labeling, value: Any) -> str:
    match value:
        case str():
            return value
        case bool() | None:
            pass
        case int() | float():
            return number_text(value)
        case [str(), *_] if _are_labels(labeling, value):
            return set_text(value)
        case list() if all(isinstance(item, dict) for item in value):
            text = answer_of(labeling, value)
            if text is None:
                names = " and ".join(repr(each.name) for each in labeling.controls)
                raise ValueError(f"is a result that does not answer {names}")
            return text
    raise ValueError(f"is a {type(value).__name__}: send {FORMS}")


def _are_labels(labeling: Labeling, value: list[Any]) -> bool:
    return (
        len(labeling.controls) == 1
        and labeling.controls[0].kind in _SETS
        and all(isinstance(label, str) for label in value)
    )
