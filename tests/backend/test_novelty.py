"""Novelty: a copy is at 0, what is like nothing at 1, and what is out of scope further off."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from random import Random

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from backend.predictors.novelty import MOST_EXAMPLES, neighbourhood
from backend.predictors.protocol import ModelInput
from backend.predictors.sklearn_models import FittedModel, fit
from connectors.label_studio.labeling import InputKind
from policies.domain import FloatArray

TEXTS: list[ModelInput] = ["apples and pears ripen", "engines turn wheels", "pears are apples"] * 4
LABELS = ["A", "B", "A"] * 4


def novelties(model: FittedModel, seen: list[ModelInput], asked: list[ModelInput]) -> FloatArray:
    return neighbourhood(model.pipeline, seen).novelties(model.pipeline, asked)


def test_a_copy_is_at_0_and_a_stranger_at_1() -> None:
    model = fit(InputKind.TEXT, TEXTS, LABELS, seed=1)
    asked: list[ModelInput] = [
        *("Engines turn wheels!", "engines turn slowly", "quiet violins", "engines", "?")
    ]
    found = novelties(model, TEXTS, asked)
    assert found[[0, 2, 4]].tolist() == pytest.approx([0, 1, 1], abs=1e-6)
    assert 0 < found[1] < 1
    one_known_word = novelties(model, TEXTS, ["engines of quiet violins in strange towns"])
    assert one_known_word[0] > found[3]
    assert novelties(model, TEXTS, []).tolist() == []


def test_images_by_the_kernel_that_the_model_sees_them_through() -> None:
    rng = np.random.default_rng(0)
    images: list[ModelInput] = list(np.rint(rng.uniform(0, 1, (40, 768)) * 255) / 255)
    model = fit(InputKind.IMAGE, images, ["A", "B"] * 20, seed=1)
    near = [np.clip(np.asarray(images[0]) + rng.normal(0, 0.05, 768), 0, 1)]
    copy, alike, other = novelties(model, images, [images[3], *near, 1 - np.asarray(images[5])])
    assert copy == pytest.approx(0, abs=1e-9)
    assert 0 < alike < 0.2 < other <= 1


def test_many_examples_are_thinned_evenly() -> None:
    texts: list[ModelInput] = [f"text number{place}" for place in range(MOST_EXAMPLES + 5)]
    model = fit(InputKind.TEXT, TEXTS, LABELS, seed=1)
    kept = neighbourhood(model.pipeline, texts).words
    assert kept is not None
    assert kept.shape[1] == (MOST_EXAMPLES + 5 + 1) // 2


@pytest.mark.simulation
def test_questions_out_of_scope_are_further_off_than_those_in_scope(data_folder: Path) -> None:
    """Larson et al. 2019 (clinc150): 1,000 of the test's questions are of none of the intents."""
    with gzip.open(data_folder / "clinc150.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    seen = [row for row in rows if row["split"] == "train" and row["is_oos"] == "0"]
    kept = Random(1).sample(seen, 6_000)  # noqa: S311 - a draw of a test
    asked = [row for row in rows if row["split"] == "test"]
    texts: list[ModelInput] = [row["text"] for row in kept]
    model = fit(InputKind.TEXT, texts, [row["domain"] for row in kept], seed=1)
    found = novelties(model, texts, [row["text"] for row in asked])
    area = roc_auc_score([row["is_oos"] == "1" for row in asked], found)
    print(f"area under the curve: {area:.3f}")
    assert area > 0.85
