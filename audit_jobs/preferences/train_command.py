"""``labelgate preferences train``: a reward model out of a file of judged pairs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from audit_jobs.preferences.training import Wished, train_on
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import new_table, show, tell, tell_json
from backend.commands.progress import progress
from backend.embeddings.encoders import find_encoder
from backend.embeddings.folders import EncoderError
from backend.predictors.errors import TrainingError
from backend.preference_records import PreferenceRecordsError, project_pairs
from backend.reward_files import SUFFIX, RewardFile, write_reward
from connectors.preference_files import PreferenceFileError, read_pairs
from policies.judgments import PreferencePair

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("file", metavar="[FILE.jsonl]", type=_FILE, required=False)
@click.option("--project", help="Number or title of a connected project, instead of FILE.")
@click.option("--out", type=_FILE, help=f"Write the model here; the name ends in {SUFFIX}.")
@click.option(
    "--holdout",
    type=click.FloatRange(0, 0.9),
    default=0.2,
    show_default=True,
    help="Share of the prompts that the model is measured on and does not learn from.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of all draws."
)
@click.option("--length-free", is_flag=True, help="Take out what length alone is worth to people.")
@click.option(
    "--embeddings",
    default="off",
    show_default=True,
    help="auto, off, or the name or folder of a sentence-transformers model.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@clear_errors
def train(  # noqa: PLR0913 - one parameter for each option
    *,
    file: Path | None,
    project: str | None,
    out: Path | None,
    holdout: float,
    seed: int,
    length_free: bool,
    embeddings: str,
    as_json: bool,
) -> None:
    """Train a reward model on judged pairs, and measure it on prompts that it never saw.

    FILE has a line of JSON for each pair: id, prompt, response_a, response_b and judgments {judge:
    a, b, tie or none}; .gz or not. With --project the pairs are those that people of a connected
    project have compared. No prompt stands on both sides, and preferences export holds out the same
    ones for the same share and seed. The model is that of the prompts that are not held out, so the
    figures are about the very model that --out writes.

    length_effect and position_effect are in log odds: what a doubling of the length, and standing
    first, add to the chance to be preferred. The position is never part of a score; with
    --length-free the length is not either.

    Example: labelgate preferences train pairs.jsonl --out reward.skops
    """
    if out is not None and out.suffix != SUFFIX:
        raise click.UsageError(f"--out {out}: the name of a model file ends in {SUFFIX}")
    if (file is None) == (project is None):
        raise click.UsageError("give a FILE, or --project with a connected project")
    try:
        pairs = _of_project(str(project)) if file is None else read_pairs(file)
        encoder = find_encoder(embeddings)
    except (PreferenceFileError, PreferenceRecordsError) as error:
        raise click.ClickException(str(error)) from error
    except EncoderError as error:
        raise click.UsageError(f"--embeddings: {error}") from error
    wished = Wished(holdout=holdout, seed=seed, length_free=length_free, encoder=encoder)
    made, told = _trained(str(file or project), pairs, wished)
    if out is not None:
        write_reward(out, made)
    told["file"] = None if out is None else str(out)
    if as_json:
        tell_json(told)
    else:
        _print(told)


def _of_project(name: str) -> list[PreferencePair]:
    runtime = build_runtime(read_settings())
    return project_pairs(runtime, connected_project(runtime, name))


def _trained(
    source: str, pairs: list[PreferencePair], wished: Wished
) -> tuple[RewardFile, dict[str, Any]]:
    with progress("training", 1.0) as stages:
        try:
            return train_on(pairs, wished, stages.at)
        except TrainingError as error:
            raise click.ClickException(f"{source}  {error}") from error


def _print(told: Mapping[str, Any]) -> None:
    training, holdout = told["training"], told["holdout"]
    tell(
        f"{told['version']}: learned from {training['pairs']:,} pairs of {training['prompts']:,} "
        f"prompts, measured on {holdout['pairs']:,} of {holdout['prompts']:,} others"
    )
    table = new_table("figure", "value", "95 %", "n")
    accuracy = told["holdout_accuracy"]
    table.add_row("held-out pairs right", *_cells(accuracy, "{:.1%}"))
    length, place = told["length_effect"], told["position_effect"]
    table.add_row("log odds, double length", *_cells(length["alone"], "{:+.2f}"))
    table.add_row("the same, style held", *_cells(length["beside_style"], "{:+.2f}"))
    if place is not None:
        table.add_row("log odds, shown first", *_cells(place, "{:+.2f}"))
    show(table)
    calibrated, ties = told["calibration"], told["ties"]
    if calibrated["brier"] is not None:
        tell(
            f"Brier score {calibrated['brier']:.3f} (0.25 says nothing), calibration error "
            f"{calibrated['ece']:.3f}; ties {ties['observed']:.1%}, expected {ties['expected']:.1%}"
        )
        shown = new_table("says", "right", "pairs")
        for each in calibrated["reliability"]:
            shown.add_row(f"{each['said']:.1%}", f"{each['right']:.1%}", f"{each['n']:,}")
        show(shown)
    tell(f"written to {told['file']}" if told["file"] else "not written: see --out")


def _cells(figure: Mapping[str, Any], form: str) -> tuple[str, str, str]:
    value, low, high = figure["value"], figure["low"], figure["high"]
    interval = "-" if low is None or high is None else f"{form.format(low)} to {form.format(high)}"
    return "-" if value is None else form.format(value), interval, f"{figure['n']:,}"
