from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.predictors.spans.tags import (
    allowed_steps,
    begun_anew,
    spans_of_tags,
    tag_count,
    tags_of,
    token_spans,
)
from backend.predictors.spans.tokens import MOST_TOKENS, borders_of, windows_of

# Letters, spaces, marks, combining characters, Chinese, emoji with joiners, lone surrogates, NUL.
TEXTS = st.text(st.sampled_from("aB1 ,.\n\t\r\x00\u0301\u200d漢👩\ud800é\u0938\u094d\u2028"))


def words(text: str) -> list[str]:
    borders = borders_of(text)
    return [text[start:end] for start, end in zip(borders.starts, borders.ends, strict=True)]


@given(TEXTS)
@example("")
@example(" \n\t ")
def test_tokens_are_all_of_a_text_but_its_spaces_in_order(text: str) -> None:
    borders = borders_of(text)
    assert (borders.starts < borders.ends).all()
    assert (borders.ends[:-1] <= borders.starts[1:]).all()
    assert "".join(words(text)) == "".join(text.split())
    assert not any(character.isspace() for word in words(text) for character in word)


def test_words_keep_their_accents_and_vowel_signs() -> None:
    assert words("cafe\u0301s हिन्दी x") == ["cafe\u0301s", "हिन्दी", "x"]
    assert words("漢字kana") == ["漢", "字", "kana"]
    assert words("U.S.-based") == ["U", ".", "S", ".", "-", "based"]


def test_a_token_knows_whether_a_line_began() -> None:
    assert borders_of("a b\nc\r\n\r\nd e").after_line.tolist() == [False, False, True, True, False]


@given(st.lists(st.sampled_from(["word", ".", "\n"]), max_size=1500))
def test_windows_cut_a_text_and_lose_nothing(parts: list[str]) -> None:
    text = " ".join(parts)
    windows = list(windows_of(text, borders_of(text)))
    assert [word for window in windows for word in window.words] == words(text)
    assert all(1 <= len(window.words) <= MOST_TOKENS for window in windows)
    assert [window.first for window in windows[1:]] == [window.last for window in windows[:-1]]


@pytest.mark.parametrize(("mark", "length"), [(".", 200), ("\n", 200), (",", MOST_TOKENS)])
def test_a_window_ends_with_a_line_or_a_sentence(mark: str, length: int) -> None:
    head = "word " * (199 if mark == "." else 200)
    text = f"{head}{mark} {'word ' * 400}"
    first, *_ = windows_of(text, borders_of(text))
    assert first.last == length


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6), st.integers(0, 3)), max_size=8)


@given(SPANS, st.integers(0, 40))
def test_spans_come_back_from_their_tags(spans: list[tuple[int, int, int]], count: int) -> None:
    apart: list[tuple[int, int, int]] = []
    for first, length, label in sorted(spans):
        if first + length <= count and (not apart or apart[-1][1] <= first):
            apart.append((first, first + length, label))
    tags = tags_of(apart, count)
    assert spans_of_tags(tags) == apart
    allowed = allowed_steps(4)
    assert allowed[[0, *tags[:-1]], tags].all()  # the first as if O were before it
    assert tag_count(4) == len(allowed)


@given(TEXTS, st.lists(st.tuples(st.integers(-2, 40), st.integers(-2, 40)), max_size=8))
def test_any_spans_find_a_place_or_are_counted(text: str, places: list[tuple[int, int]]) -> None:
    borders = borders_of(text)
    spans = [(start, end, "A") for start, end in places]
    kept, lost = token_spans(borders, spans, {"A": 0})
    assert len(kept) + lost == len(spans)
    assert spans_of_tags(tags_of(kept, len(borders.starts))) == kept


@given(TEXTS, st.data())
def test_spans_on_borders_come_back_as_they_were(text: str, data: st.DataObject) -> None:
    borders = borders_of(text)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(borders.starts)), max_size=6)))
    spans = [
        (int(borders.starts[first]), int(borders.ends[end - 1]), "A")
        for first, end in pairwise(cuts)
    ]
    kept, lost = token_spans(borders, spans, {"A": 0})
    back = [(int(borders.starts[f]), int(borders.ends[e - 1]), "A") for f, e, _ in kept]
    assert (back, lost) == (spans, 0)


def test_spans_inside_words_and_with_spaces_take_the_words_they_touch() -> None:
    borders = borders_of("in Berlin today")
    found, lost = token_spans(borders, [(4, 7, "L")], {"L": 0})
    assert (found, lost) == ([(1, 2, 0)], 0)
    assert token_spans(borders, [(2, 10, "L")], {"L": 0}) == ([(1, 2, 0)], 0)
    assert token_spans(borders, [(2, 3, "L"), (40, 50, "L"), (3, 9, "?")], {"L": 0}) == ([], 3)


def test_of_spans_that_overlap_the_longest_is_kept() -> None:
    borders = borders_of("University of New York")
    spans = [(0, 10, "B"), (14, 22, "A"), (0, 22, "B"), (0, 22, "A")]
    assert token_spans(borders, spans, {"A": 0, "B": 1}) == ([(0, 4, 0)], 3)


def test_a_span_cut_by_a_window_begins_anew() -> None:
    tags = tags_of([(0, 3, 1)], 4)
    assert spans_of_tags(begun_anew(tags, [0, 2])) == [(0, 2, 1), (2, 3, 1)]
