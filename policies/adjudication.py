"""Adjudication: what people's answers to a task come to, and what moves it a tier up.

The most expert people who said something are the panel; what others said counts no more. The
panel settles the task, or hands it to the next tier that may decide it. The top tier adjudicates:
whatever it says is the label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from policies.competence import decides, next_able, takes
from policies.domain import Decision, Outcome, Purpose
from policies.overlap import NextStep, next_step
from policies.schema import Policy
from policies.wording import listed

# The rule that a decision of the ledger names where a task moved up.
ESCALATION = "escalation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A person's newest word on a task: a label, or None for a skip.

    ``expertise`` is the place of the most expert tier that the person belongs to; somebody outside
    every tier counts as the least expert one, 0.
    """

    expertise: int
    label: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """Readers beyond the first: what the consensus of a task's answers was when it was last taken.

    ``label`` is the most probable one and ``confidence`` its probability, both None where nothing
    tells them, of ``answers`` answers. ``most`` is how many the tier can give at all.
    """

    most: int
    answers: int = 0
    label: str | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who was asked: a tier by its place, for how many answers.

    ``escalated`` says that the task came there from a tier below: what less expert people say is
    what it is contested for, and counts no more. ``readers`` is None where nobody more is asked.
    """

    tier: int
    answers: int = 1
    task_type: str | None = None
    escalated: bool = False
    readers: Readers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Settled with ``label``, or handed to the tier at place ``tier``, or, without both, waiting.

    ``stuck`` marks a task that the top tier skipped: nobody is above, it stays where it is.
    ``one_more`` asks another reader of the same tier.
    """

    reason: str
    label: str | None = None
    tier: int | None = None
    stuck: bool = False
    one_more: bool = False


def adjudicate(words: Sequence[Word], asked: Asked, policy: Policy) -> Verdict:
    """What these words, oldest first, come to: total, deterministic, one tier up at a time.

    The order matters in one case alone: the top tier's answers are tied, and the newest settles.
    """
    counted = [word for word in words if _counts(word, asked, policy)]
    if not counted:
        return Verdict(reason="waits for an answer")
    level, top = max(word.expertise for word in counted), len(policy.tiers) - 1
    panel = [word.label for word in counted if word.expertise == level]
    labels = [label for label in panel if label is not None]
    answered = sum(word.label is not None for word in counted)
    if level == top and (labels or (asked.tier == top and not answered)):
        return _at_the_top(labels, policy)
    why = _contested(panel, level, asked, policy)
    if why is None and answered < asked.answers:
        return Verdict(reason=f"{answered} of {asked.answers} answers are in")
    if why is None and asked.readers is not None and level == asked.tier:
        return _read(asked.readers, labels, asked, policy)
    why = why or _apart(labels, policy)
    if why is None:
        return Verdict(label=most_named(labels), reason=f"settled by {policy.tiers[level].name}")
    above = next_able(policy.tiers, max(asked.tier, level + 1), labels, asked.task_type)
    return Verdict(tier=above, reason=why)


def asked_by(policy: Policy, decision: Decision, task_type: str | None) -> Asked:
    """Whom the decision asks; a tier that is not in the policy any more was never asked."""
    escalated = decision.rule == ESCALATION
    several = decision.purpose is Purpose.AGREEMENT and not escalated
    known = decision.tier is not None and decision.tier in policy.tier_names
    return Asked(
        tier=policy.order(decision.tier) if known and decision.tier is not None else 0,
        answers=policy.agreement.overlap if several else 1,
        task_type=task_type,
        escalated=known and escalated,
    )


def moved_up(decision: Decision, tier: str, reason: str) -> Decision:
    """The same task for the same purpose, one tier up; an audit's would-be label stays."""
    audited = decision.purpose is Purpose.AUDIT
    return replace(
        decision,
        outcome=decision.outcome if audited else Outcome.REVIEW,
        tier=tier,
        rule=ESCALATION,
        reason=f"{reason}: {tier} settles it",
    )


def most_named(labels: Iterable[str]) -> str:
    """The most frequent label, of tied ones the newest; at least one is given, oldest first.

    >>> most_named(["cat", "dog"]), most_named(["cat", "dog", "cat"])
    ('dog', 'cat')
    """
    newest_first = list(labels)[::-1]
    return Counter(newest_first).most_common(1)[0][0]


def _at_the_top(labels: Sequence[str], policy: Policy) -> Verdict:
    name = policy.tiers[-1].name
    if labels:
        return Verdict(label=most_named(labels), reason=f"{name} adjudicates")
    return Verdict(stuck=True, reason=f"skipped by {name}: no tier is above, it stays there")


def _counts(word: Word, asked: Asked, policy: Policy) -> bool:
    """Whether a word has a say: a skip only by those who were asked, or by more expert ones."""
    if word.label is None:
        return policy.escalation.on_skip and word.expertise >= asked.tier
    return not asked.escalated or word.expertise >= asked.tier


def _contested(panel: Sequence[str | None], level: int, asked: Asked, policy: Policy) -> str | None:
    """Why the panel cannot decide the task at all, however many more answers come."""
    tier = policy.tiers[level]
    if None in panel:
        return f"skipped by {tier.name}"
    if not takes(tier, asked.task_type):
        return f"{tier.name} takes no tasks of type {asked.task_type!r}"
    beyond = [each for each in dict.fromkeys(panel) if each and not decides(tier, each)]
    return f"{tier.name} does not decide {listed(beyond)}" if beyond else None


def _read(readers: Readers, labels: Sequence[str], asked: Asked, policy: Policy) -> Verdict:
    """What the consensus of the tier's readers comes to, or who answers next."""
    if readers.answers < len(labels):
        return Verdict(reason=f"the consensus of {len(labels)} answers is not known yet")
    bar, sure = policy.agreement.confidence, readers.confidence
    probability = "of unknown probability" if sure is None else f"right at {sure:.3f}"
    told = f"the consensus of {len(labels)} answers is {probability}"
    match next_step(sure, len(labels), bar=bar, most=readers.most):
        case NextStep.ENOUGH:
            return Verdict(label=readers.label, reason=told)
        case NextStep.ONE_MORE_READER:
            return Verdict(one_more=True, reason=f"{told}, not {bar:g}: one more reader")
        case NextStep.ESCALATE:
            above = next_able(policy.tiers, asked.tier + 1, labels, asked.task_type)
            return Verdict(tier=above, reason=f"{told}, not {bar:g}")


def _apart(labels: Sequence[str], policy: Policy) -> str | None:
    """Why the panel's answers are no consensus, None where they are one."""
    named = Counter(labels)
    share = round(max(named.values()) / len(labels), 2)  # 0.67 in a policy means two of three
    if share >= policy.escalation.minimum_consensus:
        return None
    return f"{len(labels)} answers differ: {listed(sorted(named))}"
