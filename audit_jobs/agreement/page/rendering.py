"""The agreement report as one HTML file that needs nothing from outside: no script, no font."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

from audit_jobs.agreement.votes import VotesAgreement

_WIDTH = 640  # of a chart of intervals, in its own units
_ROW = 26
_LEFT = 190
_MOST_RATERS = 40  # in a heat map, those with most shared units
_MOST_ROWS = 60  # of raters with their intervals


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One interval as it is drawn: places from left to right, None where it is undefined."""

    name: str
    text: str
    y: float
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Intervals under each other on one scale; ``ticks`` are places and what stands there."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One field of a table of colours: its text, what it says when pointed at, 0 to 1."""

    text: str
    title: str
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table of colours."""

    names: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the page: a chart or a grid under a heading, and how to read it."""

    heading: str
    says: str
    chart: Chart | None = None
    grid: Grid | None = None


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
        sections.append(Section(heading="Labels that are mixed up", says=says, grid=grid))
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
            sections.append(Section(heading=f"{name}: two by two", says=says, grid=grid))
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
    return [Section(heading="Workers two by two", says=says, grid=heat_map(pairs, figure))]


def heat_map(pairs: Sequence[Mapping[str, Any]], name: str) -> Grid:
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
        title = f"{one} and {other}: {'no item in common' if figure is None else _said(figure)}"
        value = None if figure is None else figure["value"]
        text = "" if value is None else f"{value:.2f}"
        share = None if value is None else min(max(value, 0.0), 1.0)
        cells[one, other] = cells[other, one] = Cell(text=text, title=title, share=share)
    nobody = Cell(text="", title="", share=None)
    rows = tuple(tuple(cells.get((row, column), nobody) for column in names) for row in names)
    return Grid(names=tuple(names), rows=rows)


def _confusion(labels: Sequence[str], table: Sequence[Sequence[int]]) -> Grid:
    rows = []
    for label, counts in zip(labels, table, strict=True):
        total = sum(counts)
        rows.append(
            tuple(
                Cell(
                    text=f"{count:,}",
                    title=f"{label} where another said {other}: {count:,} of {total:,}",
                    share=count / total if total else None,
                )
                for other, count in zip(labels, counts, strict=True)
            )
        )
    return Grid(names=tuple(labels), rows=tuple(rows))


def chart_of(figures: Mapping[str, Mapping[str, Any]]) -> Chart:
    """Intervals under each other; the figures are plain values by name."""
    bounds = [each[name] for each in figures.values() for name in ("value", "low", "high")]
    known = [bound for bound in bounds if bound is not None]
    # Most figures lie between 0 and 1; kappas go below, an error rate of words above.
    lowest = -1.0 if min(known, default=0) < -0.25 else -0.25 if min(known, default=0) < 0 else 0.0
    lowest, highest = min(lowest, *known, 0.0), max(1.0, *known, 0.0)

    def place(value: float | None) -> float | None:
        if value is None:
            return None
        share = float(value - lowest) / (highest - lowest)
        return float(round(_LEFT + (_WIDTH - _LEFT - 10) * share, 1))

    steps = [lowest + (highest - lowest) * part / 5 for part in range(6)]
    bars = tuple(
        Bar(
            name=name.replace("_", " "),
            text=_said(each),
            y=_ROW * (row + 0.5),
            value=place(each["value"]),
            low=place(each["low"]),
            high=place(each["high"]),
        )
        for row, (name, each) in enumerate(figures.items())
    )
    ticks = tuple((place(step) or 0.0, f"{step:.2f}") for step in steps)
    return Chart(bars=bars, ticks=ticks, height=_ROW * len(bars))


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
    return page.render(title=title, facts=facts, notes=notes, sections=sections, width=_WIDTH)
