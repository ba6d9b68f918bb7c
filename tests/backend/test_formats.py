"""Formats are told strictly: what is nearly one is none."""

from __future__ import annotations

import json
from datetime import date
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.predictors.rules.formats import format_of
from policies.automation import FORMATS


@pytest.mark.parametrize(
    ("expected", "texts"),
    [
        (
            "date",
            [
                "2026-03-01",
                "2026-03-01T09:30:00Z",
                "2026-03-01 09:30",
                "1.3.2026",
                "31/12/2025",
                "12/31/2025",
                "1 March 2026",
                "March 1, 2026",
                "1. Mar 2026",
                " 2024-02-29\n",
            ],
        ),
        ("number", ["0", "-3", "1,234.5", "1.234,5", "12%", "6.02e23", ".5", "1.234.567", "1234"]),
        (
            "phone",
            ["+49 30 901820", "(030) 901 820", "030/901820", "+1-202-555-0143", "0049301234"],
        ),
        ("e-mail", ["ann@example.org", "a.b+c@mail.example.co.uk", "o'neil@xn--bcher-kva.example"]),
        (
            "url",
            ["https://example.org", "http://a.example.org:8080/x?y=1#z", "ftp://example.org/f"],
        ),
        ("json", ["{}", '{"a": [1, 2.5, null]}', "[1, 2]", " [] "]),
        (
            "html",
            ["<p>Hello</p>", "<!DOCTYPE html><html><body>x</body></html>", "<div a='b'><br></div>"],
        ),
        ("xml", ["<note><to>Ann</to></note>", '<?xml version="1.0"?><feed/>', "<x/>"]),
        (
            None,
            [
                "",
                "  ",
                "hello",
                "see https://example.org",
                "2026-02-30",
                "32.1.2026",
                "1.13.2026",
                "ann@example",
                "@example.org",
                "ann@@example.org",
                "a b@example.org",
                "1,23,4",
                "007",
                "12 34",
                "https://",
                "https://no host/",
                "javascript:alert(1)",
                "http://example.org:99999/",
                "{'a': 1}",
                '{"a": NaN}',
                "[1, 2",
                '"text"',
                "<note><to></note>",
                "<p>Hello",
                "1 2",
                '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
                "+",
                "call 030 901820",
                "March 32, 2026",
            ],
        ),
    ],
)
def test_what_is_told_apart(expected: str | None, texts: list[str]) -> None:
    assert {text: format_of(text) for text in texts} == dict.fromkeys(texts, expected)


@given(st.text(max_size=60) | st.from_regex(r"[0-9+(){}<>/@:., -]{0,40}", fullmatch=True))
@settings(max_examples=500, deadline=None)
def test_any_text_has_one_format_or_none(text: str) -> None:
    assert format_of(text) in {None, *FORMATS}


@given(st.dates(min_value=date(1000, 1, 1)))
def test_every_date_is_one(day: date) -> None:
    written = [day.isoformat(), f"{day.day}.{day.month}.{day.year}", f"{day:%m/%d/%Y}"]
    assert [format_of(text) for text in written] == ["date"] * 3


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=8,
    ).filter(lambda value: isinstance(value, (list, dict)))
)
def test_every_object_and_list_is_json(value: object) -> None:
    assert format_of(json.dumps(value)) == "json"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100000 + "]" * 100000,
        "<a>" * 100000 + "</a>" * 100000,
        "9" * 1000000,
        "<" * 100000 + ">",
        "a" * 100000 + "@",
        "1 " * 100000,
        "[" + "9" * 500000 + "]",
        "0" + " -" * 200000,
        "a." * 100000 + "@a.b",
        "http://" + "a" * 500000,
        "<p " * 100000,
    ],
)
def test_hostile_texts_take_a_moment(text: str) -> None:
    began = process_time()
    format_of(text)
    assert process_time() - began < 2
