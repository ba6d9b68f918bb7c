"""``labelgate preferences``: pairs for judges, what they said, and what is made of it."""

from __future__ import annotations

import click

from backend.commands.groups import LazyGroup

COMMANDS: dict[str, str] = {
    "export": "audit_jobs.preferences.export_command",
    "pair": "audit_jobs.preferences.pair_command",
    "report": "audit_jobs.preferences.report_command",
    "select": "audit_jobs.preferences.select_command",
    "train": "audit_jobs.preferences.train_command",
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def preferences() -> None:
    """Preference data: make pairs, measure judges, train a reward model, export for trl."""
