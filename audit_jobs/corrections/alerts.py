"""Alerts of the corrections job: a correction rate outside of the policy's band, and its return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from backend.store.alerts import Alert
from policies.correction_bands import Band, CorrectionBands, band_of
from policies.domain import Estimate

CORRECTION_RATE = "correction_rate"
TOO_LOW, TOO_HIGH = "too few corrections", "too many corrections"


def alerts_due(
    body: dict[str, Any],
    bands: CorrectionBands,
    standing: Mapping[tuple[str, str], Alert],
    now: datetime,
) -> list[Alert]:
    """The alerts to store now, once for each event; adds those that then stand to the report.

    One opens when the whole interval of the newest answers is beyond the bound, and is over when
    the whole interval is back on the other side of it; what lies between leaves it as it is.
    """
    recent = Estimate(**{name: body["recent"][name] for name in ("value", "low", "high", "n")})
    band = band_of(recent, bands)
    outside = {TOO_LOW: band is Band.UNDER, TOO_HIGH: band is Band.OVER}
    back = {
        TOO_LOW: recent.low is not None and recent.low >= bands.low,
        TOO_HIGH: recent.high is not None and recent.high <= bands.high,
    }
    detail = {"rate": recent.as_json(), "low": bands.low, "high": bands.high}
    due: list[Alert] = []
    told: list[dict[str, Any]] = []
    for about in (TOO_LOW, TOO_HIGH):
        alert = standing.get((CORRECTION_RATE, about))
        if alert is None and outside[about]:
            says = f"{_rate(recent)}: {body['recent']['says']}"
            alert = Alert(
                name=CORRECTION_RATE,
                about=about,
                opened=True,
                says=says,
                detail={**detail, "model_version": body["model_version"]},
                made_at=now,
            )
            due.append(alert)
        elif alert is not None and back[about]:
            says = f"{_rate(recent)}: back from {about}"
            due.append(replace(alert, opened=False, says=says, detail=detail, made_at=now))
            continue
        if alert is not None:
            told.append({"about": about, "since": alert.made_at.isoformat(), **detail})
    body["alerts"] = told
    return due


def _rate(recent: Estimate) -> str:
    return (
        f"people corrected {recent.value:.1%} of the last {recent.n:,} shown pre-labels "
        f"({recent.low:.1%} to {recent.high:.1%})"
    )
