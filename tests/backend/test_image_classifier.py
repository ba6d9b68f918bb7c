"""The image classifier: what it learns, its confidence, its edges."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.pipeline import Pipeline

from backend.predictors.errors import TrainingError
from backend.predictors.images.classifier import (
    ImageModel,
    fit_image,
    image_as_plain,
    image_from_plain,
)
from backend.predictors.protocol import Examples
from policies.conditions import ENTROPY, MARGIN
from policies.domain import BoolArray


def digits(rows: slice) -> Examples:
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))[rows]
    return Examples.alike(list(data.data[order] / 16.0), [str(each) for each in data.target[order]])


def right(model: ImageModel, asked: Examples) -> BoolArray:
    return np.asarray(model.answers(asked.inputs).texts == np.array(asked.answers, object), bool)


def test_images_are_learned_and_their_confidence_ranks() -> None:
    model = fit_image(digits(slice(0, 500)), seed=1)
    asked = digits(slice(500, 1_000))
    found = model.answers(asked.inputs)
    correct = right(model, asked)
    assert correct.mean() > 0.96
    assert correct[np.argsort(-found.scores)[: len(correct) // 2]].all()
    assert set(found.signals) == {MARGIN, ENTROPY}


def test_confidence_is_calibrated() -> None:
    model = fit_image(digits(slice(0, 300)), seed=1)
    asked = digits(slice(300, 1_700))
    assert model.answers(asked.inputs).scores.mean() == pytest.approx(
        right(model, asked).mean(), abs=0.03
    )


def test_the_learning_curve_comes_with_the_model() -> None:
    model = fit_image(digits(slice(0, 300)), seed=1)
    assert model.learning is not None
    sizes = [point.labels for point in model.learning.points]
    assert sizes == pytest.approx([60, 120, 240], abs=5)
    values = [point.accuracy.value or 0.0 for point in model.learning.points]
    assert values[0] < values[-1]
    assert fit_image(digits(slice(0, 60)), seed=1, calibrated=False).learning is None


def test_the_same_seed_gives_the_same_model() -> None:
    examples = digits(slice(0, 120))
    one, other = (fit_image(examples, seed=5).probabilities(examples.inputs) for _ in range(2))
    assert np.array_equal(one, other)
    assert fit_image(examples, seed=5).probabilities([]).shape == (0, 10)


def test_weights_decide_between_answers_that_disagree() -> None:
    rng = np.random.default_rng(0)
    dark, light = rng.uniform(0, 0.2, (20, 12)), rng.uniform(0.8, 1, (20, 12))
    images = [*dark, *light, *light]
    labels = ["dark"] * 20 + ["light"] * 20 + ["dark"] * 20
    weights = np.array([1.0] * 20 + [1.0] * 20 + [0.1] * 20)
    model = fit_image(Examples(inputs=images, answers=labels, weights=weights), seed=1)
    assert model.answers([light[0]]).texts.tolist() == ["light"]


@pytest.mark.parametrize("counts", [(1, 1), (1, 40), (2, 40), (40, 40, 1), (1, 1, 1, 1, 30)])
def test_rare_labels_never_stop_a_training(counts: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    labels = [str(code) for code, count in enumerate(counts) for _ in range(count)]
    images = [rng.uniform(0, 0.5, 12) + float(label) / 10 for label in labels]
    model = fit_image(Examples.alike(images, labels), seed=3)
    assert np.isfinite(model.probabilities(images)).all()


def test_equal_images_stop_nothing() -> None:
    examples = Examples.alike([np.zeros(12) for _ in range(8)], ["a", "b"] * 4)
    assert np.allclose(fit_image(examples, seed=1).probabilities(examples.inputs), 0.5, atol=0.05)


def test_a_single_label_is_refused() -> None:
    with pytest.raises(TrainingError, match="only 'a'"):
        fit_image(Examples.alike([np.zeros(12)] * 2, ["a", "a"]), seed=1)


def test_a_model_comes_back_from_plain_values_as_it_was() -> None:
    examples = digits(slice(0, 120))
    model = fit_image(examples, seed=1)
    again = image_from_plain(image_as_plain(model))
    assert np.array_equal(
        again.probabilities(examples.inputs), model.probabilities(examples.inputs)
    )
    assert isinstance(again.pipeline, Pipeline)
    with pytest.raises(TypeError, match="a pipeline is needed, not a str"):
        image_from_plain({**image_as_plain(model), "pipeline": "no"})


def test_progress_rises_to_the_end() -> None:
    seen: list[float] = []
    fit_image(digits(slice(0, 60)), seed=1, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
