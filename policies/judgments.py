"""What was said of pairs of answers to one prompt: the words of preference data.

A judgement names the answer, not its place on the screen; ``order`` tells the place where it is
known.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Choice(StrEnum):
    """What a judge said of a pair: the one answer, the other, both alike, or nothing."""

    A = "a"
    B = "b"
    TIE = "tie"
    NONE = "none"


class Order(StrEnum):
    """Which answer stood first."""

    AB = "ab"
    BA = "ba"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """What ``judge`` said; ``order`` is None where nobody noted it.

    ``criterion`` names what was asked about where several things were; "" for the preference
    itself.
    """

    judge: str
    choice: Choice
    order: Order | None = None
    criterion: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencePair:
    """Two answers to one prompt, and what people said of them.

    ``gold`` is the choice that is known to be right, where one is. ``repeat_of`` is the id of the
    pair that this one asks once more, answers swapped.
    """

    id: str
    prompt: str
    response_a: str
    response_b: str
    judgments: tuple[Judgment, ...] = ()
    gold: Choice | None = None
    repeat_of: str | None = None
