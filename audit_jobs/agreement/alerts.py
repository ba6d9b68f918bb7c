"""Alerts of the agreement job: a control under the policy's minimum, and that it recovered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audit_jobs.agreement.projects import ALPHA
from backend.store.alerts import Alert
from policies.low_agreement import Standing

LOW_AGREEMENT = "agreement"
_LOW = frozenset({Standing.CERTAIN, Standing.LIKELY})


def alerts_due(
    body: dict[str, Any], standing: Mapping[tuple[str, str], Alert], now: datetime
) -> list[Alert]:
    """The alerts to store now, once for each event; adds those that then stand to the report.

    An alert that stands is not opened again. It is over when the value reaches the minimum, and
    when the control or the minimum is gone; figures that cannot tell leave it as it is.
    """
    due: list[Alert] = []
    told: list[dict[str, Any]] = []
    opened = {about: alert for (name, about), alert in standing.items() if name == LOW_AGREEMENT}
    for control, found in body["controls"].items():
        before = opened.pop(control, None)
        if found["standing"] is None:
            if before is not None:
                due.append(before.over(f"{control}: the policy has no minimum any more", now))
            continue
        detail = {
            "alpha": found["slices"][found["judged_by"]][ALPHA],
            "slice": found["judged_by"],
            "minimum": body["minimum_alpha"],
            "certainty": found["standing"],
        }
        low = Standing(found["standing"]) in _LOW
        if low and before is None:
            before = _opened(control, detail, now)
            due.append(before)
        elif before is not None and found["standing"] == Standing.FINE:
            due.append(before.over(_recovered(control, detail), now))
            continue
        if before is not None:
            told.append({"about": control, "since": before.made_at.isoformat(), **detail})
    due += [
        alert.over(f"{about}: nobody is asked it any more", now) for about, alert in opened.items()
    ]
    body["alerts"] = told
    return due


def _opened(control: str, detail: dict[str, Any], now: datetime) -> Alert:
    alpha, sure = detail["alpha"], detail["certainty"] == Standing.CERTAIN
    says = (
        f"{control}: people agree too little on the routed queue: alpha {alpha['value']:.3f} "
        f"({alpha['n']} tasks) is {'certainly' if sure else 'likely'} under the policy's minimum "
        f"of {detail['minimum']:g}"
    )
    return Alert(
        name=LOW_AGREEMENT, about=control, opened=True, says=says, detail=detail, made_at=now
    )


def _recovered(control: str, detail: Mapping[str, Any]) -> str:
    value = detail["alpha"]["value"]
    return f"{control}: alpha {value:.3f} reaches the policy's minimum of {detail['minimum']:g}"
