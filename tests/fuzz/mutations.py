"""Inputs that are nearly right: a good document with a few of its parts replaced by hostile ones.

What is wholly random is refused at the door; what is nearly right comes far.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

# Numbers at which databases, floats and clocks end, texts that are no names, markup, formulas.
HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), 10**400),
    *(0.0, -0.0, 0.5, 1.5, -1e-300, 1e308, float("inf"), float("-inf"), float("nan")),
    *("", " ", "0", "1", "-1", "1e999", "9" * 30, "\u0663", "null", "true", "A", "B", "text"),
    *("\0", "a\0b", "\ud83d", "\udfff x", "\ufeff", "\u2028", "\r\n", "\u202e", "e\u0301" * 40),
    *("<script>alert(1)</script>", "'\"><img src=x>", "=1+1", "{{7*7}}", "%s%n", "$text", "${x}"),
    *("../../etc/passwd", "file:///etc/passwd", "http://[", "http://[::1]:99999/", "javascript:x"),
    *("2026-03-01", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-13-45"),
    *("x" * 1000, "\N{PILE OF POO}" * 300, "a," * 500, "(" * 200, "[" * 200, "&#" + "9" * 5000),
    *("data:image/png;base64,", "data:image/png;base64,AAAA", "/data/upload/1/a.png"),
    *([], {}, [[]], [None], {"": None}, {"id": {}}, [[[[[[]]]]]], {"a": {"a": {"a": {}}}}),
)
_FREE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(HOSTILE),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
VALUES: st.SearchStrategy[Any] = st.sampled_from(HOSTILE) | _FREE
TEXTS: st.SearchStrategy[str] = st.sampled_from(
    [each for each in HOSTILE if isinstance(each, str)]
) | st.text(st.characters(), max_size=40)
# What a URL or a form can carry: percent-encoded UTF-8.
WHOLE_TEXTS: st.SearchStrategy[str] = st.sampled_from(
    [each for each in HOSTILE if isinstance(each, str) and each.isprintable()] + ["a\0b", "\r\n"]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_Path = tuple[str | int, ...]


@st.composite
def mutated(draw: st.DrawFn, documents: Sequence[Any], most: int = 4) -> Any:
    """One of the documents, of JSON values, with up to ``most`` of its places changed."""
    document = copy.deepcopy(draw(st.sampled_from(list(documents))))
    for _ in range(draw(st.integers(0, most))):
        places = [*_places(document)]
        if not places:
            return copy.deepcopy(draw(VALUES))
        document = _changed(draw, document, draw(st.sampled_from(places)))
    return document


@st.composite
def mutated_text(
    draw: st.DrawFn, texts: Sequence[str], tokens: Sequence[str], most: int = 4
) -> str:
    """One of the texts with up to ``most`` stretches cut, doubled, moved or replaced.

    Stretches mostly end where a line, a tag or a word does: ``tokens`` are what may be put in.
    """
    text = draw(st.sampled_from(list(texts)))
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 60)))
        put = draw(
            st.sampled_from(["", text[start:end] * 2, text[end : end + 40]])
            | st.sampled_from(list(tokens))
            | TEXTS
        )
        text = f"{text[:start]}{put}{text[end:]}"
    return text


def _places(document: Any, path: _Path = ()) -> Iterator[_Path]:
    """The path of every value inside, at most 200 of them."""
    waiting: list[tuple[_Path, Any]] = [(path, document)]
    found = 0
    while waiting and found < 200:
        here, value = waiting.pop()
        items: list[tuple[str | int, Any]] = []
        if isinstance(value, dict):
            items = list(value.items())
        elif isinstance(value, list):
            items = list(enumerate(value[:20]))
        for key, each in items:
            found += 1
            yield (*here, key)
            waiting.append(((*here, key), each))


def _changed(draw: st.DrawFn, document: Any, path: _Path) -> Any:
    around: Any = document
    for step in path[:-1]:
        around = around[step]
    key: Any = path[-1]
    match draw(st.sampled_from(["replace", "replace", "delete", "double", "add", "deep"])):
        case "delete":
            del around[key]
        case "double" if isinstance(around, list):
            around.append(copy.deepcopy(around[key]))
        case "double":
            around[draw(TEXTS)] = copy.deepcopy(around[key])
        case "add" if isinstance(around, dict):
            around[draw(TEXTS)] = copy.deepcopy(draw(VALUES))  # what is drawn is everybody's
        case "deep":
            around[key] = _nested(around[key], draw(st.sampled_from([1, 3, 60, 400])))
        case _:
            around[key] = copy.deepcopy(draw(VALUES))
    return document


def _nested(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = [value]
    return value
