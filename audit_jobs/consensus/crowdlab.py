"""Consensus that listens to a model too: CROWDLAB by the optional package cleanlab.

Goh, Tkachenko and Mueller 2022, "CROWDLAB: supervised learning to infer consensus labels and
quality scores for data with multiple annotators". Meant for few answers a task; with many, votes
alone do as well.
"""

from __future__ import annotations

import math
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from audit_jobs.measures.consensus import Consensus, ConsensusError, overlapping
from audit_jobs.measures.ratings import Ratings
from audit_jobs.measures.tally import label_of_the_others, scored, tally_of
from backend.data_files import DataFileError, read_rows, refuse
from policies.domain import FloatArray

LARGEST = 50_000_000  # cells of units x raters, which cleanlab wants as a table: 400 MB
_SUM_MAY_MISS = 0.01  # rounded probabilities


def crowdlab(ratings: Ratings, probabilities: FloatArray) -> Consensus:
    """The label that the raters and the model together find most likely, with its quality score.

    ``probabilities`` has a row for each unit and a column for each category. ``others`` is the
    vote of the others with the raters weighed by their CROWDLAB quality, without the model.

    Raises
        ConsensusError: cleanlab is not installed, or cannot work with these ratings.
    """
    found = _cleanlab(ratings, probabilities)
    scores, stats = found["label_quality"], found["annotator_stats"]
    quality = stats["annotator_quality"].sort_index().to_numpy(np.float64)
    tally = tally_of(ratings)
    weights = np.maximum(quality, 0.0)
    labels = scores["consensus_label"].to_numpy(np.int64)
    shared = np.bincount(ratings.raters[overlapping(ratings)], minlength=len(quality)) > 0
    return Consensus(
        method="crowdlab",
        labels=labels,
        confidence=scores["consensus_quality_score"].to_numpy(np.float64),
        leading_units=np.arange(len(labels)),
        leading_labels=labels,
        quality=np.where(shared, quality, np.nan),
        others=label_of_the_others(tally, ratings, scored(tally, ratings, weights), weights),
    )


def _cleanlab(ratings: Ratings, probabilities: FloatArray) -> dict[str, Any]:
    if find_spec("cleanlab") is None:
        raise ConsensusError(
            "crowdlab needs the package cleanlab, which is not installed: "
            "pip install 'labelgate[cleanlab]', or take another method"
        )
    units, raters = len(ratings.unit_names), len(ratings.rater_names)
    if units * raters > LARGEST:
        raise ConsensusError(
            f"crowdlab on {units:,} units and {raters:,} raters needs a table of "
            f"{units * raters:,} cells, and the most is {LARGEST:,}: take dawid-skene"
        )
    if not overlapping(ratings).any() or len(ratings.categories) < 2:
        raise ConsensusError(
            "crowdlab compares raters with each other and with the model: it needs units that two "
            "raters answered, and two labels; take majority"
        )
    table = np.full((units, raters), np.nan)
    table[ratings.units, ratings.raters] = ratings.values
    measure = import_module("cleanlab.multiannotator").get_label_quality_multiannotator
    found: dict[str, Any] = measure(
        table, probabilities, return_detailed_quality=False, verbose=False
    )
    return found


def read_probabilities(file: Path, ratings: Ratings) -> tuple[Ratings, FloatArray]:
    """A model's probabilities for the units: CSV, the column ``item`` and one for each label.

    Labels that only the model knows become categories of the ratings, at the end. Items that
    nobody rated are left out.

    Raises
        DataFileError: a rated item or given label without probabilities, or no probabilities.
    """
    wanted = {name: place for place, name in enumerate(ratings.unit_names)}
    known = set(ratings.categories)
    labels: tuple[str, ...] = ()
    table = np.full((0, 0), np.nan)
    problems = []
    for row in read_rows(file, ("item", *ratings.categories)):
        if not labels:
            extra = tuple(name for name in row.values if name != "item" and name not in known)
            labels = (*ratings.categories, *extra)
            table = np.full((len(wanted), len(labels)), np.nan)
        item = row.values["item"]
        shares, problem = _shares(row.values, labels)
        if problem:
            problems.append(f"{row.line}  {problem}")
        elif item in wanted:
            if not math.isnan(table[wanted[item], 0]):
                problems.append(f"{row.line}  item = {item!r}  is there twice: keep one line of it")
            table[wanted[item]] = shares
    refuse(file, problems)
    missing = [name for name, place in wanted.items() if not labels or np.isnan(table[place, 0])]
    if missing:
        raise DataFileError(
            f"{file}  has no line for {len(missing):,} of {len(wanted):,} rated items, the first "
            f"is {missing[0]!r}: every rated item needs the model's probabilities"
        )
    return replace(ratings, categories=labels), table


def _shares(values: dict[str, str], labels: tuple[str, ...]) -> tuple[FloatArray, str]:
    found = np.zeros(len(labels))
    for place, label in enumerate(labels):
        try:
            found[place] = float(values[label])
        except ValueError:
            found[place] = np.nan
        if not 0 <= found[place] <= 1:
            return found, f"{label} = {values[label]!r}  is no probability: from 0 to 1"
    total = float(found.sum())
    if abs(total - 1) > _SUM_MAY_MISS:
        named = ", ".join(labels[:3]) + (", ..." if len(labels) > 3 else "")
        return found, f"{named}  add up to {total:.3f}: the probabilities of an item must make 1"
    return found / total, ""
