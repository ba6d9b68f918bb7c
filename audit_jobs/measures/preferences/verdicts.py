"""What judges together say of each pair, and how sure that is: the consensus."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit_jobs.measures.consensus import Consensus
from audit_jobs.measures.dawid_skene import dawid_skene
from audit_jobs.measures.preferences.judged import Judged, judged, ratings_of_judged
from audit_jobs.measures.ratings import Ratings
from policies.judgments import Choice, PreferencePair


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

    Dawid and Skene's: a judge who is often alone, guesses, or ties much, counts for less. FIGURES
    """
    data = judged(pairs)
    ratings = ratings_of_judged(data)
    return _listed(ratings, consensus_of(data, ratings))


def consensus_of(data: Judged, ratings: Ratings | None = None) -> Consensus:
    """The same in columns, by the units of the judgements' ratings."""
    return dawid_skene(ratings_of_judged(data) if ratings is None else ratings)


def _listed(ratings: Ratings, found: Consensus) -> list[Verdict]:
    choices = [Choice(name) for name in ratings.categories]
    width = len(choices)
    cells = np.bincount(
        ratings.units * width + ratings.values, minlength=len(ratings.unit_names) * width
    )
    table = cells.reshape(len(ratings.unit_names), width).tolist() if width else []
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
