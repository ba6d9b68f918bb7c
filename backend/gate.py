"""The gate: a challenger serves only if it is not worse than the champion on the holdout. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from policies.domain import BoolArray, ObjectArray
from policies.gate_checks import (
    Check,
    Measured,
    accepted_share,
    calibration,
    protected,
    told,
)
from policies.intervals import wilson
from policies.paired import difference, sign_test


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """What the policy asks of a challenger beside accuracy.

    ``truth`` is what people said of the holdout, in the order of the measured answers;
    ``protected`` the share of a label's answers that may be lost, by label; ``most_share_lost`` the
    fall of the accepted share that may be risked.
    """

    truth: ObjectArray = field(default_factory=lambda: np.empty(0, dtype=np.object_))
    protected: Mapping[str, float] = field(default_factory=dict)
    most_share_lost: float = 1.0


NO_BARS = Bars()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a challenger is promoted, why in words, and the figures behind it."""

    promoted: bool
    reason: str
    evidence: dict[str, Any]


def judge(challenger: Measured, champion: Measured | None, bars: Bars = NO_BARS) -> Verdict:
    """Compare two versions on the same holdout answers; arrays are in one order.

    Paired: only answers on which they differ count. A challenger that gets as many right passes:
    it has seen newer labels. ``p_value`` is the exact two-sided sign test (McNemar 1947) and
    ``difference`` the accuracy gained with Tango's interval, shown so that a reader can tell a real
    gain from noise. What else must not be worse is said in ``policies.gate_checks``. Without a
    champion the challenger is promoted: nothing serves, and nothing is accepted on its word until
    the control slice certifies it. Without holdout answers a champion stays.
    """
    accuracy = wilson(_count(challenger.right), len(challenger.right))
    evidence: dict[str, Any] = {"holdout_accuracy": accuracy.as_json()}
    if champion is None:
        return Verdict(promoted=True, reason="the first model", evidence=evidence)
    n = len(challenger.right)
    if n == 0:
        reason = (
            "kept: no holdout task has a human answer yet, so nothing shows that it is no worse"
        )
        return Verdict(promoted=False, reason=reason, evidence=evidence)
    wins = _count(challenger.right & ~champion.right)
    losses = _count(~challenger.right & champion.right)
    checks = _checks((challenger, champion), bars)
    evidence |= {
        "champion_accuracy": wilson(_count(champion.right), n).as_json(),
        "wins": wins,
        "losses": losses,
        "p_value": sign_test(wins, losses),
        "difference": difference(wins, losses, n).as_json(),
        "checks": [check.as_json() for check in checks],
    }
    figures = f"{wins} holdout answers better, {losses} worse, of {n}"
    failed = told(checks, passed=False)
    if wins < losses:
        reason = f"kept: worse than the champion: {figures}" + (f"; {failed}" if failed else "")
    elif failed:
        reason = f"kept: {failed}; accuracy is not worse: {figures}"
    else:
        reason = f"not worse than the champion: {figures}"
    return Verdict(promoted=wins >= losses and not failed, reason=reason, evidence=evidence)


def _checks(versions: tuple[Measured, Measured], bars: Bars) -> list[Check]:
    found = [
        *(
            protected(label, most_loss, bars.truth, versions)
            for label, most_loss in sorted(bars.protected.items())
        ),
        calibration(versions),
        accepted_share(bars.most_share_lost, versions),
    ]
    return [check for check in found if check is not None]


def _count(answers: BoolArray) -> int:
    return int(np.count_nonzero(answers))
