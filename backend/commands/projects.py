"""``labelgate connect``, ``disconnect`` and ``ledger``."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import orjson

from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.connecting import connect_project, disconnect_project
from backend.retraining import unlearnable
from backend.store.ledger import verify_ledger
from backend.store.projects import all_projects
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


@click.group()
def ledger() -> None:
    """The append-only record of every decision."""


@ledger.command()
@click.option("--project", type=int, help="Number of one project; default: all.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def verify(project: int | None, *, as_json: bool) -> None:
    """Prove that no entry was changed, removed or slipped in; exit with 1 where one was."""
    runtime = build_runtime(read_settings())
    with runtime.reads() as session:
        known = [p.id for p in all_projects(session)] if project is None else [project]
        checks = [verify_ledger(session, project_id) for project_id in known]
    if as_json:
        click.echo(orjson.dumps(checks))
    for check in () if as_json else checks:
        if check.broken_seq is None:
            said = f"{check.entries} entries hold, head {check.head[:16]}"
        else:
            said = f"entry {check.broken_seq} is broken: {check.why}"
        click.echo(f"project {check.project_id}: {said}")
    sys.exit(1 if any(check.broken_seq is not None for check in checks) else 0)
