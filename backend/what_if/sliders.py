"""The numbers of a policy that a what-if may move.

People think of shares in percent, policy files in shares of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from policies.problems import Path
from policies.promises import AutoAccept
from policies.schema import Policy
from policies.stakes import FLOORS

# The promise that is offered for such a policy; a common one to start from.
_FIRST_PROMISE = {"max_error_percent": "2", "confidence_percent": "95"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slider:
    """One number: its name in a request, its place in the file, and what it may be.

    ``text`` is what the policy has, in the unit shown; "" where it has none, or leaves it out.
    ``low``, ``high`` and ``step`` are the slider's; the number beside it takes all that the policy
    would take.
    """

    name: str
    path: Path
    label: str
    unit: str
    text: str
    low: str
    high: str
    step: str
    about: str

    @property
    def in_percent(self) -> bool:
        """Whether the file has a share of one where the page shows percent."""
        return self.unit == "%"

    @property
    def whole(self) -> bool:
        """Whether only whole numbers will do."""
        return self.path[-1] == "daily_capacity"


def sliders_of(policy: Policy, *, opened: bool) -> tuple[Slider, ...]:
    """The numbers that make sense for this policy; ``opened``: as if it could accept."""
    rule = policy.auto_accept
    accepting = isinstance(rule, AutoAccept) or opened
    return (*(promise_sliders(policy) if accepting else ()), *_of_people(policy))


def promise_sliders(policy: Policy) -> tuple[Slider, ...]:
    """Those of auto-accept; with a first promise to try where the policy makes none."""
    rule = policy.auto_accept
    values = dict(_FIRST_PROMISE)
    cost = ""
    if isinstance(rule, AutoAccept):
        values = {
            "max_error_percent": percent(rule.max_error_rate),
            "confidence_percent": percent(rule.confidence),
        }
        cost = "" if rule.cost_of_error is None else plain(rule.cost_of_error)
    most = max(100 * policy.tiers[0].cost_per_label, 2 * float(cost or 0), 1.0)
    floor = FLOORS[policy.stakes].audit_share
    return (
        Slider(
            name="max_error_percent",
            path=("auto_accept", "max_error_rate"),
            label="Largest error rate",
            unit="%",
            text=values["max_error_percent"],
            low="0.1",
            high="20",
            step="0.1",
            about="Of the labels that are accepted, so many may be wrong.",
        ),
        Slider(
            name="confidence_percent",
            path=("auto_accept", "confidence"),
            label="Confidence",
            unit="%",
            text=values["confidence_percent"],
            low="80",
            high="99.9",
            step="0.1",
            about="How surely that must hold before anything is accepted.",
        ),
        Slider(
            name="cost_of_error",
            path=("auto_accept", "cost_of_error"),
            label="Cost of an error",
            unit="",
            text=cost,
            low="0",
            high=plain(most),
            step=plain(round(most / 200, 4)),
            about="In the currency of the tiers' prices: a dear error asks for a higher threshold.",
        ),
        Slider(
            name="audit_percent",
            path=("audit", "share"),
            label="Share of audits",
            unit="%",
            text=percent(policy.audit.share),
            low=percent(floor),
            high="50",
            step="0.5",
            about="Of the accepted labels, so many get a blind second look.",
        ),
    )


def _of_people(policy: Policy) -> tuple[Slider, ...]:
    control = Slider(
        name="control_percent",
        path=("control", "share"),
        label="Control share",
        unit="%",
        text=percent(policy.control.share),
        low="5",
        high="50",
        step="0.5",
        about="Of all tasks, so many are labelled blind: thresholds are proved on them.",
    )
    capacities = (
        Slider(
            name=f"capacity_{place}",
            path=("tiers", place, "daily_capacity"),
            label=f"Capacity of {tier.name}",
            unit="labels a day",
            text=str(tier.daily_capacity),
            low="1",
            high=str(max(10, 4 * tier.daily_capacity)),
            step="1",
            about=f"What all of {tier.name} can label in a day.",
        )
        for place, tier in enumerate(policy.tiers)
    )
    return (control, *capacities)


def percent(share: float) -> str:
    """A share in percent, exactly as it would be written.

    >>> percent(0.03), percent(0.001), percent(0.5)
    ('3', '0.1', '50')
    """
    return _text(Decimal(repr(share)) * 100)


def plain(number: float) -> str:
    """A number without more digits than it has.

    >>> plain(5.0), plain(0.25)
    ('5', '0.25')
    """
    return _text(Decimal(repr(number)))


def _text(number: Decimal) -> str:
    return f"{number.normalize():f}"
