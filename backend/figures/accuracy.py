"""How often each version is right on the holdout, which no version has learned from."""

from __future__ import annotations

from markupsafe import Markup

from backend.charts.lines import line_chart
from backend.charts.scales import percent
from backend.charts.series import Event, LineChart, Series, beside, points_of
from backend.figures.gathered import Gathered
from backend.store.models import CHAMPION
from backend.store.promotions import Kind

_MOST_VERSIONS = 60
_EMPTY = (
    "No version has been measured yet: the first training measures it, on tasks that people "
    "labelled for the holdout."
)


def accuracy_chart(gathered: Gathered) -> Markup:
    """The versions in their order, with the moments at which one began to serve."""
    shown = gathered.versions[-_MOST_VERSIONS:]
    figures = [(each.version, each.verdict.get("holdout_accuracy")) for each in shown]
    places = {each.version: float(place) for place, each in enumerate(shown)}
    return line_chart(
        LineChart(
            name=gathered.name("accuracy"),
            title="Accuracy on the holdout, by version",
            says=_says(gathered),
            empty=_EMPTY,
            series=(Series(name="right on the holdout", points=points_of(figures)),),
            place="version",
            most=1.0,
            events=tuple(
                Event(
                    name=f"{_WORDS[each.kind]}: {each.version}",
                    at=places[each.version],
                    kind="bad" if each.kind is Kind.ROLLBACK else "good",
                )
                for each in gathered.promotions
                if each.version in places
            ),
        )
    )


_WORDS = {
    Kind.GATE: "promoted",
    Kind.SHADOW: "promoted",
    Kind.PROMOTE: "promoted",
    Kind.REPORTED: "promoted",
    Kind.ROLLBACK: "rolled back to",
}


def _says(gathered: Gathered) -> str:
    serving = next((each for each in gathered.versions if each.state == CHAMPION), None)
    if serving is None:
        return "No version serves yet: every task goes to people."
    found = serving.verdict.get("holdout_accuracy")
    if not found or found.get("value") is None:
        return f"{serving.version} serves, and nobody has labelled a holdout task yet."
    rests = beside(found["low"], found["high"], found["n"], percent)
    return (
        f"{serving.version} serves and is right on {percent(found['value'])} of the holdout{rests}."
    )
