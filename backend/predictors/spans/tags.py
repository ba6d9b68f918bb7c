"""Spans as one tag a token, and back: B begins a span of a label, I goes on with it, O is outside.

Tags are numbers: 0 is O, ``1 + 2 k`` begins a span of the k-th label, ``2 + 2 k`` goes on with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from backend.predictors.spans.tokens import Borders
from policies.answer_texts import SpanText
from policies.domain import BoolArray, IntArray

# First token, the token after the last one, the label's number.
TokenSpan = tuple[int, int, int]


def tag_count(labels: int) -> int:
    """How many tags so many labels have."""
    return 1 + 2 * labels


def allowed_steps(labels: int) -> BoolArray:
    """Which tag (column) may follow which (row): I only after B or I of its own label."""
    allowed = np.ones((tag_count(labels), tag_count(labels)), bool)
    allowed[:, 2::2] = False
    for inner in range(2, tag_count(labels), 2):
        allowed[[inner - 1, inner], inner] = True
    return allowed


def token_spans(
    borders: Borders, spans: Sequence[SpanText], numbers: Mapping[str, int]
) -> tuple[list[TokenSpan], int]:
    """The spans in tokens, in order and apart from each other, and how many found no place.

    A span takes every token that it touches. Of spans that share a token the longest is kept, of
    equally long ones the first. One that touches no token, or whose label ``numbers`` does not
    know, is lost.
    """
    taken = np.zeros(len(borders.starts), bool)
    kept: list[TokenSpan] = []
    for start, end, label in sorted(spans, key=lambda span: (span[0] - span[1], span)):
        first = int(np.searchsorted(borders.ends, start, side="right"))
        last = int(np.searchsorted(borders.starts, end, side="left"))
        if first < last and label in numbers and not taken[first:last].any():
            taken[first:last] = True
            kept.append((first, last, numbers[label]))
    return sorted(kept), len(spans) - len(kept)


def tags_of(spans: Sequence[TokenSpan], count: int) -> IntArray:
    """One tag for each of ``count`` tokens.

    >>> tags_of([(1, 3, 0), (3, 4, 1)], 5).tolist()
    [0, 1, 2, 3, 0]
    """
    tags = np.zeros(count, np.int64)
    for first, last, number in spans:
        tags[first:last] = 2 + 2 * number
        tags[first] = 1 + 2 * number
    return tags


def begun_anew(tags: IntArray, firsts: Sequence[int]) -> IntArray:
    """The tags of tokens in windows that begin at ``firsts``: a span cut by a border begins anew.

    >>> begun_anew(np.array([1, 2, 2, 0]), [0, 2]).tolist()
    [1, 2, 1, 0]
    """
    found = tags.copy()
    heads = np.asarray(firsts, np.int64)
    inner = heads[(found[heads] > 0) & (found[heads] % 2 == 0)]
    found[inner] -= 1
    return found


def spans_of_tags(tags: IntArray) -> list[TokenSpan]:
    """The spans that allowed tags stand for, in order.

    >>> spans_of_tags(np.array([0, 1, 2, 3, 0]))
    [(1, 3, 0), (3, 4, 1)]
    """
    begins = np.flatnonzero(tags % 2 == 1)
    stops = np.append(np.flatnonzero((tags == 0) | (tags % 2 == 1)), len(tags))
    ends = stops[np.searchsorted(stops, begins + 1)]
    labels = (tags[begins] - 1) // 2
    return list(zip(begins.tolist(), ends.tolist(), labels.tolist(), strict=True))
