"""The agreement report as one HTML file that needs nothing from outside: no script, no font."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from audit_jobs.agreement.votes import VotesAgreement
from backend.charts.bars import BarChart, Row, bar_chart
from backend.charts.heat import Cell, HeatMap
from backend.charts.heat import heat_map as draw_heat_map
from backend.charts.markup import chart_style
from backend.charts.scales import Unit, coefficient

_MOST_RATERS = 40  # in a heat map, those with most shared units
_MOST_ROWS = 60  # of raters with their intervals
_UNDEFINED = "Undefined: it takes tasks that two people answered, and more than one answer."


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the page: a chart under a heading, and how to read it."""

    heading: str
    says: str
    chart: BarChart | HeatMap | None = None


def votes_page(found: VotesAgreement, title: str) -> str:
    """The page of a votes file."""
    report = found.as_json()
    facts = {name: report[name] for name in ("units", "ratings", "raters", "dropped")}
    annotators = sorted(
        report["annotators"],
        key=lambda each: (each["agreement"]["value"] is None, -each["ratings"]),
    )
    sections = [
        Section(
            heading="Agreement of all",
            says="1 is perfect, 0 is chance; raw agreement knows no chance. Bars: 95 % intervals.",
            chart=chart_of(report["measures"]),
        ),
        Section(
            heading="Each worker with the others",
            says=_first("How often another worker gave the item the same label", annotators),
            chart=chart_of({each["rater"]: each["agreement"] for each in annotators[:_MOST_ROWS]}),
        ),
    ]
    if found.by_label:
        labels = {label: estimate.as_json() for label, estimate in found.by_label.items()}
        says = "Where one worker gave the label, how often another one of the item did too."
        sections.append(Section(heading="Label by label", says=says, chart=chart_of(labels)))
    sections += _pair_sections(report["pairs"])
    if found.confusion.size:
        says = (
            "How often one worker said the row where another said the column, as share of the row."
        )
        grid = _confusion(found.ratings.categories, found.confusion.tolist())
        sections.append(Section(heading="Labels that are mixed up", says=says, chart=grid))
    return page_of(title, facts, found.notes, sections)


def export_page(report: Mapping[str, Any], title: str) -> str:
    """The page of a Label Studio export, control by control."""
    facts = {"tasks": report["tasks"], "annotators": len(report["annotators"])}
    sections = []
    for name, control in report["controls"].items():
        says = control["note"] or ""
        heading = f"{name} ({control['type']})"
        chart = chart_of(control["measures"])
        sections.append(Section(heading=heading, says=says, chart=chart))
        pairs = [
            {"raters": pair["annotators"], "agreement": pair["agreement"]}
            for pair in control["pairs"]
        ]
        if pairs:
            says = f"{control['compared_by'].replace('_', ' ')} of each two annotators."
            grid = heat_map(pairs, "agreement")
            sections.append(Section(heading=f"{name}: two by two", says=says, chart=grid))
    notes = [", ".join(filter(None, problem.values())) for problem in report["problems"]]
    return page_of(title, facts, notes, sections)


def pair_figure(pairs: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The kappa that pairs are compared by, the weighted one where there is one, and its name."""
    if any("weighted_kappa" in pair for pair in pairs):
        return "weighted_kappa", "Cohen's weighted kappa"
    return "cohen_kappa", "Cohen's kappa"


def _pair_sections(pairs: Sequence[Mapping[str, Any]]) -> list[Section]:
    if not pairs:
        return []
    figure, title = pair_figure(pairs)
    says = (
        f"{title} on the items that both voted on; empty where there are none or it is undefined."
    )
    return [Section(heading="Workers two by two", says=says, chart=heat_map(pairs, figure))]


def heat_map(pairs: Sequence[Mapping[str, Any]], name: str) -> HeatMap:
    """The raters with most to show first; beyond 40 the others are left out."""
    figures: dict[frozenset[str], Mapping[str, Any]] = {}
    shared: dict[str, int] = {}
    for pair in pairs:
        figures[frozenset(pair["raters"])] = pair[name]
        for rater in pair["raters"]:
            shared[rater] = shared.get(rater, 0) + pair[name]["n"]
    names = sorted(sorted(shared, key=lambda rater: -shared[rater])[:_MOST_RATERS])
    cells: dict[tuple[str, str], Cell] = {}
    for one, other in combinations(names, 2):
        figure = figures.get(frozenset((one, other)))
        says = f"{one} and {other}: {'no item in common' if figure is None else _said(figure)}"
        value = None if figure is None else figure["value"]
        text = "" if value is None else f"{value:.2f}"
        cells[one, other] = cells[other, one] = Cell(text=text, says=says, level=value)
    rows = tuple((row, tuple(cells.get((row, column)) for column in names)) for row in names)
    return _grid(names, rows, "who")


def _confusion(labels: Sequence[str], table: Sequence[Sequence[int]]) -> HeatMap:
    rows = []
    for label, counts in zip(labels, table, strict=True):
        total = sum(counts)
        cells = tuple(
            Cell(
                text=f"{count:,}",
                says=f"{label} where another said {other}: {count:,} of {total:,}",
                level=count / total if total else None,
            )
            for other, count in zip(labels, counts, strict=True)
        )
        rows.append((label, cells))
    return _grid(labels, tuple(rows), "one says / another says")


def _grid(
    names: Sequence[str], rows: tuple[tuple[str, tuple[Cell | None, ...]], ...], corner: str
) -> HeatMap:
    return HeatMap(
        name="chart",
        title="",
        says="",
        empty=_UNDEFINED,
        corner=corner,
        columns=tuple(names),
        rows=rows,
    )


def chart_of(figures: Mapping[str, Mapping[str, Any]], unit: Unit = coefficient) -> BarChart:
    """Figures under each other with their intervals; plain values by name."""
    return BarChart(
        name="chart",
        title="",
        says="",
        empty=_UNDEFINED,
        rows=tuple(
            Row(
                name=name.replace("_", " "),
                values=(each["value"],),
                low=each["low"],
                high=each["high"],
                n=each["n"],
            )
            for name, each in figures.items()
        ),
        parts=("figure",),
        place="of",
        unit=unit,
        most_rows=max(1, len(figures)),
    )


def _said(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return f"undefined (n = {figure['n']:,})"
    if figure["low"] is None or figure["high"] is None:
        return f"{figure['value']:.3f} (n = {figure['n']:,})"
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}], n = {figure['n']:,}"


def _first(says: str, rows: Sequence[object]) -> str:
    if len(rows) <= _MOST_ROWS:
        return f"{says}."
    return f"{says}; the {_MOST_ROWS} with most votes of {len(rows):,}."


def page_of(
    title: str,
    facts: Mapping[str, int],
    notes: Sequence[str],
    sections: Sequence[Section],
) -> str:
    """The whole page: facts on top, what to know first, then the sections."""
    pages = Environment(
        loader=PackageLoader("audit_jobs.agreement.page", "."),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = pages.get_template("page.html")
    drawn = [_drawn(place, section) for place, section in enumerate(sections)]
    return page.render(title=title, facts=facts, notes=notes, sections=drawn, style=chart_style())


def _drawn(place: int, section: Section) -> tuple[Section, Markup]:
    """The section with its chart as markup, under a name that no other has."""
    match section.chart:
        case BarChart() as bars:
            named = replace(bars, name=f"chart-{place}", title=section.heading, says=section.says)
            return section, bar_chart(named)
        case HeatMap() as heat:
            grid = replace(heat, name=f"chart-{place}", title=section.heading, says=section.says)
            return section, draw_heat_map(grid)
        case None:
            return section, Markup()
