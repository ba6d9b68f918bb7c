"""Sentence embeddings: labels saved at the same promise, and speed beside sentence-transformers.

Each round draws a few texts of each class to train on, a control slice of 2,000, and the tasks
that are left. The threshold promises at most 5 % errors among the accepted with 95 % confidence;
labels saved is the share of the tasks left that it accepts. One logistic regression on TF-IDF,
on the vectors, on both side by side, and on what cross-validation picks of the three; first the
shipped text model as it stands. The speed is held against sentence-transformers where it is
installed. CPU time, one thread.
Needs the extra ``embeddings``, and in LABELGATE_DATA the folder of data sets.
Run: ``python -m benchmarks.embeddings``.
"""

from __future__ import annotations

import csv
import gzip
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no types

from backend.embeddings.encoders import Encoder, find_encoder
from backend.predictors.protocol import Examples
from backend.predictors.texts.classifier import fit_text
from policies.domain import FloatArray, IntArray, ObjectArray
from policies.thresholds import certify, grid_from_scores

ERRORS, CONFIDENCE, CONTROL = 0.05, 0.95, 2_000
SEEDS = range(int(os.environ.get("SEEDS", "3")))
STRENGTHS = (1.0, 10.0, 100.0)
SPEED_TEXTS = 500
WEIGHT = 2.0  # of vectors beside TF-IDF: of equal length, words outvote them
Scores = tuple[ObjectArray, FloatArray]
Figures = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """One set: texts, labels and vectors in one order; so many labels a class are learned."""

    name: str
    texts: ObjectArray
    labels: ObjectArray
    vectors: NDArray[np.float32]
    labels_a_class: int
    classes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One draw of a set: rows to learn from, and all others, of which the first are control."""

    data: Data
    learned: IntArray
    asked: IntArray
    seed: int


def main() -> None:
    """Print speed and gain; fail where the vectors save no labels."""
    encoder = find_encoder()
    if encoder is None:
        sys.exit("the extra `embeddings` is not installed: make .venv/ready")
    folder = Path(os.environ.get("LABELGATE_DATA") or "../shared/data")
    with threadpool_limits(limits=1):
        _print_speed(encoder, _read(folder / "clinc150.csv.gz")[0][:SPEED_TEXTS])
        lost = [data.name for data in _sets(encoder, folder) if not _print_gain(data)]
    if lost:
        sys.exit(f"embeddings save no labels on {', '.join(lost)}")


def _sets(encoder: Encoder, folder: Path) -> list[Data]:
    texts, labels = _read(folder / "clinc150.csv.gz")
    vectors = encoder.encode(texts.tolist())
    shared: dict[str, Any] = {"texts": texts, "labels": labels, "vectors": vectors}
    news, topics = _read(folder / "agnews_test.csv.gz")
    about_news: dict[str, Any] = {"texts": news, "labels": topics}
    return [
        Data(name="clinc, 77 intents", labels_a_class=5, classes=77, **shared),
        Data(name="clinc, 150 intents", labels_a_class=5, classes=150, **shared),
        Data(
            name="agnews, 4 topics",
            labels_a_class=50,
            classes=4,
            vectors=encoder.encode(news.tolist()),
            **about_news,
        ),
    ]


def _read(path: Path) -> tuple[ObjectArray, ObjectArray]:
    """Texts and labels, out-of-scope texts left aside."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("is_oos", "0") in ("0", "False")]
    return (
        np.array([row["text"] for row in rows], object),
        np.array([row["label"] for row in rows], object),
    )


def _print_speed(encoder: Encoder, texts: ObjectArray) -> None:
    asked = texts.tolist()
    own = encoder.encode(asked)
    own_s = min(_seconds(lambda: encoder.encode(asked)) for _ in range(3))
    print(f"{len(asked)} short texts: {len(asked) / own_s:,.0f} texts a second of CPU time")
    if find_spec("sentence_transformers") is None:
        print("sentence-transformers is not installed: nothing to compare with")
        return
    import_module("torch").set_num_threads(1)
    model = import_module("sentence_transformers").SentenceTransformer(
        str(encoder.folder.path), device="cpu"
    )
    theirs = model.encode(asked, show_progress_bar=False)
    torch_s = min(_seconds(lambda: model.encode(asked, show_progress_bar=False)) for _ in range(3))
    print(
        f"sentence-transformers: {len(asked) / torch_s:,.0f}, ratio {torch_s / own_s:.2f}; "
        f"largest difference of a vector's numbers {np.abs(own - theirs).max():.1e}"
    )


def _seconds(do: Callable[[], object]) -> float:
    start = time.process_time()
    do()
    return time.process_time() - start


def _print_gain(data: Data) -> bool:
    """Means over the seeds, and whether vectors save labels."""
    print(f"{data.name}: {data.labels_a_class} labels a class learned from, {CONTROL} control")
    rounds = [_measured(data, seed) for seed in SEEDS]
    saved: dict[str, float] = {}
    for name in rounds[0]:
        found = np.array([each[name] for each in rounds])
        mean, spread = found.mean(axis=0), found.std(axis=0)
        saved[name] = float(mean[0])
        print(
            f"  {name:20} saved {mean[0]:.3f} (sd {spread[0]:.3f})  errors among them {mean[1]:.3f}"
            f"  accuracy {mean[2]:.3f}"
        )
    return saved["shipped with vectors"] > saved["shipped"]


def _measured(data: Data, seed: int) -> dict[str, Figures]:
    """Each way on one draw; picked is the one that cross-validation finds most accurate."""
    drawn = _round(data, seed)
    fitted = {name: _regression(drawn, *features) for name, features in _features(drawn).items()}
    best = max(fitted.values(), key=lambda each: each[0])
    found = {name: _figures(drawn, scores) for name, (_, scores) in fitted.items()}
    return {
        "shipped": _figures(drawn, _shipped(drawn, with_vectors=False)),
        "shipped with vectors": _figures(drawn, _shipped(drawn, with_vectors=True)),
        **found,
        "picked": _figures(drawn, best[1]),
    }


def _round(data: Data, seed: int) -> Round:
    """As many labels of each class; of a class, those that come first in a random order."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(sorted(set(data.labels.tolist())))[: data.classes]
    rows = rng.permutation(np.flatnonzero(np.isin(data.labels, names)))
    learned = np.concatenate(
        [rows[data.labels[rows] == name][: data.labels_a_class] for name in names]
    )
    return Round(data=data, learned=learned, asked=rows[~np.isin(rows, learned)], seed=seed)


def _figures(drawn: Round, found: Scores) -> Figures:
    """The share of the tasks left that is accepted, the errors in it, and the accuracy on all."""
    said, scores = found
    wrong = np.asarray(said != drawn.data.labels[drawn.asked], bool)
    left, left_wrong = scores[CONTROL:], wrong[CONTROL:]
    grid = grid_from_scores(
        left, max_error_rate=ERRORS, confidence=CONFIDENCE, n_labelled=CONTROL, floor=0.0
    )
    threshold = certify(
        scores[:CONTROL],
        wrong[:CONTROL],
        grid=grid,
        max_error_rate=ERRORS,
        confidence=CONFIDENCE,
        model_version="v1",
    ).threshold
    taken = left >= (np.inf if threshold is None else threshold)
    errors = float(left_wrong[taken].mean()) if taken.any() else 0.0
    return float(taken.mean()), errors, float(1 - wrong.mean())


def _shipped(drawn: Round, *, with_vectors: bool) -> Scores:
    """The text model of Labelgate, without an encoder and with one."""
    texts, labels = drawn.data.texts, drawn.data.labels
    known = dict(zip(texts.tolist(), drawn.data.vectors, strict=True))

    def encode(asked: Sequence[str]) -> FloatArray:
        return np.array([known[text] for text in asked], np.float64)

    examples = Examples.alike(texts[drawn.learned].tolist(), labels[drawn.learned].tolist())
    model = fit_text(examples, seed=0, encode=encode if with_vectors else None)
    found = model.probabilities(texts[drawn.asked].tolist())
    return np.array(model.labels, object)[found.argmax(axis=1)], found.max(axis=1)


def _features(drawn: Round) -> dict[str, tuple[Any, Any]]:
    """For each way the rows to learn from and the rows to ask, in columns of features."""
    texts, vectors = drawn.data.texts, drawn.data.vectors.astype(np.float64)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    learned, asked = words.fit_transform(texts[drawn.learned]), words.transform(texts[drawn.asked])
    rows = vectors[drawn.learned], vectors[drawn.asked]
    beside = [csr_matrix(WEIGHT * each) for each in rows]
    return {
        "TF-IDF": (learned, asked),
        "vectors": rows,
        "both": (
            hstack([learned, beside[0]], format="csr"),
            hstack([asked, beside[1]], format="csr"),
        ),
    }


def _regression(drawn: Round, learned: Any, asked: Any) -> tuple[float, Scores]:
    """The cross-validated accuracy of its best strength, and what it answers.

    By log loss the strengths come out too high, to make up for probabilities that are too timid;
    a calibration does that without a loss.
    """
    search = GridSearchCV(
        LogisticRegression(max_iter=200, tol=1e-3),
        {"C": STRENGTHS},
        scoring="accuracy",
        cv=StratifiedKFold(3, shuffle=True, random_state=drawn.seed),
    )
    search.fit(learned, drawn.data.labels[drawn.learned].astype(str))
    found = search.predict_proba(asked)
    said = search.classes_[found.argmax(axis=1)].astype(object)
    return float(search.best_score_), (said, found.max(axis=1))


if __name__ == "__main__":
    main()
