"""The terms of texts, counted as scikit-learn's vectorisers count them, by plain look-ups.

scikit-learn learns which terms there are (``backend.predictors.texts.training``). Here they are
compiled: single words become numbers by one look-up each, pairs of words are found among sorted
numbers without a text being built, and the character runs of a word are remembered, because the
same words come again and again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

from policies.domain import BoolArray, FloatArray, IntArray

# Chinese and Japanese write no spaces: every character is a word there, and so are its pairs.
WORD = r"[^\W\u3040-\u30ff\u3400-\u9fff]+|\w"
# Single words and pairs of neighbouring ones.
WORD_RUNS = (1, 2)
# Runs of characters inside a word, which knows its two ends.
CHARACTER_RUNS = (1, 4)

_find_words = re.compile(WORD).findall
# In ASCII a word is letters, digits and underscores: all else becomes a space, and letters small.
_SPACED = "".join(
    chr(code).lower() if chr(code).isalnum() or code == ord("_") else " " for code in range(128)
)
_SIEVE = 8  # places for each listed pair: one unlisted pair of eight is looked up in vain
# Words whose runs are remembered, and the longest of them: 20,000 take about 10 MB.
_MOST_REMEMBERED, _LONGEST_REMEMBERED = 20_000, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class WordTerms:
    """Words and pairs of neighbouring words; ``listed`` has them in column order, one a line.

    A term that is not listed counts in one more column, the last.
    """

    listed: str
    size: int
    numbers: dict[str, int]  # every word of a listed term
    singles: IntArray  # its column
    pairs: IntArray  # first number * words + second, rising
    pair_columns: IntArray
    sieve: BoolArray  # true where the hash of a listed pair falls: most pairs are not looked up

    def columns(self, text: str) -> IntArray:
        """The column of each term of a text, as often as it stands there."""
        get = self.numbers.get
        found = np.array([get(word, -1) for word in words_of(text)], dtype=np.int64)
        return np.concatenate([self.singles[found], self._pair_columns(found)])

    def counts(self, texts: Sequence[str]) -> csr_matrix:
        """How often each term stands in each text (texts x terms, and one column more)."""
        get = self.numbers.get
        lists = list(map(words_of, texts))
        sizes = list(map(len, lists))
        said = map(get, chain.from_iterable(lists), repeat(-1))
        found = np.fromiter(said, np.int64, sum(sizes))
        rows = np.repeat(np.arange(len(texts)), sizes)
        within = rows[1:] == rows[:-1]
        columns = np.concatenate([self.singles[found], self._pair_columns(found)[within]])
        placed = (np.concatenate([rows, rows[1:][within]]), columns)
        shape = (len(texts), self.size + 1)
        return coo_matrix((np.ones(len(columns)), placed), shape=shape).tocsr()

    def _pair_columns(self, found: IntArray) -> IntArray:
        """The column of each pair of neighbours."""
        first, second = found[:-1], found[1:]
        if not len(self.pairs):
            return np.full(len(first), self.size)
        wanted = first * len(self.numbers) + second
        columns = np.full(len(wanted), self.size)
        likely = np.flatnonzero(self.sieve[_hashed(wanted, len(self.sieve))] & (first >= 0))
        likely = likely[second[likely] >= 0]
        places = np.minimum(self.pairs.searchsorted(wanted[likely]), len(self.pairs) - 1)
        found = self.pairs[places] == wanted[likely]
        columns[likely[found]] = self.pair_columns[places[found]]
        return columns


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterTerms:
    """Runs of characters inside words; ``listed`` has them in column order, one a line.

    ``runs`` are the shortest and the longest of them. A run that is not listed counts in one more
    column, the last.
    """

    listed: str
    runs: tuple[int, int]
    size: int
    places: dict[str, int]
    remembered: dict[str, NDArray[np.int32]] = field(default_factory=dict, compare=False)

    def columns(self, text: str) -> IntArray:
        """The column of each term of a text, as often as it stands there."""
        runs = [self._columns_of(word) for word in text.lower().split()]
        return np.concatenate(runs, dtype=np.int64) if runs else np.empty(0, np.int64)

    def counts(self, texts: Sequence[str]) -> csr_matrix:
        """How often each term stands in each text (texts x terms, and one column more)."""
        numbers: dict[str, int] = {}
        number = numbers.setdefault
        lists = [[number(word, len(numbers)) for word in text.lower().split()] for text in texts]
        words = np.array([each for numbered in lists for each in numbered], dtype=np.int32)
        runs = [self._columns_of(word) for word in numbers]
        columns = np.concatenate(runs) if runs else np.empty(0, np.int32)
        in_words = csr_matrix(
            (np.ones(len(columns)), columns, _starts(runs)), shape=(len(runs), self.size + 1)
        )
        shape = (len(texts), len(runs))
        return csr_matrix((np.ones(len(words)), words, _starts(lists)), shape=shape) @ in_words

    def _columns_of(self, word: str) -> NDArray[np.int32]:
        """The columns of a word's runs."""
        found = self.remembered.get(word)
        if found is None:
            get, unlisted = self.places.get, self.size
            found = np.array(
                [get(run, unlisted) for run in runs_of(word, self.runs)], dtype=np.int32
            )
            if len(word) <= _LONGEST_REMEMBERED:
                if len(self.remembered) >= _MOST_REMEMBERED:
                    self.remembered.clear()
                self.remembered[word] = found
        return found


Terms = WordTerms | CharacterTerms


def words_of(text: str) -> list[str]:
    """The words of a text, small, as ``WORD`` cuts it; in ASCII without a regular expression.

    >>> words_of("It's 2nd-hand_ware")
    ['it', 's', '2nd', 'hand_ware']
    """
    return text.translate(_SPACED).split() if text.isascii() else _find_words(text.lower())


def word_terms(listed: str) -> WordTerms:
    """Words and pairs of words compiled; ``listed`` has one a line, in column order."""
    terms = listed.split("\n")
    numbers: dict[str, int] = {}
    single: dict[int, int] = {}
    pairs: list[tuple[int, int, int]] = []
    for column, term in enumerate(terms):
        first, _, second = term.partition(" ")
        number = numbers.setdefault(first, len(numbers))
        if second:
            pairs.append((number, numbers.setdefault(second, len(numbers)), column))
        else:
            single[number] = column
    # One entry more: -1, an unknown word, finds it at the end.
    singles = np.full(len(numbers) + 1, len(terms), dtype=np.int64)
    singles[list(single)] = list(single.values())
    parts = np.array(pairs, dtype=np.int64).reshape(-1, 3)
    keys = parts[:, 0] * len(numbers) + parts[:, 1]
    order = np.argsort(keys)
    sieve = np.zeros(1 << (_SIEVE * max(len(keys), 1) - 1).bit_length(), dtype=np.bool_)
    sieve[_hashed(keys, len(sieve))] = True
    return WordTerms(
        listed=listed,
        size=len(terms),
        numbers=numbers,
        singles=singles,
        pairs=keys[order],
        pair_columns=parts[order, 2],
        sieve=sieve,
    )


def _hashed(keys: IntArray, size: int) -> IntArray:
    """A place below ``size``, a power of two, for each key (Knuth, TAOCP 6.4)."""
    mixed = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    places: IntArray = (mixed >> np.uint64(65 - size.bit_length())).astype(np.int64)
    return places


def character_terms(listed: str, runs: tuple[int, int] = CHARACTER_RUNS) -> CharacterTerms:
    """Runs of characters compiled; ``listed`` has one a line, in column order."""
    places = {term: column for column, term in enumerate(listed.split("\n"))}
    return CharacterTerms(listed=listed, runs=runs, size=len(places), places=places)


def runs_of(word: str, lengths: tuple[int, int]) -> list[str]:
    """The runs of a word between two spaces, as scikit-learn's ``char_wb`` cuts it.

    >>> runs_of("ab", (3, 4))
    [' ab', 'ab ', ' ab ']
    """
    padded = f" {word} "
    length = len(padded)
    least, most = lengths
    runs: list[str] = []
    for size in range(least, most + 1):
        runs += [padded[at : at + size] for at in range(max(length - size, 0) + 1)]
        if length <= size:  # a word this short has one run, counted once
            break
    return runs


def rarities(counts: csr_matrix) -> FloatArray:
    """What a term weighs by how few texts hold it; 0 where none does.

    Inverse document frequency as scikit-learn smooths it, as if one more text held every term.
    """
    holding = np.bincount(counts.indices, minlength=counts.shape[1])
    weights: FloatArray = np.log((1 + counts.shape[0]) / (1 + holding)) + 1.0
    return np.where(holding > 0, weights, 0.0)


def weighed(counts: csr_matrix, weights: FloatArray) -> csr_matrix:
    """Rows of unit length: 1 + log of the count, times the term's weight; 0 stays 0."""
    values = (1.0 + np.log(counts.data)) * weights[counts.indices]
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    lengths = np.sqrt(np.bincount(rows, values**2, minlength=counts.shape[0]))
    lengths[lengths == 0.0] = 1.0
    parts = (values / lengths[rows], counts.indices, counts.indptr)
    return csr_matrix(parts, shape=counts.shape)


def _starts(lists: Sequence[Sequence[int] | NDArray[np.int32]]) -> NDArray[np.int32]:
    """Where each of some lists begins in all of them together, and where the last ends."""
    return np.cumsum([0, *map(len, lists)], dtype=np.int32)
