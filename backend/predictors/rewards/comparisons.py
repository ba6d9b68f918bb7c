"""What was said of answers to one prompt, as columns that a worth is learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from backend.predictors.rewards.davidson import Outcomes
from policies.domain import FloatArray, IntArray
from policies.judgments import Choice, Judgment, Order, PreferencePair

# Where the answers stood: +1 the first of the pair stood first, -1 the second, 0 nobody knows.
_PLACES = {Order.AB: 1.0, Order.BA: -1.0, None: 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Answers to prompts, each once, in columns; a prompt of "" is none."""

    prompts: Sequence[str]
    responses: Sequence[str]

    def __len__(self) -> int:
        return len(self.responses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparisons:
    """Pairs of ``answers`` in columns of one length, by their places there.

    ``places`` says which of the two stood first on the screen (+1, -1, 0 for unknown). ``groups``
    numbers what must stay together when some are held out: the prompt, or where there is none the
    two texts. ``pairs`` is the place of each row's pair in what the rows were made from: a pair
    that was shown in both orders has two rows.
    """

    answers: Answers
    first: IntArray
    second: IntArray
    outcomes: Outcomes
    places: FloatArray
    groups: IntArray
    pairs: IntArray

    def __len__(self) -> int:
        return len(self.first)


def compared(pairs: Sequence[PreferencePair], *, criterion: str = "") -> Comparisons:
    """The judgements of each pair that are about a criterion, together counted as one.

    A judge's word so weighs one over the number of judges that the pair has: three who agree are
    no three pairs. Who said "none" said nothing; a pair of which nothing was said is left out.
    """
    texts: list[tuple[str, str, str]] = []
    rows: list[tuple[float, float, float]] = []
    shown: list[float] = []
    numbers: list[int] = []
    for number, pair in enumerate(pairs):
        said = [
            each
            for each in pair.judgments
            if each.criterion == criterion and each.choice is not Choice.NONE
        ]
        for place, some in _by_place(said).items():
            texts.append((pair.prompt, pair.response_a, pair.response_b))
            rows.append(_shares(some, len(said)))
            shown.append(place)
            numbers.append(number)
    return in_columns(
        texts,
        np.array(rows, np.float64).reshape(len(rows), 3),
        np.array(shown, np.float64),
        np.array(numbers, np.int64),
    )


def in_columns(
    texts: Sequence[tuple[str, str, str]],
    said: FloatArray,
    places: FloatArray | None = None,
    pairs: IntArray | None = None,
) -> Comparisons:
    """Comparisons of (prompt, first, second); ``said`` (rows, 3) for the first, second, neither."""
    known: dict[tuple[str, str], int] = {}
    groups: dict[object, int] = {}
    first, second, together = [], [], []
    for prompt, one, other in texts:
        first.append(known.setdefault((prompt, one), len(known)))
        second.append(known.setdefault((prompt, other), len(known)))
        group = prompt or frozenset((one, other))
        together.append(groups.setdefault(group, len(groups)))
    return Comparisons(
        answers=Answers(
            prompts=[prompt for prompt, _ in known], responses=[answer for _, answer in known]
        ),
        first=np.array(first, np.int64),
        second=np.array(second, np.int64),
        outcomes=Outcomes(first=said[:, 0], second=said[:, 1], ties=said[:, 2]),
        places=np.zeros(len(texts)) if places is None else places,
        groups=np.array(together, np.int64),
        pairs=np.arange(len(texts)) if pairs is None else pairs,
    )


def part_of(comparisons: Comparisons, rows: IntArray) -> Comparisons:
    """Some of the rows; the answers stay where they are."""
    return replace(
        comparisons,
        first=comparisons.first[rows],
        second=comparisons.second[rows],
        outcomes=comparisons.outcomes.part(rows),
        places=comparisons.places[rows],
        groups=comparisons.groups[rows],
        pairs=comparisons.pairs[rows],
    )


def _by_place(said: Sequence[Judgment]) -> dict[float, list[Judgment]]:
    found: dict[float, list[Judgment]] = {}
    for each in said:
        found.setdefault(_PLACES[each.order], []).append(each)
    return found


def _shares(some: Sequence[Judgment], judges: int) -> tuple[float, float, float]:
    said = [each.choice for each in some]
    first, second, tie = (said.count(each) / judges for each in (Choice.A, Choice.B, Choice.TIE))
    return first, second, tie
