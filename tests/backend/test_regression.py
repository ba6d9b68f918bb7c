from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.predictors.errors import TrainingError
from backend.predictors.numbers.model import (
    NumberModel,
    fit_numbers,
    fit_ratings,
    numbers_as_plain,
    numbers_from_plain,
)
from backend.predictors.numbers.residuals import residuals_of
from backend.predictors.numbers.resolution import steps_of
from backend.predictors.protocol import Examples, ModelInput
from policies.conditions import INTERVAL_WIDTH
from policies.domain import FloatArray
from tests.fakes.model_files import through_file

STARS = ("1", "2", "3", "4", "5")
GOOD, BAD = ["great", "love", "superb", "nice"], ["awful", "broken", "poor", "slow"]


def reviews(rows: int, seed: int = 0) -> tuple[list[ModelInput], list[str]]:
    """Texts of four good or bad words; people give a star too many or too few in a third."""
    rng = np.random.default_rng(seed)
    texts: list[ModelInput] = []
    ratings = []
    for _ in range(rows):
        good = int(rng.integers(0, 5))
        words = [*rng.choice(GOOD, good), *rng.choice(BAD, 4 - good), *rng.choice(["it", "so"], 2)]
        texts.append(" ".join(words))
        ratings.append(str(int(np.clip(1 + good + rng.choice([-1, 0, 0, 0, 0, 1]), 1, 5))))
    return texts, ratings


def priced(rows: int, seed: int = 0) -> tuple[list[ModelInput], FloatArray]:
    """Rows whose number follows a column and a category, and scatters thrice as much for "c"."""
    rng = np.random.default_rng(seed)
    sizes, kinds = rng.normal(size=rows), rng.choice(["a", "b", "c"], rows)
    scatter = np.where(kinds == "c", 1.5, 0.5) * rng.normal(size=rows)
    numbers = 2.0 * sizes + np.where(kinds == "b", 3.0, 0.0) + scatter
    inputs: list[ModelInput] = [
        {"size": float(size), "kind": str(kind)} for size, kind in zip(sizes, kinds, strict=True)
    ]
    return inputs, np.round(numbers, 1)


def texts_of(numbers: FloatArray) -> list[str]:
    return [f"{number:g}" for number in numbers]


def covered(model: NumberModel, inputs: list[ModelInput], truths: FloatArray) -> float:
    low, high = model.intervals(inputs)
    return float(np.mean((low <= truths) & (truths <= high)))


def test_ratings_are_whole_stars_in_range_and_their_score_is_how_often_they_are_right() -> None:
    model = fit_ratings(Examples.alike(*reviews(400)), STARS, seed=0)
    texts, ratings = reviews(2000, seed=1)
    told = model.answers(texts)
    assert model.labels == STARS
    assert set(told.texts) <= set(STARS)
    right = told.texts == np.array(ratings, object)
    assert right.mean() > 0.55
    assert told.scores.mean() == pytest.approx(right.mean(), abs=0.05)


def test_numbers_are_right_within_the_tolerance_as_often_as_their_score_says() -> None:
    inputs, numbers = priced(500)
    model = fit_numbers(Examples.alike(inputs, texts_of(numbers)), tolerance=0.5, seed=0)
    asked, truths = priced(2000, seed=1)
    told = model.answers(asked)
    right = np.abs(told.texts.astype(float) - truths) <= 0.5 + 1e-9
    assert told.scores.mean() == pytest.approx(right.mean(), abs=0.04)
    surest = np.argsort(-told.scores)[:500]
    assert right[surest].mean() > right.mean() + 0.05  # "c" scatters more, and the score knows
    assert model.labels == ()


def test_a_greater_tolerance_never_lowers_a_chance() -> None:
    inputs, numbers = priced(200)
    examples = Examples.alike(inputs, texts_of(numbers))
    means = [
        fit_numbers(examples, tolerance=tolerance, seed=0).answers(inputs).scores.mean()
        for tolerance in (0.0, 0.5, 2.0)
    ]
    assert means == sorted(means)
    assert means[0] < 0.3
    assert means[2] > 0.85


@pytest.mark.simulation
def test_intervals_cover_nine_numbers_of_ten_on_texts_and_on_rows() -> None:
    of_texts, of_rows = [], []
    for seed in range(40):
        texts, ratings = reviews(200, seed)
        told = fit_ratings(Examples.alike(texts, ratings), STARS, seed=seed)
        asked, truths = reviews(300, seed + 1000)
        of_texts.append(covered(told, asked, np.array(ratings_of(truths))))
    for seed in range(20):
        inputs, numbers = priced(200, seed)
        fitted = fit_numbers(Examples.alike(inputs, texts_of(numbers)), seed=seed)
        of_rows.append(covered(fitted, *priced(300, seed + 1000)))
    assert 0.88 <= np.mean(of_texts) <= 0.92
    assert 0.88 <= np.mean(of_rows) <= 0.92


def ratings_of(answers: list[str]) -> list[float]:
    return [float(answer) for answer in answers]


def test_intervals_are_wide_where_numbers_scatter() -> None:
    inputs, numbers = priced(600)
    model = fit_numbers(Examples.alike(inputs, texts_of(numbers)), seed=0)
    calm, wild = (
        model.answers([{"size": 0.1, "kind": kind}] * 2).signals[INTERVAL_WIDTH][0]
        for kind in ("a", "c")
    )
    assert wild > 1.5 * calm


def test_the_same_examples_and_seed_give_the_very_same_answers_also_through_a_file() -> None:
    inputs, numbers = priced(120)
    for examples in (
        Examples.alike(inputs, texts_of(numbers)),
        Examples.alike(*reviews(120)),
        Examples.alike([np.full(8, number) for number in numbers], texts_of(numbers)),
    ):
        first, second = (fit_numbers(examples, tolerance=0.2, seed=3) for _ in range(2))
        kept = numbers_from_plain(through_file(numbers_as_plain(first)))
        told = first.answers(examples.inputs)
        for other in (second.answers(examples.inputs), kept.answers(examples.inputs)):
            assert (other.texts == told.texts).all()
            assert (other.scores == told.scores).all()
            assert (other.signals[INTERVAL_WIDTH] == told.signals[INTERVAL_WIDTH]).all()


def test_weights_decide_between_examples_that_contradict_each_other() -> None:
    texts: list[ModelInput] = ["red ball", "red ball", "blue cube", "blue cube"] * 10
    examples = Examples(
        inputs=texts, answers=["1", "5"] * 20, weights=np.array([9.0, 0.1, 0.1, 9.0] * 10)
    )
    told = fit_ratings(examples, STARS, seed=0).answers(["red ball", "blue cube"])
    assert told.texts.tolist() == ["1", "5"]


def test_two_examples_are_enough_and_their_interval_is_unknown() -> None:
    model = fit_numbers(Examples.alike(["red ball", "blue cube"], ["3", "5.5"]), seed=0)
    told = model.answers(["red ball", "unknown"])
    assert np.isnan(told.signals[INTERVAL_WIDTH]).all()
    assert ((told.scores > 0.0) & (told.scores < 1.0)).all()
    rows: list[ModelInput] = [{"x": 1}, {"x": 2}]
    assert len(fit_numbers(Examples.alike(rows, ["3", "5"]), seed=0).answers(rows).texts) == 2
    assert model.answers([]).texts.shape == (0,)


def test_the_largest_numbers_are_no_trouble() -> None:
    texts: list[ModelInput] = ["red ball", "blue cube"] * 10
    model = fit_numbers(Examples.alike(texts, ["1e100", "-1e100"] * 10), seed=0)
    assert model.answers(texts[:2]).texts.astype(float).tolist() == [1e100, -1e100]
    with pytest.raises(TrainingError, match="up to 1e\\+100"):
        fit_numbers(Examples.alike(texts, ["1e101", "2"] * 10), seed=0)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([], "there is none"),
        (["4", "4.0"], "only 4"),
        (["4", "four"], "not a number: 'four'"),
        (["4", "nan"], "not a finite number"),
        (["4", "1e999"], "not a finite number"),
    ],
)
def test_numbers_that_teach_nothing_are_told(answers: list[str], message: str) -> None:
    texts: list[ModelInput] = ["red ball" for _ in answers]
    with pytest.raises(TrainingError, match=message):
        fit_numbers(Examples.alike(texts, answers), seed=0)


def test_ratings_that_teach_nothing_are_told() -> None:
    with pytest.raises(TrainingError, match="'6' is no rating"):
        fit_ratings(Examples.alike(["a word", "b word"], ["1", "6"]), STARS, seed=0)
    with pytest.raises(TrainingError, match="there is none"):
        fit_ratings(Examples.alike([], []), STARS, seed=0)
    with pytest.raises(TrainingError, match="no word stands"):
        fit_ratings(Examples.alike(["?", "!"], ["1", "2"]), STARS, seed=0)
    with pytest.raises(TrainingError, match="tolerance of -1"):
        fit_numbers(Examples.alike(["a word", "b word"], ["1", "2"]), tolerance=-1.0, seed=0)


def test_values_of_another_form_are_refused() -> None:
    plain = numbers_as_plain(fit_ratings(Examples.alike(*reviews(40)), STARS, seed=0))
    for key in plain:
        with pytest.raises((KeyError, TypeError, ValueError)):
            numbers_from_plain({name: value for name, value in plain.items() if name != key})


@pytest.mark.parametrize(
    ("answers", "step"),
    [
        (["1", "3", "4"], 1.0),
        (["0.5", "1.5", "2"], 0.5),
        (["100", "250"], 50.0),
        (["0.01", "0.3"], 0.01),
        (["1e3", "2000"], 1000.0),
        (["0", "7"], 7.0),
    ],
)
def test_steps_are_the_largest_that_all_answers_are_multiples_of(
    answers: list[str], step: float
) -> None:
    assert steps_of(answers).step == step


@settings(max_examples=200)
@given(
    st.lists(st.decimals(-1000, 1000, places=3, allow_nan=False), min_size=2, max_size=20),
    st.floats(-2000, 2000),
)
def test_an_answer_is_a_multiple_of_the_step_in_range(answers: list[object], value: float) -> None:
    steps = steps_of([str(answer) for answer in answers])
    said = float(steps.nearest(np.array([value]))[0])
    assert steps.lowest <= said <= steps.highest
    assert abs(said / steps.step - round(said / steps.step)) < 1e-6
    own = np.array([float(str(answer)) for answer in answers])
    assert steps.nearest(own) == pytest.approx(own, abs=1e-9)


def test_a_chance_is_the_share_of_held_out_misses_between() -> None:
    residuals = residuals_of(np.arange(-5, 5).astype(np.float64))
    chances = residuals.chances(np.array([-1.0, 20.0]), np.array([1.0, 30.0]))
    assert chances.tolist() == [3.5 / 11, 0.5 / 11]
    assert residuals.reach == 5.0
    assert np.isnan(residuals_of(np.arange(8).astype(np.float64)).reach)
