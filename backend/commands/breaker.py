"""``labelgate breaker``: where auto-accept is suspended, why, and letting it be certified anew."""

from __future__ import annotations

import click

from backend.bootstrap import build_runtime, read_settings
from backend.breakers.rearming import reset_breakers
from backend.breakers.states import BreakerState, breaker_states
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import tell, tell_json
from backend.runtime import Runtime
from backend.store.projects import ConnectedProject, all_projects
from policies.loading import parse_policy


@click.group()
def breaker() -> None:
    """What stops auto-accept when audits say that its promise no longer holds."""


@breaker.command()
@click.option("--project", help="Number or title of one project; default: all connected ones.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def status(project: str | None, *, as_json: bool) -> None:
    """Say of every group of promised answers whether it is armed, and how near it is to a trip.

    The figures are those of the last round of jobs.

    Example: labelgate breaker status --project 3
    """
    runtime = build_runtime(read_settings())
    if project is None:
        with runtime.reads() as session:
            chosen = all_projects(session)
    else:
        chosen = [connected_project(runtime, project)]
    told = [(each, _states(runtime, each)) for each in chosen]
    if as_json:
        listed = [
            {"project": each.id, "title": each.title, "breakers": [s.as_json() for s in states]}
            for each, states in told
        ]
        tell_json({"projects": listed}, indent=True)
        return
    for each, states in told:
        tell(f"project {each.id} {each.title!r}: {len(states)} breakers")
        for state in states:
            _tell(state)


@breaker.command()
@click.option("--project", required=True, help="Number or title of the project.")
@click.option("--label", help="Only the group of this label; default: all that are suspended.")
@click.option("--why", required=True, metavar="TEXT", help="What was found, kept with the trip.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def reset(project: str, label: str | None, why: str, *, as_json: bool) -> None:
    """Let what is suspended be certified anew, on control answers given after the trip alone.

    Nothing is accepted until that certificate is there. It gets one look; where that proves
    nothing, it takes another reset, and answers that are newer still.

    Example: labelgate breaker reset --project 3 --why 'the camera was cleaned'
    """
    if not why.strip():
        raise click.BadParameter("say what was found", param_hint="--why")
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    before = {state.group: state for state in _states(runtime, connected)}
    done = reset_breakers(runtime, connected, label, why.strip())
    if not done:
        raise click.ClickException(_nothing_to_reset(label, list(before.values())))
    if as_json:
        groups = [{"predictor": g[0], "label": g[1]} for g in (each.group for each in done)]
        tell_json({"reset": groups, "why": why.strip()})
        return
    for each in done:
        tell(
            f"{before[each.group].about}: waits for control answers given after "
            f"{each.since:%Y-%m-%d %H:%M} UTC; labelgate breaker status says how many"
        )


def _states(runtime: Runtime, project: ConnectedProject) -> list[BreakerState]:
    with runtime.reads() as session:
        return breaker_states(session, project.id, parse_policy(project.policy_text))


def _nothing_to_reset(label: str | None, states: list[BreakerState]) -> str:
    suspended = [state for state in states if state.state == "suspended"]
    if label is None or not suspended:
        waiting = [state for state in states if state.state == "reset"]
        also = f"; {len(waiting)} wait for a new certificate already" if waiting else ""
        return f"nothing is suspended that was not reset{also}: see labelgate breaker status"
    named = ", ".join(state.about for state in suspended)
    return f"no group of the label {label!r} is suspended; suspended: {named}"


def _tell(state: BreakerState) -> None:
    tell(
        f"  {state.about}: {state.state}, statistic {state.statistic:,.1f} of {state.limit:,.0f}, "
        f"{state.errors:,} of {state.audits:,} audits wrong, {state.max_error_rate:.1%} promised"
    )
    if state.since is not None:
        good = "no accept" if state.good_until is None else f"{state.good_until:%Y-%m-%d %H:%M} UTC"
        tell(f"    since {state.since:%Y-%m-%d %H:%M} UTC: {state.why}")
        tell(f"    good until: {good}")
    if state.reset_at is not None:
        lacking = "" if state.waiting_for is None else f" at most {state.waiting_for:,}"
        tell(
            f"    reset {state.reset_at:%Y-%m-%d %H:%M} UTC ({state.reset_why}): waits for"
            f"{lacking} control answers"
        )
