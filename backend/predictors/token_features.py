"""What a sequence model sees of a token: its word, its neighbours, its place; all in columns.

What can be said of a word alone (itself, its shape, its beginnings and endings) is worked out once
a distinct word, not once a token. A token sees the terms of its own word and, by columns of their
own, some of those of its neighbours; so scores are summed over distinct words first and gathered
by token afterwards, which is most of the speed of training.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
from scipy.sparse import csr_matrix

from backend.predictors.tokens import SENTENCE_ENDS, Tokens
from policies.domain import FloatArray, IntArray

# What stands before the first token and after the last one.
EDGE = ""
# By distance from the token: the kinds of terms (their first character) that it sees there.
SEEN_AT: Mapping[int, str] = {-2: "ws", -1: "wscx", 0: "", 1: "wscx", 2: "ws"}
PLACES = 7
_MOST_TERMS = 1 << 19  # three of their numbers fit into one code
_LEAST_COUNT = 2  # terms and pairs of fewer tokens are left out
_SHAPES = str.maketrans(
    {chr(code): "X" for code in range(65, 91)}
    | {chr(code): "x" for code in range(97, 123)}
    | {chr(code): "0" for code in range(48, 58)}
)
_RUN = re.compile(r"(.)\1+")
_OPENING, _CLOSING = frozenset("([{«“„"), frozenset(")]}»”")


@lru_cache(maxsize=50_000)
def terms_of(word: str) -> tuple[str, ...]:
    """What can be said of a word, each beginning with the letter of its kind."""
    if word == EDGE:
        return ("w", "s", "c")
    lower = word.lower()
    shape = _shape(word)
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
        return "number"
    if not word[0].isalpha():
        return "mark"
    if word.islower():
        return "lower"
    if word.isupper():
        return "initial" if len(word) == 1 else "upper"
    return "title" if word[0].isupper() else "mixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The terms of words that a model knows, and the codes of their pairs, sorted."""

    terms: Mapping[str, int]
    pairs: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Tokens as a model sees them.

    ``words`` (distinct words, terms): which terms each has. ``at`` maps a distance to the row of
    ``words`` that each token has there. ``pairs`` (tokens, known pairs), ``places`` (tokens,
    ``PLACES``).
    """

    words: csr_matrix
    at: Mapping[int, IntArray]
    pairs: csr_matrix
    places: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """Tokens of several texts by their distinct words; the first word is ``EDGE``."""

    words: list[str]
    at: Mapping[int, IntArray]
    places: FloatArray


def numbered(texts: Sequence[str], tokens: Sequence[Tokens]) -> Numbered:
    """The tokens of these texts, one after the other; no token sees beyond its own text."""
    numbers: dict[str, int] = {EDGE: 0}
    padding = [EDGE] * max(SEEN_AT)
    padded = chain.from_iterable(chain(padding, each.words, padding) for each in tokens)
    rows = np.fromiter((numbers.setdefault(word, len(numbers)) for word in padded), np.int64)
    lengths = np.array([len(each.words) for each in tokens], np.int64)
    own = np.arange(lengths.sum()) + len(padding) * (
        1 + 2 * np.repeat(np.arange(len(tokens)), lengths)
    )
    places = [_places(text, each) for text, each in zip(texts, tokens, strict=True)]
    return Numbered(
        words=list(numbers),
        at={distance: rows[own + distance] for distance in SEEN_AT},
        places=np.concatenate([np.empty((0, PLACES)), *places]),
    )


def _places(text: str, tokens: Tokens) -> FloatArray:
    """Where tokens stand: always 1, at the text's ends, after a sentence, glued, enclosed."""
    count = len(tokens.words)
    places = np.zeros((count, PLACES))
    if not count:
        return places
    places[:, 0] = 1.0
    places[0, 1] = places[-1, 2] = 1.0
    gaps = zip(tokens.ends[:-1].tolist(), tokens.starts[1:].tolist(), strict=True)
    places[1:, 3] = tokens.starts[1:] == tokens.ends[:-1]
    places[1:, 4] = [first < last and "\n" in text[first:last] for first, last in gaps]
    places[1:, 5] = [word in SENTENCE_ENDS for word in tokens.words[:-1]]
    depth = np.cumsum([(w in _OPENING) - (w in _CLOSING) for w in tokens.words])
    places[:, 6] = depth > 0
    return places


def learned_vocabulary(tokens: Numbered) -> Vocabulary:
    """The terms and pairs of at least two tokens."""
    occurrences = np.bincount(tokens.at[0], minlength=len(tokens.words))
    counts: dict[str, int] = {}
    for word, count in zip(tokens.words, occurrences.tolist(), strict=True):
        for term in terms_of(word):
            counts[term] = counts.get(term, 0) + count
    frequent = (term for term, count in counts.items() if count >= _LEAST_COUNT or len(term) == 1)
    terms = {term: column for column, term in enumerate(sorted(frequent)[:_MOST_TERMS])}
    codes, times = np.unique(_pair_codes(tokens, terms), return_counts=True)
    return Vocabulary(terms=terms, pairs=codes[(times >= _LEAST_COUNT) & (codes >= 0)])


def seen(tokens: Numbered, vocabulary: Vocabulary) -> Seen:
    """The tokens by a vocabulary's columns; what it does not know is left out."""
    return Seen(
        words=_word_terms(tokens.words, vocabulary.terms),
        at=tokens.at,
        pairs=_known_pairs(_pair_codes(tokens, vocabulary.terms), vocabulary.pairs),
        places=tokens.places,
    )


def _word_terms(words: Iterable[str], terms: Mapping[str, int]) -> csr_matrix:
    columns: list[int] = []
    ends = [0]
    for word in words:
        columns += [terms[term] for term in terms_of(word) if term in terms]
        ends.append(len(columns))
    data = np.ones(len(columns))
    return csr_matrix((data, np.array(columns, np.int32), ends), (len(ends) - 1, len(terms)))


def _pair_codes(tokens: Numbered, terms: Mapping[str, int]) -> IntArray:
    """By token, the codes of what stands side by side; -1 where a part is unknown."""
    told = [terms_of(word) for word in tokens.words]
    words = np.array([terms.get(each[0], -1) for each in told], np.int64)
    shapes = np.array([terms.get(each[1], -1) for each in told], np.int64)
    word = {distance: words[rows] for distance, rows in tokens.at.items()}
    shape = {distance: shapes[rows] for distance, rows in tokens.at.items()}
    sides = [
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
    return np.column_stack([_code(kind, parts) for kind, parts in enumerate(sides)])


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
