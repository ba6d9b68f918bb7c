from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.predictors.errors import TrainingError
from backend.predictors.protocol import Examples, ModelInput
from backend.predictors.sets.label_sets import SetRule, fit_rule, set_figures
from backend.predictors.sets.model import SetModel, fit_sets, sets_as_plain, sets_from_plain
from policies.answer_texts import labels_of_set, set_text
from policies.conditions import LOWEST_REGION_SCORE, REGION_COUNT
from policies.domain import BoolArray, FloatArray
from tests.fakes.model_files import through_file

WORDS = {
    "anger": ["furious", "hate", "rage"],
    "joy": ["happy", "delight", "smile"],
    "news": ["today", "report", "minister"],
}


def worded(rows: int, seed: int = 0, noise: float = 0.1) -> tuple[list[ModelInput], list[str]]:
    """Texts with a word or two of each label; people miss or add a label now and then."""
    rng = np.random.default_rng(seed)
    texts: list[ModelInput] = []
    answers = []
    for _ in range(rows):
        true = [label for label in WORDS if rng.random() < 0.4]
        words = [word for label in true for word in rng.choice(WORDS[label], 2)]
        texts.append(" ".join([*words, *rng.choice(["the", "a", "of", "so"], 3)]))
        answers.append(set_text(x for x in WORDS if (x in true) != (rng.random() < noise)))
    return texts, answers


def exact_share(model: SetModel, texts: list[ModelInput], answers: list[str]) -> float:
    return float(np.mean(model.answers(texts).texts == np.array(answers, object)))


def test_sets_are_learned_and_their_score_is_how_often_they_are_right_to_the_last_label() -> None:
    model = fit_sets(Examples.alike(*worded(400)), seed=1)
    texts, answers = worded(2000, seed=1)
    told = model.answers(texts)
    assert model.labels == ("anger", "joy", "news")
    right = told.texts == np.array(answers, object)
    assert right.mean() > 0.68  # 0.9 ** 3 = 0.73 is all that can be had
    assert told.scores.mean() == pytest.approx(right.mean(), abs=0.04)


def test_parts_and_signals_belong_to_the_labels_of_the_set() -> None:
    model = fit_sets(Examples.alike(*worded(300)), seed=1)
    texts, _ = worded(100, seed=2)
    told = model.answers(texts)
    probabilities = model.probabilities(texts)
    assert told.part_scores is not None
    for row, text in enumerate(told.texts):
        labels = labels_of_set(text)
        columns = [model.labels.index(label) for label in labels]
        assert told.part_scores[row] == tuple(probabilities[row, columns])
        assert told.signals[REGION_COUNT][row] == len(labels)
        lowest = told.signals[LOWEST_REGION_SCORE][row]
        assert lowest == min(told.part_scores[row]) if labels else np.isnan(lowest)
    assert "[]" in told.texts  # people leave sets empty here, so the model may


def test_a_set_is_never_empty_where_people_leave_none_empty() -> None:
    texts, answers = worded(300, noise=0.0)
    filled = [row for row, answer in enumerate(answers) if answer != "[]"]
    examples = Examples.alike([texts[row] for row in filled], [answers[row] for row in filled])
    model = fit_sets(examples, seed=0)
    strange: list[ModelInput] = ["zzz qqq", "the of", "!"]
    assert "[]" not in model.answers(strange).texts


def test_the_same_examples_and_seed_give_the_very_same_answers_also_through_a_file() -> None:
    examples = Examples.alike(*worded(150))
    first, second = (fit_sets(examples, seed=3) for _ in range(2))
    kept = sets_from_plain(through_file(sets_as_plain(first)))
    texts, _ = worded(50, seed=4)
    for other in (second, kept):
        assert (other.answers(texts).texts == first.answers(texts).texts).all()
        assert (other.answers(texts).scores == first.answers(texts).scores).all()


def test_weights_decide_between_examples_that_contradict_each_other() -> None:
    texts: list[ModelInput] = ["red ball", "red ball", "blue cube", "blue cube"] * 10
    answers = ['["a"]', '["b"]', '["a"]', '["b"]'] * 10
    heavy = fit_sets(
        Examples(inputs=texts, answers=answers, weights=np.array([9.0, 0.1, 0.1, 9.0] * 10)),
        seed=0,
    )
    assert heavy.answers(["red ball", "blue cube"]).texts.tolist() == ['["a"]', '["b"]']


def test_rows_and_images_are_learned_as_texts_are() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(200, 2))
    answers = [set_text(x for x, on in zip("ab", row > 0, strict=True) if on) for row in numbers]
    rows: list[ModelInput] = [{"x": float(x), "y": float(y)} for x, y in numbers]
    of_rows = fit_sets(Examples.alike(rows, answers), seed=0)
    assert exact_share(sets_from_plain(through_file(sets_as_plain(of_rows))), rows, answers) > 0.95
    images: list[ModelInput] = [np.repeat((row > 0) * 1.0, 8) for row in numbers]
    of_images = fit_sets(Examples.alike(images, answers), seed=0)
    kept = sets_from_plain(through_file(sets_as_plain(of_images)))
    assert exact_share(kept, images, answers) > 0.95


def test_no_input_gives_no_answer() -> None:
    model = fit_sets(Examples.alike(*worded(50)), seed=0)
    told = model.answers([])
    assert len(told.texts) == len(told.scores) == 0
    assert told.signals[REGION_COUNT].shape == (0,)


def test_two_examples_are_enough() -> None:
    model = fit_sets(Examples.alike(["red ball", "blue cube"], ['["a"]', '["b"]']), seed=0)
    told = model.answers(["red ball", "blue cube", "nothing known"])
    assert ((told.scores > 0.0) & (told.scores < 1.0)).all()


@pytest.mark.parametrize(
    ("texts", "answers", "message"),
    [
        ([], [], "there is none"),
        (["red", "blue"], ['["a"]', '["a"]'], r'only \["a"\]'),
        (["?!", "..."], ['["a"]', "[]"], "no word stands"),
    ],
)
def test_what_teaches_nothing_is_said(
    texts: list[ModelInput], answers: list[str], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        fit_sets(Examples.alike(texts, answers), seed=0)


def test_values_of_another_form_are_refused() -> None:
    plain = sets_as_plain(fit_sets(Examples.alike(*worded(30)), seed=0))
    for key in plain:
        with pytest.raises((KeyError, TypeError, ValueError)):
            sets_from_plain({name: value for name, value in plain.items() if name != key})
    with pytest.raises(ValueError, match="2 labels"):
        sets_from_plain(plain | {"labels": ["a", "b"]})


def test_progress_rises_to_one_and_can_stop_the_training() -> None:
    seen: list[float] = []
    fit_sets(Examples.alike(*worded(40)), seed=0, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0

    def stop(share: float) -> None:
        if share > 0.3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fit_sets(Examples.alike(*worded(40)), seed=0, progress=stop)


def worth(rule: SetRule, probabilities: FloatArray, truths: BoolArray) -> float:
    chosen = rule.sets(probabilities)
    both = 2 * (chosen & truths).sum() / max(1, chosen.sum() + truths.sum())
    return float(both + (chosen == truths).all(axis=1).mean())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), may_be_empty=st.booleans())
def test_own_thresholds_are_never_worse_than_one_for_all_on_the_rows_they_were_chosen_on(
    *, seed: int, may_be_empty: bool
) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.beta(0.5, 1.0, (200, 3))
    truths = rng.random((200, 3)) < probabilities ** np.array([0.5, 1.0, 2.0])
    rule = fit_rule(probabilities, truths, np.ones(200), may_be_empty=may_be_empty)
    for common in np.linspace(0.1, 0.5, 9):
        other = SetRule(thresholds=np.full(3, common), may_be_empty=may_be_empty)
        assert worth(rule, probabilities, truths) >= worth(other, probabilities, truths) - 1e-9


def test_figures_are_finite_for_the_surest_probabilities() -> None:
    probabilities = np.array([[0.0, 1.0], [1.0, 1.0]])
    figures = set_figures(probabilities, probabilities > 0.5)
    assert np.isfinite(figures).all()
