"""``labelgate preferences pair``: tasks for judges out of prompts with several answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import orjson

from audit_jobs.preferences.importing import import_missing
from audit_jobs.preferences.pairing import Made, PairingError, Plan, make_tasks
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.output import tell, tell_json, tell_text
from backend.commands.progress import progress
from backend.data_files import DataFileError
from backend.output_files import write_file
from connectors.json_lines import JsonLinesError
from connectors.label_studio.preference_configs import pairwise_config, ranking_config
from connectors.response_files import read_responses

_FORMATS = (".jsonl", ".json")
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", metavar="FILE.jsonl", type=_FILE)
@click.option(
    "--out",
    required=True,
    metavar="TASKS.jsonl|json",
    type=_FILE,
    help="Where to write the tasks; Label Studio's page imports .json.",
)
@click.option(
    "--pairs-per-prompt",
    "pairs",
    type=click.IntRange(min=1),
    help="Pairs of each prompt at most; default: as many as it has answers.",
)
@click.option(
    "--repeats",
    type=click.FloatRange(0, 1),
    default=0.1,
    show_default=True,
    help="Share of the tasks that is asked once more with the answers swapped.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Fixes every draw.")
@click.option(
    "--ranking", is_flag=True, help="One task a prompt: all its answers are put in order."
)
@click.option("--ties", is_flag=True, help="The labelling config offers tie and none too.")
@click.option(
    "--label-config",
    "config_file",
    metavar="CONFIG.xml",
    type=_FILE,
    help="Write the labelling config that fits, instead of printing it.",
)
@click.option(
    "--project",
    help="Number or title of a Label Studio project to import the tasks into too, each once.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def pair(  # noqa: PLR0913 - one parameter for each option
    *,
    file: Path,
    out: Path,
    pairs: int | None,
    repeats: float,
    seed: int,
    ranking: bool,
    ties: bool,
    config_file: Path | None,
    project: str | None,
    as_json: bool,
) -> None:
    """Make tasks that compare answers: FILE has a prompt and its answers on each line.

    A line is {"prompt": "...", "responses": ["...", "..."]}, with an "id" where there is one; other
    fields go along into the tasks. Each answer of a prompt stands in as many pairs as any other,
    give or take one, and all of them are connected. Which answer stands on the left is drawn and
    written as `order` (ab or ba), so that a better answer can be told from a better place. Repeats
    ask for the same two answers the other way round and name their first as `repeat_of`.

    The same file and seed give the same tasks. Import them into a Label Studio project with the
    labelling config that is printed (--project does it), and connect it with a policy like the
    preset `preference`.

    Example: labelgate preferences pair answers.jsonl --out tasks.json
    """
    _check(out, pairs=pairs, ranking=ranking, ties=ties)
    _check_apart(file, out, config_file)
    try:
        plan = Plan(pairs=pairs, repeats=repeats, seed=seed, ranking=ranking)
        with progress("pairing"):
            made = make_tasks(read_responses(file), plan)
        if not made.tasks:
            raise click.ClickException(f"{file}  has no prompt with two different answers")
        config = ranking_config() if ranking else pairwise_config(ties=ties)
        write_file(out, _content(out, made.tasks))
        if config_file is not None:
            write_file(config_file, config.encode())
    except (DataFileError, JsonLinesError, PairingError) as error:
        raise click.ClickException(str(error)) from error
    imported = None if project is None else _imported(project, made.tasks)
    if as_json:
        told = _as_json(out, made, config) | {"imported": imported}
        tell_json(told, indent=True)
    else:
        _tell(out, made, config, config_file)
        if imported is not None:
            tell(f"{imported:,} tasks are new in {project!r}, the others were there already")


def _imported(project: str, tasks: list[dict[str, Any]]) -> int:
    tool = build_runtime(read_settings()).tool()
    return import_missing(tool, tool.project(project).id, tasks)


def _check(out: Path, *, pairs: int | None, ranking: bool, ties: bool) -> None:
    if out.suffix not in _FORMATS:
        raise click.BadParameter(
            f"{str(out)!r} names no format: end it in {' or '.join(_FORMATS)}", param_hint="--out"
        )
    if ranking and pairs is not None:
        raise click.UsageError(
            "--ranking asks for all answers at once: leave out a number of pairs"
        )
    if ranking and ties:
        raise click.UsageError("--ties is for pairs: a ranking says which answer is the better one")


def _check_apart(file: Path, out: Path, config_file: Path | None) -> None:
    """What is written must not take the place of what is read, nor of each other."""
    if out.resolve() == file.resolve():
        raise click.UsageError(f"--out {out} is the file to be read: give another name")
    if config_file is not None and config_file.resolve() in (file.resolve(), out.resolve()):
        raise click.UsageError(
            f"--label-config {config_file} is the file of prompts or of tasks: give another name"
        )


def _content(out: Path, tasks: list[dict[str, Any]]) -> bytes:
    if out.suffix == ".json":
        return orjson.dumps([{"data": task} for task in tasks], option=orjson.OPT_INDENT_2)
    return b"".join(orjson.dumps(task, option=orjson.OPT_APPEND_NEWLINE) for task in tasks)


def _as_json(out: Path, made: Made, config: str) -> dict[str, Any]:
    return {
        "file": str(out),
        "tasks": len(made.tasks),
        "prompts": made.prompts,
        "pairs": made.pairs,
        "repeats": made.repeats,
        "prompts_with_one_answer": made.alone,
        "equal_answers": made.same,
        "orders": dict(sorted(made.orders.items())),
        "answers_by_pairs": {str(times): made.shown[times] for times in sorted(made.shown)},
        "label_config": config,
    }


def _tell(out: Path, made: Made, config: str, config_file: Path | None) -> None:
    orders = ", ".join(f"{count:,} {order}" for order, count in sorted(made.orders.items()))
    tell(
        f"{out}  {len(made.tasks):,} tasks of {made.prompts:,} prompts: {made.pairs:,} asked first "
        f"and {made.repeats:,} once more, in the orders {orders}"
    )
    least, most = min(made.shown), max(made.shown)
    times = f"{least}" if least == most else f"{least} to {most}"
    tell(f"each of {made.shown.total():,} answers stands in {times} of those asked first")
    if made.alone:
        tell(f"left out: {made.alone:,} prompts with one answer, of which nothing is asked")
    if made.same:
        tell(f"left out: {made.same:,} answers that are another's text")
    if out.suffix != ".json":
        tell("Label Studio's page imports .json alone: end --out in .json for that")
    if config_file is not None:
        tell(f"{config_file}  the labelling config for them")
    else:
        tell_text(f"\nThe labelling config for them:\n{config}")
