"""Which answer of each pair is preferred, how sure that is, and which pairs say nothing. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit_jobs.measures.preferences.judged import UNKNOWN, judged
from audit_jobs.measures.preferences.verdicts import Verdict, verdicts
from connectors.trl import Preferred
from policies.judgments import Choice, PreferencePair

TIES, UNDECIDED, UNJUDGED = "ties", "undecided", "unjudged"
UNDER_MINIMUM, EQUAL = "under_minimum_agreement", "equal_answers"
# Every reason for which a pair is left out, in the order in which they are looked at.
REASONS = (EQUAL, UNJUDGED, TIES, UNDECIDED, UNDER_MINIMUM)
_OTHER = {Choice.A: Choice.B, Choice.B: Choice.A}
_SIGNS = {1: Choice.A, -1: Choice.B, 0: Choice.TIE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The pairs with a preferred answer, in their order, and how many were left out, by reason."""

    preferred: list[Preferred]
    left_out: dict[str, int]
    questions: int


def preferred_pairs(pairs: Sequence[PreferencePair], minimum_agreement: float = 0.0) -> Found:
    """One answer for each question; repeats of a pair ask the same one (``measures.preferences``).

    Preferred is the choice that is known to be right, else the one that more judges made than any
    other. A question is undecided where no choice has the most votes, and where one has them from
    judges who are so often alone that another is more probable (``verdicts``, whose probability is
    the confidence). Each judge has one vote on a question, the first.
    """
    data = judged(pairs)
    told = {verdict.id: verdict for verdict in verdicts(pairs)}
    by_id = {pair.id: pair for pair in pairs}
    gold = data.gold.tolist()
    found: list[Preferred] = []
    left_out: Counter[str] = Counter()
    for place, name in enumerate(data.question_names):
        known = None if gold[place] == UNKNOWN else _SIGNS[gold[place]]
        made = _preferred(by_id[name], told.get(name), known)
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
    if share == 0 or len(set(drawn.values())) < 2:
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


def _preferred(
    pair: PreferencePair, verdict: Verdict | None, known: Choice | None
) -> Preferred | str:
    """The preferred answer, or the reason why there is none."""
    votes = Counter[Choice]() if verdict is None else Counter(verdict.votes)
    if pair.response_a == pair.response_b:
        return EQUAL
    if known is None and verdict is None:
        return UNJUDGED
    choice = known or _most(votes)
    if choice is Choice.TIE:
        return TIES
    if choice is None or (known is None and verdict is not None and verdict.choice is not choice):
        return UNDECIDED
    texts = {Choice.A: pair.response_a, Choice.B: pair.response_b}
    other = _OTHER[choice]
    return Preferred(
        pair_id=pair.id,
        prompt=pair.prompt,
        chosen=texts[choice],
        rejected=texts[other],
        votes=(votes[choice], votes[other], votes[Choice.TIE]),
        agreement=votes[choice] / votes.total() if known is None else 1.0,
        confidence=1.0 if known is not None else verdict.confidence if verdict else None,
        known=known is not None,
    )


def _most(votes: Counter[Choice]) -> Choice | None:
    """The choice with more votes than any other; None where two share the highest place."""
    (first, most), *others = votes.most_common(2)
    return None if others and others[0][1] == most else first
