"""Named entities of wikigold: the embedded model beside the most frequent tag of each word.

Five folds of single sentences; a span counts where its start, its end and its label are right.
Then what the scores are worth: how well they tell right answers from wrong ones, and which share of
unlabelled tasks a promise of at most 10 % wrong answers lets through by Labelgate's own
certification on 600 control answers. Run: ``python -m benchmarks.spans``; it needs
``wikigold_ner.jsonl.gz`` in the folder of data sets (``LABELGATE_DATA``, else ``../shared/data``).
"""

from __future__ import annotations

import gzip
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from backend.predictors.protocol import Examples
from backend.predictors.spans.model import fit_spans
from backend.predictors.spans.tags import tags_of, token_spans
from backend.predictors.spans.tokens import borders_of
from benchmarks.results import at_least, finish
from policies.answer_texts import SpanText, spans_of, spans_text
from policies.domain import BoolArray, FloatArray, IntArray
from policies.thresholds import certify, grid_from_scores

FOLDS = 5
CONTROL_ANSWERS, DRAWS = 600, 200
PROMISED, CONFIDENCE = 0.10, 0.95
LEAST_RATIO = 1.5


@dataclass(slots=True)
class Found:
    """Spans found, spans that people marked, and those that are both."""

    said: int = 0
    marked: int = 0
    right: int = 0

    def add(self, said: Sequence[SpanText], marked: Sequence[SpanText]) -> None:
        """Count one text."""
        self.said += len(said)
        self.marked += len(marked)
        self.right += len(set(said) & set(marked))

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.right / (self.said + self.marked)


def wikigold() -> tuple[list[str], list[str]]:
    """Its sentences, and the answers to them."""
    folder = Path(os.environ.get("LABELGATE_DATA") or Path(__file__).parents[2] / "shared/data")
    with gzip.open(folder / "wikigold_ner.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    marked = [[(each["start"], each["end"], each["label"]) for each in r["spans"]] for r in rows]
    return [row["text"] for row in rows], [spans_text(spans) for spans in marked]


def most_frequent_tags(texts: Sequence[str], answers: Sequence[str]) -> dict[str, str]:
    """By word, the label that most of its tokens have; words that mostly have none are left out."""
    counts: dict[str, Counter[str]] = {}
    for text, answer in zip(texts, answers, strict=True):
        names = sorted({label for _, _, label in spans_of(answer)})
        borders = borders_of(text)
        numbers = {name: number for number, name in enumerate(names)}
        placed, _ = token_spans(borders, spans_of(answer), numbers)
        tags = tags_of(placed, len(borders.starts)).tolist()
        for start, end, tag in zip(borders.starts, borders.ends, tags, strict=True):
            label = names[(tag - 1) // 2] if tag else ""
            counts.setdefault(text[start:end], Counter())[label] += 1
    best = {word: count.most_common(1)[0][0] for word, count in counts.items()}
    return {word: label for word, label in best.items() if label}


def by_frequent_tags(text: str, labels: dict[str, str]) -> list[SpanText]:
    """Neighbouring words of one label are one span."""
    borders = borders_of(text)
    spans: list[SpanText] = []
    follows = False
    for start, end in zip(borders.starts.tolist(), borders.ends.tolist(), strict=True):
        label = labels.get(text[start:end])
        if label is not None and follows and spans[-1][2] == label:
            spans[-1] = (spans[-1][0], end, label)
        elif label is not None:
            spans.append((start, end, label))
        follows = label is not None
    return spans


def accepted_share(scores: FloatArray, wrong: BoolArray) -> float:
    """The share of the other tasks that is accepted, over random draws of control answers."""
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(DRAWS):
        order = rng.permutation(len(scores))
        control, pool = order[:CONTROL_ANSWERS], order[CONTROL_ANSWERS:]
        grid = grid_from_scores(
            scores[pool],
            max_error_rate=PROMISED,
            confidence=CONFIDENCE,
            n_labelled=CONTROL_ANSWERS,
            floor=0.0,
        )
        found = certify(
            scores[control],
            wrong[control],
            grid=grid,
            max_error_rate=PROMISED,
            confidence=CONFIDENCE,
            model_version="v1",
        )
        passes = found.threshold is not None and scores[pool] >= found.threshold
        shares.append(float(np.mean(passes)))
    return float(np.mean(shares))


def main() -> None:
    """Print the figures."""
    texts, answers = wikigold()
    fold: IntArray = np.random.default_rng(0).permutation(len(texts)) % FOLDS
    ours, theirs = Found(), Found()
    scores, right = np.empty(len(texts)), np.empty(len(texts), bool)
    fit_s = all_s = one_s = 0.0
    for number in range(FOLDS):
        kept, held_out = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        trained = [texts[row] for row in kept], [answers[row] for row in kept]
        asked = [texts[row] for row in held_out]
        began = time.process_time()
        model = fit_spans(Examples.alike(*trained), seed=number)
        fitted = time.process_time()
        said = model.answers(asked)
        answered = time.process_time()
        for text in asked[:100]:
            model.answers([text])
        one_s += (time.process_time() - answered) / 100
        fit_s, all_s = fit_s + fitted - began, all_s + (answered - fitted) / len(asked)
        frequent = most_frequent_tags(*trained)
        for place, row in enumerate(held_out.tolist()):
            ours.add(spans_of(said.texts[place]), spans_of(answers[row]))
            theirs.add(by_frequent_tags(texts[row], frequent), spans_of(answers[row]))
            scores[row], right[row] = said.scores[place], said.texts[place] == answers[row]
    share = accepted_share(scores, ~right)
    print(f"spans found, F1: {ours.f1:.4f}; most frequent tag: {theirs.f1:.4f}", end="; ")
    print(f"ratio {ours.f1 / theirs.f1:.2f} (at least {LEAST_RATIO})")
    print(f"whole answers right: {right.mean():.3f}, mean score {scores.mean():.3f}")
    print(f"AUROC of the score: {roc_auc_score(right, scores):.4f}")
    print(f"accepted at a promise of {PROMISED:.0%} wrong: {share:.3f}")
    print(
        f"CPU time: training {fit_s / FOLDS:.1f} s for {len(texts) * 4 // FOLDS} sentences", end=""
    )
    print(f", one text {one_s / FOLDS * 1e3:.2f} ms, 1,000 texts {all_s / FOLDS * 1e3:.2f} s")
    finish(
        [
            at_least(
                "spans found, F1",
                figure=f"{ours.f1:.4f}",
                peer=f"most frequent tag {theirs.f1:.4f}",
                ratio=ours.f1 / theirs.f1,
                limit=LEAST_RATIO,
            )
        ]
    )


if __name__ == "__main__":
    main()
