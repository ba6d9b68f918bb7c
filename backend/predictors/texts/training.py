"""How a text classifier is trained: members judged by rows outside of their fits, then refitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.predictors.errors import TrainingError
from backend.predictors.folds import folds, folds_used
from backend.predictors.learning_curve import LearningCurve, learning_curve
from backend.predictors.protocol import Progress
from backend.predictors.single_choice import Taught
from backend.predictors.temperature import fit_weights
from backend.predictors.texts.members import (
    Counted,
    Encoder,
    Learned,
    Member,
    Read,
    decisions_on,
    learn,
    read_terms,
    read_vectors,
    view_of,
)
from policies.domain import FloatArray, IntArray

# Terms times labels up to which naive Bayes is tried: it helped only few labels (ADR 0017), and its
# tables are dense.
_MOST_COUNTED = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPlan:
    """Which members are tried, how many fits each is the mean of, and whether they are judged.

    Without ``calibrated`` all members are kept with equal weights, but what is only counted.
    """

    members: tuple[Member, ...] = (Member.WORDS, Member.CHARACTERS, Member.NAIVE_BAYES)
    fits: int = 1
    calibrated: bool = True


# For those who ask for labels alone and train many models: a fraction of the time.
QUICK = TextPlan(members=(Member.WORDS,), calibrated=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The members that were kept, with their weights, by what they read of the texts."""

    reads: dict[Member, Read]
    views: dict[Member, list[tuple[Learned, float]]]
    learning: LearningCurve | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lesson:
    """All that a fit needs beside its rows; the texts are read by view."""

    members: Sequence[Member]
    taught: Taught
    reads: dict[Member, Read]
    seeds: Sequence[int]

    def learned(self, member: Member, rows: IntArray) -> Learned:
        """The member fitted on some rows."""
        return learn(member, self.reads[view_of(member)], rows, self.taught, self.seeds)

    def answered(self, member: Member, rows: IntArray, held_out: IntArray) -> FloatArray:
        """The logits of rows that were held out of a fit."""
        return decisions_on(self.learned(member, rows), self.reads[view_of(member)], held_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What members said of rows that they had not seen: logits by member, a fold after the other.

    ``folds`` are the (training, held-out) rows of each.
    """

    folds: list[tuple[IntArray, IntArray]]
    decisions: dict[Member, list[FloatArray]]


def train(
    taught: Taught, plan: TextPlan, encode: Encoder | None, *, seed: int, progress: Progress
) -> Trained:
    """Choose members and weights on held-out rows, then fit those on all rows.

    Raises
        TrainingError: no text has a term, or the encoder's vectors are none.
    """
    texts = [str(text) for text in taught.inputs]
    tried = plan.members if encode is None else (*plan.members, Member.VECTORS)
    reads = _reads(texts, tried, encode)
    lesson = _Lesson(
        members=_tried(tried, reads, len(taught.labels)),
        taught=taught,
        reads=reads,
        seeds=range(seed, seed + plan.fits),
    )
    progress(0.05)
    every = np.arange(len(texts))
    members: list[Member] = [each for each in lesson.members if each is not Member.NAIVE_BAYES]
    members = members or list(lesson.members)
    weights: FloatArray = np.full(len(members), 1.0 / len(members))
    learning: LearningCurve | None = None
    if plan.calibrated:
        judged = _judged(lesson, seed, progress)
        if judged.folds:
            members, weights = _chosen(judged, taught)
            learning = _learning(lesson, judged, (members, weights), seed)
    progress(0.75)
    views: dict[Member, list[tuple[Learned, float]]] = {}
    for place, (member, weight) in enumerate(zip(members, weights.tolist(), strict=True)):
        views.setdefault(view_of(member), []).append((lesson.learned(member, every), weight))
        progress(0.75 + 0.25 * (place + 1) / len(members))
    return Trained(reads=reads, views=views, learning=learning)


def _reads(
    texts: Sequence[str], members: Sequence[Member], encode: Encoder | None
) -> dict[Member, Read]:
    """The texts as the members read them; a view that finds nothing in them is left out."""
    reads: dict[Member, Read] = {}
    for view in dict.fromkeys(map(view_of, members)):
        if view is Member.VECTORS and encode is not None:
            read: Read | None = read_vectors(texts, encode)
        else:
            read = read_terms(texts, view)
        if read is not None:
            reads[view] = read
    if not reads:
        raise TrainingError("no character to see stands in any of the labelled texts")
    return reads


def _tried(members: Sequence[Member], reads: dict[Member, Read], labels: int) -> list[Member]:
    """The members that have something to read, but counting where it would take much memory."""
    words = reads.get(Member.WORDS)
    much = isinstance(words, Counted) and words.counts.shape[1] * labels > _MOST_COUNTED
    return [
        member
        for member in members
        if view_of(member) in reads and not (much and member is Member.NAIVE_BAYES)
    ]


def _judged(lesson: _Lesson, seed: int, progress: Progress) -> _Judged:
    """Every member's answers to rows that it was not fitted on."""
    codes = lesson.taught.codes
    decisions: dict[Member, list[FloatArray]] = {member: [] for member in lesson.members}
    done = list[tuple[IntArray, IntArray]]()
    for rows, held_out in folds(codes, seed):
        for member, logits in decisions.items():
            logits.append(lesson.answered(member, rows, held_out))
        done.append((rows, held_out))
        progress(0.05 + 0.55 * len(done) / folds_used(codes))
    return _Judged(folds=done, decisions=decisions)


def _chosen(judged: _Judged, taught: Taught) -> tuple[list[Member], FloatArray]:
    """The members that answer the held-out rows best together, and their weights.

    One after the other joins, the one that lowers the log loss most, while that outweighs the
    weight that it is given more (Schwarz's criterion: half the logarithm of the rows).
    """
    rows = np.concatenate([held_out for _, held_out in judged.folds])
    codes, row_weights = taught.codes[rows], taught.weights[rows]
    decisions = {member: np.concatenate(each) for member, each in judged.decisions.items()}
    price = 0.5 * float(np.log(len(rows)))
    kept: list[Member] = []
    weights: FloatArray = np.empty(0)
    loss = np.inf
    while len(kept) < len(decisions):
        tried = {
            member: fit_weights([decisions[each] for each in (*kept, member)], codes, row_weights)
            for member in decisions
            if member not in kept
        }
        best = min(tried, key=lambda member: tried[member][1])
        if tried[best][1] > loss - price:
            break
        kept.append(best)
        weights, loss = tried[best]
    return kept, weights


def _learning(
    lesson: _Lesson, judged: _Judged, blend: tuple[list[Member], FloatArray], seed: int
) -> LearningCurve:
    """How right the kept members are when they learn from parts of the rows."""
    members, weights = blend

    def answered(rows: IntArray, held_out: IntArray) -> FloatArray:
        said = [lesson.answered(member, rows, held_out) for member in members]
        return _weighted(said, weights)

    whole = [
        _weighted([judged.decisions[member][fold] for member in members], weights)
        for fold in range(len(judged.folds))
    ]
    return learning_curve(judged.folds, lesson.taught.codes, (answered, whole), seed=seed)


def _weighted(decisions: Sequence[FloatArray], weights: FloatArray) -> FloatArray:
    return np.asarray(np.tensordot(weights, np.asarray(decisions), axes=1), np.float64)
