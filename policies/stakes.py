"""What the stakes of a project demand: defaults, and floors that a policy cannot go under."""

from __future__ import annotations

from dataclasses import dataclass

from policies.domain import Stakes


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """The least a policy may ask for, and what it asks for where it says nothing.

    ``score`` is the lowest score that may ever be accepted without a person, ``audit_share`` the
    smallest share of accepts that gets a blind second look, ``tiers`` the fewest tiers,
    ``monitoring_share`` the smallest share of a deployed model's answers that people verify.
    """

    score: float
    audit_share: float
    default_audit_share: float
    tiers: int
    monitoring_share: float
    default_monitoring_share: float


FLOORS = {
    Stakes.LOW: Floors(
        score=0.70,
        audit_share=0.01,
        default_audit_share=0.05,
        tiers=1,
        monitoring_share=0.001,
        default_monitoring_share=0.005,
    ),
    Stakes.SENSITIVE: Floors(
        score=0.80,
        audit_share=0.02,
        default_audit_share=0.05,
        tiers=2,
        monitoring_share=0.02,
        default_monitoring_share=0.03,
    ),
    Stakes.REGULATED: Floors(
        score=0.90,
        audit_share=0.05,
        default_audit_share=0.10,
        tiers=2,
        monitoring_share=0.10,
        default_monitoring_share=0.15,
    ),
}


def floors_of(stakes: object) -> Floors | None:
    """The floors for a value as it stands in a policy file; None where it is no stakes at all.

    >>> floors_of("regulated").score
    0.9
    """
    return FLOORS[Stakes(stakes)] if isinstance(stakes, str) and stakes in set(Stakes) else None
