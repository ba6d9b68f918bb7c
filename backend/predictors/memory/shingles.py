"""Texts as sets of short runs of characters, and finding those that share most of them.

Two texts are as similar as the share of their runs of five characters that both have (Jaccard).
Candidates come from a prefix filter (Chaudhuri, Ganti and Kaushik 2006; Bayardo, Ma and Srikant
2007): two sets of the wanted similarity must share one of the few rarest members of each, so
nothing above the limit is missed, and most texts are never compared.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from policies.domain import FloatArray, IntArray

RUN = 5
# Of a longer text the beginning is compared; what is missing counts as different.
_READ = 5_000
# Of texts that share a run, at most so many are compared for it: mass mailings alike by the
# thousand would otherwise be compared each with all others, and any of them will do.
_MOST_SHARING = 200
_SHARED = 3
_PAIRS = 500_000  # compared at a time
_CHUNK = 5_000  # texts asked for at a time

Shingles = NDArray[np.uint32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShingleSets:
    """The runs of many texts, one text after the other, each sorted.

    Text i has those from ``starts[i]`` up to ``starts[i + 1]``; ``lengths`` are in characters.
    """

    runs: Shingles
    starts: IntArray
    lengths: IntArray

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def sizes(self) -> IntArray:
        """How many different runs each text has."""
        sizes: IntArray = np.diff(self.starts)
        return sizes

    @property
    def owners(self) -> IntArray:
        """Which text each run belongs to."""
        return np.repeat(np.arange(len(self)), self.sizes)


def normalised(text: str) -> str:
    """The text without what makes no difference: case, width, spaces at ends and between words."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def text_key(text: str) -> int:
    """64 bits that two texts share where they are the same but for what makes no difference."""
    digest = hashlib.blake2b(normalised(text).encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def shingle_sets(texts: Sequence[str]) -> ShingleSets:
    """The runs of each text; one shorter than a run is a run of its own."""
    plain = [normalised(text) for text in texts]
    read = [text[:_READ].ljust(RUN) for text in plain]
    sizes = np.array([len(text) for text in read], np.int64)
    joined = "".join(read).encode("utf-32-le", "replace")
    letters = np.frombuffer(joined, np.uint32).astype(np.uint64)
    owners = np.repeat(np.arange(len(read)), sizes)
    inside = np.arange(len(letters)) + RUN <= np.repeat(np.cumsum(sizes), sizes)
    keyed = (owners.astype(np.uint64) << np.uint64(32)) | _hashed(letters)
    keyed = np.unique(keyed[inside])
    counts = np.bincount((keyed >> np.uint64(32)).astype(np.int64), minlength=len(read))
    return ShingleSets(
        runs=(keyed & np.uint64(0xFFFFFFFF)).astype(np.uint32),
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        lengths=np.array([len(text) for text in plain], np.int64),
    )


def _hashed(letters: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """32 bits of every run; those over the last letters are of shorter ones and not used."""
    mixed: NDArray[np.uint64] = np.zeros(len(letters), np.uint64)
    for place in range(RUN):
        ahead = np.zeros(len(letters), np.uint64)
        ahead[: len(letters) - place] = letters[place:]
        # A step of SplitMix64; arrays wrap around silently, as meant.
        mixed = (mixed ^ ahead) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = mixed ^ (mixed >> np.uint64(29))
    return mixed >> np.uint64(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShingleIndex:
    """Texts to be found by similarity, from ``least`` on.

    ``known`` are all runs, sorted; ``rank`` says for each how rare it is, rarest first. The texts
    with a run of rank r in their prefix are ``holders[first[r] : first[r + 1]]``.
    """

    sets: ShingleSets
    least: float
    known: Shingles
    rank: IntArray
    ranks: csr_matrix
    first: IntArray
    holders: IntArray

    def nearest(self, asked: Sequence[str]) -> Pairs:
        """For each asked text those that are at least ``least`` similar, with how similar."""
        parts = [
            self._found(shingle_sets(asked[start : start + _CHUNK]), start)
            for start in range(0, len(asked), _CHUNK)
        ]
        return joined_pairs(parts)

    def _found(self, sets: ShingleSets, offset: int) -> Pairs:
        places = np.searchsorted(self.known, sets.runs)
        places[places == len(self.known)] = 0
        hit = self.known[places] == sets.runs
        rows, ranks = _by_rank(sets.owners[hit], self.rank[places[hit]])
        incidence = _incidence(rows, ranks, (len(sets), len(self.known)))
        unseen = sets.sizes - np.bincount(rows, minlength=len(sets))
        prefix = _prefix(sets.sizes, self.least) - unseen
        within = np.arange(len(rows)) - incidence.indptr[:-1][rows] < prefix[rows]
        pairs = self._sharing(rows[within], ranks[within], sets)
        parts = [
            self._compared(sets, incidence, pairs[start : start + _PAIRS])
            for start in range(0, len(pairs), _PAIRS)
        ]
        found = joined_pairs(parts)
        return Pairs(asked=found.asked + offset, found=found.found, similarity=found.similarity)

    def _sharing(self, rows: IntArray, ranks: IntArray, sets: ShingleSets) -> IntArray:
        """Pairs (asked text, text of the index) that share a run of their prefixes, each once."""
        many = self.first[ranks + 1] - self.first[ranks]
        asked = np.repeat(rows, many)
        step = np.arange(len(asked)) - np.repeat(np.cumsum(many) - many, many)
        found = self.holders[np.repeat(self.first[ranks], many) + step]
        ours, theirs = sets.sizes[asked], self.sets.sizes[found]
        fits = np.minimum(ours, theirs) >= self.least * np.maximum(ours, theirs)
        keys, times = np.unique(
            asked[fits] * np.int64(len(self.sets)) + found[fits], return_counts=True
        )
        pairs = np.stack(np.divmod(keys, max(len(self.sets), 1)), axis=1)
        needed = np.minimum(
            _wanted(sets.sizes[pairs[:, 0]], self.least),
            _wanted(self.sets.sizes[pairs[:, 1]], self.least),
        )
        chosen: IntArray = pairs[times >= needed]
        return chosen

    def _compared(self, sets: ShingleSets, incidence: csr_matrix, pairs: IntArray) -> Pairs:
        asked, found = pairs[:, 0], pairs[:, 1]
        both = incidence[asked].multiply(self.ranks[found]).sum(axis=1)
        shared = np.asarray(both, np.float64).ravel()
        whole = sets.sizes[asked] + self.sets.sizes[found] - shared
        similarity = shared / whole * _read_share(sets.lengths[asked], self.sets.lengths[found])
        enough = similarity >= self.least
        return Pairs(asked=asked[enough], found=found[enough], similarity=similarity[enough])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Asked texts and texts of an index, with their similarity; sorted by the asked text."""

    asked: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    found: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    similarity: FloatArray = field(default_factory=lambda: np.empty(0))


def joined_pairs(parts: Sequence[Pairs]) -> Pairs:
    """Several parts as one, in their order."""
    every = [Pairs(), *parts]
    return Pairs(
        asked=np.concatenate([part.asked for part in every]),
        found=np.concatenate([part.found for part in every]),
        similarity=np.concatenate([part.similarity for part in every]),
    )


def shingle_index(sets: ShingleSets, least: float) -> ShingleIndex:
    """An index over texts that finds those of similarity ``least`` and more."""
    known, places, counts = np.unique(sets.runs, return_inverse=True, return_counts=True)
    rank = np.empty(len(known), np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(known))
    rows, ranks = _by_rank(sets.owners, rank[places])
    incidence = _incidence(rows, ranks, (len(sets), len(known)))
    prefix = _prefix(sets.sizes, least)
    within = np.arange(len(rows)) - incidence.indptr[:-1][rows] < prefix[rows]
    order = np.argsort(ranks[within], kind="stable")
    holding, holders = ranks[within][order], rows[within][order]
    starts = np.searchsorted(holding, np.arange(len(known)))
    few = np.arange(len(holding)) - starts[holding] < _MOST_SHARING
    return ShingleIndex(
        sets=sets,
        least=least,
        known=known,
        rank=rank,
        ranks=incidence,
        first=np.searchsorted(holding[few], np.arange(len(known) + 1)).astype(np.int64),
        holders=holders[few],
    )


def _by_rank(owners: IntArray, ranks: IntArray) -> tuple[IntArray, IntArray]:
    """Texts with their runs' ranks, text by text, each text's rarest run first."""
    order = np.lexsort((ranks, owners))
    return owners[order], ranks[order]


def _incidence(rows: IntArray, columns: IntArray, shape: tuple[int, int]) -> csr_matrix:
    starts = np.searchsorted(rows, np.arange(shape[0] + 1))
    return csr_matrix((np.ones(len(rows), np.float32), columns, starts), shape=shape)


def _prefix(sizes: IntArray, least: float) -> IntArray:
    """How many of its rarest runs a text shares ``_wanted`` of with any that is similar enough."""
    prefix: IntArray = sizes - _overlap(sizes, least) + _wanted(sizes, least)
    return prefix


def _wanted(sizes: IntArray, least: float) -> IntArray:
    """How many runs of its prefix a text must share: more of them spare more comparisons."""
    wanted: IntArray = np.minimum(_overlap(sizes, least), _SHARED)
    return wanted


def _overlap(sizes: IntArray, least: float) -> IntArray:
    """How many runs, at least, a text has in common with any that is similar enough."""
    # The tolerance: 0.9 * 10 is a little more than 9 in floating point.
    overlap: IntArray = np.ceil(least * sizes - 1e-9).astype(np.int64)
    return overlap


def _read_share(ours: IntArray, theirs: IntArray) -> FloatArray:
    """1 where both texts were read to their ends; else the shorter's share of the longer."""
    shorter, longer = np.minimum(ours, theirs), np.maximum(ours, theirs)
    share: FloatArray = np.where(longer > _READ, shorter / np.maximum(longer, 1), 1.0)
    return share
