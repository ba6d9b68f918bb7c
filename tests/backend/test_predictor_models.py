from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.datasets import load_digits

from backend.predictors.protocol import ModelInput, Predictor, TrainingError
from backend.predictors.sklearn_models import (
    FittedModel,
    SklearnPredictor,
    fit,
)
from connectors.label_studio.labeling import InputKind

TOPICS = {
    "sport": ["goal", "match", "team", "win", "season", "coach"],
    "money": ["bank", "price", "market", "share", "trade", "profit"],
    "space": ["rocket", "orbit", "moon", "launch", "probe", "star"],
}


def topic_texts(rows: int, seed: int = 0) -> tuple[list[ModelInput], list[str]]:
    rng = np.random.default_rng(seed)
    labels = [str(label) for label in rng.choice(list(TOPICS), rows)]
    texts: list[ModelInput] = [
        " ".join([*rng.choice(TOPICS[label], 3), *rng.choice(["the", "a", "of", "today"], 3)])
        for label in labels
    ]
    return texts, labels


def digit_pixels(rows: slice) -> tuple[list[ModelInput], list[str]]:
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))[rows]
    return list(digits.data[order] / 16.0), [str(label) for label in digits.target[order]]


def accuracy(model: FittedModel, values: Sequence[ModelInput], labels: Sequence[str]) -> float:
    answers = np.array(model.labels)[model.probabilities(values).argmax(axis=1)]
    return float(np.mean(answers == np.array(labels)))


def test_texts_are_learned() -> None:
    texts, labels = topic_texts(120)
    model = fit(InputKind.TEXT, texts, labels, seed=1)
    assert model.labels == ("money", "space", "sport")
    assert accuracy(model, *topic_texts(200, seed=1)) > 0.95


def test_images_are_learned_and_their_confidence_ranks() -> None:
    model = fit(InputKind.IMAGE, *digit_pixels(slice(0, 500)), seed=1)
    values, labels = digit_pixels(slice(500, 1000))
    assert accuracy(model, values, labels) > 0.96
    probabilities = model.probabilities(values)
    right = np.array(model.labels)[probabilities.argmax(axis=1)] == np.array(labels)
    surest = np.argsort(-probabilities.max(axis=1))[: len(labels) // 2]
    assert right[surest].all()


def test_confidence_is_calibrated() -> None:
    model = fit(InputKind.IMAGE, *digit_pixels(slice(0, 300)), seed=1)
    values, labels = digit_pixels(slice(300, 1700))
    confidence = model.probabilities(values).max(axis=1).mean()
    assert confidence == pytest.approx(accuracy(model, values, labels), abs=0.03)


@pytest.mark.parametrize("classes", [2, 3])
def test_rows_of_probabilities_sum_to_one(classes: int) -> None:
    texts, labels = topic_texts(60)
    kept = [row for row, label in enumerate(labels) if label in sorted(TOPICS)[:classes]]
    model = fit(InputKind.TEXT, [texts[r] for r in kept], [labels[r] for r in kept], seed=1)
    probabilities = model.probabilities(["goal match", "entirely unknown words", "🙂"])
    assert probabilities.shape == (3, classes)
    assert np.allclose(probabilities.sum(axis=1), 1.0)
    assert probabilities.min() >= 0.0


def test_no_inputs_give_an_empty_array() -> None:
    texts, labels = topic_texts(30)
    assert fit(InputKind.TEXT, texts, labels, seed=1).probabilities([]).shape == (0, 3)


def test_the_same_seed_gives_the_same_model() -> None:
    texts, labels = topic_texts(90)
    one = fit(InputKind.TEXT, texts, labels, seed=5).probabilities(texts)
    assert np.array_equal(one, fit(InputKind.TEXT, texts, labels, seed=5).probabilities(texts))
    values, digits = digit_pixels(slice(0, 120))
    two = fit(InputKind.IMAGE, values, digits, seed=5).probabilities(values)
    assert np.array_equal(two, fit(InputKind.IMAGE, values, digits, seed=5).probabilities(values))


def test_one_input_is_answered_as_in_a_batch() -> None:
    values, labels = digit_pixels(slice(0, 120))
    model = fit(InputKind.IMAGE, values, labels, seed=5)
    assert np.allclose(model.probabilities(values)[:1], model.probabilities(values[:1]))


def test_a_single_class_is_refused_in_clear_words() -> None:
    with pytest.raises(TrainingError, match=r"at least two different labels .* only 'sport'"):
        fit(InputKind.TEXT, ["goal", "match"], ["sport", "sport"], seed=1)
    with pytest.raises(TrainingError, match="there is none"):
        fit(InputKind.TEXT, [], [], seed=1)


def test_inputs_and_labels_of_different_length_are_refused() -> None:
    with pytest.raises(TrainingError, match="2 inputs but 1 labels"):
        fit(InputKind.TEXT, ["goal", "match"], ["sport"], seed=1)


def test_texts_without_words_are_refused() -> None:
    with pytest.raises(TrainingError, match="no word"):
        fit(InputKind.TEXT, ["!!", "??", "..", "--"], ["a", "b", "a", "b"], seed=1)


@pytest.mark.parametrize(
    "counts",
    [(1, 1), (1, 40), (2, 1), (2, 40), (3, 1), (40, 40, 1), (1, 1, 1, 1, 30), (2, 2), (5, 6)],
)
@pytest.mark.parametrize("kind", [InputKind.TEXT, InputKind.IMAGE])
def test_rare_classes_never_stop_a_training(kind: InputKind, counts: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    labels = [str(code) for code, count in enumerate(counts) for _ in range(count)]
    values: list[ModelInput] = [
        f"word{label} {rng.choice(['x', 'y', 'z'])}"
        if kind is InputKind.TEXT
        else rng.uniform(0, 0.5, 12) + float(label) / 10
        for label in labels
    ]
    model = fit(kind, values, labels, seed=3)
    assert model.labels == tuple(str(code) for code in range(len(counts)))
    assert np.isfinite(model.probabilities(values)).all()


def test_a_word_that_only_some_folds_know_stops_nothing() -> None:
    model = fit(InputKind.TEXT, ["!", "!", "!", "goal", "!"], ["a", "a", "b", "b", "b"], seed=1)
    assert np.allclose(model.probabilities(["goal"]).sum(), 1.0)


def test_equal_images_stop_nothing() -> None:
    values: list[ModelInput] = [np.zeros(12) for _ in range(8)]
    model = fit(InputKind.IMAGE, values, ["a", "b"] * 4, seed=1)
    assert np.allclose(model.probabilities(values), 0.5, atol=0.05)


def test_a_large_training_is_calibrated_on_one_held_out_fifth() -> None:
    rng = np.random.default_rng(0)
    labels = [str(label) for label in rng.integers(0, 120, 900)]  # 900 rows x 120 classes
    texts: list[ModelInput] = [f"word{label} {rng.integers(0, 50)}" for label in labels]
    model = fit(InputKind.TEXT, texts, labels, seed=1)
    assert accuracy(model, texts, labels) > 0.95
    assert model.inverse_temperature != 1.0


def test_chinese_is_read_by_its_characters() -> None:
    texts: list[ModelInput] = ["银行股价上涨", "球队赢得比赛", "股价下跌了", "比赛很精彩"] * 3
    model = fit(InputKind.TEXT, texts, ["money", "sport"] * 6, seed=1)
    assert accuracy(model, ["今天股价", "明天比赛"], ["money", "sport"]) == 1.0


def test_a_predictor_answers_with_its_model() -> None:
    texts, labels = topic_texts(30)
    model = fit(InputKind.TEXT, texts, labels, seed=1)
    predictor: Predictor = SklearnPredictor(version="p1-v1", model=model)
    assert predictor.version == "p1-v1"
    assert predictor.labels == model.labels
    assert np.array_equal(predictor.probabilities(texts), model.probabilities(texts))
