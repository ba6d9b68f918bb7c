"""Spans of text: agreement on every character, whatever the spans it stands in."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from scipy.sparse import csr_array

from audit_jobs.measures.resampling import Figures, divided
from policies.domain import FloatArray

CHARACTER_ALPHA = "character_alpha"
_WORD = re.compile(r"\w+")

# Start, end (exclusive) and what the stretch was called.
LabelledSpan = tuple[int, int, str]
Labels = frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Characters:
    """What the annotators of one task said of its characters.

    ``disagreement`` is the number of characters, each weighed by its annotators and by the share of
    their pairs that disagree; ``values`` how often each set of labels was given to a character.
    """

    disagreement: float
    values: Mapping[Labels, int]


def characters(annotations: Sequence[Sequence[LabelledSpan]], length: int | None) -> Characters:
    """The characters of one text, each with the set of labels that every annotator gave it.

    A character outside all spans has the empty set. Without a ``length`` the text is taken to end
    with the last span of anybody: agreement on the blank rest is then not counted.
    """
    last = max((end for spans in annotations for _, end, _ in spans), default=0)
    limit = last if length is None else max(length, last)
    edges = {0, limit, *(edge for spans in annotations for one in spans for edge in one[:2])}
    bounds = sorted(edges)
    place = {bound: index for index, bound in enumerate(bounds)}
    columns = [_labels_between(spans, place) for spans in annotations]
    several = len(annotations)
    disagreement = 0.0
    values: Counter[Labels] = Counter()
    for start, end, *said in zip(bounds, bounds[1:], *columns, strict=False):
        counts = Counter(said)
        agreeing = sum(count * (count - 1) for count in counts.values())
        share = 1 - agreeing / (several * (several - 1))
        disagreement += (end - start) * several * share
        for labels, count in counts.items():
            values[labels] += count * (end - start)
    return Characters(disagreement=disagreement, values=values)


def marked_words(spans: Sequence[LabelledSpan], text: str) -> set[tuple[int, str]]:
    """The words that spans touch, each with the label it got; a word is a run of letters or digits.

    >>> sorted(marked_words([(0, 8, "PER")], "Ada Lovelace, 1843"))
    [(0, 'PER'), (4, 'PER')]
    """
    words = [word.span() for word in _WORD.finditer(text)]
    return {
        (first, label)
        for start, end, label in spans
        for first, _ in words[
            bisect_right(words, start, key=itemgetter(1)) : bisect_left(words, (end, 0))
        ]
    }


def _labels_between(spans: Iterable[LabelledSpan], place: Mapping[int, int]) -> list[Labels]:
    """The labels that one annotator gave to each stretch between two bounds."""
    found: list[set[str]] = [set() for _ in range(len(place) - 1)]
    for start, end, label in spans:
        for index in range(place[start], place[end]):
            found[index].add(label)
    return [frozenset(labels) for labels in found]


def character_alpha(texts: Mapping[int, Sequence[Characters]], tasks: int) -> Figures:
    """Krippendorff's alpha with every character a unit and its set of labels a nominal value.

    ``texts`` has the marked texts of each task, those of paragraphs apart.
    """
    every = [(task, text) for task, found in texts.items() for text in found]
    names = {labels: code for code, labels in enumerate({k for _, t in every for k in t.values})}
    cells = [(task, names[key], n) for task, text in every for key, n in text.values.items()]
    row, column, count = np.array(cells, dtype=np.int64).reshape(-1, 3).T
    shape = (tasks, max(1, len(names)))
    table = csr_array((count.astype(np.float64), (row, column)), shape=shape)
    disagreements = np.array([text.disagreement for _, text in every], dtype=np.float64)
    whose = np.array([task for task, _ in every], dtype=np.int64)
    observed = np.bincount(whose, weights=disagreements, minlength=tasks).astype(np.float64)
    return Figures(
        names=(CHARACTER_ALPHA,),
        of=_nominal_alpha(observed, table),
        n=(len(texts),),
        limits=((None, 1.0),),
    )


def _nominal_alpha(observed: FloatArray, table: csr_array) -> Callable[[FloatArray], FloatArray]:
    def of(weights: FloatArray) -> FloatArray:
        values = weights @ table
        total = values.sum(axis=1)
        seen = divided(weights @ observed, total)
        expected = divided(total**2 - (values**2).sum(axis=1), total * (total - 1))
        return (1 - divided(seen, np.nan_to_num(expected)))[:, None]

    return of
