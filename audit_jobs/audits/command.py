"""``labelgate audit``: how many audits a claim needs, what they say, and when they say stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.markup import escape

from audit_jobs.agreement.exports import begins_as_json
from audit_jobs.audits.draw_command import draw
from audit_jobs.audits.files import Audits, read_audits, read_stream
from audit_jobs.audits.passing import MEASURES, evaluate_export
from audit_jobs.measures.audits import pass_rate, pass_rates
from backend.commands.options import CONFIDENCE, MAX_ERROR, Between
from backend.commands.output import new_table, show, tell, tell_json
from backend.commands.progress import progress
from backend.data_files import DataFileError
from connectors.label_studio.exports import ExportError
from policies.change_detection import THRESHOLD, Detection, detect
from policies.claims import sample_size
from policies.domain import Estimate

_FILE = click.Path(path_type=Path)
_MOST_ERRORS = 5
_MAX_ERROR_HELP = "Largest share of the accepted labels that may be wrong, as 0.02."


@click.group()
def audit() -> None:
    """Check what was accepted without a person: plan audits, measure them, watch them."""


audit.add_command(draw)


@audit.command()
@click.option("--max-error", required=True, type=MAX_ERROR, help=_MAX_ERROR_HELP)
@click.option(
    "--confidence",
    required=True,
    type=CONFIDENCE,
    help="With which probability the claim must hold, as 0.95.",
)
@click.option(
    "--accepted",
    type=click.IntRange(min=1),
    help="How many labels there are to draw from; a small number needs fewer audits.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def plan(max_error: float, confidence: float, accepted: int | None, *, as_json: bool) -> None:
    """Say how many audits prove that no more than so many labels are wrong.

    The number holds for audits drawn with equal chances, and for the number of errors that is
    decided on beforehand: asking for more audits after each error makes the proof weaker.

    Example: labelgate audit plan --max-error 0.02 --confidence 0.95
    """
    sizes = {
        errors: sample_size(max_error, confidence, errors, accepted)
        for errors in range(_MOST_ERRORS + 1)
    }
    if as_json:
        report = {
            "sample_size": sizes[0],
            "if_errors": [
                {"errors": errors, "sample_size": size} for errors, size in sizes.items() if errors
            ],
            "max_error_rate": max_error,
            "confidence": confidence,
            "accepted": accepted,
        }
        tell_json(report, indent=True)
        return
    of = "" if accepted is None else f" of {accepted:,} labels"
    table = new_table(title=f"At most {max_error:.1%}{of} wrong, with {confidence:.1%} confidence")
    table.add_column("errors found", justify="right")
    table.add_column("audits that prove it", justify="right")
    for errors, size in sizes.items():
        table.add_row(str(errors), "none: too many are wrong" if size is None else f"{size:,}")
    show(table)


@audit.command()
@click.argument("file", metavar="FILE", type=_FILE)
@click.option(
    "--measure",
    type=click.Choice(MEASURES),
    help="Of an export: how a prediction is compared with the annotation; default: exact.",
)
@click.option(
    "--at-least",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Of an export: from which value of the measure on a prediction passes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def evaluate(file: Path, measure: str | None, at_least: float, *, as_json: bool) -> None:
    """Estimate the share of accepted labels that is right, from audits with known chances.

    FILE.csv (or .csv.gz) has one line for each audit: its `id`; `label`, what was accepted;
    `passed`, whether the auditor agreed (1, 0, true, false, yes or no); `inclusion_probability`,
    the chance with which it was drawn. Each audit counts as many labels as it stands for, so labels
    that were audited more often do not count for more. Intervals are 95 %.

    FILE.json (or .json.gz) is a Label Studio export: every task's prediction is compared with its
    annotation by `--measure`, and passes from `--at-least` on. What the measure is not made for
    must be the same.

    Example: labelgate audit evaluate audits.csv
    """
    try:
        audits, left_out = _audits(file, measure, at_least)
    except (DataFileError, ExportError, OSError) as error:
        raise click.ClickException(str(error)) from error
    overall = pass_rate(audits.passed, audits.chances)
    by_label = {
        label: found.estimate
        for label, found in pass_rates(audits.labels, audits.passed, audits.chances).items()
    }
    if as_json:
        report = {
            "pass_rate": overall.estimate.as_json(),
            "effective_n": overall.effective_n,
            "by_label": {label: each.as_json() for label, each in by_label.items()},
            **left_out,
        }
        tell_json(report, indent=True)
        return
    tell(
        f"{_interval(overall.estimate)} of the accepted labels pass; {overall.estimate.n:,} audits "
        f"say as much as {overall.effective_n:,.0f} drawn with equal chances"
    )
    table = new_table()
    for column in ("label", "pass", "audits"):
        table.add_column(column, justify="left" if column == "label" else "right")
    for label, each in by_label.items():
        table.add_row(escape(label), _interval(each), f"{each.n:,}")
    show(table)
    for name, tasks in left_out.items():
        if tasks:
            tell(f"{tasks:,} tasks {name.replace('_', ' ')} are left out")


@progress("reading")
def _audits(file: Path, measure: str | None, at_least: float) -> tuple[Audits, dict[str, int]]:
    """The audits of either kind of file, and how many tasks of an export cannot be compared."""
    if not begins_as_json(file):
        if measure is not None:
            raise click.UsageError("--measure is for a Label Studio export; a CSV says what passed")
        return read_audits(file), {}
    found = evaluate_export(file, measure or MEASURES[0], at_least)
    audits = Audits(
        labels=np.array([task.label for task in found.tasks], dtype=np.object_),
        passed=np.array([task.passed for task in found.tasks], dtype=np.bool_),
        chances=np.array([task.inclusion_probability for task in found.tasks]),
    )
    return audits, {
        "without_annotation": found.without_annotation,
        "without_prediction": found.without_prediction,
    }


@audit.command()
@click.argument("file", metavar="FILE.csv", type=_FILE)
@click.option("--max-error", required=True, type=MAX_ERROR, help=_MAX_ERROR_HELP)
@click.option(
    "--threshold",
    type=Between(1, 1e12),
    default=THRESHOLD,
    show_default=True,
    help="Audits between false alarms, on average, where exactly --max-error is wrong.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def monitor(file: Path, max_error: float, threshold: float, *, as_json: bool) -> None:
    """Find where audits say that more labels are wrong than promised, and since when.

    FILE.csv (or .csv.gz) has one line for each audit, in the order of time: `passed` (1, 0, true,
    false, yes or no) and, where audits had different chances of being drawn,
    `inclusion_probability`. `tripped_at` is the number of the audit, counted from 1, at which
    auto-accept would have been stopped.

    Example: labelgate audit monitor audits.csv --max-error 0.02
    """
    try:
        passed, chances = read_stream(file)
    except DataFileError as error:
        raise click.ClickException(str(error)) from error
    weights = None if chances is None else chances.min() / chances
    found = detect(~passed, max_error, weights, threshold)
    if as_json:
        tell_json(_as_json(found, len(passed)), indent=True)
        return
    wrong = int(np.count_nonzero(~passed))
    tell(f"{len(passed):,} audits, {wrong:,} found wrong; promised: at most {max_error:.2%}")
    tell(_told(found, threshold))


def _as_json(found: Detection, audits: int) -> dict[str, Any]:
    """What was found, with audits counted from 1."""
    return {
        "tripped_at": None if found.tripped_at is None else found.tripped_at + 1,
        "statistic": found.statistic,
        "changed_at": None if found.change_at is None else found.change_at + 1,
        "audits": audits,
    }


def _told(found: Detection, threshold: float) -> str:
    figure = f"the statistic is {found.statistic:,.1f}, the threshold {threshold:,.0f}"
    if found.tripped_at is None or found.change_at is None:
        return f"Not tripped: {figure}"
    return (
        f"Tripped at audit {found.tripped_at + 1:,}: {figure}. More are wrong most likely from "
        f"audit {found.change_at + 1:,} on: recall what was accepted since the one before"
    )


def _interval(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "-"
    return f"{estimate.value:.2%} ({estimate.low:.2%} to {estimate.high:.2%})"
