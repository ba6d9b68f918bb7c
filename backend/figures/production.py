"""How often deployed models are right, over the periods in which their answers were verified."""

from __future__ import annotations

from markupsafe import Markup

from backend.charts.lines import line_chart
from backend.charts.series import LineChart, Series, Threshold, points_of
from backend.figures.gathered import Gathered

_MOST_PERIODS = 60


def production_chart(gathered: Gathered) -> Markup | None:
    """The accuracy of all versions together, with what is expected of the newest.

    None where no deployed model is watched.
    """
    report = gathered.monitoring
    if report is None:
        return None
    of_all = [each for each in report.body["curve"] if each["model_version"] is None]
    decay = report.body["decay"].get(report.model_version or "")
    expected = decay["baseline"] if decay else None
    figures = [(each["period"], each["accuracy"]) for each in of_all[-_MOST_PERIODS:]]
    return line_chart(
        LineChart(
            name=gathered.name("production"),
            title=f"Accuracy in production, by {report.body['period']}",
            says="As people verify answers that were drawn.",
            empty="No answer of a deployed model is verified yet: drawn ones wait for people.",
            series=(Series(name="right", points=points_of(figures)),),
            place=report.body["period"],
            most=1.0,
            thresholds=()
            if expected is None
            else (Threshold(name="expected", value=expected["accuracy"]),),
        )
    )
