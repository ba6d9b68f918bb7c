"""``labelgate consensus``: one label for each item out of several people's votes."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.markup import escape

from audit_jobs.agreement.exports import begins_as_json
from audit_jobs.consensus.crowdlab import crowdlab, read_probabilities
from audit_jobs.consensus.exports import (
    FORMATS,
    export_consensus,
    export_tables,
    reading_notes,
    write_consensus,
)
from audit_jobs.measures.annotators import agreement_with_consensus
from audit_jobs.measures.consensus import (
    Consensus,
    ConsensusError,
    majority,
    overlapping,
    weighted,
)
from audit_jobs.measures.dawid_skene import dawid_skene
from audit_jobs.measures.gold import Gold, accuracy, gold_of, gold_scores
from audit_jobs.measures.one_coin import one_coin
from audit_jobs.measures.ratings import Ratings
from audit_jobs.votes import read_votes
from backend.commands.output import new_table, note, show, tell, tell_json
from backend.commands.progress import progress
from backend.data_files import DataFileError, read_rows, refuse
from backend.spreadsheets import csv_line
from connectors.label_studio.exports import ExportError
from policies.domain import Estimate

_METHODS: Mapping[str, Callable[[Ratings], Consensus]] = {
    "majority": majority,
    "dawid-skene": dawid_skene,
    "one-coin": one_coin,
    "weighted": weighted,
}
_CROWDLAB = "crowdlab"
_FILE = click.Path(path_type=Path)
_VOTES_ONLY = (
    "--gold, --method crowdlab and --probabilities are for a CSV of votes with one label an item; "
    "an export of Label Studio has several controls: leave them out"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the command found out: the votes, their consensus, and the gold where it is known."""

    ratings: Ratings
    consensus: Consensus
    gold: Gold | None


@click.command()
@click.argument("file", type=_FILE)
@click.option(
    "--method",
    type=click.Choice([*_METHODS, _CROWDLAB]),
    default="majority",
    show_default=True,
    help="How votes become one label.",
)
@click.option("--gold", "gold_file", type=_FILE, help="True labels: CSV with `item` and `gold`.")
@click.option(
    "--probabilities",
    type=_FILE,
    help="For crowdlab, a model's: CSV with `item` and a column for each label.",
)
@click.option(
    "--out", type=_FILE, help="Write item, label, confidence; of an export .jsonl. .gz packs it."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def consensus(  # noqa: PLR0913 - one parameter for each option
    *,
    file: Path,
    method: str,
    gold_file: Path | None,
    probabilities: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Find one label for each item that several people voted on, and how good each person is.

    FILE is a CSV file, .gz or not, with the columns `item`, `worker` and `label`; of the votes of
    one worker on one item the first counts. majority is the yardstick. weighted counts who agrees
    with others for more. one-coin learns how often each worker is right: the best with few votes
    of each, but wrong where some labels are harder than others. dawid-skene learns what each
    worker mixes up, and wants dozens of votes of each; with fewer it is too sure of itself.
    crowdlab listens to a model too and needs the package cleanlab.

    Confidence is a share of the votes for majority and weighted, else a probability. With --gold,
    accuracy counts a tie by its chance.

    FILE may also be a JSON (or .json.gz) export of Label Studio. Controls with one label a task go
    through the method. Text spans and upright boxes are kept where most of a task's annotators
    marked them, under the label that most of these gave; confidence is the share of the task's
    annotators who gave it, that of the task the mean. Other controls are named with a note. --out
    then writes a line of JSON for each task and control.

    Example: labelgate consensus votes.csv --method dawid-skene --out labels.csv
    """
    export = begins_as_json(file)
    if export and (gold_file is not None or method == _CROWDLAB or probabilities is not None):
        raise click.UsageError(_VOTES_ONLY)
    if (method == _CROWDLAB) != (probabilities is not None):
        raise click.UsageError("--method crowdlab and --probabilities FILE go together")
    if out is not None and out.resolve() in {
        given.resolve() for given in (file, gold_file, probabilities) if given is not None
    }:
        raise click.UsageError(f"--out {out} is a file to be read: give another name")
    if export:
        _of_export(file, method, out, as_json=as_json)
        return
    try:
        found = _answered(file, method, gold_file, probabilities)
        if out is not None:
            write_labels(out, found.ratings, found.consensus)
    except (ConsensusError, DataFileError) as error:
        raise click.ClickException(str(error)) from error
    for remark in _notes(found, gold_file):
        note(remark)
    if as_json:
        tell_json(report_of(found), indent=True)
    else:
        _show(found)


def _of_export(file: Path, method: str, out: Path | None, *, as_json: bool) -> None:
    if out is not None and not out.name.endswith(FORMATS):
        raise click.UsageError(
            f"--out {out} of an export holds a line of JSON for each task: name it "
            f"{' or '.join(FORMATS)}"
        )
    try:
        with progress("estimating"):
            found = export_consensus(file, method, _METHODS[method])
        if out is not None:
            write_consensus(out, found)
    except (ConsensusError, DataFileError, ExportError) as error:
        raise click.ClickException(str(error)) from error
    for remark in reading_notes(found):
        note(remark)
    if as_json:
        tell_json(found.as_json(), indent=True)
    else:
        show(*export_tables(found))


@progress("estimating")
def _answered(
    file: Path, method: str, gold_file: Path | None, probabilities: Path | None
) -> Answered:
    ratings = read_votes(file)
    labels = None if gold_file is None else read_gold(gold_file)
    if probabilities is not None:
        ratings, table = read_probabilities(probabilities, ratings)
        found = crowdlab(ratings, table)
    else:
        found = _METHODS[method](ratings)
    gold = None if labels is None else gold_of(ratings, labels)
    return Answered(ratings=ratings, consensus=found, gold=gold)


def read_gold(file: Path) -> dict[str, str]:
    """The true label of each item, from the columns ``item`` and ``gold`` of a CSV file.

    Raises
        DataFileError: no such columns or no rows, an empty field, two labels for one item.
    """
    found: dict[str, str] = {}
    problems = []
    for row in read_rows(file, ("item", "gold")):
        item, label = row.values["item"], row.values["gold"]
        for name, value in (("item", item), ("gold", label)):
            if not value.strip():
                hint = "is empty: leave out the line of an item whose true label is not known"
                problems.append(f"{row.line}  {name} = {value!r}  {hint}")
        if found.setdefault(item, label) != label:
            problems.append(
                f"{row.line}  gold = {label!r}  but a line above says {found[item]!r} of the item "
                f"{item!r}: keep one of them"
            )
    refuse(file, problems)
    if not found:
        raise DataFileError(f"{file}  has no rows: one line for each item is needed")
    return found


def write_labels(file: Path, ratings: Ratings, consensus: Consensus) -> None:
    """Write ``item,label,confidence`` as CSV, packed where the name ends in ``.gz``.

    Raises
        DataFileError: the file cannot be written.
    """
    lines = [csv_line(("item", "label", "confidence"))]
    lines += (
        csv_line((item, ratings.categories[label], "" if math.isnan(sure) else f"{sure:.6f}"))
        for item, label, sure in zip(
            ratings.unit_names,
            consensus.labels.tolist(),
            consensus.confidence.tolist(),
            strict=True,
        )
    )
    content = "".join(lines).encode()
    # No time in the packed file: the same votes make the same bytes.
    packed = gzip.compress(content, mtime=0) if file.suffix == ".gz" else content
    try:
        file.write_bytes(packed)
    except OSError as error:
        raise DataFileError(f"{file}  cannot be written: {error.strerror}") from None


def report_of(found: Answered) -> dict[str, Any]:
    """Everything that ``--json`` prints."""
    consensus, ratings = found.consensus, found.ratings
    gold = found.gold
    return {
        "method": consensus.method,
        "units": len(ratings.unit_names),
        "ratings": len(ratings),
        "raters": len(ratings.rater_names),
        "dropped": ratings.dropped,
        "tied": len(consensus.tied),
        "converged": consensus.converged,
        "accuracy": None if gold is None else accuracy(consensus, gold).as_json(),
        "gold": None if gold is None else {"items": gold.matched, "unknown": gold.unknown},
        "annotators": _annotators(found),
    }


def _annotators(found: Answered) -> list[dict[str, Any]]:
    """Each annotator, worst first; who cannot be compared with anybody stands at the end."""
    ratings, consensus = found.ratings, found.consensus
    agreement = agreement_with_consensus(ratings, consensus)
    gold = None if found.gold is None else gold_scores(ratings, found.gold)
    answers = np.bincount(ratings.raters).tolist()
    quality = [None if math.isnan(one) else one for one in consensus.quality.tolist()]
    order = np.argsort(consensus.quality, kind="stable").tolist()  # NaN stands last
    return [
        {
            "annotator": ratings.rater_names[rater],
            "ratings": answers[rater],
            "quality": quality[rater],
            "agreement_with_consensus": agreement[rater].as_json(),
            "gold": None if gold is None else gold[rater].as_json(),
        }
        for rater in order
    ]


def _notes(found: Answered, gold_file: Path | None) -> list[str]:
    """What a reader of the figures must know beside them."""
    ratings, consensus, gold = found.ratings, found.consensus, found.gold
    notes = []
    if ratings.dropped:
        notes.append(f"repeated votes left out: {ratings.dropped:,}, the first of a worker counts")
    if not overlapping(ratings).any():
        notes.append(
            "No item has votes of two workers, so nothing tells who is right: have some items "
            "labelled by several"
        )
    if len(consensus.tied):
        notes.append(
            f"tied items: {len(consensus.tied):,}, of which --out names the first label in order"
        )
    if not consensus.converged:
        notes.append("The estimate still moved at the last round: take it with care, or majority")
    if gold is not None and not gold.matched:
        notes.append(f"{gold_file}: none of its items has votes, so accuracy is not known")
    elif gold is not None and gold.unknown:
        notes.append(f"{gold_file}: items without votes, left out: {gold.unknown:,}")
    return notes


def _show(found: Answered) -> None:
    ratings, consensus, gold = found.ratings, found.consensus, found.gold
    tell(
        f"{consensus.method}: {len(ratings.unit_names):,} items, {len(ratings):,} votes of "
        f"{len(ratings.rater_names):,} workers"
    )
    if gold is not None:
        right = accuracy(consensus, gold)
        tell(f"right on gold: {_interval(right)} of {right.n:,} items")
    table = new_table()
    for column in ("annotator", "votes", "quality", "agrees with consensus"):
        table.add_column(column, justify="left" if column == "annotator" else "right")
    if gold is not None:
        table.add_column("right on gold", justify="right")
    for row in _annotators(found):
        cells = [escape(row["annotator"]), f"{row['ratings']:,}", _share(row["quality"])]
        estimates = [row["agreement_with_consensus"], row["gold"]]
        cells += [_interval(Estimate(**one)) for one in estimates if one is not None]
        table.add_row(*cells)
    show(table)


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return "-"
    return f"{_share(estimate.value)} ({estimate.low:.3f} to {estimate.high:.3f})"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
