"""What it is worth: gain by strategy, cost beside all by hand, the time a loop takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from backend.charts.bars import BarChart, Row, bar_chart
from backend.charts.lines import line_chart
from backend.charts.scales import hours, money, points
from backend.charts.series import LineChart, Point, Series
from backend.figures.gathered import Gathered, body
from policies.loops import PARTS

_HUNDRED = 100
_HOUR = 3600
_MOST_LOOPS = 12
_PARTS = {
    "people": "waiting for labels",
    "trigger": "waiting to begin",
    "training": "training",
    "gate": "gate and promotion",
}


def gain_chart(gathered: Gathered) -> Markup:
    """What a hundred labels are worth, by the part of the queue that asked for them."""
    found = body(gathered.strategies)
    rows = []
    for strategy, gain in found.get("gains", {}).items():
        ends = {key: gain["per_label"][key] for key in ("value", "low", "high")}
        scaled = {key: None if end is None else end * _HUNDRED for key, end in ends.items()}
        rows.append(
            Row(
                name=strategy,
                values=(scaled["value"],),
                low=scaled["low"],
                high=scaled["high"],
                n=gain["labels"],
                note=f"{gain['verdict']}, over {gain['cycles']} cycles",
            )
        )
    return bar_chart(
        BarChart(
            name=gathered.name("gain"),
            title="What a hundred labels are worth, by who asked for them",
            says=_sentence(found.get("says", "")),
            empty="No cycle has been measured yet: a night after a training with new labels it is.",
            rows=tuple(sorted(rows, key=lambda row: -row.total)),
            parts=("accuracy on control tasks",),
            place="strategy",
            unit=points,
        )
    )


def cost_chart(gathered: Gathered) -> Markup:
    """What was spent in all by each cycle, beside what people alone would have cost."""
    spent: list[tuple[str, Mapping[str, Any]]] = [
        (f"cycle {each.body.get('cycle', place)}", each.body)
        for place, each in enumerate(gathered.cycles, 1)
    ]
    now = body(gathered.six).get("cost")
    if now is not None:
        spent.append(("now", now))
    return line_chart(
        LineChart(
            name=gathered.name("cost"),
            title="Cost, beside all by hand",
            says=_saved(now),
            empty="No cost is known yet: the first cycle closes when the first model is promoted.",
            series=(
                Series(name="spent", points=_amounts(spent, "cost")),
                Series(name="all by hand", points=_amounts(spent, "cost_all_manual")),
            ),
            place="cycle",
            unit=money,
            least=0.0,
        )
    )


def _amounts(spent: list[tuple[str, Mapping[str, Any]]], key: str) -> tuple[Point, ...]:
    return tuple(
        Point(at=float(place), name=name, value=each.get(key))
        for place, (name, each) in enumerate(spent)
    )


def _saved(cost: Mapping[str, Any] | None) -> str:
    """All that is known of the money, in a sentence."""
    if cost is None:
        return "In the currency of the policy."
    parts = [f"{cost['cost']:,.2f} spent, all by hand {cost['cost_all_manual']:,.2f}"]
    if cost.get("cost_per_label") is not None:
        parts.append(f"{cost['cost_per_label']:,.3f} for each label")
    avoided = (cost.get("cost_per_avoided_error") or {}).get("value")
    if avoided is not None:
        parts.append(f"{avoided:,.2f} for each error kept out")
    return ", ".join(parts) + "."


def loop_chart(gathered: Gathered) -> Markup:
    """How long each loop took to close, and where its time went."""
    found: Mapping[str, Mapping[str, Any]] = body(gathered.six).get("versions", {})
    closed = {
        version: each["loop_seconds"] for version, each in found.items() if each["loop_seconds"]
    }
    rows = tuple(
        Row(
            name=version,
            values=tuple(_hours(times.get(part)) for part in PARTS),
        )
        for version, times in list(closed.items())[-_MOST_LOOPS:]
    )
    total = (body(gathered.six).get("now", {}).get("loop_seconds") or {}).get("total")
    left = len(closed) - len(rows)
    return bar_chart(
        BarChart(
            name=gathered.name("loops"),
            title="Time to loop close, by parts",
            says=_mean(total),
            empty="No loop has closed yet: the second promoted version closes the first.",
            rows=rows,
            parts=tuple(_PARTS[part] for part in PARTS),
            place="version whose loop closed",
            unit=hours,
            notes=(f"{left:,} earlier loops are left out.",) if left > 0 else (),
        )
    )


def _hours(figure: Mapping[str, Any] | None) -> float | None:
    return None if not figure or figure["value"] is None else figure["value"] / _HOUR


def _mean(total: Mapping[str, Any] | None) -> str:
    mean = _hours(total)
    if mean is None or total is None:
        return ""
    return (
        f"{hours(mean)} on average over {total['n']:,} loops, from a version's first prediction to "
        "the promotion of the next."
    )


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}." if words else ""
