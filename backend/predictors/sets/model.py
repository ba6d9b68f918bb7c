"""Sets of labels: multiple choices, and taxonomies of which several paths may be picked.

One label at a time against the rest, on features that all share; each label's probability is
calibrated, and so is that of the whole set, on examples that the fits did not see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.predictors.encoders import Encoder, encoder_as_plain, encoder_from_plain
from backend.predictors.errors import TrainingError
from backend.predictors.folds import row_folds
from backend.predictors.protocol import ControlAnswers, Examples, ModelInput, Progress, no_progress
from backend.predictors.rightness import fit_rightness, rightness
from backend.predictors.scorers import (
    Lessons,
    Scorer,
    fit_labels,
    lessons_of,
    scorer_as_plain,
    scorer_from_plain,
)
from backend.predictors.sets.label_sets import SetRule, fit_rule, set_figures
from policies.answer_texts import labels_of_set, set_text
from policies.conditions import LOWEST_REGION_SCORE, REGION_COUNT
from policies.domain import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class SetModel:
    """A trained model of sets; ``by_label`` (labels, 2) and ``by_set`` are Platt's coefficients."""

    labels: tuple[str, ...]
    encoder: Encoder
    scorer: Scorer
    by_label: FloatArray
    rule: SetRule
    by_set: FloatArray

    def probabilities(self, inputs: Sequence[ModelInput]) -> FloatArray:
        """The calibrated probability of each label (inputs, labels); rows sum to anything."""
        if not inputs:
            return np.empty((0, len(self.labels)))
        return _calibrated(self.scorer.values(self.encoder.encode(inputs)), self.by_label)

    def answers(self, inputs: Sequence[ModelInput]) -> ControlAnswers:
        """The set of each input, with the probability that it is right to the last label."""
        probabilities = self.probabilities(inputs)
        chosen = self.rule.sets(probabilities)
        texts, parts = (np.empty(len(inputs), object) for _ in range(2))
        lowest = np.full(len(inputs), np.nan)
        for row in range(len(inputs)):
            columns = np.flatnonzero(chosen[row])
            texts[row] = set_text(self.labels[column] for column in columns)
            parts[row] = tuple(probabilities[row, columns].tolist())  # labels are sorted, as there
            if parts[row]:
                lowest[row] = min(parts[row])
        return ControlAnswers(
            texts=texts,
            scores=rightness(set_figures(probabilities, chosen), self.by_set),
            signals={
                REGION_COUNT: chosen.sum(axis=1).astype(np.float64),
                LOWEST_REGION_SCORE: lowest,
            },
            part_scores=parts,
        )


def fit_sets(examples: Examples, *, seed: int, progress: Progress = no_progress) -> SetModel:
    """Train on texts, images or rows whose answers are sets as ``set_text`` writes them.

    Raises
        TrainingError: no label was ever picked, all sets are the same, or the inputs tell nothing.
    """
    sets = _sets_of(examples)
    labels = tuple(sorted(set().union(*sets)))
    column = {label: place for place, label in enumerate(labels)}
    truths = np.zeros((len(sets), len(labels)), np.bool_)
    for row, picked in enumerate(sets):
        truths[row, [column[label] for label in picked]] = True
    lessons = lessons_of(examples, outputs=len(labels), seed=seed)
    decisions, rows = _held_out(lessons, truths, progress)
    told, weights = truths[rows], examples.weights[rows]
    by_label = np.array(
        [
            fit_rightness(decisions[:, [place]], told[:, place], weights)
            for place in range(len(labels))
        ]
    )
    probabilities = _calibrated(decisions, by_label)
    rule = fit_rule(probabilities, told, weights, may_be_empty=not truths.any(axis=1).all())
    chosen = rule.sets(probabilities)
    right = (chosen == told).all(axis=1)
    by_set = fit_rightness(set_figures(probabilities, chosen), right, weights)
    scorer = fit_labels(lessons, truths)
    progress(1.0)
    return SetModel(
        labels=labels,
        encoder=lessons.encoder,
        scorer=scorer,
        by_label=by_label,
        rule=rule,
        by_set=by_set,
    )


def sets_as_plain(model: SetModel) -> dict[str, Any]:
    """The model in arrays and plain values, for a model file."""
    return {
        "labels": list(model.labels),
        "encoder": encoder_as_plain(model.encoder),
        "scorer": scorer_as_plain(model.scorer),
        "by_label": model.by_label,
        "thresholds": model.rule.thresholds,
        "may_be_empty": model.rule.may_be_empty,
        "by_set": model.by_set,
    }


def sets_from_plain(values: Mapping[str, Any]) -> SetModel:
    """What ``sets_as_plain`` wrote; KeyError, TypeError or ValueError where it is none."""
    labels = tuple(map(str, values["labels"]))
    by_label = np.asarray(values["by_label"], np.float64)
    thresholds = np.asarray(values["thresholds"], np.float64)
    by_set = np.asarray(values["by_set"], np.float64)
    if by_label.shape != (len(labels), 2) or thresholds.shape != (len(labels),):
        raise ValueError(f"{len(labels)} labels, but not as many calibrations and thresholds")
    if by_set.shape != (4,):
        raise ValueError("the calibration of sets has another form")
    return SetModel(
        labels=labels,
        encoder=encoder_from_plain(values["encoder"]),
        scorer=scorer_from_plain(values["scorer"]),
        by_label=by_label,
        rule=SetRule(thresholds=thresholds, may_be_empty=bool(values["may_be_empty"])),
        by_set=by_set,
    )


def _sets_of(examples: Examples) -> list[tuple[str, ...]]:
    """The examples' sets, once it is clear that there is something to learn."""
    different = set(examples.answers)
    if len(different) < 2:
        seen = f"only {next(iter(different))[:100]}" if different else "none"
        raise TrainingError(
            f"at least two different sets of labels are needed to train, there is {seen}: "
            "label tasks with other labels first"
        )
    return [labels_of_set(answer) for answer in examples.answers]


def _held_out(
    lessons: Lessons, truths: BoolArray, progress: Progress
) -> tuple[FloatArray, IntArray]:
    """Decisions (rows, labels) of fits that did not see these rows, and which rows they are."""
    decisions: list[FloatArray] = [np.empty((0, truths.shape[1]))]
    rows: list[IntArray] = [np.empty(0, np.int64)]
    parts = list(row_folds(len(truths), truths.shape[1], lessons.seed))
    for done, (training, held_out) in enumerate(parts):
        progress(done / (len(parts) + 1))
        trained, kept_out = lessons.without(training, held_out)
        decisions.append(fit_labels(trained, truths[training]).values(kept_out))
        rows.append(held_out)
    return np.concatenate(decisions), np.concatenate(rows)


def _calibrated(decisions: FloatArray, by_label: FloatArray) -> FloatArray:
    values = by_label[:, 0] + decisions * by_label[:, 1]
    probabilities: FloatArray = 1.0 / (1.0 + np.exp(-np.clip(values, -500.0, 500.0)))
    return probabilities
