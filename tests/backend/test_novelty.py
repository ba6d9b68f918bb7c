"""Novelty: a copy is at 0, what is like nothing at 1, and what is out of scope further off."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from backend.predictors.memory.kept import TrainingExamples, as_plain, from_plain, remember
from backend.predictors.memory.novelty import MOST_EXAMPLES, NearTerms, neighbourhood
from backend.predictors.protocol import Examples, ModelInput
from backend.predictors.texts.classifier import fit_text
from policies.domain import FloatArray

TEXTS: list[ModelInput] = ["apples and pears ripen", "engines turn wheels", "pears are apples"] * 4


def novelties(seen: list[ModelInput], asked: list[ModelInput], scores: float = 1.0) -> FloatArray:
    near = neighbourhood(seen)
    assert near is not None
    return near.novelties(asked, np.full(len(asked), scores))


def test_a_copy_is_at_0_and_a_stranger_at_1() -> None:
    asked: list[ModelInput] = ["Engines turn  wheels", "engines turn slowly", "????", "engines", ""]
    found = novelties(TEXTS, asked)
    assert found[[0, 2, 4]].tolist() == pytest.approx([0, 1, 1], abs=1e-6)
    assert 0 < found[1] < 1
    one_known_word = novelties(TEXTS, ["engines of quiet violins in strange towns"])
    assert one_known_word[0] > found[3]
    assert novelties(TEXTS, []).tolist() == []


def test_the_less_sure_the_model_is_the_further_off_a_task_is() -> None:
    asked: list[ModelInput] = ["engines turn slowly", "Engines turn wheels", "????"]
    sure, unsure = novelties(TEXTS, asked, 0.99), novelties(TEXTS, asked, 0.3)
    assert sure[0] < unsure[0] < 1
    assert sure[1:].tolist() == pytest.approx(unsure[1:].tolist(), abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=5), score=st.floats(0, 1))
def test_every_text_has_a_novelty_between_0_and_1(texts: list[str], score: float) -> None:
    found = novelties(TEXTS, list(texts), score)
    assert ((found >= 0) & (found <= 1)).all()


def test_images_by_a_kernel_of_their_pixels() -> None:
    rng = np.random.default_rng(0)
    images: list[ModelInput] = list(np.rint(rng.uniform(0, 1, (40, 768)) * 255) / 255)
    near = [np.clip(np.asarray(images[0]) + rng.normal(0, 0.05, 768), 0, 1)]
    copy, alike, other = novelties(images, [images[3], *near, 1 - np.asarray(images[5])])
    assert copy == pytest.approx(0, abs=1e-9)
    assert 0 < alike < 0.2 < other <= 1


def test_pairs_are_compared_as_one_text_and_rows_of_columns_not_at_all() -> None:
    pairs: list[ModelInput] = [("apples ripen", "pears ripen"), ("engines turn", "wheels turn")]
    assert novelties(pairs, [pairs[1], ("????", "????")]).tolist() == pytest.approx(
        [0, 1], abs=1e-6
    )
    assert neighbourhood([{"size": 1.0}]) is None
    assert neighbourhood([]) is None
    assert neighbourhood(["  ", "\n"]) is None


@pytest.mark.parametrize("kind", ["texts", "images"])
def test_what_is_kept_comes_back_from_plain_values(kind: str) -> None:
    rng = np.random.default_rng(0)
    inputs = TEXTS if kind == "texts" else list(rng.uniform(0, 1, (12, 48)))
    examples = TrainingExamples(task_ids=range(12), inputs=inputs, labels=["A"] * 12)
    memory = remember(("distances",), examples)
    again = from_plain(as_plain(memory))
    assert memory.distances is not None
    assert again.distances is not None
    asked = inputs[:3] if kind == "images" else ["pears turn", "zzz", "apples"]
    scores = np.full(3, 0.7)
    assert np.array_equal(
        again.distances.novelties(asked, scores), memory.distances.novelties(asked, scores)
    )


def test_many_examples_are_thinned_evenly() -> None:
    texts: list[ModelInput] = [f"text number{place}" for place in range(MOST_EXAMPLES + 5)]
    near = neighbourhood(texts)
    assert near is not None
    assert isinstance(near.near, NearTerms)
    assert near.near.examples.shape[1] == (MOST_EXAMPLES + 5 + 1) // 2


@pytest.mark.simulation
def test_questions_out_of_scope_are_further_off_than_those_in_scope(data_folder: Path) -> None:
    """Larson et al. 2019 (clinc150): 1,000 of the test's questions are of none of the intents."""
    with gzip.open(data_folder / "clinc150.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    seen = [row for row in rows if row["split"] == "train" and row["is_oos"] == "0"]
    kept = Random(1).sample(seen, 6_000)  # noqa: S311 - a draw of a test
    asked = [row for row in rows if row["split"] == "test"]
    texts = [row["text"] for row in kept]
    model = fit_text(Examples.alike(texts, [row["label"] for row in kept]), seed=1)
    found = model.answers([row["text"] for row in asked])
    strange = np.array([row["is_oos"] == "1" for row in asked])
    right = found.texts == np.array([row["label"] for row in asked], object)
    near = neighbourhood(texts)
    assert near is not None
    area = roc_auc_score(strange, near.novelties([row["text"] for row in asked], found.scores))
    print(f"accuracy in scope {right[~strange].mean():.3f}, area under the curve {area:.3f}")
    assert right[~strange].mean() > 0.88
    assert area > 0.92
