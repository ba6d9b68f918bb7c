"""``labelgate drift``: whether the tasks of one file differ from those of another."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from audit_jobs.drift.files import FileComparison, compare_files
from audit_jobs.measures.drift import Finding
from backend.commands.errors import clear_errors
from backend.commands.output import new_table, show, tell_json
from backend.commands.progress import progress
from backend.data_files import DataFileError

_MOST_SHOWN = 10
_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("reference", type=_FILE)
@click.argument("current", type=_FILE)
@click.option(
    "--label-column",
    help="Column that holds the predicted label.  [default: predicted, where there is one]",
)
@click.option(
    "--false-alarm",
    type=click.FloatRange(0, 0.5, min_open=True),
    default=0.05,
    show_default=True,
    help="Chance of an alarm where nothing changed, over all columns.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@clear_errors
def drift(
    reference: Path, current: Path, label_column: str | None, false_alarm: float, *, as_json: bool
) -> None:
    """Tell whether the tasks of CURRENT differ from those of REFERENCE.

    Both are CSV files (or .csv.gz) with some columns in common: texts, numbers and categories are
    told apart by their values, ids are left out, and the output says what each was taken for.
    Of texts the length, the language and the topics are compared. Every p-value is adjusted for
    all the others; PSI is shown as a size beside what chance alone makes of it, and decides
    nothing.

    Columns p_LABEL that sum to 1 in every row are a model's calibrated probabilities: the shares
    of the true labels are then estimated from them (EM). The command exits with 0 whether
    anything drifted or not; scripts read `drifted` of the JSON.

    Example: labelgate drift last-month.csv this-month.csv
    """
    try:
        with progress("comparing"):
            found = compare_files(reference, current, label_column, false_alarm)
    except DataFileError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        tell_json(found.as_json(), indent=True)
    else:
        show(*_tables(found, false_alarm))


def _tables(found: FileComparison, false_alarm: float) -> list[Table | str]:
    rows, comparison = found.rows, found.comparison
    says = "[red]drifted[/]" if comparison.drifted else "no drift found"
    head = (
        f"{says}, at {false_alarm:g} false alarms over all features: {rows['current']:,} rows "
        f"against {rows['reference']:,}"
    )
    kinds = ", ".join(f"{escape(name)} ({kind})" for name, kind in found.columns.items())
    tables: list[Table | str] = [head, f"columns: {kinds}"]
    tables += [f"[yellow]{escape(note)}[/]" for note in comparison.notes]
    tables.append(_features(comparison.findings))
    if comparison.labels:
        shown = sorted(comparison.labels, key=lambda each: -abs(each.current - each.reference))
        table = new_table(title="Labels that moved most")
        for name in ("label", "reference", "current", "p (adjusted)"):
            table.add_column(name, justify="left" if name == "label" else "right")
        for each in shown[:_MOST_SHOWN]:
            now = each.current if each.estimated is None else each.estimated
            p = _figure(each.p_adjusted)
            table.add_row(escape(each.label), f"{each.reference:.1%}", f"{now:.1%}", p)
        tables.append(table)
    return tables


def _features(findings: list[Finding]) -> Table:
    table = new_table(title="Features")
    for name in ("feature", "test", "p (adjusted)", "PSI", "PSI by chance", "note"):
        table.add_column(name, justify="right" if name[:1] in "pP" else "left")
    for each in findings:
        table.add_row(
            escape(each.name),
            each.test.value,
            _figure(each.p_adjusted),
            _figure(each.psi),
            _figure(each.psi_expected),
            escape(each.note or ""),
        )
    return table


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"
