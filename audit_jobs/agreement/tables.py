"""Figures of agreement as tables for a terminal, and the report of a project in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from audit_jobs.documents.tables import FIGURE, figure_cells
from backend.commands.output import new_table

MOST_SHOWN = 10
_ALPHA = "krippendorff_alpha"


def lowest(title: str, heading: str, rows: list[tuple[str, Mapping[str, Any]]]) -> Table:
    """Those who surely agree least: by the upper bound, so that few votes alone put nobody here."""
    known = [row for row in rows if row[1]["high"] is not None]
    unknown = [row for row in rows if row[1]["high"] is None]
    shown = [*sorted(known, key=lambda row: float(row[1]["high"])), *unknown][:MOST_SHOWN]
    more = f", the {MOST_SHOWN} lowest of {len(rows):,}" if len(rows) > MOST_SHOWN else ""
    return table(title + more, heading, shown)


def table(title: str, heading: str, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Table:
    """A figure a row, with its interval and what it rests on."""
    made = new_table(title=escape(title))
    made.add_column(heading)
    for column in FIGURE:
        made.add_column(column, justify="right")
    for name, each in rows:
        made.add_row(*map(escape, figure_cells(name, each, "{:.4f}")))
    return made


def project_tables(report: Mapping[str, Any], title: str) -> list[Table | str]:
    """What the page of a project has, in short."""
    head = (
        f"{escape(title)}: {report['tasks']:,} tasks read by two people or more, "
        f"{report['votes']:,} answers, {len(report['annotators']):,} annotators"
    )
    shown: list[Table | str] = [head]
    for alert in report["alerts"]:
        low = f"alpha {alert['alpha']['value']:.4f} on the routed queue"
        shown.append(
            f"[red]{escape(alert['about'])}: {low} is {alert['certainty']} to be under the "
            f"policy's minimum of {alert['minimum']:g}[/]"
        )
    for name, control in report["controls"].items():
        shown += _control(name, control)
    return shown


def _control(name: str, control: Mapping[str, Any]) -> Iterator[Table | str]:
    if control["note"]:
        yield f"[yellow]{escape(name)}: {escape(control['note'])}[/]"
    measures = control["measures"]
    if not measures:
        return
    yield table(f"{name} ({control['type']}), all answers", "measure", measures.items())
    figure = _ALPHA if _ALPHA in measures else control["compared_by"]
    parts = {part: each[figure] for part, each in control["slices"].items()}
    estimated = control["whole"]["measures"].get(figure)
    if estimated is not None:
        parts["whole, estimated"] = estimated
    yield table(f"{name}: {figure} apart", "slice", parts.items())
    if control["whole"]["note"]:
        yield f"[yellow]{escape(name)}: {escape(control['whole']['note'])}[/]"
    pairs = [(" and ".join(each["annotators"]), each["agreement"]) for each in control["pairs"]]
    yield lowest(f"{name}: two annotators", "annotators", pairs)
    for pair in (control["guideline"] or {"pairs": ()})["pairs"]:
        examples = ", ".join(map(str, pair["examples"]))
        yield escape(
            f"{name}: {' and '.join(pair['labels'])} are mixed up on {pair['units']} tasks, "
            f"such as {examples}"
        )
