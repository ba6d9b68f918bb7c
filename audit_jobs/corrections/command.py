"""``labelgate corrections``: what people correct, what pre-labels gain, what the model mixes up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from audit_jobs.corrections.figures import figures, unclear_of
from audit_jobs.corrections.files import UNKNOWN_REVIEWER, read_answers
from audit_jobs.corrections.report import tables
from audit_jobs.corrections.views import NoSuchConfusionError, show_confusion
from audit_jobs.documents.options import in_any_form
from audit_jobs.documents.tables import print_report
from audit_jobs.measures.corrections import Answers
from audit_jobs.measures.model_confusions import Background
from audit_jobs.measures.ratings import ratings_of
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import tell
from backend.commands.progress import progress
from backend.data_files import DataFileError
from backend.store.reports import CORRECTIONS, newest_report
from policies.correction_bands import CorrectionBands

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("file", metavar="[FILE]", type=_FILE, required=False)
@click.option("--project", help="Number or title of a connected project, instead of FILE.")
@in_any_form()
@click.option(
    "--view",
    nargs=2,
    metavar="FROM TO",
    help="With --project: show the tasks of this confusion as a view in Label Studio.",
)
@clear_errors
def corrections(
    file: Path | None,
    project: str | None,
    kind: str | None,
    out: Path | None,
    view: tuple[str, str] | None,
) -> None:
    """Measure how often people correct the model, and which labels it takes for which.

    FILE is a CSV (or .csv.gz) with the columns `id`, `predicted`, `label` (what the person said)
    and `shown` (1 or true where the person saw the prediction); `tier`, `reviewer`, `seconds`,
    `score` and `inclusion_probability` (of blind rows) are used where they are there. Every row is
    an answer.

    The correction rate is about shown pre-labels, the blind error about rows that were not shown.
    Confusions are counted over both. A figure that is undefined is null in JSON.

    With --project it is the last report of the job `corrections` that is shown.

    Example: labelgate corrections answers.csv
    """
    if (file is None) == (project is None):
        raise click.UsageError("give a FILE, or --project with a connected project")
    if view is not None and (project is None or kind or out):
        raise click.UsageError("--view goes with --project, and prints no report")
    if project is not None and view is not None:
        _show_view(project, view)
        return
    if file is not None:
        report, title = _of_file(file), file.name
    else:
        report, title = _stored_report(str(project))
    print_report(report, tables(report), f"Corrections: {title}", kind=kind, out=out)


@progress("measuring")
def _of_file(file: Path) -> dict[str, Any]:
    try:
        answers = read_answers(file)
    except DataFileError as error:
        raise click.ClickException(str(error)) from error
    return figures(answers, CorrectionBands(), Background(unclear=_unclear(answers)))


def _unclear(answers: Answers) -> frozenset[tuple[str, str]] | None:
    """Which labels people mix up, where several answered the same ids."""
    if answers.reviewers == (UNKNOWN_REVIEWER,) or len(set(answers.ids)) == len(answers):
        return None
    reviewers = [answers.reviewers[code] for code in answers.reviewer.tolist()]
    labels = [answers.labels[code] for code in answers.said.tolist()]
    return unclear_of(ratings_of(answers.ids, reviewers, labels))


def _stored_report(name: str) -> tuple[dict[str, Any], str]:
    runtime = build_runtime(read_settings())
    project = connected_project(runtime, name)
    with runtime.reads() as session:
        report = newest_report(session, project.id, CORRECTIONS)
    if report is None:
        raise click.ClickException(
            f"project {project.id} has no report of corrections yet: run `labelgate scheduler`, or "
            f"`labelgate jobs run corrections --project {project.id}`"
        )
    return report.body, project.title


def _show_view(name: str, labels: tuple[str, str]) -> None:
    runtime = build_runtime(read_settings())
    project = connected_project(runtime, name)
    try:
        made = show_confusion(runtime, project, *labels)
    except NoSuchConfusionError as error:
        raise click.ClickException(str(error)) from error
    page_of_it = f"/projects/{project.id}/data?tab={made.id}"
    tell(f"{made.tasks:,} tasks in the view {made.title!r}: {page_of_it}")
