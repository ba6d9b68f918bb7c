"""``labelgate preferences select``: which pairs to have judged next."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from rich.markup import escape

from backend.commands.errors import clear_errors
from backend.commands.output import new_table, show, tell_json
from backend.commands.progress import progress
from backend.predictors.rewards.comparisons import Answers, in_columns
from backend.predictors.rewards.model import RewardModel
from backend.predictors.rewards.selection import informative_pairs
from backend.reward_files import read_reward
from connectors.preference_files import PreferenceFileError, read_pairs
from policies.judgments import PreferencePair

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=_FILE)
@click.option(
    "--model", "model_file", type=_FILE, required=True, help="Of preferences train --out."
)
@click.option("--count", type=click.IntRange(1, 10_000), required=True, help="How many pairs.")
@click.option(
    "--embeddings",
    default="auto",
    show_default=True,
    help="What the model reads sentence vectors with, where it reads any.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@clear_errors
def select(*, file: Path, model_file: Path, count: int, embeddings: str, as_json: bool) -> None:
    """Pick the pairs whose judgement would teach a reward model most.

    FILE has a line of JSON for each pair, as preferences train reads it; those with empty judgments
    are picked from, the others are left out. What comes first tells most, given those before it.
    Pairs that were picked are no sample: measure judges and models on pairs that were drawn.

    Example: labelgate preferences select pairs.jsonl --model reward.skops --count 50
    """
    try:
        pairs = [pair for pair in read_pairs(file) if not pair.judgments]
    except PreferenceFileError as error:
        raise click.ClickException(str(error)) from error
    if not pairs:
        raise click.ClickException(
            f"{file}  every pair is judged already: add some with judgments {{}}"
        )
    reward = read_reward(model_file, embeddings)
    texts = [(pair.prompt, pair.response_a, pair.response_b) for pair in pairs]
    with progress("choosing"):
        columns = in_columns(texts, np.zeros((len(texts), 3)))
        picked = informative_pairs(reward.model, columns, count)
    chosen = [pairs[place] for place in picked.places.tolist()]
    rows = [
        {"id": pair.id, "information": information, "expected": expected}
        for pair, information, expected in zip(
            chosen, picked.information.tolist(), _expected(reward.model, chosen), strict=True
        )
    ]
    if as_json:
        found = {"version": reward.version, "candidates": len(pairs), "selected": rows}
        tell_json(found)
        return
    table = new_table("pair", "information (nats)", "A preferred")
    for row in rows:
        table.add_row(escape(str(row["id"])), f"{row['information']:.3f}", f"{row['expected']:.0%}")
    show(table)


def _expected(model: RewardModel, pairs: list[PreferencePair]) -> list[float]:
    """How likely people prefer A to B, of those who prefer one."""
    worths = model.worths(
        Answers(
            prompts=[pair.prompt for pair in pairs] * 2,
            responses=[pair.response_a for pair in pairs] + [pair.response_b for pair in pairs],
        )
    )
    likely = model.preferences(worths[: len(pairs)] - worths[len(pairs) :])
    found: list[float] = (likely[:, 0] / (likely[:, 0] + likely[:, 1])).tolist()
    return found
