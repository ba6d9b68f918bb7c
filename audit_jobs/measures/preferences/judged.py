"""Judgements in columns: who preferred which answer of which question, shown in which order.

A question is a pair of answers; a pair that asks it once more (``repeat_of``) is the same question,
and its judgements are turned to name the answers as the first pair does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from audit_jobs.measures.ratings import Column, Ratings, ratings_in
from policies.domain import BoolArray, FloatArray, IntArray
from policies.judgments import Choice, Judgment, Order, PreferencePair

UNKNOWN = 2  # beside 1 (answer a), -1 (answer b) and 0 (a tie)
_SIGNS = {Choice.A: 1, Choice.TIE: 0, Choice.B: -1, Choice.NONE: UNKNOWN}
_FIRST = {Order.AB: 1, Order.BA: -1, None: 0}
_CHOICES = {1: Choice.A.value, 0: Choice.TIE.value, -1: Choice.B.value}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """Judgements of one criterion, an entry each, and the questions that they answer.

    ``choice`` is 1 for answer a, -1 for b, 0 for a tie; who said nothing is counted in ``silent``
    and has no entry. ``first`` is 1 where a stood first, -1 where b did, 0 where nobody knows.
    """

    question: IntArray  # by judgement: index into the questions
    judge: IntArray  # by judgement: index into judge_names
    choice: IntArray
    first: IntArray
    record: IntArray  # by judgement: the place of its pair in the file
    judge_names: tuple[str, ...]
    silent: IntArray  # by judge: how often nothing was said
    question_names: tuple[str, ...]  # the id of the first pair that asks it
    prompt: IntArray  # by question: code of its prompt
    answers: IntArray  # questions x 2: codes of answers a and b, equal texts of a prompt are equal
    gold: IntArray  # by question: 1, 0, -1, or UNKNOWN
    doublings: FloatArray  # by question: how many times a's length is twice b's, log2

    def __len__(self) -> int:
        return len(self.choice)

    @property
    def decided(self) -> BoolArray:
        """Which judgements prefer one of the two."""
        decided: BoolArray = self.choice != 0
        return decided

    def those(self, kept: BoolArray | IntArray) -> Judged:
        """Some of the judgements, in this order; questions and judges keep their numbers."""
        columns = ("question", "judge", "choice", "first", "record")
        return replace(self, **{name: getattr(self, name)[kept] for name in columns})


@dataclass(frozen=True, slots=True)
class _Questions:
    """Which question each pair asks (``place``), and whether it names the answers as the first."""

    firsts: list[PreferencePair]
    place: list[int]
    sign: list[int]


def judged(pairs: Sequence[PreferencePair], criterion: str = "") -> Judged:
    """The judgements of one criterion; "" is the preference itself.

    A repeat whose first pair is not among ``pairs``, or has other answers, is a question of its
    own. Lengths are in characters, one added: an empty answer has no logarithm.
    """
    asked = _questions(pairs)
    rows = [
        (record, each)
        for record, pair in enumerate(pairs)
        for each in pair.judgments
        if each.criterion == criterion
    ]
    names = tuple(sorted({each.judge for _, each in rows}))
    table = _table(rows, {name: code for code, name in enumerate(names)})
    sign = np.array(asked.sign, np.int64)[table[:, 0]]
    spoke = table[:, 2] != UNKNOWN
    said = table[spoke]
    turned = sign[spoke]
    return Judged(
        question=np.array(asked.place, np.int64)[said[:, 0]],
        judge=said[:, 1],
        choice=said[:, 2] * turned,
        first=said[:, 3] * turned,
        record=said[:, 0],
        judge_names=names,
        silent=np.bincount(table[~spoke, 1], minlength=len(names)).astype(np.int64),
        question_names=tuple(pair.id for pair in asked.firsts),
        prompt=_codes(pair.prompt for pair in asked.firsts),
        answers=_answers(asked.firsts),
        gold=_gold(pairs, asked),
        doublings=np.array([_doublings(pair) for pair in asked.firsts], np.float64),
    )


def criteria(pairs: Iterable[PreferencePair]) -> tuple[str, ...]:
    """The names of the criteria that were asked about beside the preference, sorted."""
    named = {each.criterion for pair in pairs for each in pair.judgments}
    return tuple(sorted(named - {""}))


def ratings_of_judged(data: Judged) -> Ratings:
    """The same as ratings of questions by judges; a judge's first word on a question counts."""
    columns = Column(), Column(), Column()
    names = (
        [data.question_names[code] for code in data.question.tolist()],
        [data.judge_names[code] for code in data.judge.tolist()],
        [_CHOICES[code] for code in data.choice.tolist()],
    )
    for column, values in zip(columns, names, strict=True):
        column.extend(values)
    return ratings_in(*columns)


def gold_labels(data: Judged) -> Mapping[str, str]:
    """The choice that is known to be right, by question."""
    return {
        name: _CHOICES[code]
        for name, code in zip(data.question_names, data.gold.tolist(), strict=True)
        if code != UNKNOWN
    }


def _table(rows: Sequence[tuple[int, Judgment]], codes: Mapping[str, int]) -> IntArray:
    """Record, judge, choice and what stood first, a judgement a row."""
    cells = [
        (record, codes[each.judge], _SIGNS[each.choice], _FIRST[each.order])
        for record, each in rows
    ]
    return np.array(cells, np.int64).reshape(len(cells), 4)


def _questions(pairs: Sequence[PreferencePair]) -> _Questions:
    by_id = {pair.id: pair for pair in pairs}
    roots = [_root(pair, by_id) for pair in pairs]
    firsts = [pair for pair, root in zip(pairs, roots, strict=True) if root is pair]
    places = {pair.id: place for place, pair in enumerate(firsts)}
    return _Questions(
        firsts=firsts,
        place=[places[root.id] for root in roots],
        sign=[
            1 if (pair.response_a, pair.response_b) == (root.response_a, root.response_b) else -1
            for pair, root in zip(pairs, roots, strict=True)
        ],
    )


def _root(pair: PreferencePair, by_id: Mapping[str, PreferencePair]) -> PreferencePair:
    """The pair that asked first; of repeats that name each other in a ring, the pair itself."""
    root, seen = pair, {pair.id}
    while root.repeat_of is not None:
        before = by_id.get(root.repeat_of)
        if before is None or not _same_answers(before, root):
            return root
        if before.id in seen:
            return pair
        seen.add(before.id)
        root = before
    return root


def _same_answers(one: PreferencePair, other: PreferencePair) -> bool:
    return {one.response_a, one.response_b} == {other.response_a, other.response_b}


def _gold(pairs: Sequence[PreferencePair], asked: _Questions) -> IntArray:
    """What is known to be right, by question; of repeats that say otherwise, the first counts."""
    gold = np.full(len(asked.firsts), UNKNOWN, dtype=np.int64)
    for pair, place, sign in zip(pairs, asked.place, asked.sign, strict=True):
        if pair.gold is not None and pair.gold is not Choice.NONE and gold[place] == UNKNOWN:
            gold[place] = _SIGNS[pair.gold] * sign
    return gold


def _answers(firsts: Sequence[PreferencePair]) -> IntArray:
    texts = [(pair.prompt, text) for pair in firsts for text in (pair.response_a, pair.response_b)]
    return _codes(texts).reshape(len(firsts), 2)


def _codes(values: Iterable[object]) -> IntArray:
    places: dict[object, int] = {}
    return np.array([places.setdefault(value, len(places)) for value in values], np.int64)


def _doublings(pair: PreferencePair) -> float:
    return float(np.log2((len(pair.response_a) + 1) / (len(pair.response_b) + 1)))
