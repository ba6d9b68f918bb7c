"""The text classifier: what its members add, and its speed, against scikit-learn side by side.

First clinc150 as its authors split it: accuracy in scope, and how well novelty tells questions out
of scope. Then training and serving against a scikit-learn pipeline of the same features and, for
serving, of the same coefficients. Times are of the processor, the best of several.
Run: ``python -m benchmarks.text_models``; needs the shared data (``LABELGATE_DATA``).

With names of studies ("77 intents", "150 intents", "SMS", "news topics", or all; minutes each)
those alone: how much may be accepted without a person at the same promise, by one model of words
(what Labelgate had before) and by the members together, on splits of real texts, thresholds
certified on control answers as in production.
"""

from __future__ import annotations

import csv
import gzip
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import FeatureUnion, Pipeline

from backend.predictors.memory.novelty import neighbourhood
from backend.predictors.protocol import Examples
from backend.predictors.texts.classifier import (
    TextModel,
    fit_text,
    text_as_plain,
    text_from_plain,
)
from backend.predictors.texts.linear import LinearTerms
from backend.predictors.texts.members import Member
from backend.predictors.texts.terms import CHARACTER_RUNS, WORD, WORD_RUNS, WordTerms
from backend.predictors.texts.training import TextPlan
from benchmarks.results import Row, asserted, at_least, at_most, finish
from policies.domain import BoolArray, FloatArray, IntArray, ObjectArray
from policies.thresholds import certify, grid_from_scores

LEAST_ACCURACY, LEAST_AREA = 0.91, 0.93
MOST_TRAINING, LEAST_ONE, LEAST_BATCH, MOST_APART = 5.0, 5.0, 1.5, 1e-9
# (name, training texts): few enough that something is left to win.
STUDIES = (("77 intents", 1_500), ("150 intents", 3_000), ("news topics", 2_000), ("SMS", 1_000))
SPLITS = 4
# Several fits of each member take their time: tried where that is short.
MANY_FITS = ("77 intents", "SMS")
DRAWS = 20
# Promised error rate -> control answers.
PROMISES = {0.05: 600, 0.02: 1_000}
PLANS = {
    "words": TextPlan(members=(Member.WORDS,)),
    "characters": TextPlan(members=(Member.CHARACTERS,)),
    "words, characters": TextPlan(members=(Member.WORDS, Member.CHARACTERS)),
    "words, characters, naive Bayes": TextPlan(),
}
FIVE = "the same, five fits each"
MEAN = "mean of two models' probabilities"


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Texts and their labels, in one order."""

    texts: ObjectArray
    labels: ObjectArray

    def part(self, rows: IntArray) -> Texts:
        """Some of them."""
        return Texts(texts=self.texts[rows], labels=self.labels[rows])

    def examples(self) -> Examples:
        """As training takes them."""
        return Examples.alike(self.texts.tolist(), self.labels.tolist())


def rows_of(name: str) -> list[dict[str, str]]:
    """The rows of a shared file."""
    folder = Path(os.environ.get("LABELGATE_DATA", "../shared/data"))
    if not folder.is_dir():
        sys.exit(f"no data sets at {folder}: set LABELGATE_DATA to the folder that holds them")
    with gzip.open(folder / name, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def texts_of(rows: Sequence[Mapping[str, str]]) -> Texts:
    """Their columns."""
    return Texts(
        texts=np.array([row["text"] for row in rows], np.object_),
        labels=np.array([row["label"] for row in rows], np.object_),
    )


def studied(name: str) -> Texts:
    """The texts of one of the studies."""
    match name:
        case "news topics":
            return texts_of(rows_of("agnews_test.csv.gz"))
        case "SMS":
            return texts_of(rows_of("sms_spam.csv.gz"))
    rows = [row for row in rows_of("clinc150.csv.gz") if row["is_oos"] == "0"]
    labels = sorted({row["label"] for row in rows})
    chosen = set(np.random.default_rng(0).permutation(labels)[: int(name.split(maxsplit=1)[0])])
    return texts_of([row for row in rows if row["label"] in chosen])


def accepted(scores: FloatArray, wrong: BoolArray, rate: float, answers: int) -> float:
    """The share of the pool that is accepted, mean over draws of the control answers."""
    shares = []
    for seed in range(DRAWS):
        order = np.random.default_rng(seed).permutation(len(scores))
        control, pool = order[:answers], order[answers:]
        grid = grid_from_scores(
            scores[pool], max_error_rate=rate, confidence=0.95, n_labelled=answers, floor=0.0
        )
        found = certify(
            scores[control],
            wrong[control],
            grid=grid,
            max_error_rate=rate,
            confidence=0.95,
            model_version="",
        ).threshold
        shares.append(0.0 if found is None else float(np.mean(scores[pool] >= found)))
    return float(np.mean(shares))


def figures(labels: Sequence[str], probabilities: FloatArray, truths: ObjectArray) -> list[float]:
    """Accuracy, then the accepted share for each promise."""
    wrong = np.array(labels, np.object_)[probabilities.argmax(axis=1)] != truths
    scores = probabilities.max(axis=1)
    shares = [accepted(scores, wrong, rate, answers) for rate, answers in PROMISES.items()]
    return [1.0 - float(wrong.mean()), *shares]


def study(name: str, size: int) -> None:
    """Print what each plan accepts, mean over the splits, and its gain over words alone."""
    data = studied(name)
    plans = {**PLANS, FIVE: TextPlan(fits=5)} if name in MANY_FITS else PLANS
    found: dict[str, list[list[float]]] = {plan: [] for plan in (*plans, MEAN)}
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(len(data.labels))
        learned = data.part(order[:size])
        asked = data.part(order[size : size + 5_000])
        said: dict[str, FloatArray] = {}
        for plan_name, plan in plans.items():
            model = fit_text(learned.examples(), seed=seed, plan=plan)
            said[plan_name] = model.probabilities(asked.texts.tolist())
        said[MEAN] = (said["words"] + said["characters"]) / 2
        for plan_name, probabilities in said.items():
            found[plan_name].append(figures(model.labels, probabilities, asked.labels))
    print(f"\n{name}, {size:,} training texts, {SPLITS} splits")
    before = np.array(found["words"])
    for plan_name, rows in found.items():
        values = np.array(rows)
        gains = values[:, 1:] - before[:, 1:]
        told = "  ".join(
            f"<= {rate:.0%}: {values[:, place + 1].mean():.3f} "
            f"({gains[:, place].mean():+.3f}, {gains[:, place].min():+.3f} at worst)"
            for place, rate in enumerate(PROMISES)
        )
        print(f"  {plan_name:34} accuracy {values[:, 0].mean():.4f}  accepted {told}", flush=True)


def timed(work: Callable[[], object], times: int = 5) -> float:
    """CPU seconds, the best of some runs."""
    found = []
    for _ in range(times):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def per_text(ask: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    """CPU seconds for one text, asked alone."""
    return timed(lambda: [ask([text]) for text in texts]) / len(texts)


def pipeline() -> Pipeline:
    """Scikit-learn's own of the same features and settings."""
    words = TfidfVectorizer(
        ngram_range=WORD_RUNS, token_pattern=WORD, sublinear_tf=True, max_features=100_000
    )
    characters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=CHARACTER_RUNS, sublinear_tf=True, max_features=100_000
    )
    return Pipeline(
        [
            ("features", FeatureUnion([("words", words), ("characters", characters)])),
            ("labels", LogisticRegression(C=10.0, solver="saga", tol=1e-2, max_iter=1000)),
        ]
    )


def same_model(model: TextModel, texts: Sequence[str]) -> Pipeline:
    """A pipeline that says what the model says: its own vocabulary, the model's coefficients."""
    peer = pipeline()
    peer[0].fit(texts)
    members = [member for member in model.members if isinstance(member, LinearTerms)]
    members.sort(key=lambda member: not isinstance(member.terms, WordTerms))
    assert len(members) == 2
    # Two labels share a decision value v, and stand at -v and v: scikit-learn's is the distance.
    times = 2.0 if len(model.labels) == 2 else 1.0
    parts = [times * each.weight * each.coefficients[:-1].T.astype(np.float64) for each in members]
    peer[1].classes_ = np.array(model.labels)
    peer[1].coef_ = np.hstack(parts)
    peer[1].intercept_ = times * sum(each.weight * each.intercepts for each in members)
    return peer


def scope() -> list[Row]:
    """Clinc150 by its authors' split: accuracy in scope, novelty out of it."""
    rows = rows_of("clinc150.csv.gz")
    learned = texts_of([row for row in rows if row["split"] == "train" and row["is_oos"] == "0"])
    asked = [row for row in rows if row["split"] == "test"]
    strange = np.array([row["is_oos"] == "1" for row in asked])
    model = fit_text(learned.examples(), seed=1)
    found = model.answers([row["text"] for row in asked])
    near = neighbourhood(learned.texts.tolist())
    assert near is not None
    novelties = near.novelties([row["text"] for row in asked], found.scores)
    right = found.texts == np.array([row["label"] for row in asked], np.object_)
    accuracy = float(right[~strange].mean())
    area = float(roc_auc_score(strange, novelties))
    print(f"\nclinc150: mean score in scope {found.scores[~strange].mean():.4f}")
    if model.learning is not None:
        print(f"  advice: {model.learning.advice}")
    alone = f"the score alone {roc_auc_score(strange, -found.scores):.4f}"
    return [
        at_least(
            "clinc150, right in scope",
            figure=f"{accuracy:.4f}",
            peer="",
            ratio=accuracy,
            limit=LEAST_ACCURACY,
        ),
        at_least(
            "clinc150, area of novelty",
            figure=f"{area:.4f}",
            peer=alone,
            ratio=area,
            limit=LEAST_AREA,
        ),
    ]


def speed(name: str, size: int) -> list[Row]:
    """Training and serving against scikit-learn."""
    data = studied(name)
    order = np.random.default_rng(0).permutation(len(data.labels))
    learned, asked = data.part(order[:size]), data.part(order[:1_000]).texts.tolist()
    texts = learned.texts.tolist()
    examples = learned.examples()
    theirs = timed(lambda: pipeline().fit(texts, learned.labels.tolist()), 2)
    ours = timed(lambda: fit_text(examples, seed=1), 2)
    model = fit_text(examples, seed=1)
    peer = same_model(model, texts)
    apart = np.abs(peer.predict_proba(asked) - model.probabilities(asked)).max()
    asks = (peer.predict_proba, model.probabilities)
    one = [per_text(ask, asked[:50]) for ask in asks]
    batch = [timed(partial(ask, asked)) for ask in asks]
    plain = text_as_plain(model)
    loading = timed(lambda: text_from_plain(plain))
    print(f"\n{name}: compiled when loaded in {1e3 * loading:.0f} ms", flush=True)
    compared = (
        (at_most, f"{name}, training on {size:,} texts", ours, theirs, MOST_TRAINING),
        (at_least, f"{name}, one text, times faster", one[1], one[0], LEAST_ONE),
        (at_least, f"{name}, 1,000 texts, times faster", batch[1], batch[0], LEAST_BATCH),
    )
    rows = [
        held(
            what,
            figure=f"{1e3 * own:,.3g} ms",
            peer=f"scikit-learn {1e3 * peers:,.3g} ms",
            ratio=own / peers if held is at_most else peers / own,
            limit=limit,
        )
        for held, what, own, peers, limit in compared
    ]
    same = apart <= MOST_APART
    return [*rows, asserted(f"{name}, the same scores", figure=f"apart by {apart:.1e}", held=same)]


def main() -> None:
    """Print the figures, or the studies named; the exit code is 1 where a limit is missed."""
    named = sys.argv[1:]
    rows = [] if named else [*scope(), *speed("150 intents", 10_000), *speed("SMS", 5_000)]
    for name, size in STUDIES:
        if name in named or "all" in named:
            study(name, size)
    finish(rows)


if __name__ == "__main__":
    main()
