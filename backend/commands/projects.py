"""``labelgate connect`` and ``disconnect``."""

from __future__ import annotations

from pathlib import Path

import click

from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.output import done, tell, tell_json
from backend.commands.progress import progress
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
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def connect(project: str, policy_file: Path, *, as_json: bool) -> None:
    """Set a project up: ML backend, webhook, views. Run it again after changing the policy.

    Labelgate must be running (`labelgate serve`), because Label Studio asks it at once.

    Example: labelgate connect --project "Support mail" --policy policy.yaml
    """
    runtime = build_runtime(read_settings())
    with progress("setting up the project in Label Studio"):
        connected = connect_project(runtime, project, policy_file)
    left_out = [str(each) for each in parse_labeling(connected.label_config).left_out]
    cannot = unlearnable(connected, parse_policy(connected.policy_text))
    if as_json:
        tell_json(
            {
                "project": connected.id,
                "title": connected.title,
                "policy_hash": connected.policy_hash,
                "views": connected.views,
                "left_to_people": left_out,
                "cannot_learn": cannot,
            }
        )
        return
    done(
        f"{connected.title!r} (number {connected.id}) is connected under policy "
        f"{connected.policy_hash[:12]}; views: {', '.join(connected.views)}"
    )
    for control in left_out:
        tell(f"left to people alone: {control}")
    if cannot is not None:
        tell(f"everything goes to people: {cannot}")


@click.command()
@click.option("--project", required=True, help="Title or number of the Label Studio project.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def disconnect(project: str, *, as_json: bool) -> None:
    """Take away all that connect set up; what people labelled stays.

    Example: labelgate disconnect --project 3
    """
    runtime = build_runtime(read_settings())
    with progress("taking it away in Label Studio"):
        project_id = disconnect_project(runtime, project)
    if as_json:
        tell_json({"project": project_id, "connected": False})
    else:
        done(f"project {project_id} is disconnected")
