"""Whether the traffic changes: each feature and each class, look by look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from backend.charts.heat import Cell, HeatMap, heat_map
from backend.charts.lines import line_chart
from backend.charts.scales import percent
from backend.charts.series import LineChart, Point, Series
from backend.figures.gathered import Gathered
from backend.store.reports import Report

_MOST_LOOKS = 10
_MOST_FEATURES = 20
_MOST_CLASSES = 6
# An adjusted p-value of 1 in 10,000 has the darkest shade: nobody needs more.
_DARKEST = 4.0
_EMPTY = (
    "No look at the traffic has been taken yet: it takes a version that serves and a few hundred "
    "new tasks."
)


def feature_map(gathered: Gathered) -> Markup:
    """A row for each feature, a column for each look: how surprising it is, how much it changed."""
    looks = [each for each in gathered.drifts if each.body.get("features")][-_MOST_LOOKS:]
    names = _features(looks)
    shown = names[:_MOST_FEATURES]
    found = [{each["name"]: each for each in look.body["features"]} for look in looks]
    levels = [_level(look) for look in looks]
    left = len(names) - len(shown)
    return heat_map(
        HeatMap(
            name=gathered.name("drift"),
            title="Drift, by feature",
            says=_says(looks),
            empty=_EMPTY,
            corner="feature (down), look (across)",
            columns=tuple(f"{look.made_at:%m-%d %H:%M}" for look in looks),
            rows=tuple(
                (
                    name,
                    tuple(
                        _cell(each.get(name), level)
                        for each, level in zip(found, levels, strict=True)
                    ),
                )
                for name in shown
            ),
            scale=("as before", "changed"),
            notes=(f"{left:,} features that changed less are left out.",) if left > 0 else (),
        )
    )


def _says(looks: list[Report]) -> str:
    if not looks:
        return ""
    newest = looks[-1]
    changed = [each["name"] for each in newest.body["features"] if _changed(each, _level(newest))]
    when = f"{newest.made_at:%Y-%m-%d %H:%M} UTC"
    if not changed:
        return f"The newest look ({when}) found nothing that chance does not explain."
    return f"The newest look ({when}) found changed: {', '.join(changed)}."


def _features(looks: list[Report]) -> list[str]:
    """The surest of the newest look first; those of earlier looks alone after them."""
    ordered: list[str] = []
    for look in reversed(looks):
        each = sorted(
            look.body["features"],
            key=lambda found: (
                1.0 if found["p_adjusted"] is None else found["p_adjusted"],
                found["name"],
            ),
        )
        ordered += [found["name"] for found in each]
    return list(dict.fromkeys(ordered))


def _level(look: Report) -> float:
    """The chance of a false alarm that the look had."""
    found: float = look.body.get("false_alarm", {}).get("this_look", 0.0)
    return found


def _changed(found: Mapping[str, Any], level: float) -> bool:
    return found["p_adjusted"] is not None and found["p_adjusted"] <= level


def _cell(found: Mapping[str, Any] | None, level: float) -> Cell | None:
    if found is None:
        return None
    p_value = found["p_adjusted"]
    effect = "" if found["psi"] is None else f"PSI {found['psi']:.2f}"
    if p_value is None:
        return Cell(text="-", detail=effect, says=found["note"] or "could not be tested")
    mark = "changed, " if _changed(found, level) else ""
    written = f"p {p_value:.3f}" if p_value >= 0.001 else "p < 0.001"
    expected = (
        ""
        if found["psi_expected"] is None
        else f"; a PSI of {found['psi_expected']:.2f} is expected where nothing changed"
    )
    return Cell(
        text=mark + written,
        detail=effect,
        level=min(1.0, -math.log10(max(p_value, 1e-12)) / _DARKEST),
        says=f"{found['test']}, p-value adjusted over all features{expected}",
    )


def class_chart(gathered: Gathered) -> Markup:
    """The share of each class in the traffic, those first that moved most."""
    looks = [each for each in gathered.drifts if each.body.get("label_shift")]
    shares = looks[-1].body["label_shift"] if looks else {}
    moved = sorted(
        shares, key=lambda label: -abs(shares[label]["current"] - shares[label]["reference"])
    )
    first = moved[0] if moved else None
    left = len(moved) - _MOST_CLASSES
    return line_chart(
        LineChart(
            name=gathered.name("classes"),
            title="Share of each class, look by look",
            says=""
            if first is None
            else f"Moved most: {gathered.words(first)}, from "
            f"{percent(shares[first]['reference'])} when the version was made to "
            f"{percent(shares[first]['current'])}.",
            empty=_EMPTY,
            series=tuple(
                Series(name=gathered.words(label), points=_shares(looks, label))
                for label in moved[:_MOST_CLASSES]
            ),
            place="look",
            unit=percent,
            least=0.0,
            most=1.0,
            notes=(f"{left:,} classes that moved less are left out.",) if left > 0 else (),
        )
    )


def _shares(looks: list[Report], label: str) -> tuple[Point, ...]:
    reference = looks[0].body["label_shift"].get(label, {}).get("reference")
    return (
        Point(at=0.0, name="reference", value=reference),
        *(
            Point(
                at=float(place),
                name=f"{look.made_at:%m-%d %H:%M}",
                value=look.body["label_shift"].get(label, {}).get("current"),
            )
            for place, look in enumerate(looks, start=1)
        ),
    )
