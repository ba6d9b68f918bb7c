"""How large a share of which accepts is audited: by the claim, by label, by drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.drift import RaisedSlice


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPlan:
    """What is known when audits are drawn.

    ``audited`` is how many audits each accepted label has so far (drawn and not yet answered ones
    too), ``lacking`` how many more the promise's claim needs over all labels, ``raised`` the slices
    that drift asks more of. ``exposed`` are tasks whose accepted label was before a draw already,
    with the share it was drawn under: the same label of the same task is drawn once.
    """

    audited: Mapping[str, int] = field(default_factory=dict)
    lacking: int = 0
    raised: tuple[RaisedSlice, ...] = ()
    exposed: Mapping[int, tuple[str, float]] = field(default_factory=dict)
