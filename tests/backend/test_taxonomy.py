from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.predictors.errors import TrainingError
from backend.predictors.paths.model import fit_paths, paths_as_plain, paths_from_plain
from backend.predictors.paths.tree import tree_of
from backend.predictors.protocol import Examples, ModelInput
from policies.answer_texts import path_text
from policies.conditions import ENTROPY, MARGIN
from tests.fakes.model_files import through_file

WORDS = {
    "Food": ["eat", "tasty", "plate"],
    "Food / Fruit": ["eat", "tasty", "juicy", "tree"],
    "Food / Fruit / Apple": ["juicy", "tree", "cider", "eat"],
    "Food / Bread": ["eat", "oven", "crust"],
    "Tools / Saw": ["wood", "teeth", "cut"],
    "Tools / Hammer": ["wood", "nail", "hit"],
}


def worded(rows: int, seed: int = 0) -> tuple[list[ModelInput], list[str]]:
    rng = np.random.default_rng(seed)
    answers = [str(path) for path in rng.choice(list(WORDS), rows)]
    texts: list[ModelInput] = [
        " ".join([*rng.choice(WORDS[path], 4), *rng.choice(["the", "a", "of"], 2)])
        for path in answers
    ]
    return texts, answers


def test_paths_are_learned_and_inner_nodes_too_where_people_stopped_there() -> None:
    model = fit_paths(Examples.alike(*worded(600)), seed=0)
    texts, answers = worded(1000, seed=1)
    told = model.answers(texts)
    right = told.texts == np.array(answers, object)
    assert model.labels == tuple(sorted(WORDS))
    assert right.mean() > 0.8
    assert told.scores.mean() == pytest.approx(right.mean(), abs=0.04)
    assert "Food" in told.texts
    assert "Food / Fruit" in told.texts


def test_probabilities_of_all_paths_sum_to_one() -> None:
    model = fit_paths(Examples.alike(*worded(80)), seed=0)
    probabilities = model.probabilities(["eat", "zzz", "wood nail", ""])
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(4))
    told = model.answers(["eat", "zzz"])
    assert told.scores == pytest.approx(probabilities[:2].max(axis=1))
    assert set(told.signals) == {MARGIN, ENTROPY}


paths = st.lists(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(path_text),
    min_size=1,
    max_size=20,
    unique=True,
)


@settings(max_examples=100, deadline=None)
@given(labels=paths, seed=st.integers(0, 1000))
def test_whatever_the_tree_probabilities_sum_to_one(labels: list[str], seed: int) -> None:
    tree = tree_of(sorted(labels))
    logits = np.random.default_rng(seed).normal(0, 5, (3, int(tree.starts[-1])))
    assert tree.probabilities(logits).sum(axis=1) == pytest.approx(np.ones(3))


@settings(max_examples=100, deadline=None)
@given(labels=paths)
def test_a_path_passes_the_nodes_that_its_steps_are_taken_at(labels: list[str]) -> None:
    ordered = sorted(labels)
    tree = tree_of(ordered)
    steps = tree.steps.toarray()
    codes = np.arange(len(ordered))
    found = np.zeros_like(steps)
    for node in range(tree.nodes):
        rows, taken = tree.passing(codes, node)
        found[tree.starts[node] + taken, rows] = 1.0
    assert (found == steps).all()
    assert len({tuple(column) for column in steps.T}) == len(ordered)


def test_the_same_examples_and_seed_give_the_very_same_answers_also_through_a_file() -> None:
    examples = Examples.alike(*worded(150))
    first, second = (fit_paths(examples, seed=3) for _ in range(2))
    kept = paths_from_plain(through_file(paths_as_plain(first)))
    texts, _ = worded(50, seed=4)
    for other in (second, kept):
        assert (other.answers(texts).texts == first.answers(texts).texts).all()
        assert (other.answers(texts).scores == first.answers(texts).scores).all()


def test_images_are_sorted_into_paths_as_texts_are() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (120, 2))
    images: list[ModelInput] = [np.repeat(row.astype(float), 8) for row in bits]
    answers = [f"top {a} / leaf {b}" for a, b in bits]
    model = paths_from_plain(
        through_file(paths_as_plain(fit_paths(Examples.alike(images, answers), seed=0)))
    )
    assert (model.answers(images).texts == np.array(answers, object)).all()


def test_weights_decide_between_examples_that_contradict_each_other() -> None:
    texts: list[ModelInput] = ["red ball", "red ball", "blue cube", "blue cube"] * 10
    answers = ["a / x", "a / y", "a / x", "a / y"] * 10
    examples = Examples(inputs=texts, answers=answers, weights=np.array([9, 0.1, 0.1, 9] * 10))
    model = fit_paths(examples, seed=0)
    assert model.answers(["red ball", "blue cube"]).texts.tolist() == ["a / x", "a / y"]


def test_ten_thousand_paths_of_two_examples_each() -> None:
    labels = [f"group {number % 100} / leaf {number}" for number in range(10_000)]
    texts: list[ModelInput] = [
        f"topic{number % 100} leaf{number}" for number in range(10_000) for _ in range(2)
    ]
    answers = [label for label in labels for _ in range(2)]
    model = fit_paths(Examples.alike(texts, answers), seed=0)
    assert len(model.labels) == 10_000
    told = model.answers(texts[::100])
    assert np.mean(told.texts == np.array(answers[::100], object)) > 0.9


def test_no_input_gives_no_answer_and_one_example_a_path_is_enough() -> None:
    model = fit_paths(Examples.alike(["red ball", "blue cube"], ["a / b", "c"]), seed=0)
    assert model.answers([]).texts.shape == (0,)
    assert model.answers(["red ball", "blue cube"]).texts.tolist() == ["a / b", "c"]


@pytest.mark.parametrize(
    ("texts", "answers", "message"),
    [
        ([], [], "there is none"),
        (["red", "blue"], ["a / b", "a / b"], "only 'a / b'"),
        (["?!", "..."], ["a", "b"], "no word stands"),
    ],
)
def test_what_teaches_nothing_is_said(
    texts: list[ModelInput], answers: list[str], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        fit_paths(Examples.alike(texts, answers), seed=0)


def test_values_of_another_form_are_refused() -> None:
    plain = paths_as_plain(fit_paths(Examples.alike(*worded(60)), seed=0))
    for key in plain:
        with pytest.raises((KeyError, TypeError, ValueError)):
            paths_from_plain({name: value for name, value in plain.items() if name != key})
    with pytest.raises(ValueError, match="options"):
        paths_from_plain(plain | {"labels": ["a", "b / c"]})
    with pytest.raises(ValueError, match="not different"):
        paths_from_plain(plain | {"labels": ["a", "a"]})
