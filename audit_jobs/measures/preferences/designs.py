"""What is known of each choice, as columns of a regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit_jobs.measures.preferences.choices import Choices
from audit_jobs.measures.preferences.judged import UNKNOWN, Judged
from policies.domain import BoolArray, FloatArray, IntArray

NAME, GOLD, LENGTH, PLACE = "name", "gold", "length", "place"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Design:
    """Decided judgements, sorted by question, with named columns; ``data`` are the same, sorted.

    ``questions`` are the codes that the groups of ``choices`` have in ``data``.
    """

    data: Judged
    choices: Choices
    columns: tuple[str, ...]
    questions: IntArray

    def with_column(self, name: str, values: FloatArray) -> Design:
        """The same with one more column, at the end."""
        table = np.column_stack([self.choices.columns, values])
        choices = Choices(columns=table, chosen=self.choices.chosen, group=self.choices.group)
        return Design(
            data=self.data,
            choices=choices,
            columns=(*self.columns, name),
            questions=self.questions,
        )


def design_of(data: Judged, *wanted: str) -> Design:
    """The decided judgements with those of the ``wanted`` columns that differ among them.

    ``name`` is 1 for all: whether answers called a are liked better. ``gold`` is 1 where a is known
    to be the better one, -1 where b is. ``length`` is a's over b's in doublings. ``place`` is 1
    where a stood first, -1 where b did, 0 where nobody knows.
    """
    kept = data.those(data.decided)
    order = np.argsort(kept.question, kind="stable")
    kept = kept.those(order)
    questions, group = np.unique(kept.question, return_inverse=True)
    gold = np.where(kept.gold == UNKNOWN, 0, kept.gold)
    values: dict[str, FloatArray] = {
        NAME: np.ones(len(kept)),
        GOLD: gold[kept.question].astype(np.float64),
        LENGTH: kept.doublings[kept.question],
        PLACE: kept.first.astype(np.float64),
    }
    names = tuple(name for name in wanted if name == NAME or _differs(values[name]))
    table = np.column_stack([np.empty((len(kept), 0)), *(values[name] for name in names)])
    chosen: BoolArray = kept.choice > 0
    return Design(
        data=kept,
        choices=Choices(columns=table, chosen=chosen, group=group.astype(np.int64)),
        columns=names,
        questions=questions.astype(np.int64),
    )


def _differs(values: FloatArray) -> bool:
    return bool(len(values) and np.ptp(values) > 0)
