from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from backend.predictors.controls_read import with_prompt
from backend.predictors.errors import TrainingError
from backend.predictors.inputs import read_inputs
from backend.predictors.protocol import Examples, Listed, ModelInput
from backend.predictors.rewards.rankings import (
    RankingModel,
    fit_rankings,
    ranking_as_plain,
    ranking_from_plain,
)
from backend.predictors.trainable import Lesson, fit_control, unlearned
from connectors.label_studio.labeling import Control, parse_labeling
from policies.answer_texts import RANK, ranking_text
from tests.fakes.model_files import through_file

QUALITY = ("awful", "poor", "fair", "good", "superb")


def ranker(inside: str = "") -> Control:
    config = f'<List name="l" value="$answers"/><Ranker name="order" toName="l">{inside}</Ranker>'
    return parse_labeling(f"<View>{config}</View>").controls[0]


def ranked(rows: int, seed: int = 0, answers: int = 3) -> Examples:
    """Lists of answers of different quality, each in its true order but for a tenth."""
    rng = np.random.default_rng(seed)
    inputs: list[ModelInput] = []
    said = []
    for number in range(rows):
        qualities = rng.choice(5, answers, replace=False)
        items = {f"a{place}": f"{QUALITY[each]} answer" for place, each in enumerate(qualities)}
        order = [f"a{place}" for place in np.argsort(-qualities)]
        if rng.random() < 0.1:
            order.reverse()
        inputs.append(Listed(items=items, prompt=f"prompt {number}"))
        said.append(ranking_text({RANK: order}))
    return Examples.alike(inputs, said)


def fitted(rows: int = 150) -> RankingModel:
    model = fit_control(ranker(), ranked(rows), Lesson(seed=0)).model
    assert isinstance(model, RankingModel)
    return model


def test_answers_are_put_in_the_order_that_people_give() -> None:
    model, asked = fitted(), ranked(200, seed=1)
    told = model.answers(asked.inputs)
    assert np.mean(told.texts == np.array(asked.answers, object)) > 0.8  # 0.9 can be had
    assert told.scores.mean() == pytest.approx(0.8, abs=0.2)
    assert ((told.scores > 0) & (told.scores < 1)).all()
    assert model.labels == ()


def test_the_order_in_which_items_are_shown_changes_nothing() -> None:
    model = fitted(60)
    items = {"x": "good answer", "y": "poor answer", "z": "fair answer"}
    told = [
        model.answers([Listed(items={name: items[name] for name in order}, prompt="p")])
        for order in permutations(items)
    ]
    assert {each.texts[0] for each in told} == {'{"rank":["x","z","y"]}'}
    assert len({round(float(each.scores[0]), 9) for each in told}) == 1


def test_a_model_is_the_same_after_a_file() -> None:
    model, asked = fitted(40), ranked(10, seed=2)
    kept = ranking_from_plain(through_file(ranking_as_plain(model)))
    assert (kept.answers(asked.inputs).texts == model.answers(asked.inputs).texts).all()
    assert (kept.answers(asked.inputs).scores == model.answers(asked.inputs).scores).all()
    assert len(model.answers([]).texts) == 0


def test_items_are_read_with_the_prompt_and_bad_lists_are_problems_of_their_own() -> None:
    (control,) = with_prompt((ranker(),), "prompt")
    good = [{"id": "x", "body": "one"}, {"id": "y", "title": "two"}]
    read = read_inputs(
        control,
        [
            {"prompt": "Why?", "answers": good},
            {"answers": good},
            {"prompt": "Why?", "answers": good[:1]},
            {"prompt": "Why?"},
        ],
        lambda _: b"",
    )
    assert read.values[0] == Listed(items={"x": "one", "y": "two"}, prompt="Why?")
    problems = [str(each) for each in read.problems[1:]]
    for said, problem in zip(
        ["no key 'prompt'", "two items or more", "no key 'answers'"], problems, strict=True
    ):
        assert said in problem


def test_buckets_are_not_learned_and_orders_of_nothing_teach_nothing() -> None:
    sorting = ranker('<Bucket name="best"/><Bucket name="rest"/>')
    assert "sorts into buckets" in str(unlearned(sorting))
    assert unlearned(ranker()) is None
    with pytest.raises(TrainingError, match="no order of two items"):
        fit_rankings(ranker(), Examples.alike([], []), seed=0)
    with pytest.raises(TypeError, match="not the items of a list"):
        fitted(20).answers(["text"])
