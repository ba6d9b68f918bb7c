"""Sets of labels on goemotions, beside plain one-vs-rest logistic regression on the same words.

The peer is scikit-learn's pipeline as one would write it first: the same weighted words and pairs,
``OneVsRestClassifier(LogisticRegression())``, a label where its probability is above one half; it
has no score for a whole set, so the product of its labels' probabilities is taken. Both learn from
the training part and are measured on the test part. Needs the file of ``tests``' data sets.
Run: ``python -m benchmarks.multilabel``.
"""

from __future__ import annotations

import csv
import gzip
import os
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier

from backend.predictors.encoders import fit_encoder
from backend.predictors.protocol import Examples
from backend.predictors.sets.model import fit_sets
from benchmarks.results import at_least, at_most, finish
from policies.answer_texts import labels_of_set, set_text
from policies.domain import BoolArray, FloatArray

PROMISES = (0.1, 0.2, 0.3)
LIMIT_F1, LIMIT_TIME = 1.0, 15.0  # of the peer's


def main() -> None:
    """Print the figures of both."""
    texts, sets = read("train")
    asked, truths = read("test")
    start = time.process_time()
    model = fit_sets(Examples.alike(texts, [set_text(each) for each in sets]), seed=0)
    ours_s = time.process_time() - start
    told = model.answers(asked)
    chosen = as_columns([labels_of_set(text) for text in told.texts], model.labels)

    start = time.process_time()
    encoder = fit_encoder(texts, seed=0)
    peer = OneVsRestClassifier(LogisticRegression(max_iter=1000))
    peer.fit(encoder.encode(texts), as_columns(sets, model.labels))
    peer_s = time.process_time() - start
    probabilities = peer.predict_proba(encoder.encode(asked))
    said = probabilities > 0.5
    product = np.where(said, probabilities, 1.0 - probabilities).prod(axis=1)

    wanted = as_columns(truths, model.labels)
    ours = described("labelgate", chosen, wanted, told.scores)
    peers = described("one-vs-rest", said, wanted, product)
    print(f"mean score {told.scores.mean():.3f}")
    print(f"micro-F1 {ours / peers:.2f} of the peer's, training time {ours_s / peer_s:.1f} of its")
    finish(
        [
            at_least(
                "micro-F1",
                figure=f"{ours:.3f}",
                peer=f"one-vs-rest {peers:.3f}",
                ratio=ours / peers,
                limit=LIMIT_F1,
            ),
            at_most(
                "training",
                figure=f"{ours_s:.1f} s",
                peer=f"one-vs-rest {peer_s:.1f} s",
                ratio=ours_s / peer_s,
                limit=LIMIT_TIME,
            ),
        ]
    )


def described(name: str, chosen: BoolArray, wanted: BoolArray, scores: FloatArray) -> float:
    """Print what a model is worth; its micro-F1."""
    right = (chosen == wanted).all(axis=1)
    shares = ", ".join(
        f"{accepted(scores, right, promise):.3f} at {promise:.0%}" for promise in PROMISES
    )
    found = float(f1_score(wanted, chosen, average="micro"))
    print(f"{name}: micro-F1 {found:.4f}, sets exactly right {right.mean():.4f}, accepted {shares}")
    return found


def accepted(scores: FloatArray, right: BoolArray, promise: float) -> float:
    """The largest share of surest answers of which at most ``promise`` are wrong."""
    order = np.argsort(-scores, kind="stable")
    errors = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    fitting = np.flatnonzero(errors <= promise)
    return 0.0 if not len(fitting) else float(fitting[-1] + 1) / len(order)


def as_columns(sets: list[tuple[str, ...]], labels: tuple[str, ...]) -> BoolArray:
    """Which labels (columns) are in which sets (rows)."""
    return np.array([[label in each for label in labels] for each in sets], np.bool_)


def read(split: str) -> tuple[list[str], list[tuple[str, ...]]]:
    """Texts and their sets of labels."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LABELGATE_DATA", beside))
    with gzip.open(folder / "goemotions_multilabel.csv.gz", "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    return [row["text"] for row in rows], [tuple(row["labels"].split("|")) for row in rows]


if __name__ == "__main__":
    main()
