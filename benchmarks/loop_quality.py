"""What the whole loop saves at the promised error, beside three ways to label without it.

``labelgate simulate`` (its own loop, in process) on news of four topics, on questions of 150
intents and on text messages with a few per cent of spam, from the folder that LABELGATE_DATA names.
People are perfect, every human look counts, and the promise is at most 5 % wrong among what is
accepted, at 95 %; then at most 10 %. The peers label the same tasks with scikit-learn's TF-IDF and
logistic regression, trained anew after as many labels:

- confidence 0.9: a random batch is labelled, a model trained, all that is at least 0.9 sure is
  accepted for good, and so on until every task has a label;
- active learning without accepting: the least certain tasks are labelled, as many as the loop had
  looks; then the model's answers to the rest, of whose errors nobody knows;
- all by hand: a look a task.

Run: ``python -m benchmarks.loop_quality [--tasks 10000] [--seeds 1]``; ``--tasks 0`` takes all.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from audit_jobs.simulation.loop import play
from audit_jobs.simulation.world import World, world_of
from benchmarks.results import Row, asserted, at_least, finish, is_quick, told
from policies.domain import BoolArray, ObjectArray
from policies.loading import parse_policy

# The least saving by data set and promise. A promise takes some hundred clean control answers: of
# a few thousand tasks whose surest answers are wrong in one of twenty, everything goes to people.
DATA = {
    "agnews_test": {0.05: 0.0, 0.10: 0.3},
    "clinc150": {0.05: 0.0, 0.10: 0.3},
    "sms_spam": {0.05: 0.3, 0.10: 0.3},
}
TASKS, QUICK_TASKS = 10_000, 1_000
CONFIDENCE, PLAIN = 0.95, 0.9
_BATCH = 15  # of so many parts of the tasks a model is trained after each
_OUT_OF_SCOPE = "1"  # of the intents: questions that have none
_POLICY = """\
project: loop quality
stakes: low
tiers:
  - name: general
    reviewers: [a@example.com, b@example.com]
    cost_per_label: 0.1
    daily_capacity: {batch}
  - name: senior
    reviewers: [c@example.com]
    cost_per_label: 0.5
    daily_capacity: {batch}
auto_accept: {{max_error_rate: {error}, confidence: {confidence}}}
control: {{share: {control:.3f}}}
holdout: {{share: 0.05}}
audit: {{share: 0.05, second_share: 0}}
agreement: {{share: 0}}
retrain: {{after_annotations: {batch}, minimum_labels: {minimum}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """What a way of labelling came to: looks, tasks without a look, the share wrong of those."""

    looks: int
    accepted: int
    wrong: float | None

    @property
    def told(self) -> str:
        """In words."""
        error = "nothing accepted" if self.wrong is None else f"{self.wrong:.2%} of them wrong"
        return f"{self.looks:,} looks, {self.accepted:,} without one, {error}"


def taken(name: str, folder: Path, out: Path) -> Path:
    """The data set as the simulation reads it: without questions that have no intent."""
    with gzip.open(folder / f"{name}.csv.gz", "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("is_oos") != _OUT_OF_SCOPE]
    kept = out / f"{name}.csv"
    with kept.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ("id", "text", "label"), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row for row in rows if row["text"].strip() and row["label"] != "oos")
    return kept


def world(file: Path, tasks: int, seed: int, max_error: float) -> World:
    """The tasks in an order drawn by the seed, under a policy sized to them."""
    batch = max(30, tasks // _BATCH)
    text = _POLICY.format(
        batch=batch,
        minimum=batch // 2,
        error=max_error,
        confidence=CONFIDENCE,
        control=min(0.2, max(0.1, 300 / tasks)),
    )
    return world_of(parse_policy(text), file, seed=seed, max_tasks=tasks)


def by_labelgate(made: World) -> Labelled:
    """The loop with all that it costs: control, holdout and audits too."""
    last = play(made, stream=False, tell=lambda _: None).cycles[-1]
    return Labelled(looks=last.human_labels, accepted=last.accepted, wrong=last.accepted_error)


def pipeline() -> Pipeline:
    """The model of the peers."""
    return make_pipeline(
        TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)),
        LogisticRegression(C=10.0, max_iter=200),
    )


def by_confidence(texts: ObjectArray, truth: ObjectArray, batch: int) -> Labelled:
    """Accept what is at least 0.9 sure, for good, after every batch of a random order."""
    looked, accepted = np.zeros(len(texts), bool), np.zeros(len(texts), bool)
    wrong = 0
    while not (looked | accepted).all():
        waiting = np.flatnonzero(~(looked | accepted))
        looked[waiting[:batch]] = True  # the tasks come in random order
        rest = waiting[batch:]
        if not len(rest) or len(set(truth[looked])) < 2:
            continue
        model = pipeline().fit(texts[looked], truth[looked])
        sure = model.predict_proba(texts[rest])
        taken_now = rest[sure.max(axis=1) >= PLAIN]
        said = model.classes_[sure.argmax(axis=1)][sure.max(axis=1) >= PLAIN]
        wrong += int(np.count_nonzero(said != truth[taken_now]))
        accepted[taken_now] = True
    count = int(accepted.sum())
    return Labelled(looks=int(looked.sum()), accepted=count, wrong=wrong / count if count else None)


def by_active_learning(texts: ObjectArray, truth: ObjectArray, batch: int, looks: int) -> Labelled:
    """Label the least certain tasks until so many looks are used; the rest is the model's."""
    looked: BoolArray = np.zeros(len(texts), bool)
    looked[:batch] = True
    while not looked.all():
        model = pipeline().fit(texts[looked], truth[looked])
        rest = np.flatnonzero(~looked)
        sure = model.predict_proba(texts[rest])
        left = looks - int(looked.sum())
        if left <= 0:
            said = model.classes_[sure.argmax(axis=1)]
            error = float(np.mean(said != truth[rest]))
            return Labelled(looks=int(looked.sum()), accepted=len(rest), wrong=error)
        looked[rest[np.argsort(sure.max(axis=1), kind="stable")[: min(batch, left)]]] = True
    return Labelled(looks=len(texts), accepted=0, wrong=None)


def rows_of(name: str, file: Path, tasks: int, seed: int) -> Iterator[Row]:
    """One data set under one seed: the loop at each promise, and its peers."""
    sure: Labelled | None = None
    for max_error, least in DATA[name].items():
        made = world(file, tasks, seed, max_error)
        texts = np.array([each["text"] for each in made.data], object)
        truth = np.array(made.truth, object)
        batch = made.policy.retrain.after_annotations
        began = time.process_time()
        ours = by_labelgate(made)
        seconds = time.process_time() - began
        sure = sure or by_confidence(texts, truth, batch)  # it promises nothing
        learned = by_active_learning(texts, truth, batch, ours.looks)
        about = f"{name}, {len(made):,} tasks, seed {seed}, at most {max_error:.0%} wrong"
        saving = 1 - ours.looks / len(made)
        print(f"{about}: {ours.told}; saving {saving:.1%}; {seconds:.0f} s", flush=True)
        yield asserted(about, figure=ours.told, held=(ours.wrong or 0.0) <= max_error)
        yield at_least(
            f"{about}: beside all by hand",
            figure=f"{saving:.1%} of the looks saved",
            peer=f"a look a task: {len(made):,}",
            ratio=saving,
            limit=0.0 if is_quick() else least,
        )
        yield told(f"{about}: beside confidence {PLAIN}", figure=ours.told, peer=sure.told)
        yield told(f"{about}: beside active learning", figure=ours.told, peer=learned.told)


def main() -> None:
    """Print the figures; 1 where a promise is broken or too little is saved."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=QUICK_TASKS if is_quick() else TASKS)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", choices=DATA)
    asked = parser.parse_args()
    folder = os.environ.get("LABELGATE_DATA")
    if folder is None:
        sys.exit("set LABELGATE_DATA to the folder of data sets: this runs on real texts")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as out:
        for name in DATA if asked.only is None else (asked.only,):
            file = taken(name, Path(folder), Path(out))
            with file.open(encoding="utf-8") as lines:
                there = sum(1 for _ in csv.reader(lines)) - 1
            for seed in range(asked.seeds):
                rows += rows_of(name, file, min(asked.tasks or there, there), seed)
    finish(rows)


if __name__ == "__main__":
    main()
