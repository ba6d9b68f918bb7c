"""Adaptive overlap: when one task needs another reader, and when more readers will not help."""

from __future__ import annotations

from enum import StrEnum


class NextStep(StrEnum):
    """What a task needs after the answers it has."""

    ONE_MORE_READER = "one_more_reader"
    ENOUGH = "enough"
    ESCALATE = "escalate"


def next_step(confidence: float | None, answers: int, *, bar: float, most: int) -> NextStep:
    """One more reader until the consensus is sure enough; after ``most`` answers a higher tier.

    ``confidence`` is the probability that the consensus is right, None or NaN where it is not
    known. A share of the votes is none: it is 1 after the first answer, and one reader would always
    do. Take the posterior of a model of the raters, and with few answers a rater, whose posterior
    is too sure of itself, a bar that is higher than what is wanted.

    The answers of the tier count, not the tasks' history: who escalates starts again at 0.

    >>> [str(next_step(0.9, answers, bar=0.95, most=3)) for answers in (1, 2, 3)]
    ['one_more_reader', 'one_more_reader', 'escalate']
    >>> str(next_step(0.97, 2, bar=0.95, most=3)), str(next_step(None, 0, bar=0.95, most=3))
    ('enough', 'one_more_reader')

    Raises
        ValueError: a bar outside (0, 1], fewer than no answers, or less than one at most.
    """
    if not 0 < bar <= 1:
        raise ValueError(f"bar = {bar} must be above 0 and at most 1")
    if answers < 0 or most < 1:
        raise ValueError(f"{answers} answers of {most} at most: 0 or more of 1 or more must hold")
    if answers > 0 and confidence is not None and confidence >= bar:
        return NextStep.ENOUGH
    return NextStep.ESCALATE if answers >= most else NextStep.ONE_MORE_READER
