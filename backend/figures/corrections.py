"""What people correct of what they are shown, and what the model takes for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from backend.charts.heat import Cell, HeatMap, heat_map
from backend.charts.lines import line_chart
from backend.charts.scales import percent
from backend.charts.series import LineChart, Series, Threshold, points_of, told
from backend.figures.gathered import Gathered, body

_MOST_LABELS = 12
_MOST_PAIRS = 10
_NO_ANSWER = "Nobody has answered a shown pre-label yet: the first answers to routed tasks do."
_OTHERS = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """A pair of labels that is mixed up, with links to the very tasks in Label Studio.

    ``lift`` is how many times as often as by chance, None where that is unknown; ``lacks`` what
    the pair asks for, in words, "" where nothing is known.
    """

    predicted: str
    said: str
    count: int
    lift: float | None
    lacks: str
    decisions: str
    tasks: tuple[tuple[str, str], ...]


_LACKS = {
    "training data": "few training examples of the right label",
    "guideline": "people mix the two up as well: the guideline should say more",
    "training data and guideline": "few training examples, and people mix the two up as well",
    "model": "people agree and examples are there: look at what the model sees",
}


def correction_chart(gathered: Gathered) -> Markup:
    """The share of shown pre-labels that people change, by week, between its bands."""
    found = body(gathered.corrections)
    weeks = found.get("weeks", {})
    bands = gathered.policy.corrections
    blind = [(week, each.get("blind_error")) for week, each in weeks.items()]
    return line_chart(
        LineChart(
            name=gathered.name("corrections"),
            title="Correction rate, by week",
            says=_says(found),
            empty=_NO_ANSWER,
            series=(
                Series(
                    name="corrected of what was shown",
                    points=points_of([(week, each["rate"]) for week, each in weeks.items()]),
                ),
                Series(name="wrong where people answered blind", points=points_of(blind)),
            ),
            place="week of the answer",
            least=0.0,
            most=1.0,
            thresholds=(
                Threshold(name="over it pre-labels do not help", value=bands.high),
                Threshold(name="under it the threshold is too cautious", value=bands.low),
            ),
        )
    )


def _says(found: Mapping[str, Any]) -> str:
    recent = found.get("recent") or {}
    if recent.get("value") is None:
        return ""
    figure = told(recent["value"], recent["low"], recent["high"], recent["n"], percent)
    return f"Of the newest shown pre-labels people change {figure}; {recent['says']}."


def confusion_map(gathered: Gathered) -> Markup:
    """How often the model says one label and people another; each cell leads to its decisions."""
    pairs = body(gathered.corrections).get("confusions", ())
    counted: Counter[tuple[str, str]] = Counter()
    for each in pairs:
        counted[each["from"], each["to"]] += each["count"]
    names = _labels(counted)
    cells: Counter[tuple[str, str]] = Counter()
    for (predicted, said), number in counted.items():
        cells[_in(names, predicted), _in(names, said)] += number
    shown = [*names, *([_OTHERS] if any(_OTHERS in pair for pair in cells) else [])]
    most = max(cells.values(), default=1)
    first = pairs[0] if pairs else None
    return heat_map(
        HeatMap(
            name=gathered.name("confusions"),
            title="What the model takes for what",
            says=""
            if first is None
            else f"Most often it says {gathered.words(first['from'])} where people say "
            f"{gathered.words(first['to'])}: {first['count']:,} tasks. A number leads to them.",
            empty="People have contradicted the model nowhere yet.",
            corner="model says (down), people say (across)",
            columns=tuple(gathered.words(name) for name in shown),
            rows=tuple(
                (
                    gathered.words(predicted),
                    tuple(
                        _cell(gathered, (predicted, said), cells[predicted, said], most)
                        for said in shown
                    ),
                )
                for predicted in shown
                if any(cells[predicted, said] for said in shown)
            ),
            scale=("fewer tasks", "more"),
        )
    )


def _labels(counted: Counter[tuple[str, str]]) -> list[str]:
    """The labels that are mixed up most, as many as there is room for."""
    weight: Counter[str] = Counter()
    for pair, number in counted.items():
        for label in pair:
            weight[label] += number
    return sorted(label for label, _ in weight.most_common(_MOST_LABELS))


def _in(names: list[str], label: str) -> str:
    return label if label in names else _OTHERS


def _cell(gathered: Gathered, pair: tuple[str, str], number: int, most: int) -> Cell | None:
    if not number:
        return None
    predicted, said = pair
    leads = _OTHERS not in pair
    return Cell(
        text=f"{number:,}",
        level=number / most,
        says=f"{number:,} tasks: the model says {gathered.words(predicted)}, people say "
        f"{gathered.words(said)}",
        href=gathered.decisions_link(label=predicted, human=said) if leads else None,
    )


def confused_pairs(gathered: Gathered) -> list[Confusion]:
    """The most frequent pairs, each with the tasks that show it, for who wants to look at them."""
    return [
        Confusion(
            predicted=gathered.words(each["from"]),
            said=gathered.words(each["to"]),
            count=each["count"],
            lift=each.get("lift"),
            lacks=_LACKS.get(each.get("lacks") or "", ""),
            decisions=gathered.decisions_link(label=each["from"], human=each["to"]),
            tasks=tuple((task, gathered.task_link(task)) for task in each.get("examples", ())),
        )
        for each in body(gathered.corrections).get("confusions", ())[:_MOST_PAIRS]
    ]
