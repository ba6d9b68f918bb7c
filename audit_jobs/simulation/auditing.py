"""Audits of a simulated project: what is known when they are drawn, as ``backend.safeguards``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from policies.audit_plan import AuditPlan, Exposures, lacking_audits
from policies.decisions import Decisions
from policies.domain import Outcome, Purpose
from policies.promises import AutoAccept
from policies.safeguards import NONE, Safeguards
from policies.schema import Policy


@dataclass(slots=True, kw_only=True)
class Audits:
    """Draws so far. ``waiting`` are audits without an answer, by task; ``wrong`` counts errors."""

    exposed: Exposures = field(default_factory=Exposures)
    waiting: dict[int, str] = field(default_factory=dict)
    answered: Counter[str] = field(default_factory=Counter)
    wrong: int = 0

    def safeguards(self, policy: Policy) -> Safeguards:
        """What the next decisions heed."""
        rule = policy.auto_accept
        if not isinstance(rule, AutoAccept):
            return NONE
        audited = self.answered + Counter(self.waiting.values())
        plan = AuditPlan(
            audited=audited,
            lacking=lacking_audits(
                rule,
                drawn=audited.total(),
                answered=self.answered.total(),
                errors=self.wrong,
            ),
            exposed=self.exposed,
        )
        return Safeguards(audits=plan)

    def learn(self, decided: Decisions) -> None:
        """Remember who was before a draw, and who waits for an auditor now."""
        accepts = np.asarray(decided.outcomes == Outcome.ACCEPT, bool)
        audited = np.asarray(decided.purposes == Purpose.AUDIT, bool)
        chances = decided.inclusion_probabilities
        shares = np.where(audited, chances, 1 - chances)
        known = self.exposed
        self.waiting = dict(
            zip(decided.task_ids[audited].tolist(), decided.labels[audited].tolist(), strict=True)
        )
        # Only new pairs: the same ones are decided over and over, and keep their draw.
        new = np.flatnonzero(accepts)[
            known.places_of(decided.task_ids[accepts], decided.labels[accepts]) < 0
        ]
        self.exposed = Exposures(
            task_ids=np.concatenate([known.task_ids, decided.task_ids[new]]),
            labels=np.concatenate([known.labels, decided.labels[new]]),
            shares=np.concatenate([known.shares, shares[new]]),
            draws=np.concatenate([known.draws, decided.draws[new]]),
        )

    def answer(self, accepted: str, said: str) -> None:
        """An auditor has answered."""
        self.answered[accepted] += 1
        self.wrong += accepted != said
