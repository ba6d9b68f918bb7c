"""``labelgate import``: rules of other tools as a policy."""

from __future__ import annotations

from pathlib import Path

import click

from backend.commands.errors import clear_errors
from backend.commands.output import tell_json, tell_text
from connectors.a2i import policy_from_conditions
from connectors.a2i_conditions import LARGEST_FILE
from policies.loading import parse_policy


@click.group()
def imports() -> None:
    """Turn the rules of another tool into a policy, as far as they have an equal."""


@imports.command()
@click.argument("file", metavar="CONDITIONS.json", type=click.Path(path_type=Path))
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object: the policy and its comments."
)
@clear_errors
def a2i(file: Path, *, as_json: bool) -> None:
    """Print a policy for Amazon A2I's human-loop activation conditions.

    CONDITIONS.json holds the value of HumanLoopActivationConditions. The policy parses as it
    stands; what must be edited is marked EDIT, and a comment names each condition, what it became,
    and whatever has no equal.

    Example: labelgate import a2i conditions.json > policy.yaml
    """
    try:
        with file.open("rb") as opened:
            raw = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise click.ClickException(f"{file}  cannot be read: {error.strerror}") from error
    text = policy_from_conditions(raw, str(file))
    if not as_json:
        tell_text(text)
        return
    policy = parse_policy(text, str(file)).model_dump(mode="json", by_alias=True, exclude_none=True)
    comments = [line.lstrip("# ") for line in text.splitlines() if line.lstrip().startswith("#")]
    tell_json({"policy": policy, "comments": comments}, indent=True)
