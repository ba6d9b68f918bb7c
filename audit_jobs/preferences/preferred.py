"""Which answer of each pair is preferred, how sure that is, and which pairs say nothing. Pure."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from audit_jobs.measures.one_coin import one_coin
from audit_jobs.measures.preferences.judged import (
    UNKNOWN,
    Judged,
    judged,
    ratings_of_judged,
)
from connectors.trl import Preferred
from policies.domain import FloatArray, IntArray
from policies.judgments import Choice, PreferencePair

TIES, UNDECIDED, UNJUDGED = "ties", "undecided", "unjudged"
UNDER_MINIMUM, EQUAL = "under_minimum_agreement", "equal_answers"
# Every reason for which a pair is left out, in the order in which they are looked at.
REASONS = (EQUAL, UNJUDGED, TIES, UNDECIDED, UNDER_MINIMUM)
_LABELS = (Choice.A.value, Choice.B.value, Choice.TIE.value)
_SIGNS = {1: Choice.A, -1: Choice.B, 0: Choice.TIE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The pairs with a preferred answer, in their order, and how many were left out, by reason."""

    preferred: list[Preferred]
    left_out: dict[str, int]
    questions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """By question: votes for a, b and a tie, and what the judges' records make of them.

    ``likely`` is the place in ``_LABELS`` of the most probable choice, -1 without votes, and
    ``chance`` its probability, NaN where nothing tells it.
    """

    votes: IntArray
    likely: IntArray
    chance: FloatArray


def preferred_pairs(pairs: Sequence[PreferencePair], minimum_agreement: float = 0.0) -> Found:
    """One answer for each question; repeats of a pair ask the same one (``measures.preferences``).

    Preferred is the choice that is known to be right, else the one that more judges made than any
    other. A question is undecided where no choice has the most votes, and where one has them from
    judges who are so often alone that another is more probable (``one_coin``, whose probability is
    the confidence). Each judge has one vote on a question, the first.
    """
    data = judged(pairs)
    counted = _counted(data)
    by_id = {pair.id: pair for pair in pairs}
    gold = data.gold.tolist()
    found: list[Preferred] = []
    left_out: Counter[str] = Counter()
    for place, name in enumerate(data.question_names):
        known = None if gold[place] == UNKNOWN else _SIGNS[gold[place]]
        made = _preferred(by_id[name], counted, place, known)
        if isinstance(made, Preferred) and made.agreement < minimum_agreement:
            made = UNDER_MINIMUM
        if isinstance(made, Preferred):
            found.append(made)
        else:
            left_out[made] += 1
    return Found(
        preferred=found,
        left_out={reason: left_out[reason] for reason in REASONS},
        questions=len(data.question_names),
    )


def held_out(prompts: Iterable[str], share: float, seed: int = 0) -> frozenset[str]:
    """The prompts of the test side, by a hash of each: it stays where it is when others are added.

    Prompts that differ in case or spaces alone stay together. Where chance puts none on that side,
    or all, and there are two or more, the one with the smallest or largest draw goes alone.
    """
    drawn = {prompt: _draw(prompt, seed) for prompt in prompts}
    if share == 0 or len(set(drawn.values())) < 2:  # noqa: PLR2004 - nothing to split
        return frozenset()
    below = {draw for draw in drawn.values() if draw < share}
    if not below:
        below = {min(drawn.values())}
    elif len(below) == len(set(drawn.values())):
        below -= {max(below)}
    return frozenset(prompt for prompt, draw in drawn.items() if draw in below)


def _draw(prompt: str, seed: int) -> float:
    text = f"{seed}:{' '.join(prompt.casefold().split())}"
    digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def _counted(data: Judged) -> _Counted:
    ratings = ratings_of_judged(data)
    questions = len(data.question_names)
    votes = np.zeros((questions, len(_LABELS)), np.int64)
    likely = np.full(questions, -1, np.int64)
    chance = np.full(questions, math.nan)
    if len(ratings):
        places = {name: place for place, name in enumerate(data.question_names)}
        units = np.array([places[name] for name in ratings.unit_names], np.int64)
        labels = np.array([_LABELS.index(name) for name in ratings.categories], np.int64)
        np.add.at(votes, (units[ratings.units], labels[ratings.values]), 1)
        told = one_coin(ratings)
        likely[units] = labels[told.labels]
        chance[units] = told.confidence
    return _Counted(votes=votes, likely=likely, chance=chance)


def _preferred(
    pair: PreferencePair, counted: _Counted, place: int, known: Choice | None
) -> Preferred | str:
    """The preferred answer, or the reason why there is none."""
    votes: list[int] = counted.votes[place].tolist()
    if pair.response_a == pair.response_b:
        return EQUAL
    if known is None and not sum(votes):
        return UNJUDGED
    choice = known or _most(votes)
    if choice is Choice.TIE:
        return TIES
    if choice is None:
        return UNDECIDED
    code = _LABELS.index(choice.value)
    if known is None and counted.likely[place] != code:
        return UNDECIDED
    chance = float(counted.chance[place])
    texts = (pair.response_a, pair.response_b)
    return Preferred(
        pair_id=pair.id,
        prompt=pair.prompt,
        chosen=texts[code],
        rejected=texts[1 - code],
        votes=(votes[code], votes[1 - code], votes[2]),
        agreement=votes[code] / sum(votes) if known is None else 1.0,
        confidence=1.0 if known is not None else None if math.isnan(chance) else chance,
        known=known is not None,
    )


def _most(votes: Sequence[int]) -> Choice | None:
    """The choice with more votes than any other; None where two share the highest place."""
    ordered = sorted(votes)
    return Choice(_LABELS[votes.index(ordered[-1])]) if ordered[-1] > ordered[-2] else None
