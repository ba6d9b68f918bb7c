"""Consensus beside crowd-kit: the same accuracy on real votes, and the time of many.

crowd-kit runs in an environment of its own (``make crowd-kit``) and gets the votes as arrays over a
file; its imports and the reading are not timed. Accuracy is against the gold of three crowds (the
folder that LABELGATE_DATA names): textual entailment, birds that the majority gets wrong, and
feelings of faces. "As right" means: no more units wrong than crowd-kit's, but for one in a hundred,
because ties are broken otherwise. Time is of the processor on made-up votes.
Run: ``python -m benchmarks.consensus_peers``.
"""

from __future__ import annotations

import csv
import gzip
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audit_jobs.measures.ratings import Ratings
from audit_jobs.votes import read_votes
from benchmarks.consensus import ANSWERS, METHODS, crowd
from benchmarks.results import Row, asserted, at_least, finish, is_quick, told
from connectors.label_studio.installation import cache_folder
from policies.domain import IntArray

CROWDS = ("rte", "bluebird", "face_sentiment")
COMPARED = ("majority", "one-coin", "dawid-skene")
UNITS, QUICK_UNITS = 50_000, 5_000
LEAST_SPEED = {"majority": 1.0, "one-coin": 1.0, "dawid-skene": 1.0}
_MARGIN = 0.01
_PROGRAM = Path(__file__).with_name("crowd_kit_program.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One label for each unit, as codes, and the seconds that it took."""

    labels: IntArray
    seconds: float


def python() -> Path | None:
    """The Python of the newest install of ``make crowd-kit``; None where there is none."""
    ready = sorted(cache_folder().glob("crowd-kit-*/ready"), key=lambda file: file.stat().st_mtime)
    return ready[-1].parent / "venv" / "bin" / "python" if ready else None


def by_labelgate(ratings: Ratings, names: Sequence[str]) -> dict[str, Said]:
    """Labelgate's consensus by every method."""
    found = {}
    for name in names:
        began = time.process_time()
        made = METHODS[name](ratings)
        found[name] = Said(labels=made.labels, seconds=time.process_time() - began)
    return found


def by_crowd_kit(program: Path, ratings: Ratings, names: Sequence[str]) -> dict[str, Said]:
    """crowd-kit's, in its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        votes, out = Path(folder) / "votes.npz", Path(folder) / "labels.npz"
        np.savez(votes, units=ratings.units, raters=ratings.raters, values=ratings.values)
        command = [str(program), str(_PROGRAM), str(votes), str(out), *names]
        subprocess.run(command, check=True)
        with np.load(out) as columns:
            return {name: _said(columns, name, len(ratings.unit_names)) for name in names}


def _said(columns: Any, name: str, units: int) -> Said:
    labels = np.full(units, -1, np.int64)
    labels[columns[f"{name} units"]] = columns[f"{name} labels"]
    return Said(labels=labels, seconds=float(columns[f"{name} seconds"]))


def gold(folder: Path, name: str, ratings: Ratings) -> IntArray:
    """The true label of every unit as a code, -1 where it is unknown."""
    with gzip.open(folder / f"{name}_gold.csv.gz", "rt", encoding="utf-8") as file:
        true = {row["item"]: row["gold"] for row in csv.DictReader(file)}
    return coded_gold(true, ratings)


def coded_gold(true: dict[str, str], ratings: Ratings) -> IntArray:
    """The same from item to label."""
    codes = {label: code for code, label in enumerate(ratings.categories)}
    return np.array([codes.get(true.get(unit, ""), -1) for unit in ratings.unit_names], np.int64)


def accuracies(program: Path, folder: Path) -> list[Row]:
    """How often each is right on the real crowds, side by side."""
    rows = []
    for name in CROWDS:
        ratings = read_votes(folder / f"{name}_votes.csv.gz")
        if name == "rte":
            with gzip.open(folder / "rte_items.csv.gz", "rt", encoding="utf-8") as file:
                items = {row["item"]: row["gold"] for row in csv.DictReader(file)}
            true = coded_gold(items, ratings)
        else:
            true = gold(folder, name, ratings)
        ours, theirs = by_labelgate(ratings, COMPARED), by_crowd_kit(program, ratings, COMPARED)
        known = true >= 0
        for method in COMPARED:
            here = float((ours[method].labels == true)[known].mean())
            there = float((theirs[method].labels == true)[known].mean())
            rows.append(
                asserted(
                    f"{name}, {method}: as right as crowd-kit",
                    figure=f"{here:.4f} right",
                    peer=f"crowd-kit {there:.4f}",
                    held=here >= there - _MARGIN,
                )
            )
    return rows


def times(program: Path, units: int) -> list[Row]:
    """How long each takes on many votes, with the accuracy on them."""
    ratings, truth = crowd(units=units)
    ours, theirs = by_labelgate(ratings, COMPARED), by_crowd_kit(program, ratings, COMPARED)
    rows = []
    for method in COMPARED:
        here, there = ours[method], theirs[method]
        right = [float((each.labels == truth).mean()) for each in (here, there)]
        rows.append(
            at_least(
                f"{units * ANSWERS:,} votes, {method}: speed",
                figure=f"{here.seconds:.2f} s, {right[0]:.4f} right",
                peer=f"crowd-kit {there.seconds:.2f} s, {right[1]:.4f} right",
                ratio=there.seconds / here.seconds,
                limit=LEAST_SPEED[method],
            )
        )
    return rows


def main() -> None:
    """Print the figures; 1 where a limit is not held."""
    program, folder = python(), os.environ.get("LABELGATE_DATA")
    if program is None:
        finish([told("not run", figure="crowd-kit is not there: run `make crowd-kit`")])
    rows = times(program, QUICK_UNITS if is_quick() else UNITS)
    if folder is None:
        rows.append(told("accuracy: not run", figure="set LABELGATE_DATA to the data sets"))
    else:
        rows += accuracies(program, Path(folder))
    finish(rows)


if __name__ == "__main__":
    main()
