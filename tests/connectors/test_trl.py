"""Rows by trl's documented schema, and the columns beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.trl import Format, Preferred, evenly_matched, json_lines, rows_of


def preferred(chosen: str = "blue", rejected: str = "green", **changes: Any) -> Preferred:
    values: dict[str, Any] = {
        "pair_id": "p1",
        "prompt": "The sky is",
        "chosen": chosen,
        "rejected": rejected,
        "votes": (2, 1, 1),
        "agreement": 0.5,
        "confidence": 0.75,
    }
    return Preferred(**(values | changes))


QUALITY = {
    "pair_id": "p1",
    "judges": 4,
    "votes_chosen": 2,
    "votes_rejected": 1,
    "votes_tie": 1,
    "agreement": 0.5,
    "confidence": 0.75,
    "margin": 0.25,
    "known": False,
}


def test_a_preference_is_a_prompt_and_two_answers() -> None:
    (row,) = rows_of(Format.PREFERENCE, [preferred()])
    assert row == {"prompt": "The sky is", "chosen": "blue", "rejected": "green", **QUALITY}


def test_a_conversation_has_messages_of_roles() -> None:
    (row,) = rows_of(Format.CONVERSATIONAL, [preferred()])
    assert row == {
        "prompt": [{"role": "user", "content": "The sky is"}],
        "chosen": [{"role": "assistant", "content": "blue"}],
        "rejected": [{"role": "assistant", "content": "green"}],
        **QUALITY,
    }


def test_an_unpaired_row_stands_for_an_answer_in_all_of_its_pairs() -> None:
    pairs = [
        preferred("a", "b", votes=(3, 0, 0)),
        preferred("a", "c", votes=(2, 1, 0)),
        preferred("b", "c", votes=(2, 0, 1)),
        preferred("a", "b", prompt="Another"),
    ]
    rows = rows_of(Format.UNPAIRED, pairs)
    assert [(row["prompt"], row["completion"], row["label"]) for row in rows] == [
        ("The sky is", "a", True),
        ("The sky is", "c", False),
        ("Another", "a", True),
        ("Another", "b", False),
    ]
    assert rows[0] == {
        "prompt": "The sky is",
        "completion": "a",
        "label": True,
        "pairs": 2,
        "pairs_chosen": 2,
        "votes": 6,
        "share_of_votes": 0.833333,
    }
    assert evenly_matched(pairs) == 1  # b won once and lost once


def test_what_was_known_beforehand_needs_no_votes() -> None:
    known = preferred(votes=(0, 0, 0), agreement=1.0, confidence=1.0, known=True)
    assert (known.margin, rows_of(Format.PREFERENCE, [known])[0]["judges"]) == (1.0, 0)
    (better, _) = rows_of(Format.UNPAIRED, [known])
    assert (better["label"], better["share_of_votes"]) == (True, None)


@pytest.mark.parametrize("form", Format)
def test_every_row_has_the_same_columns_whatever_is_known(form: Format) -> None:
    rows = rows_of(form, [preferred("a", "b", confidence=None), preferred("c", "d", known=True)])
    assert len({tuple(row) for row in rows}) == 1


def test_half_a_character_is_no_reason_to_lose_a_row() -> None:
    (row,) = rows_of(Format.PREFERENCE, [preferred("blue \ud83d", prompt="Straße 😀")])
    assert json.loads(json_lines([row]))["chosen"] == "blue ?"
    assert json.loads(json_lines([row]))["prompt"] == "Straße 😀"
