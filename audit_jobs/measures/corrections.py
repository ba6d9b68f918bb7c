"""What people make of the answers that a model gave: corrected, confirmed, or never shown.

A correction is told by comparing labels, never by what the annotation tool says of its origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from audit_jobs.measures.audits import pass_rate
from audit_jobs.measures.strata import Strata, risk_difference, strata_of
from policies.domain import BoolArray, Estimate, FloatArray, IntArray
from policies.intervals import UNKNOWN, wilson

SCORE_BANDS = 20
# Strata are as fine as leaves this share of those that the coarsest ones can compare.
_ENOUGH_MATCHED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Answers to tasks that a model had an answer to, in columns of one length.

    ``shown`` says that the person saw the model's label. ``probability`` is the chance with which a
    blind task was drawn from all, NaN where it was not; unknown are a ``score`` and ``seconds`` of
    NaN. Codes are places in the names; an unknown tier or reviewer has a name too.
    """

    predicted: IntArray
    said: IntArray
    labels: tuple[str, ...]
    shown: BoolArray
    probability: FloatArray
    score: FloatArray
    seconds: FloatArray
    tier: IntArray
    tiers: tuple[str, ...]
    reviewer: IntArray
    reviewers: tuple[str, ...]
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.predicted)

    @property
    def corrected(self) -> BoolArray:
        """Where the person's label is another one than the model's."""
        differs: BoolArray = self.predicted != self.said
        return differs

    def part(self, chosen: BoolArray) -> Answers:
        """Some of the answers, under the same names."""
        return replace(
            self,
            predicted=self.predicted[chosen],
            said=self.said[chosen],
            shown=self.shown[chosen],
            probability=self.probability[chosen],
            score=self.score[chosen],
            seconds=self.seconds[chosen],
            tier=self.tier[chosen],
            reviewer=self.reviewer[chosen],
            ids=tuple(self.ids[place] for place in np.flatnonzero(chosen).tolist()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias:
    """How much more people agree with what they are shown than with what they are not.

    ``difference`` compares within equal values of ``within`` alone ("tier", "score", "label");
    ``shown`` and ``blind`` are how many answers found their like, ``note`` what it cannot rule out.
    """

    difference: Estimate
    within: tuple[str, ...]
    shown: int
    blind: int
    note: str | None


def correction_rate(answers: Answers) -> Estimate:
    """The share of shown pre-labels that people changed, with a Wilson interval."""
    return wilson(int((answers.corrected & answers.shown).sum()), int(answers.shown.sum()))


def rates_by(answers: Answers, codes: IntArray, names: Sequence[str]) -> dict[str, Estimate]:
    """The correction rate of each name that was shown something."""
    asked = np.bincount(codes[answers.shown], minlength=len(names))
    changed = np.bincount(codes[answers.shown & answers.corrected], minlength=len(names))
    return {
        name: wilson(int(bad), int(n))
        for name, bad, n in zip(names, changed, asked, strict=True)
        if n
    }


def blind_error(answers: Answers) -> Estimate:
    """The share of the model's answers that people contradict without having seen them.

    Each task weighs one over its chance of being drawn; Wilson's interval is on the effective
    number of answers. Blind tasks that were not drawn from all tasks say nothing of the others.
    """
    blind = answers.part(~answers.shown & np.isfinite(answers.probability))
    if not len(blind):
        return UNKNOWN
    return pass_rate(blind.corrected, blind.probability).estimate


def automation_bias(answers: Answers) -> Bias:
    """Agreement with shown pre-labels less agreement of blind answers with hidden predictions.

    Shown tasks are the doubtful ones, blind ones are drawn at random: a plain difference would be
    about the tasks and not about the people. So only answers of one tier, to predictions of one
    label with about the same score, are compared. Where too few have their like, the label is left
    out of it, then the tier; scores never are while they are known.
    """
    strata, within = comparable(answers)
    shown, blind = strata.matched
    difference = risk_difference(strata, answers.shown, ~answers.corrected)
    note = None
    if difference.value is None:
        note = "no shown and blind answers are alike: nothing can be compared"
    elif "score" not in within:
        note = "scores are not known: shown tasks may be harder, and hide a bias"
    elif "tier" not in within and len(answers.tiers) > 1:
        note = "blind and shown tasks went to different tiers: part of it may be the people"
    return Bias(difference=difference, within=within, shown=shown, blind=blind, note=note)


def comparable(answers: Answers) -> tuple[Strata, tuple[str, ...]]:
    """The finest strata in which enough answers meet their like, and what they are made of."""
    columns = {
        "tier": answers.tier,
        "score": _score_bands(answers),
        "label": answers.predicted,
    }
    ways: list[tuple[str, ...]] = [
        ("tier", "score", "label"),
        ("tier", "score"),
        ("score", "label"),
        ("score",),
    ]
    if not np.isfinite(answers.score).any():
        ways = [("tier", "label"), ("tier",), ("label",), ()]
    if len(answers.tiers) < 2:
        ways = [tuple(name for name in way if name != "tier") for way in ways]
    made = [(_strata(answers, columns, way), way) for way in ways]
    most = max(min(strata.matched) for strata, _ in made)
    return next(each for each in made if min(each[0].matched) >= _ENOUGH_MATCHED * most)


def _strata(answers: Answers, columns: dict[str, IntArray], way: Sequence[str]) -> Strata:
    constant: IntArray = np.zeros(len(answers), dtype=np.int64)
    return strata_of([constant, *(columns[name] for name in way)], answers.shown)


def _score_bands(answers: Answers) -> IntArray:
    """Quantile bands of the scores that both groups have; an unknown score is a band of its own."""
    known = np.isfinite(answers.score)
    bands: IntArray = np.full(len(answers), SCORE_BANDS, dtype=np.int64)
    both = [known & answers.shown, known & ~answers.shown]
    if not all(each.any() for each in both):
        bands[known] = 0
        return bands
    # Within the range that both groups have, so that bands are not spent where nothing compares.
    low = max(answers.score[each].min() for each in both)
    high = min(answers.score[each].max() for each in both)
    inside = known & (answers.score >= low) & (answers.score <= high)
    if inside.any():
        inner = np.quantile(answers.score[inside], np.linspace(0, 1, SCORE_BANDS - 1)[1:-1])
        bands[inside] = 1 + np.searchsorted(inner, answers.score[inside], side="right")
    # Outside of it there is one group alone.
    bands[known & (answers.score < low)] = 0
    bands[known & (answers.score > high)] = SCORE_BANDS + 1
    return bands
