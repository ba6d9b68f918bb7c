"""The alert of the audit job: accepted labels pass too rarely, and that they do again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from backend.store.alerts import Alert
from policies.claims import BROKEN

AUDITED = "audit_pass_rate"
ABOUT = "accepted labels"


def alerts_due(
    claim: Mapping[str, Any] | None, standing: Mapping[tuple[str, str], Alert], now: datetime
) -> list[Alert]:
    """The alert to store now, once for each event.

    It opens when audits say that the promise is broken. It is over when nothing is promised any
    more, when another version serves whose audits do not say so, and when the share of errors is
    back at what is promised: a bound that only just gives way is no news.
    """
    before = standing.get((AUDITED, ABOUT))
    broken = claim is not None and claim["decided"] == BROKEN
    if claim is not None and broken and before is None:
        return [_alert(claim, _says(claim), now, opened=True)]
    if before is None or broken:
        return []
    if claim is None:
        return [_alert(before.detail, "nothing is accepted any more", now, opened=False)]
    rate = claim["pass_rate"]["value"]
    if before.detail.get("model_version") != claim["model_version"]:
        says = f"{claim['model_version']} serves now, and no audit breaks its promise"
        return [_alert(claim, says, now, opened=False)]
    if rate is not None and 1 - rate <= claim["max_error_rate"]:
        says = f"{1 - rate:.1%} of the audited labels are wrong, as promised or fewer"
        return [_alert(claim, says, now, opened=False)]
    return []


def _says(claim: Mapping[str, Any]) -> str:
    return (
        f"audits break the promise of {claim['model_version']}: {claim['errors']:,} of "
        f"{claim['audits']:,} audited labels are wrong; promised are at most "
        f"{claim['max_error_rate']:.1%}, and if that held, audits would ever say so with a chance "
        f"of at most {1 - claim['confidence']:.1%}"
    )


def _alert(detail: Mapping[str, Any], says: str, now: datetime, *, opened: bool) -> Alert:
    return Alert(
        name=AUDITED, about=ABOUT, opened=opened, says=says, detail=dict(detail), made_at=now
    )
