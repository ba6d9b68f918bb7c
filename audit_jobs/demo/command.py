"""``labelgate demo``."""

from __future__ import annotations

import logging
import signal
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from audit_jobs.demo.dataset import DatasetError, digits, from_csv
from audit_jobs.demo.people import PeopleError
from audit_jobs.demo.rehearsal import Plan, Stage, play, set_up, summary
from audit_jobs.demo.servers import ServerError, labelgate
from audit_jobs.running import JobFailedError
from backend.certification import version_promises
from backend.commands.errors import clear_errors
from backend.commands.output import err, new_table, out, show
from connectors.label_studio.installation import LocalLabelStudioError
from policies.loading import parse_policy
from policies.promises import AutoAccept, least_answers

LEAST_TASKS = 50
FAILURES = (DatasetError, JobFailedError, LocalLabelStudioError, PeopleError, ServerError)


@click.command()
@click.option("--tasks", type=click.IntRange(LEAST_TASKS), help="Use only so many tasks.")
@click.option("--seed", default=7, show_default=True, help="Fixes data order and people's errors.")
@click.option(
    "--budget",
    type=click.FloatRange(0.05, 1.0),
    default=0.6,
    show_default=True,
    help="Human labels to spend, as a share of the tasks.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Your own labelled text: a CSV file with the columns id,text,label.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the table here.")
@click.option("--exit", "ends", is_flag=True, help="Stop the servers at the end.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep everything in this folder.")
@clear_errors
def demo(  # noqa: PLR0913  # one parameter an option
    *,
    tasks: int | None,
    seed: int,
    budget: float,
    data: Path | None,
    json_file: Path | None,
    ends: bool,
    folder: Path | None,
) -> None:
    """Play the whole loop on a Label Studio of its own, with simulated people.

    Without --data the tasks are 1,797 scanned digits.

    Example: labelgate demo
    """
    logging.basicConfig(level=logging.ERROR)
    console = out()
    try:
        dataset = digits(tasks, seed) if data is None else from_csv(data, tasks, seed)
        with ExitStack() as servers:
            place = _place(folder, servers)
            labels = round(budget * len(dataset.tasks))
            plan = Plan(dataset=dataset, seed=seed, budget=labels)
            stage, rows = _perform(place, plan, servers, console)
            report = summary(stage, rows)
            if json_file is not None:
                json_file.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
            _print(console, stage, report)
            if not ends:
                servers.enter_context(labelgate(stage.settings, "scheduler", place / "jobs.log"))
                _stay(console, stage)
    except FAILURES as error:
        raise click.ClickException(str(error)) from error


def _place(folder: Path | None, servers: ExitStack) -> Path:
    """Where the demo keeps its data: the folder that was named, or one that goes at the end."""
    if folder is None:
        # Entered first, so it goes last, when the servers that write to it have stopped.
        return Path(servers.enter_context(tempfile.TemporaryDirectory(prefix="labelgate-demo-")))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _perform(
    place: Path, plan: Plan, servers: ExitStack, console: Console
) -> tuple[Stage, list[dict[str, Any]]]:
    with _progress(err()) as progress:
        status = progress.add_task("starting", total=None)

        def say(what: str) -> None:
            progress.update(status, description=what)
            if not console.is_terminal:
                console.print(what)

        def bar(what: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(what, total=total)
            if not console.is_terminal:
                console.print(f"{what}: {total} tasks in the views")
            return lambda steps: progress.advance(task, steps)

        stage = set_up(place, plan, servers, say)
        rows = play(stage, say, bar)
        progress.update(status, description="done", total=1, completed=1)
    return stage, rows


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _print(console: Console, stage: Stage, report: Mapping[str, Any]) -> None:
    table = new_table(title=f"{stage.dataset.title}: {report['tasks']} tasks")
    for heading in (
        "cycle",
        "human labels",
        "accepted",
        "wrong among them",
        "threshold",
        "holdout accuracy",
        "agreement (alpha)",
        "audit pass rate",
        "cost / all-manual",
        "model",
    ):
        table.add_column(heading, justify="right")
    for row in report["cycles"]:
        table.add_row(*_cells(row))
    show(table)
    if not report["accepted"]:
        console.print(_why_nothing(stage, report["cycles"][-1]["certificates"]))
    console.print(
        f"{report['human_labels']} human labels for {report['tasks']} tasks: "
        f"{report['label_saving']:.0%} of the labels saved; "
        f"{_share(report['accepted_error'])} of the {report['accepted']} accepted are wrong "
        "(promised: at most 5 % with 95 % certainty)"
    )
    if report["waiting"]:
        console.print(f"{report['waiting']} tasks still wait for people: the --budget was spent")
    seen = report["label_studio"]
    console.print(
        f"Label Studio {seen['version']} says: {seen['labeled_tasks']} tasks labelled, "
        f"{seen['annotations']} annotations, {seen['predictions']} predictions and markers"
    )


def _why_nothing(stage: Stage, certificates: Sequence[Mapping[str, Any]]) -> str:
    certificate = certificates[0] if certificates else None
    policy = parse_policy(stage.project.policy_text)
    if certificate is None and isinstance(policy.auto_accept, AutoAccept):
        promises = version_promises(policy.auto_accept, policy, stage.dataset.labels)
        least = min(map(least_answers, promises))
        why = f"it takes at least {least} control answers, and there were fewer"
    elif certificate is None:
        why = "the policy lets a person confirm every label"
    elif certificate["labels_needed"] is None:
        why = f"the model errs too often on the {certificate['control_answers']} control answers"
    else:
        why = (
            f"beside the {certificate['control_answers']} control answers it would take about "
            f"{certificate['labels_needed']} more"
        )
    return f"Nothing could be certified, so everything goes to people: {why}. Try more --tasks."


def _cells(row: Mapping[str, Any]) -> Sequence[str]:
    manual = row["cost_all_manual"]
    return (
        str(row["cycle"]),
        str(row["human_labels"]),
        str(row["accepted"]),
        _share(row["accepted_error"]),
        _threshold(row["certificates"]),
        _estimate(row["holdout_accuracy"]),
        _estimate(row["agreement"]),
        _estimate(row["audit_pass_rate"]),
        f"{row['cost']:.0f} / {manual:.0f}" if manual else "-",
        row["model_version"] or "-",
    )


def _estimate(estimate: Mapping[str, Any] | None) -> str:
    if estimate is None or estimate["value"] is None:
        return "-"
    return f"{estimate['value']:.3f} ({estimate['low']:.2f}-{estimate['high']:.2f})"


def _threshold(certificates: Sequence[Mapping[str, Any]]) -> str:
    if not certificates:
        return "too early"
    proved = [each["threshold"] for each in certificates if each["threshold"] is not None]
    return ", ".join(f"{threshold:.3f}" for threshold in proved) or "none certified"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _stay(console: Console, stage: Stage) -> None:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    local = stage.label_studio
    console.print(f"Labelgate     {stage.settings.own_url}")
    console.print(f"Label Studio  {local.url}  (user {local.email}, password {local.password})")
    console.print("Both stay up until you press Ctrl-C; without --folder their data goes then.")
    stopped.wait()
