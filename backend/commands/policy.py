"""``labelgate policy``: what can be said of a policy file without any server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from backend.commands.groups import LazyGroup
from backend.commands.output import note, tell, tell_json
from policies.loading import PolicyError, load_policy, policy_hash
from policies.schema import Policy

_PLAN = "backend.commands.plan"
_TRIALS = "backend.commands.trials"


@click.group(
    cls=LazyGroup,
    lazy={"apply": _PLAN, "explain": _TRIALS, "plan": _PLAN, "schema": _TRIALS, "test": _TRIALS},
)
def policy() -> None:
    """Check the rules of a project before they decide anything."""


@policy.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.pass_context
def check(context: click.Context, files: tuple[Path, ...], *, as_json: bool) -> None:
    """Report every problem of each FILE at once; exit with 1 where there is any.

    Example: labelgate policy check policy.yaml
    """
    reports = [_report(file, as_json=as_json) for file in files]
    if as_json:
        tell_json({"files": reports}, indent=True)
    context.exit(0 if all(report["valid"] for report in reports) else 1)


def _report(file: Path, *, as_json: bool) -> dict[str, Any]:
    try:
        checked = load_policy(file)
    except PolicyError as error:
        if not as_json:
            note(str(error))
        problems = [problem.as_json() for problem in error.problems]
        return {"file": str(file), "valid": False, "policy_hash": None, "problems": problems}
    digest = policy_hash(checked)
    if not as_json:
        tell(f"{file}  is fine: {_summary(checked)}, hash {digest[:12]}")
    return {"file": str(file), "valid": True, "policy_hash": digest, "problems": []}


def _summary(checked: Policy) -> str:
    tiers = ", ".join(checked.tier_names)
    routes = f"{len(checked.routes)} route{'' if len(checked.routes) == 1 else 's'}"
    return f"{checked.stakes} stakes, tiers {tiers}, {routes}"
