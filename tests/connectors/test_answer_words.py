"""Answers as people read them on a page."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.label_studio.answer_words import answer_words
from connectors.label_studio.labeling import InputKind, parse_labeling, single_choice
from policies.answer_texts import controls_text, regions_text, set_text, spans_text

MOODS = (
    '<Choices name="moods" toName="text" choice="multiple"><Choice value="joy"/>'
    '<Choice value="fear"/></Choices>'
)
WHO = '<Labels name="who" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>'
STARS = '<Rating name="stars" toName="text"/>'
BOXES = (
    '<View><Image name="i" value="$i"/><RectangleLabels name="box" toName="i"><Label value="Car"/>'
    '<Label value="Bike"/></RectangleLabels></View>'
)


def config(*controls: str) -> str:
    return f'<View><Text name="text" value="$text"/>{"".join(controls)}</View>'


def box(*labels: str) -> dict[str, object]:
    value = {"x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": list(labels)}
    return {"type": "rectanglelabels", "value": value}


@pytest.mark.parametrize(
    ("label_config", "text", "words"),
    [
        (config(MOODS), set_text(["joy", "fear"]), "fear, joy"),
        (config(MOODS), set_text([]), "none"),
        (
            config(WHO),
            spans_text([(9, 14, "LOC"), (0, 4, "PER")]),
            "PER (0 to 4), LOC (9 to 14)",
        ),
        (config(WHO), spans_text([]), "none"),
        (config(STARS), "4", "4"),
        (
            BOXES,
            regions_text([box("Car"), box("Bike")]),
            "1 Bike, 1 Car",
        ),
        (BOXES, regions_text([box()]), "1 unnamed"),
        (BOXES, regions_text([]), "none"),
        (
            config(MOODS, WHO, STARS),
            controls_text({"moods": set_text(["joy"]), "who": spans_text([]), "stars": None}),
            "moods: joy; who: none",
        ),
    ],
)
def test_each_kind_in_words(label_config: str, text: str, words: str) -> None:
    assert answer_words(parse_labeling(label_config), text) == words


@settings(deadline=None)  # the machine may be busy
@given(st.text())
def test_what_is_no_answer_stays_what_it_is(text: str) -> None:
    several = parse_labeling(config(MOODS, WHO, STARS))
    assert isinstance(answer_words(several, text), str)
    assert answer_words(single_choice("c", "t", InputKind.TEXT, "t", ("A", "B")), text) == text
    assert answer_words(parse_labeling(config(WHO)), "{" + text) == "{" + text
