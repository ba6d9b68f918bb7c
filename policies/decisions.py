"""Decisions in columns: what the engine writes, and how everybody else reads it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from policies.domain import (
    BoolArray,
    Candidates,
    Decision,
    FloatArray,
    IntArray,
    ObjectArray,
    Outcome,
    Purpose,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """One decision a candidate, in the candidates' order; rows come out as ``Decision``.

    ``scores`` and ``thresholds`` hold NaN where a row has None.
    """

    task_ids: IntArray
    outcomes: ObjectArray
    purposes: ObjectArray
    tiers: ObjectArray
    rules: ObjectArray
    reasons: ObjectArray
    labels: ObjectArray
    scores: FloatArray
    thresholds: FloatArray
    draws: FloatArray
    inclusion_probabilities: FloatArray
    predictors: ObjectArray
    signals: dict[str, FloatArray]
    part_scores: ObjectArray | None = None

    def __len__(self) -> int:
        return len(self.task_ids)

    def __getitem__(self, place: int) -> Decision:
        """One row; IndexError past the end."""
        if not -len(self) <= place < len(self):
            raise IndexError(f"there are {len(self)} decisions, none at {place}")
        return next(self.rows(slice(place, place + 1 or None)))

    def __iter__(self) -> Iterator[Decision]:
        return self.rows(slice(None))

    def rows(self, part: slice) -> Iterator[Decision]:
        """The decisions of these places, made as they are asked for: a million need no room."""
        columns: dict[str, FloatArray | IntArray | ObjectArray] = {
            "task_id": self.task_ids[part],
            "outcome": self.outcomes[part],
            "purpose": self.purposes[part],
            "tier": self.tiers[part],
            "rule": self.rules[part],
            "reason": self.reasons[part],
            "label": self.labels[part],
            "score": _none_for_nan(self.scores[part]),
            "threshold": _none_for_nan(self.thresholds[part]),
            "draw": self.draws[part],
            "inclusion_probability": self.inclusion_probabilities[part],
            "predictor": self.predictors[part],
            "signals": self._known_signals(part),
            "part_scores": self._part_scores(part),
        }
        # tolist() turns numpy's scalars into Python's, which JSON and databases take.
        for row in zip(*(column.tolist() for column in columns.values()), strict=True):
            yield Decision(**dict(zip(columns, row, strict=True)))

    def _part_scores(self, part: slice) -> ObjectArray:
        rows = np.empty(len(self.task_ids[part]), object)
        rows.fill(())
        if self.part_scores is not None:
            for place, scores in enumerate(self.part_scores[part].tolist()):
                rows[place] = () if scores is None else tuple(map(float, scores))
        return rows

    def _known_signals(self, part: slice) -> ObjectArray:
        columns = {name: values[part].tolist() for name, values in sorted(self.signals.items())}
        rows = np.empty(len(self.task_ids[part]), object)
        for place in range(len(rows)):
            known = {name: values[place] for name, values in columns.items()}
            rows[place] = {name: value for name, value in known.items() if math.isfinite(value)}
        return rows


def _none_for_nan(values: FloatArray) -> ObjectArray:
    column: ObjectArray = values.astype(object)
    column[~np.isfinite(values)] = None
    return column


def is_none(values: ObjectArray) -> BoolArray:
    """Which of the values are None."""
    found: BoolArray = values == None  # noqa: E711 - for each element, several times as fast as a loop
    return found


def _filled(n: int, value: object) -> ObjectArray:
    column = np.empty(n, object)
    column.fill(value)  # np.full would turn members of a StrEnum into plain text
    return column


class Draft:
    """Decisions in the making. ``open`` marks the tasks that no rule has settled yet."""

    def __init__(self, candidates: Candidates, slice_draws: FloatArray) -> None:
        n = len(candidates)
        self.candidates = candidates
        self.open: BoolArray = np.ones(n, bool)
        self.outcomes = _filled(n, Outcome.REVIEW)
        self.purposes = _filled(n, Purpose.ROUTED)
        self.tiers = np.full(n, None, object)
        self.rules = np.full(n, "", object)
        self.reasons = np.full(n, "", object)
        self.thresholds = np.full(n, np.nan)
        self.draws = slice_draws.copy()
        self.inclusion_probabilities = np.ones(n)

    def settle(
        self,
        mask: BoolArray,
        *,
        tier: str | None,
        rule: str | Sequence[str],
        reason: str | Sequence[str],
    ) -> None:
        """Close the tasks of ``mask``; ``rule`` and ``reason`` are for all, or one for each."""
        if not np.count_nonzero(mask):  # several times as fast as any() on few tasks
            return
        self.tiers[mask] = tier
        self.rules[mask] = rule
        self.reasons[mask] = reason
        self.open &= ~mask

    def draw_purpose(
        self, mask: BoolArray, purpose: Purpose, draws: FloatArray, shares: FloatArray
    ) -> BoolArray:
        """Give ``purpose`` to the tasks of ``mask`` whose draw is under their share; which.

        ``draws`` and ``shares`` are those of the tasks of ``mask``. Who was not drawn keeps the
        chance of just that, one minus the share, so that the share can be read back.
        """
        drawn = draws < shares
        self.draws[mask] = draws
        self.inclusion_probabilities[mask] = np.where(drawn, shares, 1 - shares)
        picked = mask.copy()
        picked[mask] = drawn
        self.purposes[picked] = purpose
        return picked

    def _answering(self) -> ObjectArray:
        predictors = self.candidates.predictors.copy()
        predictors[is_none(self.candidates.labels)] = None
        return predictors

    def finished(self) -> Decisions:
        """The decisions, all columns frozen in their present state."""
        return Decisions(
            task_ids=self.candidates.task_ids,
            outcomes=self.outcomes,
            purposes=self.purposes,
            tiers=self.tiers,
            rules=self.rules,
            reasons=self.reasons,
            labels=self.candidates.labels,
            scores=self.candidates.scores,
            thresholds=self.thresholds,
            draws=self.draws,
            inclusion_probabilities=self.inclusion_probabilities,
            predictors=self._answering(),
            signals=self.candidates.signals,
            part_scores=self.candidates.part_scores,
        )
