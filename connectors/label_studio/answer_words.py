"""An answer in words, for people who read a page. Pure."""

from __future__ import annotations

from collections import Counter

from connectors.label_studio.control_answers import region_labels
from connectors.label_studio.controls import Control, ControlKind
from connectors.label_studio.labeling import Labeling
from connectors.label_studio.rankings import ranking_words
from policies.answer_texts import controls_of, labels_of_set, regions_of, spans_of


def answer_words(labeling: Labeling, answer: str) -> str:
    """An answer on one line; a text that is none under this config stays what it is.

    >>> from connectors.label_studio.labeling import parse_labeling
    >>> answer_words(
    ...     parse_labeling(
    ...         '<View><Text name="t" value="$t"/><Choices name="moods" toName="t" '
    ...         'choice="multiple"><Choice value="joy"/><Choice value="fear"/></Choices></View>'
    ...     ),
    ...     '["fear","joy"]',
    ... )
    'fear, joy'
    """
    try:
        if len(labeling.controls) == 1:
            return _words(labeling.controls[0], answer)
        answers = controls_of(answer)
        said = [(each, answers.get(each.name)) for each in labeling.controls]
        words = [f"{each.name}: {_words(each, text)}" for each, text in said if text is not None]
    except (ValueError, TypeError, AttributeError):
        return answer
    return "; ".join(words) or answer


def _words(control: Control, text: str) -> str:
    match control.kind:
        case ControlKind.CHOICES | ControlKind.TAXONOMY:
            return ", ".join(labels_of_set(text)) or "none"
        case ControlKind.SPANS:
            marked = spans_of(text)
            return ", ".join(f"{name} ({start} to {end})" for start, end, name in marked) or "none"
        case ControlKind.REGIONS:
            names = (" and ".join(region_labels(each)) or "unnamed" for each in regions_of(text))
            return ", ".join(f"{count} {name}" for name, count in Counter(names).items()) or "none"
        case ControlKind.RANKING:
            return ranking_words(control, text)
        case _:
            return text
