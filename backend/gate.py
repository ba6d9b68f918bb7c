"""The gate: a challenger serves only if it is not worse than the champion on the holdout. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from policies.domain import BoolArray
from policies.intervals import wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a challenger is promoted, why in words, and the figures behind it."""

    promoted: bool
    reason: str
    evidence: dict[str, Any]


def judge(challenger: BoolArray, champion: BoolArray | None) -> Verdict:
    """Compare two versions on the same holdout answers; arrays say which each got right.

    Paired: only answers on which they differ count. ``p_value`` is the exact two-sided sign test
    on those (McNemar 1947), shown so that a reader can tell a real gain from noise. Without a
    champion the challenger is promoted: nothing serves, and nothing is accepted on its word until
    the control slice certifies it. Without holdout answers a champion stays.
    """
    accuracy = wilson(int(np.count_nonzero(challenger)), len(challenger))
    evidence: dict[str, Any] = {"holdout_accuracy": accuracy.as_json()}
    if champion is None:
        return Verdict(promoted=True, reason="the first model", evidence=evidence)
    if len(challenger) == 0:
        reason = (
            "kept: no holdout task has a human answer yet, so nothing shows that it is no worse"
        )
        return Verdict(promoted=False, reason=reason, evidence=evidence)
    wins = int(np.count_nonzero(challenger & ~champion))
    losses = int(np.count_nonzero(~challenger & champion))
    p_value = float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    before = wilson(int(np.count_nonzero(champion)), len(champion))
    evidence |= {
        "champion_accuracy": before.as_json(),
        "wins": wins,
        "losses": losses,
        "p_value": p_value,
    }
    promoted = wins >= losses
    figures = f"{wins} holdout answers better, {losses} worse, of {len(challenger)}"
    reason = f"{'not worse than' if promoted else 'kept: worse than'} the champion: {figures}"
    return Verdict(promoted=promoted, reason=reason, evidence=evidence)
