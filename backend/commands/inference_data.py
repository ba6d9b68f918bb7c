"""``labelgate inferences wanted`` and ``data``: the data that only whoever runs the model has."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import tell, tell_json
from backend.inferences.job import lease_name
from backend.inferences.placing import place_supplied
from backend.leasing import holding
from backend.store.inference_tasks import wanting_data
from connectors.inference_data_files import InferenceDataError, read_data

_PROJECT = click.option(
    "--project", required=True, metavar="PROJECT", help="Number or title of the project."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@_PROJECT
@_JSON
@clear_errors
def wanted(project: str, *, as_json: bool) -> None:
    """Print the ids of the drawn inferences whose data is not kept here, a line each.

    `labelgate inferences data FILE` takes their data.

    Example: labelgate inferences wanted --project 3
    """
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    with runtime.reads() as session:
        ids = [each.inference_id for each in wanting_data(session, connected.id)]
    if as_json:
        tell_json({"wanted": ids}, indent=True)
        return
    for each in ids:
        tell(each)


@click.command(name="data")
@click.argument("file", metavar="FILE.jsonl", type=click.Path(path_type=Path, dir_okay=False))
@_PROJECT
@_JSON
@clear_errors
def supply(file: Path, project: str, *, as_json: bool) -> None:
    """Make tasks of the drawn inferences whose data FILE holds, a line each: {"id", "data"}.

    Data that was not sent with an inference is held to the hash that came with it, and masked as
    the policy says. Lines about other inferences are left aside, so that a file may be repeated.

    Example: labelgate inferences data wanted.jsonl --project 3
    """
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    with holding(runtime, lease_name(connected.id)) as lease:
        if lease is None:
            raise click.ClickException(
                "the scheduler places inferences of this project just now: try again in a moment"
            )
        with runtime.reads() as session:
            ids = {each.inference_id for each in wanting_data(session, connected.id, lost=True)}
        lines, supplied = _wanted_lines(file, ids)
        found = place_supplied(runtime, connected, supplied, lease)
    told = {"lines": lines, "not_wanted": lines - len(supplied), **found}
    if as_json:
        tell_json(told, indent=True)
        return
    tell(
        f"{told['placed']:,} of {lines:,} became tasks, {told['lost']:,} are lost, "
        f"{told['not_wanted']:,} were not wanted; {told['wanted']:,} still wait for their data"
    )


def _wanted_lines(file: Path, ids: Collection[str]) -> tuple[int, dict[str, dict[str, Any]]]:
    """How many lines there are, and the data of those that are wanted: the last word of each."""
    lines = 0
    supplied: dict[str, dict[str, Any]] = {}
    try:
        for name, data in read_data(file):
            lines += 1
            if name in ids:
                supplied[name] = data
    except InferenceDataError as error:
        raise click.ClickException(str(error)) from error
    return lines, supplied
