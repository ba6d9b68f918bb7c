"""``labelgate policy plan`` and ``labelgate policy apply``: what a policy would do, then do it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from backend.applying import Proposal, apply_policy, propose
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.output import done, new_table, show, tell, tell_json
from backend.commands.progress import progress
from backend.data_files import DataFileError
from backend.errors import ConnectError
from backend.histories import read_history
from backend.runtime import Runtime
from backend.store.projects import ConnectedProject, active_project, all_projects
from policies.certifying import told
from policies.domain import Estimate
from policies.explanations import run_tests
from policies.loading import load_policy, policy_hash
from policies.planning import Plan, changes
from policies.planning import plan as plan_history
from policies.schema import Policy

_PERSON_WEEK_H = 40


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--history",
    type=click.Path(path_type=Path),
    help="A CSV file, or .csv.gz, to replay: id,predicted,score,label.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="Another policy file: how many decisions would differ from it.",
)
@click.option("--project", type=int, help="Number of a connected project to plan for instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@clear_errors
def plan(
    file: Path, history: Path | None, against: Path | None, project: int | None, *, as_json: bool
) -> None:
    """Replay a history under the policy FILE: accepts, errors, queues, hours and cost.

    The history's columns are `id`, `predicted`, `score` (0 to 1) and `label` (what a person said;
    may be empty), and where known `tier`, `lead_time` (seconds), `field.NAME` for each task field
    that a route looks at, and the signals that routes look at by the names of their kinds, such as
    `margin` or `novelty` (`version_disagreement` as 1 or 0). The threshold is certified on the
    tasks that the policy draws as control, and the error measured on the accepted others. Both
    figures are about such tasks and such a model, and only where labels are a fair sample: not
    where people saw the unsure ones alone.

    With --project the tasks that nobody has labelled are replayed with the serving model, the
    error is measured on the holdout, and decisions are compared with those in force.

    Example: labelgate policy plan policy.yaml --history history.csv
    """
    if (history is None) == (project is None):
        raise click.UsageError("give one of --history FILE.csv and --project NUMBER")
    policy = load_policy(file)
    other = None if against is None else load_policy(against)
    if history is not None:
        found, changed = _replayed(policy, other, history)
    elif project is not None:
        runtime = build_runtime(read_settings())
        connected = connected_project(runtime, project)
        with progress("replaying"):
            proposal = propose(runtime, connected, policy, other)
        found, changed = proposal.plan, proposal.changed
    if as_json:
        tell_json(found.as_json(changed), indent=True)
    else:
        show_plan(found, changed)


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--project", type=int, help="Number of the connected project; default: FILE's.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; needs --yes.")
@clear_errors
def apply(file: Path, project: int | None, *, yes: bool, as_json: bool) -> None:
    """Put the policy FILE in force for its connected project, after showing what would change.

    Where one of the tests that FILE holds fails, nothing is applied.
    Every task that no person has labelled is decided anew by the next round of jobs, and each
    decision names the policy by the hash of its content. Labelgate must be running.

    Example: labelgate policy apply policy.yaml --project 3
    """
    if as_json and not yes:
        raise click.UsageError("--json asks nothing: give --yes with it")
    policy = load_policy(file)
    _require_tests(file, policy)
    runtime = build_runtime(read_settings())
    connected = _connected_for(runtime, policy, project)
    if connected.policy_hash == policy_hash(policy):
        if as_json:
            tell_json(_applied_json(connected, connected, None))
        else:
            done(f"policy {connected.policy_hash[:12]} is in force already: nothing to do")
        return
    with progress("replaying"):
        proposal = propose(runtime, connected, policy)
    if not as_json:
        _show_proposal(connected, proposal)
    if not yes:
        click.confirm(f"Apply {file} to {connected.title!r}?", abort=True)
    with progress("applying"):
        applied = apply_policy(runtime, connected, file)
    if as_json:
        tell_json(_applied_json(connected, applied, proposal))
        return
    done(
        f"{applied.title!r} (number {applied.id}) is under policy {applied.policy_hash[:12]} now; "
        f"before: {connected.policy_hash[:12]}"
    )


def _applied_json(
    before: ConnectedProject, now: ConnectedProject, proposal: Proposal | None
) -> dict[str, Any]:
    return {
        "project": now.id,
        "policy_hash": now.policy_hash,
        "before": before.policy_hash,
        "plan": None if proposal is None else proposal.plan.as_json(proposal.changed),
    }


def connected_project(runtime: Runtime, project_id: int) -> ConnectedProject:
    """The connected project of this number; ConnectError where there is none."""
    with runtime.reads() as session:
        connected = active_project(session, project_id)
    if connected is None:
        raise ConnectError(
            f"project {project_id} is not connected: `labelgate connect --project "
            f"{project_id} --policy FILE`, or name another"
        )
    return connected


def _require_tests(file: Path, policy: Policy) -> None:
    failed = [tried for tried in run_tests(policy) if tried.wrong]
    if failed:
        lines = [f"  {tried.test.name}: {'; '.join(tried.wrong)}" for tried in failed]
        raise click.ClickException(
            "\n".join(
                [
                    f"{file}  {len(failed)} of {len(policy.tests)} tests fail, nothing is applied:",
                    *lines,
                ]
            )
        )


def _connected_for(runtime: Runtime, policy: Policy, project_id: int | None) -> ConnectedProject:
    if project_id is not None:
        return connected_project(runtime, project_id)
    with runtime.reads() as session:
        known = all_projects(session)
    meant = [each for each in known if str(policy.project) in (each.title, str(each.id))]
    if len(meant) == 1:
        return meant[0]
    listed = ", ".join(f"{each.title!r} (number {each.id})" for each in known) or "none"
    raise ConnectError(
        f"project = {policy.project!r} names {len(meant) or 'no'} connected project"
        f"{'s: say which with --project' if meant else f': connected are {listed}'}"
    )


@progress("replaying")
def _replayed(policy: Policy, other: Policy | None, file: Path) -> tuple[Plan, int | None]:
    try:
        history = read_history(file, [policy] if other is None else [policy, other])
    except DataFileError as error:
        raise click.ClickException(str(error)) from error
    found = plan_history(policy, history)
    if other is None:
        return found, None
    return found, changes(found.decisions, plan_history(other, history).decisions)


def show_plan(found: Plan, changed: int | None) -> None:
    """Print a plan for people."""
    tell(
        f"{found.tasks:,} tasks, {found.accepted:,} accepted ({_percent(found.accepted_share)}), "
        f"errors among them {_error(found.expected_error)}"
    )
    tell(_threshold(found))
    table = new_table("tier", "tasks", "labels", "days at capacity", "hours", "weeks of 40 h")
    for name, tasks in found.review.items():
        hours = found.hours[name]
        table.add_row(
            escape(name),
            f"{tasks:,}",
            f"{found.looks[name]:,}",
            f"{found.days[name]:,}",
            "unknown" if hours is None else f"{hours:,.1f}",
            "unknown" if hours is None else f"{hours / _PERSON_WEEK_H:,.1f}",
        )
    show(table)
    cost = found.cost
    tell(
        f"cost {cost.total:,.2f} (labour {cost.labour:,.2f}, tooling {cost.tooling:,.2f}, compute "
        f"{cost.compute:,.2f}); all by hand {found.cost_all_manual:,.2f}, "
        f"saved {_percent(found.saving_share)}"
    )
    if changed is not None:
        tell(f"{changed:,} decisions change")


def _show_proposal(connected: ConnectedProject, proposal: Proposal) -> None:
    tell(f"{connected.title!r}, tasks that nobody has labelled yet:")
    show_plan(proposal.plan, proposal.changed)


def _threshold(found: Plan) -> str:
    if found.certification is None:
        return "nothing is accepted: the policy lets a person confirm every label"
    certificates = found.certification.certificates
    return "\n".join(f"accepted: {told(each, found.floor)}" for each in certificates)


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"


def _error(error: Estimate) -> str:
    if error.value is None:
        return "unknown: no accepted task has a person's label"
    return f"{error.value:.2%} ({error.low:.2%} to {error.high:.2%}, {error.n:,} labels)"
