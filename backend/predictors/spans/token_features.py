"""What a sequence model sees of a token: its word, its neighbours, its place; all in columns.

What can be said of a word alone (itself, its shape, its beginnings and endings) is worked out once
a distinct word, not once a token. A token sees the terms of its own word and, with weights of their
own, some of those of its neighbours: scores are summed over distinct words first and gathered by
token afterwards, which is most of the speed of training.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from scipy.sparse import csr_matrix

from backend.predictors.spans.tokens import SENTENCE_ENDS, Window
from policies.domain import BoolArray, FloatArray, IntArray

# What stands before the first token of a window and after the last one.
EDGE = ""
_EDGE_TERMS = ("w", "s", "c")
# By distance from the token: the kinds of terms (their first character) that it sees there; of its
# own word it sees all.
_SEEN_AT: Mapping[int, str] = {-2: "ws", -1: "wscx", 0: "wWsclpxen", 1: "wscx", 2: "ws"}
_FARTHEST = max(_SEEN_AT)
DISTANCES = len(_SEEN_AT)
PLACES = 7
_MOST_TERMS = 1 << 19  # three of their numbers fit into one code
# Terms and pairs of fewer tokens are left out, unless the tokens are few.
_LEAST_COUNT, _FEW_TOKENS = 2, 5_000
_SHAPES = str.maketrans(
    {chr(code): "X" for code in range(65, 91)}
    | {chr(code): "x" for code in range(97, 123)}
    | {chr(code): "0" for code in range(48, 58)}
)
_RUN = re.compile(r"(.)\1+")
_OPENING, _CLOSING = frozenset("([{«“„"), frozenset(")]}»”")


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """Tokens of windows, one window after the other, by their distinct words.

    ``terms`` are those of each distinct word; the first word is ``EDGE``. ``at`` (distances,
    tokens) says which word each token sees at which distance. ``places`` (tokens, ``PLACES``).
    """

    words: list[str]
    terms: list[tuple[str, ...]]
    at: IntArray
    places: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What a model knows: terms with their columns, codes of pairs, words seen in lower case."""

    terms: Mapping[str, int]
    pairs: IntArray
    lowered: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Tokens by the columns of a vocabulary; what it does not know is left out.

    ``words`` (distinct words, terms), ``at`` as in ``Numbered``, ``pairs`` (tokens, known pairs),
    ``places`` (tokens, ``PLACES``).
    """

    words: csr_matrix
    at: IntArray
    pairs: csr_matrix
    places: FloatArray


def numbered(windows: Sequence[Window]) -> Numbered:
    """The tokens of these windows; none sees beyond its own."""
    numbers: dict[str, int] = {EDGE: 0}
    padding = [EDGE] * _FARTHEST
    padded = chain.from_iterable(chain(padding, each.words, padding) for each in windows)
    rows = np.fromiter((numbers.setdefault(word, len(numbers)) for word in padded), np.int64)
    lengths = np.array([len(each.words) for each in windows], np.int64)
    own = np.arange(lengths.sum()) + _FARTHEST * (1 + 2 * np.repeat(range(len(windows)), lengths))
    return Numbered(
        words=list(numbers),
        terms=[terms_of(word) for word in numbers],
        at=np.stack([rows[own + distance] for distance in _SEEN_AT]),
        places=np.concatenate([np.empty((0, PLACES)), *map(_places, windows)]),
    )


def terms_of(word: str) -> tuple[str, ...]:
    """What can be said of a word by itself, each beginning with the letter of its kind.

    >>> terms_of("Ada")
    ('wada', 'sXx', 'cTitle', 'lXxx', 'WAda', 'pa', 'ea', 'pad', 'eda')
    """
    if word == EDGE:
        return _EDGE_TERMS
    lower, shape = word.lower(), _shape(word)
    short = _RUN.sub(r"\1", shape)
    told = [f"w{lower}", f"s{short}", f"c{_case(word)}", f"l{shape[:10]}"]
    if word != lower:
        told.append(f"W{word}")
    for length in range(1, 5):
        if len(word) > length:
            told += (f"p{lower[:length]}", f"{'x' if length == 3 else 'e'}{lower[-length:]}")
    return tuple(told)


def _shape(word: str) -> str:
    if word.isascii():
        return word.translate(_SHAPES)
    return "".join(
        "X" if c.isupper() else "x" if c.isalpha() else "0" if c.isdigit() else c for c in word
    )


def _case(word: str) -> str:
    if word.isdigit():
        return "Number"
    if not word[0].isalpha():
        return "Mark"
    if word.islower():
        return "Lower"
    if word.isupper():
        return "Initial" if len(word) == 1 else "Upper"
    return "Title" if word[0].isupper() else "Mixed"


def _places(window: Window) -> FloatArray:
    """Always 1; first; last; no space before; first of a line; after a sentence; in brackets."""
    count = len(window.words)
    places = np.zeros((count, PLACES))
    places[:, 0] = 1.0
    places[0, 1] = places[-1, 2] = 1.0
    places[:, 3], places[:, 4] = window.glued, window.after_line
    places[1:, 5] = [word in SENTENCE_ENDS for word in window.words[:-1]]
    depth = np.cumsum([(word in _OPENING) - (word in _CLOSING) for word in window.words])
    places[:, 6] = depth > 0
    return places


def learned_vocabulary(tokens: Numbered, most_columns: int) -> Vocabulary:
    """The terms and pairs of at least two tokens, or of more where that were too many columns."""
    own = tokens.at[list(_SEEN_AT).index(0)]
    occurrences = np.bincount(own, minlength=len(tokens.words)).tolist()
    lowered = frozenset(word for word in tokens.words if word.islower())
    counts: dict[str, int] = {}
    for word, terms, count in zip(tokens.words, tokens.terms, occurrences, strict=True):
        for term in (*terms, *_known_lower(word, lowered)):
            counts[term] = counts.get(term, 0) + count
    counts |= dict.fromkeys(_EDGE_TERMS, len(own))
    least = 1 if len(own) < _FEW_TOKENS else _LEAST_COUNT
    while True:
        kept = sorted(term for term, count in counts.items() if count >= least)[:_MOST_TERMS]
        terms_kept = {term: column for column, term in enumerate(kept)}
        codes, times = np.unique(_pair_codes(tokens, terms_kept), return_counts=True)
        pairs = codes[(times >= max(least, _LEAST_COUNT)) & (codes >= 0)]
        found = Vocabulary(terms=terms_kept, pairs=pairs, lowered=lowered)
        if int(seen_mask(found).sum()) + len(pairs) <= most_columns or least > len(own):
            return found
        least *= 2


def seen_mask(vocabulary: Vocabulary) -> BoolArray:
    """Whether a term (row) is seen at a distance (column), (terms, distances)."""
    kinds = [term[0] for term in vocabulary.terms]
    seen_there = [[kind in seen_kinds for kind in kinds] for seen_kinds in _SEEN_AT.values()]
    return np.array(seen_there, bool).reshape(DISTANCES, len(kinds)).T


def seen(tokens: Numbered, vocabulary: Vocabulary) -> Seen:
    """The tokens by a vocabulary's columns."""
    columns: list[int] = []
    ends = [0]
    for word, terms in zip(tokens.words, tokens.terms, strict=True):
        told = (*terms, *_known_lower(word, vocabulary.lowered))
        columns += [vocabulary.terms[term] for term in told if term in vocabulary.terms]
        ends.append(len(columns))
    shape = (len(tokens.words), len(vocabulary.terms))
    return Seen(
        words=csr_matrix((np.ones(len(columns)), np.array(columns, np.int32), ends), shape),
        at=tokens.at,
        pairs=_known_pairs(_pair_codes(tokens, vocabulary.terms), vocabulary.pairs),
        places=tokens.places,
    )


def _known_lower(word: str, lowered: frozenset[str]) -> tuple[str, ...]:
    """Whether a word with a capital stands in lower case elsewhere: names seldom do."""
    lower = word.lower()
    return () if lower == word else ("nyes" if lower in lowered else "nno",)


def _pair_codes(tokens: Numbered, terms: Mapping[str, int]) -> IntArray:
    """By token, the codes of what stands side by side; -1 where a part is unknown."""
    words, shapes = (
        np.array([terms.get(each[kind], -1) for each in tokens.terms], np.int64)[tokens.at]
        for kind in (0, 1)
    )
    word = dict(zip(_SEEN_AT, words, strict=True))
    shape = dict(zip(_SEEN_AT, shapes, strict=True))
    together = [
        (word[-1], word[0]),
        (word[0], word[1]),
        (word[-1], shape[0]),
        (shape[0], word[1]),
        (shape[-1], shape[0]),
        (shape[0], shape[1]),
        (word[-1], word[1]),
        (shape[-1], shape[0], shape[1]),
        (word[-2], word[-1]),
        (word[1], word[2]),
        (shape[-2], shape[-1], shape[0]),
        (shape[0], shape[1], shape[2]),
    ]
    return np.column_stack([_code(kind, parts) for kind, parts in enumerate(together)])


def _code(kind: int, parts: Sequence[IntArray]) -> IntArray:
    code = np.full(len(parts[0]), kind, np.int64)
    for part in parts:
        code = code * _MOST_TERMS + np.maximum(part, 0)
    code[np.any([part < 0 for part in parts], axis=0)] = -1
    return code


def _known_pairs(codes: IntArray, known: IntArray) -> csr_matrix:
    if not len(known):
        return csr_matrix((len(codes), 0))
    columns = np.searchsorted(known, codes)
    found = known[np.minimum(columns, len(known) - 1)] == codes
    ends = np.concatenate([[0], np.cumsum(found.sum(axis=1))])
    data = np.ones(int(ends[-1]))
    return csr_matrix((data, columns[found].astype(np.int32), ends), (len(codes), len(known)))
