"""``labelgate inferences``: what deployed models answered, and how often they are right."""

from __future__ import annotations

import click

from backend.commands.groups import LazyGroup

COMMANDS: dict[str, str] = {
    "data": "backend.commands.inference_data:supply",
    "evaluate": "audit_jobs.monitoring.evaluate_command:evaluate",
    "import": "backend.commands.inferences:import_inferences",
    "report": "audit_jobs.monitoring.report_command:report",
    "token": "backend.commands.inferences",
    "wanted": "backend.commands.inference_data:wanted",
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def inferences() -> None:
    """Watch a deployed model: take in what it answers, let people verify a sample."""
