"""``labelgate simulate``: what a policy would save on labelled data, and get wrong."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from audit_jobs.simulation.loop import Cycle, State, play
from audit_jobs.simulation.world import remembered, world_of
from backend.bootstrap import read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import CONFIDENCE, MAX_ERROR
from backend.commands.output import new_table, note, show, tell, tell_json
from backend.commands.progress import progress
from backend.data_files import DataFileError
from backend.embeddings.encoders import find_encoder
from backend.embeddings.folders import EncoderError
from backend.sentence_vectors import choice_of
from policies.certifying import told
from policies.loading import load_policy
from policies.promises import AutoAccept
from policies.schema import Policy
from policies.spending import Work, cost_all_manual, cost_of


@click.command()
@click.argument("file", metavar="DATA.csv", type=click.Path(path_type=Path))
@click.option(
    "--policy", "policy_file", required=True, type=click.Path(path_type=Path), help="Policy file."
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Another draw."
)
@click.option("--max-tasks", type=click.IntRange(min=1), help="Take a random part of the file.")
@click.option(
    "--mode",
    type=click.Choice(["pool", "stream"]),
    default="pool",
    show_default=True,
    help="All tasks at once, decided anew by every version; or day by day, accepts final.",
)
@click.option("--max-error", type=MAX_ERROR, help="Instead of the policy's max_error_rate.")
@click.option("--confidence", type=CONFIDENCE, help="Instead of the policy's confidence.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@clear_errors
def simulate(  # noqa: PLR0913, PLR0917 - one parameter for each option
    file: Path,
    policy_file: Path,
    seed: int,
    max_tasks: int | None,
    mode: str,
    max_error: float | None,
    confidence: float | None,
    *,
    as_json: bool,
) -> None:
    """Play the whole loop on data whose labels are known, without Label Studio.

    DATA.csv (or .csv.gz) has the columns `id`, `text` and `label`; others become fields of the
    task. Models, decisions, queues with each tier's daily capacity, thresholds, audits and retrains
    are the real ones. Every human look is counted: control, holdout, audits and second opinions
    too.

    People are perfect, they give `label`, unless the policy's `simulation` says how often each tier
    errs: then every look errs at its tier's rate, the same way for the same --seed, and models are
    trained, certified and judged on what people say. Where several answer a task, or a tier may not
    decide it, the policy's `escalation` settles it as in the running system. accepted_error and
    human_error are measured against the true `label`. Gold tasks and readers beyond
    `agreement.overlap` are not played.

    Example: labelgate simulate data.csv --policy policy.yaml
    """
    try:
        policy = _promising(load_policy(policy_file), max_error, confidence)
        world = world_of(policy, file, seed=seed, max_tasks=max_tasks)
        encoder = find_encoder(choice_of(read_settings(), policy))
    except (DataFileError, EncoderError) as error:
        raise click.ClickException(str(error)) from error
    if encoder is not None:
        world = replace(world, encoding=(remembered(encoder), encoder.space))
    with progress("playing", float(len(world))) as stages:

        def tell_cycle(cycle: Cycle) -> None:
            stages.at(cycle.human_labels + cycle.accepted)
            if not as_json:
                note(_line(cycle))

        state = play(world, stream=mode == "stream", tell=tell_cycle)
    report = report_of(state)
    if as_json:
        tell_json(report, indent=True)
    else:
        show(_table(report))
        if not state.cycles[-1].accepted:
            tell(_why_nothing(state))


def report_of(state: State) -> dict[str, Any]:
    """The figures at the end, and those of every cycle on the way."""
    policy, last = state.world.policy, state.cycles[-1]
    rule = policy.auto_accept
    limit = rule.max_error_rate if isinstance(rule, AutoAccept) else None
    tasks = len(state.world)
    work = Work(looks=state.looks, predictions=state.predictions, trainings=state.trainings)
    cost = cost_of(policy, work)
    return {
        "tasks": tasks,
        "human_labels": last.human_labels,
        "accepted": last.accepted,
        "accepted_error": last.accepted_error,
        "max_error_rate": limit,
        "promise_held": limit is None or (last.accepted_error or 0.0) <= limit,
        "human_error": state.human_error(),
        "label_saving": 1 - last.human_labels / tasks,
        "cost": cost.total,
        "cost_items": cost.items,
        "cost_all_manual": cost_all_manual(policy, tasks),
        "cycles": [asdict(cycle) for cycle in state.cycles],
    }


def _promising(policy: Policy, max_error: float | None, confidence: float | None) -> Policy:
    """The policy with the two figures of its promise put in the place of its own."""
    given = {"max_error_rate": max_error, "confidence": confidence}
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        return policy
    if not isinstance(policy.auto_accept, AutoAccept):
        raise click.UsageError(
            "the policy says 'auto_accept: never', so there is no promise to change: "
            "leave out --max-error and --confidence"
        )
    return policy.model_copy(update={"auto_accept": policy.auto_accept.model_copy(update=changes)})


def _why_nothing(state: State) -> str:
    serving, rule = state.serving, state.world.policy.auto_accept
    if not isinstance(rule, AutoAccept):
        return "Nothing is accepted: the policy lets a person confirm every label."
    if serving is None:
        return "Nothing is accepted: the labels made no model."
    if serving.certification is None:
        return "Nothing is accepted: there were too few control answers to prove a threshold."
    if serving.certification.thresholds:
        return "Nothing is accepted: no open task's score reached a certified threshold."
    certificates = serving.certification.certificates
    return "Nothing is accepted.\n" + "\n".join(told(each, rule.floor) for each in certificates)


def _line(cycle: Cycle) -> str:
    wrong = _percent(cycle.accepted_error)
    return f"{cycle.human_labels:>7,} looks  {cycle.accepted:>7,} accepted  {wrong} wrong"


def _table(report: dict[str, Any]) -> Table:
    table = new_table(headed=False)
    for name, value in (
        ("tasks", f"{report['tasks']:,}"),
        ("human looks", f"{report['human_labels']:,}"),
        ("labels saved", _percent(report["label_saving"])),
        ("accepted without a person", f"{report['accepted']:,}"),
        ("wrong among them", _percent(report["accepted_error"])),
        ("promised", _percent(report["max_error_rate"])),
        ("wrong among people's labels", _percent(report["human_error"])),
        ("cost", f"{report['cost']:,.2f}"),
        ("cost with people alone", f"{report['cost_all_manual']:,.2f}"),
    ):
        table.add_row(name, value)
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"
