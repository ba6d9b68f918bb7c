"""What a foreign model offers, and answers in the making."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from backend.predictors.protocol import Asked, Predicted
from policies.domain import FloatArray, ObjectArray

_SHOWN = 200


class ModelUnavailableError(Exception):
    """A foreign model cannot be asked now; the message says which and why, and holds no secret."""


class Source(Protocol):
    """A model that is not Labelgate's own. Scores are as it gives them, from 0 to 1."""

    @property
    def name(self) -> str:
        """What people call it."""

    def reported(self, label_config: str) -> str:
        """The version that it says it has. Raises ``ModelUnavailableError``."""

    def answers(self, asked: Asked) -> Predicted:
        """Its answers with raw scores; what it cannot answer has a problem. Never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of a foreign model: the text, its raw score, and those of its parts.

    ``parts`` are the scores of all parts in the order of the text, () where they are not known;
    ``signals`` are figures by their names in ``policies.conditions``.
    """

    text: str
    score: float
    parts: tuple[float, ...] = ()
    signals: dict[str, float] = field(default_factory=dict)


def predicted(answers: list[Answer | str]) -> Predicted:
    """Answers, or the problems that forbid them, as columns."""
    n = len(answers)
    texts, problems, parts = (np.full(n, None, dtype=np.object_) for _ in range(3))
    scores = np.full(n, np.nan)
    names = {name for each in answers if isinstance(each, Answer) for name in each.signals}
    signals: dict[str, FloatArray] = {name: np.full(n, np.nan) for name in sorted(names)}
    for place, answer in enumerate(answers):
        if isinstance(answer, str):
            problems[place] = answer
            continue
        texts[place], scores[place] = answer.text, answer.score
        parts[place] = answer.parts or None
        for name, figure in answer.signals.items():
            signals[name][place] = figure
    return Predicted(
        texts=texts,
        scores=scores,
        problems=problems,
        signals=signals,
        part_scores=None if _empty(parts) else parts,
    )


def unanswered(n: int, problem: str) -> Predicted:
    """No task has an answer, all for the same reason."""
    return predicted([problem] * n)


def printable(words: str, longest: int = _SHOWN) -> str:
    """Words of another program, on one line and not endless: safe to print and to store."""
    shown = "".join(each if each.isprintable() else " " for each in words[: 4 * longest])
    line = " ".join(shown.split())
    return line if len(line) <= longest else f"{line[:longest]} ..."


def storable(text: str) -> bool:
    """Whether every database takes the text."""
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def _empty(values: ObjectArray) -> bool:
    return all(value is None for value in values)
