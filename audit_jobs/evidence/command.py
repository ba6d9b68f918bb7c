"""``labelgate report``: what a project's loop promised and kept, and how it did."""

from __future__ import annotations

from pathlib import Path

import click

from audit_jobs.documents.options import in_any_form
from audit_jobs.documents.pack import FORMATS, print_pack
from audit_jobs.evidence.chapters import pack_of
from audit_jobs.evidence.gathering import evidence
from audit_jobs.evidence.people import reviewers_of
from audit_jobs.evidence.period import Period, PeriodError, between, named
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.progress import progress
from backend.runtime import Runtime


@click.command()
@click.option("--project", required=True, help="Number or title of a connected project.")
@click.option(
    "--period", metavar="NAME", help="2026, 2026-Q3, 2026-09, 2026-W39 or 2026-09-30 (UTC)."
)
@click.option("--since", metavar="TIME", help="Instead: from this day or moment on.")
@click.option("--until", metavar="TIME", help="Up to the end of this day, or to this moment.")
@click.option("--names", is_flag=True, help="Name people by their address, not by their number.")
@in_any_form(FORMATS)
@clear_errors
def report(  # noqa: PLR0913  # one parameter an option
    *,
    project: str,
    period: str | None,
    since: str | None,
    until: str | None,
    names: bool,
    kind: str | None,
    out: Path | None,
) -> None:
    """Tell what a project's loop promised and kept in a period: a pack of evidence.

    What was promised and what proved it, who looked at which share, what blind audits found, the
    six figures of the loop (what a label is worth, corrections, audits, time, agreement, drift),
    the cost against all by hand, what went wrong, which versions served on whose word, what admins
    did, the policies word for word, and the head of the ledger, recomputed from its first entry.
    HTML and PDF stand on their own, for an auditor who has never seen Labelgate.

    Without a period it is about everything until now. Every figure has its interval and what it
    rests on; one that is undefined is null in JSON.

    Example: labelgate report --project 3 --period 2026-Q3 --out evidence.html
    """
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    chosen = _period(runtime, period, since, until)
    reviewers = reviewers_of(runtime, connected, named=names)
    with progress("recomputing the ledger"), runtime.reads() as session:
        found = evidence(session, connected, chosen, reviewers)
    print_pack(found, pack_of(found, chosen.says), kind=kind, out=out)


def _period(runtime: Runtime, period: str | None, since: str | None, until: str | None) -> Period:
    if period is not None and (since is not None or until is not None):
        raise click.UsageError("--period and --since or --until say different things: give one")
    try:
        if period is not None:
            return named(period, runtime.now())
        return between(since, until, runtime.now())
    except PeriodError as error:
        raise click.UsageError(str(error)) from error
