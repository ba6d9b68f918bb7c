"""A decision in plain words, for somebody who has never seen the product."""

from __future__ import annotations

from policies.adjudication import ESCALATION
from policies.breaker import RECALL
from policies.domain import Decision, Outcome, Purpose

_FOR: dict[Purpose, str] = {
    Purpose.CONTROL: "to answer without seeing the model's answer, for the control slice",
    Purpose.HOLDOUT: "to answer without seeing the model's answer, for the holdout",
    Purpose.AGREEMENT: "for several people to answer, to see whether they agree",
    Purpose.RECALL: "because an accepted label was taken back",
    Purpose.MONITORING: "to verify, unseen, what a deployed model answered",
    Purpose.MONITORING_SHOWN: "to verify what a deployed model answered",
}
_SLICES = {Purpose.CONTROL: "control slice", Purpose.HOLDOUT: "holdout"}


def headline(decision: Decision, label: str | None) -> str:
    """What was decided, without the reason; ``label`` is the answer in words.

    >>> from policies.domain import Decision
    >>> made = Decision(
    ...     task_id=1, outcome=Outcome.ACCEPT, purpose=Purpose.ROUTED, tier=None,
    ...     rule="auto_accept", reason="score 0.930 reaches the certified threshold 0.900",
    ...     label="spam", score=0.93, threshold=0.9, draw=0.5, inclusion_probability=0.95,
    ... )
    >>> headline(made, "spam")
    'Accepted without a person as “spam”'
    """
    quoted = "without a label" if label is None else f"as “{label}”"
    if decision.outcome is Outcome.ACCEPT and decision.tier is None:
        return f"Accepted without a person {quoted}"
    if decision.outcome is Outcome.ACCEPT:
        return (
            f"Would be accepted {quoted}, but was drawn for an audit: {decision.tier} answers it "
            "without seeing that label, and the answer becomes the label"
        )
    if decision.rule == ESCALATION:
        return f"Handed up to {decision.tier}, who settles what others answered"
    if decision.purpose is Purpose.ROUTED:
        return f"Sent to {decision.tier}, who sees the model's answer"
    return f"Sent to {decision.tier} {_FOR[decision.purpose]}"


def draw_words(decision: Decision) -> str:
    """The random number of a decision and what it decided.

    The number comes from the policy's salt and the task's id alone, so that anybody can draw it
    again (see ``policies.sampling``).
    """
    drew, chance = f"{decision.draw:.4f}", f"{decision.inclusion_probability:.1%}"
    if decision.rule in {RECALL, ESCALATION}:
        return "Nothing was drawn: what happened to the task decided."
    match decision.purpose:
        case Purpose.CONTROL | Purpose.HOLDOUT:
            name = _SLICES[decision.purpose]
            edge = "the lowest" if decision.purpose is Purpose.CONTROL else "the highest"
            return (
                f"The task drew {drew} between 0 and 1. {edge.capitalize()} {chance} of all draws "
                f"are the {name}: every task had a chance of {chance} of being in it, whatever the "
                "model says."
            )
        case Purpose.AUDIT:
            return (
                f"The task drew {drew}, which is below {decision.inclusion_probability:.4f}: an "
                f"accept such as this one had a chance of {chance} of being audited, and it was."
            )
        case Purpose.AGREEMENT:
            return (
                f"The task drew {drew}: such tasks had a chance of {chance} of being read by "
                "several people, and it was."
            )
        case Purpose.MONITORING | Purpose.MONITORING_SHOWN:
            return (
                f"The deployed model's answer drew {drew} when it came in: it had a chance of "
                f"{chance} of being verified."
            )
        case _:
            return _undrawn(decision, drew, chance)


def _undrawn(decision: Decision, drew: str, chance: str) -> str:
    if decision.inclusion_probability >= 1:
        return (
            f"The task drew {drew}, which is in neither the control slice nor the holdout, and "
            "nothing else was drawn: every such task comes here."
        )
    what = "of an audit" if decision.outcome is Outcome.ACCEPT else "of several readers"
    missed = f"{1 - decision.inclusion_probability:.1%}"
    return (
        f"The task drew {drew}: it had a chance of {missed} {what}, and was not drawn. Staying "
        f"here had a chance of {chance}."
    )
