"""``labelgate connect`` and ``disconnect``."""

from __future__ import annotations

from pathlib import Path

import click

from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.connecting import connect_project, disconnect_project
from backend.retraining import unlearnable
from connectors.label_studio.labeling import parse_labeling
from policies.loading import parse_policy


@click.command()
@click.option("--project", required=True, help="Title or number of the Label Studio project.")
@click.option(
    "--policy",
    "policy_file",
    required=True,
    type=click.Path(path_type=Path),
    help="The policy's YAML file.",
)
@clear_errors
def connect(project: str, policy_file: Path) -> None:
    """Set a project up: ML backend, webhook, views. Run it again after changing the policy.

    Labelgate must be running (`labelgate serve`), because Label Studio asks it at once.
    """
    runtime = build_runtime(read_settings())
    connected = connect_project(runtime, project, policy_file)
    click.echo(
        f"{connected.title!r} (number {connected.id}) is connected under policy "
        f"{connected.policy_hash[:12]}; views: {', '.join(connected.views)}"
    )
    for control in parse_labeling(connected.label_config).left_out:
        click.echo(f"left to people alone: {control}")
    cannot = unlearnable(connected, parse_policy(connected.policy_text))
    if cannot is not None:
        click.echo(f"everything goes to people: {cannot}")


@click.command()
@click.option("--project", required=True, help="Title or number of the Label Studio project.")
@clear_errors
def disconnect(project: str) -> None:
    """Take away all that connect set up; what people labelled stays."""
    runtime = build_runtime(read_settings())
    project_id = disconnect_project(runtime, project)
    click.echo(f"project {project_id} is disconnected")
