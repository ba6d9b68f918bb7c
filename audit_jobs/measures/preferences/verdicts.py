"""What judges together say of each pair, and how sure that is: the consensus."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from audit_jobs.measures.consensus import Consensus
from audit_jobs.measures.dawid_skene import consensus_by, fit
from audit_jobs.measures.preferences.judged import judged, ratings_of_judged
from audit_jobs.measures.ratings import Ratings
from policies.domain import FloatArray
from policies.judgments import Choice, PreferencePair

_ALL = (Choice.A.value, Choice.B.value, Choice.TIE.value)
_TIE = _ALL.index(Choice.TIE.value)
_SWAPPED = np.array([1, 0, 2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The consensus on a pair, by the id of the pair that asked first.

    ``confidence`` is its probability; None where no two judges share a pair, so that nothing tells
    how good they are. ``votes`` are what the ``judges`` said, each judge's first word.
    """

    id: str
    choice: Choice
    confidence: float | None
    judges: int
    votes: dict[Choice, int]


def verdicts(pairs: Sequence[PreferencePair]) -> list[Verdict]:
    """The consensus on each pair that somebody judged, in the order of the pairs.

    Dawid and Skene's: a judge who is often alone, guesses, or ties much, counts for less. Simulated
    judges who err more the closer two answers are (two or three of 3, 6 or 30 judges a pair, means
    of 8 seeds): the confidence of decided pairs is off by -0.07 to 0.05 at 200 pairs and by -0.05
    to 0.01 at 1,000, where one-coin's is 0.05 to 0.10 too high. Judges who agree on a pair are
    overruled only where they guess elsewhere: in at most 1.4 % of such pairs, in three designs of
    150 or 600 files of up to 60 pairs by judges who are right in 40 to 100 %.
    """
    ratings = in_all_choices(ratings_of_judged(judged(pairs)))
    return _listed(ratings, consensus_of(ratings))


def consensus_of(ratings: Ratings) -> Consensus:
    """The same in columns, of ratings in all three choices (``in_all_choices``).

    Every question stands for its mirror image too, its answers' names swapped: so a judge mixes up
    a with b as often as b with a, and ties both alike. A plain Dawid-Skene takes rare ties for
    another name of a, and then calls a tie what all judges call a.

    Where nobody said tie, or could, two answers may be alike all the same, and judges then differ:
    the model knows such pairs, and half of each one's chance goes to either answer. Of pairs on
    which one of three judges differs, each right in 85 % (30 files of 44 pairs), the two are
    overruled in 7 %, and in 40 % if the pair may be called a tie; the others' mean confidence is
    0.77, and 86 % of them are right. Of judges who are right in 40 to 100 % it is 0.81 where 74 %
    are right; 0.86 if no pair may be alike.
    """
    units = len(ratings.unit_names)
    mirrored = replace(
        ratings,
        units=np.concatenate([ratings.units, ratings.units + units]),
        raters=np.tile(ratings.raters, 2),
        values=np.concatenate([ratings.values, _SWAPPED[ratings.values]]),
        unit_names=ratings.unit_names * 2,
    )
    fitted = fit(mirrored)
    if not np.any(ratings.values == _TIE):
        fitted = replace(fitted, chances=_either(fitted.chances))
    found = consensus_by(mirrored, fitted)
    leading = found.leading_units < units
    return replace(
        found,
        labels=found.labels[:units],
        confidence=found.confidence[:units],
        leading_units=found.leading_units[leading],
        leading_labels=found.leading_labels[leading],
        others=found.others[: len(ratings)],
    )


def _either(chances: FloatArray) -> FloatArray:
    """Without ties: the chance of each is shared by the two answers."""
    halved: FloatArray = chances[:, :_TIE] + chances[:, [_TIE]] / 2
    return np.column_stack([halved, np.zeros(len(halved))])


def in_all_choices(ratings: Ratings) -> Ratings:
    """The same ratings with a, b and tie as their categories, whether they were given or not."""
    codes = np.array([_ALL.index(name) for name in ratings.categories], np.int64)
    return replace(ratings, values=codes[ratings.values], categories=_ALL)


def _listed(ratings: Ratings, found: Consensus) -> list[Verdict]:
    choices = [Choice(name) for name in ratings.categories]
    width = len(choices)
    cells = np.bincount(
        ratings.units * width + ratings.values, minlength=len(ratings.unit_names) * width
    )
    table = cells.reshape(len(ratings.unit_names), width).tolist()
    return [
        Verdict(
            id=name,
            choice=choices[label],
            confidence=None if math.isnan(sure) else sure,
            judges=sum(votes),
            votes=dict(zip(choices, votes, strict=True)),
        )
        for name, label, sure, votes in zip(
            ratings.unit_names, found.labels.tolist(), found.confidence.tolist(), table, strict=True
        )
    ]
