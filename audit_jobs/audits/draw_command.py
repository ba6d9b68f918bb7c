"""``labelgate audit draw``: look again at labels that were accepted and not drawn."""

from __future__ import annotations

import click

from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import tell, tell_json
from backend.commands.progress import progress
from backend.extra_audits import ExtraAudits, draw_extra
from backend.mismatches import nameable_labels
from connectors.label_studio.labeling import parse_labeling


@click.command()
@click.option("--project", required=True, help="Number or title of the project.")
@click.option(
    "--count", required=True, type=click.IntRange(min=1), help="How many audits; all, if fewer."
)
@click.option("--label", "labels", multiple=True, help="Only accepts of this label; repeatable.")
@click.option("--dry-run", is_flag=True, help="Say what would be drawn, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def draw(
    *, project: str, count: int, labels: tuple[str, ...], dry_run: bool, as_json: bool
) -> None:
    """Draw more audits among the accepted labels that no person has confirmed, frozen ones too.

    Of each label as many as its part of all of them, by a draw that can be repeated from the
    ledger. The next round of jobs withdraws the robot's annotations and predictions in Label
    Studio and hands the tasks blind to the audit tier; what the auditor answers becomes the label.

    Example: labelgate audit draw --project 3 --count 50 --label invoice
    """
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    labeling = parse_labeling(connected.label_config)
    offered = nameable_labels(labeling)
    unknown = [label for label in labels if label not in offered]
    if unknown:
        listed = ", ".join(labeling.labels) or "none in this project"
        raise click.ClickException(f"there is no label {unknown[0]!r}; there are: {listed}")
    with progress("drawing"):
        found = draw_extra(runtime, connected, count, labels or None, dry_run=dry_run)
    if as_json:
        tell_json({"dry_run": dry_run, **found.as_json()})
        return
    _tell(found, dry_run=dry_run)


def _tell(found: ExtraAudits, *, dry_run: bool) -> None:
    done = "would be drawn" if dry_run else "were drawn"
    tell(f"{found.drawn:,} audits {done} among {found.among:,} accepted labels")
    for label, count in found.by_label.items():
        tell(f"  {label!r}: {count:,}")
    if found.frozen:
        tell(
            f"{found.frozen:,} of them were frozen: what was exported may hold their labels, which "
            "are open again"
        )
