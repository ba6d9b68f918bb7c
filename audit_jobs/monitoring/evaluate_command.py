"""``labelgate inferences evaluate``: how often a deployed model is right, from a file alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from audit_jobs.documents.tables import print_report
from audit_jobs.measures.decay import decay_of
from audit_jobs.measures.production_accuracy import Period, measured
from audit_jobs.monitoring.files import EvaluatedFile, read_inferences
from audit_jobs.monitoring.tables import monitoring_tables
from backend.commands.options import Between
from backend.commands.progress import progress
from backend.data_files import DataFileError
from policies.monitoring import Monitoring

_RULE = Monitoring()


@click.command()
@click.argument("file", metavar="FILE.csv", type=click.Path(path_type=Path))
@click.option(
    "--period",
    type=click.Choice(["day", "week", "month"]),
    default=_RULE.period,
    show_default=True,
    help="What the curve has one point for.",
)
@click.option(
    "--baseline",
    type=Between(0, 1),
    help="Accuracy that is expected, as 0.95.  [default: of each version's first 200 verified]",
)
@click.option(
    "--tolerated-drop",
    type=Between(0, 0.5),
    default=_RULE.tolerated_drop,
    show_default=True,
    help="Loss of accuracy from which an alarm is wanted.",
)
@click.option(
    "--slice", "slices", multiple=True, help="A column to tell answers apart; repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def evaluate(  # noqa: PLR0913 - one parameter for each option
    *,
    file: Path,
    period: Period,
    baseline: float | None,
    tolerated_drop: float,
    slices: tuple[str, ...],
    as_json: bool,
) -> None:
    """Tell how often a deployed model is right over time, and whether it gets worse.

    FILE.csv (or .csv.gz) has one line for each answer: its `id`, `at` (a time; UTC where it has no
    zone), `model_version`, `predicted`; `truth`, what people say, empty where nobody looked;
    `share`, the chance with which it was drawn, needed where there is a truth. With all answers in
    the file the intervals are about these very answers; a file of the verified ones alone is
    recognised by its shares, and its intervals are about all that are alike. The exit code is 0
    whatever is found; scripts read `alarm` in the JSON's `decay`.

    Example: labelgate inferences evaluate answers.csv
    """
    try:
        found = read_inferences(file, slices)
    except DataFileError as error:
        raise click.ClickException(str(error)) from error
    with progress("measuring"):
        body = evaluated(found, period, baseline, tolerated_drop)
    print_report(
        body, monitoring_tables(body), "Accuracy in production", kind="json" if as_json else None
    )


def evaluated(
    found: EvaluatedFile, period: Period, baseline: float | None, tolerated_drop: float
) -> dict[str, Any]:
    """The same measures as the job's, and whether the file holds all answers."""
    versions = sorted(set(found.given.versions.tolist()))
    return {
        **measured(found.drawn, found.given, period, listed=True),
        "decay": {
            version: decay_of(
                found.drawn.part(found.drawn.versions == version), baseline, tolerated_drop
            ).as_json()
            for version in versions
        },
        "whole": found.whole,
    }
