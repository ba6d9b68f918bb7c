"""The text classifier: what it learns, that its arrays say what scikit-learn says, its edges."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline

from backend.predictors.errors import TrainingError
from backend.predictors.protocol import Examples
from backend.predictors.texts.classifier import (
    EncoderMissingError,
    TextModel,
    fit_text,
    text_as_plain,
    text_from_plain,
)
from backend.predictors.texts.linear import LinearTerms, LinearVectors, linear_as_plain
from backend.predictors.texts.members import Member
from backend.predictors.texts.terms import CHARACTER_RUNS, WORD, WORD_RUNS, WordTerms, words_of
from backend.predictors.texts.training import QUICK, TextPlan
from policies.conditions import ENTROPY, MARGIN
from policies.domain import FloatArray

TOPICS = {
    "sport": ["goal", "match", "Team", "win", "season", "coach"],
    "money": ["bank", "price", "Märkte", "share", "trade", "profit"],
    "space": ["rocket", "orbit", "moon", "launch", "星", "star"],
}
OTHERS = ["the", "a", "of", "today", "İstanbul", "ﬁne", "x", "🙂", "12.5", "-", "it's"]
PIECES = [word for words in TOPICS.values() for word in words] + OTHERS


def topic_examples(rows: int, labels: Sequence[str] = tuple(TOPICS), seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    answers = [str(label) for label in rng.choice(list(labels), rows)]
    texts = [" ".join([*rng.choice(TOPICS[label], 2), *rng.choice(OTHERS, 4)]) for label in answers]
    return Examples.alike(texts, answers)


def accuracy(model: TextModel, asked: Examples) -> float:
    return float(np.mean(model.answers(asked.inputs).texts == np.array(asked.answers, object)))


def scikit_learn_of(model: TextModel, texts: Sequence[str]) -> Pipeline:
    """Scikit-learn's own vectorisers of these texts, and a regression of the coefficients."""
    members = [member for member in model.members if isinstance(member, LinearTerms)]
    steps = [
        TfidfVectorizer(
            ngram_range=WORD_RUNS, token_pattern=WORD, sublinear_tf=True, max_features=100_000
        )
        if isinstance(member.terms, WordTerms)
        else TfidfVectorizer(
            analyzer="char_wb", ngram_range=CHARACTER_RUNS, sublinear_tf=True, max_features=100_000
        )
        for member in members
    ]
    features = FeatureUnion([(str(place), step) for place, step in enumerate(steps)]).fit(texts)
    regression = LogisticRegression()
    # Two labels share one value v and stand at -v and v; scikit-learn's is the distance.
    times = 2.0 if len(model.labels) == 2 else 1.0
    parts = [times * each.weight * each.coefficients[:-1].T.astype(float) for each in members]
    regression.classes_ = np.array(model.labels)
    regression.coef_ = np.hstack(parts)
    regression.intercept_ = times * sum(each.weight * each.intercepts for each in members)
    return Pipeline([("features", features), ("labels", regression)])


MODELS: dict[int, tuple[TextModel, Pipeline]] = {}


def model_and_peer(labels: int) -> tuple[TextModel, Pipeline]:
    """A trained model and scikit-learn's pipeline of it, made once."""
    if labels not in MODELS:
        examples = topic_examples(150, tuple(TOPICS)[:labels])
        model = fit_text(examples, seed=1)
        MODELS[labels] = model, scikit_learn_of(model, [str(text) for text in examples.inputs])
    return MODELS[labels]


ANY_TEXT = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join),
    st.lists(st.sampled_from(PIECES), max_size=6).map("\u2003\n".join),
    st.text(max_size=60),
    st.text(alphabet="goalİ\u0131ßﬁ星🙂\x1c \u00a0\u0301_'-0", max_size=40),
)


@pytest.mark.parametrize("labels", [2, 3])
@settings(deadline=None, max_examples=80)
@given(texts=st.lists(ANY_TEXT, min_size=1, max_size=6))
def test_the_arrays_say_what_scikit_learn_says(labels: int, texts: list[str]) -> None:
    model, peer = model_and_peer(labels)
    theirs = peer.predict_proba(texts)
    assert np.abs(model.probabilities(texts) - theirs).max() <= 1e-9
    alone = np.concatenate([model.probabilities([text]) for text in texts])
    assert np.abs(alone - theirs).max() <= 1e-9


def test_a_model_of_one_kind_of_feature_says_what_scikit_learn_says() -> None:
    examples = topic_examples(90)
    texts = [str(text) for text in examples.inputs]
    for member in (Member.WORDS, Member.CHARACTERS):
        model = fit_text(examples, seed=1, plan=TextPlan(members=(member,)))
        peer = scikit_learn_of(model, texts)
        assert np.abs(model.probabilities(texts) - peer.predict_proba(texts)).max() <= 1e-9


def test_texts_are_learned_and_answered() -> None:
    model = fit_text(topic_examples(120), seed=1)
    assert model.labels == ("money", "space", "sport")
    assert not model.needs_embeddings
    asked = topic_examples(200, seed=1)
    assert accuracy(model, asked) > 0.95
    found = model.answers(asked.inputs)
    probabilities = model.probabilities(asked.inputs)
    assert np.array_equal(found.scores, probabilities.max(axis=1))
    assert np.allclose(probabilities.sum(axis=1), 1.0)
    assert set(found.signals) == {MARGIN, ENTROPY}
    assert model.answers([]).scores.shape == (0,)
    assert model.probabilities([]).shape == (0, 3)


def test_a_word_misspelt_is_known_by_its_characters() -> None:
    model = fit_text(topic_examples(120), seed=1)
    asked = ["rockets", "orbiting", "coaches", "seasonal", "banking", "prices"]
    said = model.answers(asked).texts.tolist()
    assert said == ["space", "space", "sport", "sport", "money", "money"]


def test_confidence_is_calibrated() -> None:
    rng = np.random.default_rng(3)
    examples = topic_examples(1_500)
    noisy = [
        str(rng.choice(list(TOPICS))) if rng.random() < 0.3 else answer
        for answer in examples.answers
    ]
    model = fit_text(Examples.alike(examples.inputs[:900], noisy[:900]), seed=1)
    right = model.answers(examples.inputs[900:]).texts == np.array(noisy[900:], object)
    scores = model.answers(examples.inputs[900:]).scores
    assert float(scores.mean()) == pytest.approx(float(right.mean()), abs=0.05)


def test_the_same_seed_gives_the_same_model() -> None:
    examples = topic_examples(90)
    one, other = (fit_text(examples, seed=5).probabilities(examples.inputs) for _ in range(2))
    assert np.array_equal(one, other)


def test_progress_rises_to_the_end_and_what_it_raises_ends_the_training() -> None:
    seen: list[float] = []
    fit_text(topic_examples(60), seed=1, progress=seen.append)
    assert seen == sorted(seen)
    assert 0.0 < seen[0] < seen[-1] == 1.0

    def cancelled(share: float) -> None:
        if share > 0.3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fit_text(topic_examples(60), seed=1, progress=cancelled)


def test_weights_decide_between_answers_that_disagree() -> None:
    texts = ["green apple", "red motor", "odd thing", "odd thing"] * 10
    labels = ["fruit", "engine", "fruit", "engine"] * 10
    for first, second, said in ((1.0, 0.2, "fruit"), (0.2, 1.0, "engine")):
        weights = np.array([1.0, 1.0, first, second] * 10)
        model = fit_text(Examples(inputs=texts, answers=labels, weights=weights), seed=1)
        assert model.answers(["odd thing"]).texts.tolist() == [said]


def test_an_example_that_weighs_nothing_teaches_nothing() -> None:
    weights = np.array([1.0, 1.0, 0.0] * 4)
    examples = Examples(
        inputs=["a b", "c d", "e f"] * 4, answers=["x", "y", "z"] * 4, weights=weights
    )
    assert fit_text(examples, seed=1).labels == ("x", "y")


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_weights_that_are_none_are_refused(weight: float) -> None:
    examples = Examples(inputs=["a", "b"], answers=["x", "y"], weights=np.array([1.0, weight]))
    with pytest.raises(TrainingError, match=r"weight of an example is .* 0 or more"):
        fit_text(examples, seed=1)


def test_what_nothing_can_be_learned_from_is_refused_in_clear_words() -> None:
    with pytest.raises(TrainingError, match=r"at least two different labels .* only 'sport'"):
        fit_text(Examples.alike(["goal", "match"], ["sport", "sport"]), seed=1)
    with pytest.raises(TrainingError, match="there is none"):
        fit_text(Examples.alike([], []), seed=1)
    with pytest.raises(TrainingError, match="2 inputs but 1 labels and 1 weights"):
        fit_text(Examples.alike(["goal", "match"], ["sport"]), seed=1)
    with pytest.raises(TrainingError, match="no character to see"):
        fit_text(Examples.alike([" ", "\n", "\t", " "], ["a", "b"] * 2), seed=1)


@pytest.mark.parametrize(
    "counts",
    [(1, 1), (1, 40), (2, 1), (2, 40), (3, 1), (40, 40, 1), (1, 1, 1, 1, 30), (2, 2), (5, 6)],
)
def test_rare_labels_never_stop_a_training(counts: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    labels = [str(code) for code, count in enumerate(counts) for _ in range(count)]
    texts = [f"word{label} {rng.choice(['x', 'y', 'z'])}" for label in labels]
    model = fit_text(Examples.alike(texts, labels), seed=3)
    assert model.labels == tuple(str(code) for code in range(len(counts)))
    assert np.isfinite(model.probabilities(texts)).all()


def test_signs_without_words_are_learned_by_their_characters() -> None:
    model = fit_text(Examples.alike(["!!", "??"] * 10, ["a", "b"] * 10), seed=1)
    assert model.answers(["!!!", "?"]).texts.tolist() == ["a", "b"]


def test_chinese_is_read_by_its_characters() -> None:
    texts = ["银行股价上涨", "球队赢得比赛", "股价下跌了", "比赛很精彩"] * 3
    model = fit_text(Examples.alike(texts, ["money", "sport"] * 6), seed=1)
    assert model.answers(["今天股价", "明天比赛"]).texts.tolist() == ["money", "sport"]


def test_a_text_without_any_known_term_is_answered() -> None:
    model = fit_text(topic_examples(60), seed=1)
    probabilities = model.probabilities(["", "ю", "ю" * 100_000])
    assert np.isfinite(probabilities).all()


def test_long_texts_and_many_are_answered_as_each_alone() -> None:
    model = fit_text(topic_examples(60), seed=1)
    texts = ["goal " * 200_001, "bank", "moon " * 300_000, "rocket", *["goal bank"] * 2_050]
    together = model.probabilities(texts)
    assert np.allclose(together[:5], [model.probabilities([each])[0] for each in texts[:5]])
    assert np.allclose(together[5:], together[4])


def test_many_examples_are_judged_by_one_held_out_fifth() -> None:
    rng = np.random.default_rng(0)
    labels = [str(label) for label in rng.integers(0, 120, 900)]  # 900 rows x 120 labels
    texts = [f"word{label} {rng.integers(0, 50)}" for label in labels]
    seen: list[float] = []
    model = fit_text(Examples.alike(texts, labels), seed=1, progress=seen.append)
    assert accuracy(model, Examples.alike(texts, labels)) > 0.95
    assert model.learning is not None
    assert {point.accuracy.n for point in model.learning.points} == {180}


def test_a_model_comes_back_from_plain_values_as_it_was() -> None:
    examples = topic_examples(90)
    model = fit_text(examples, seed=1)
    again = text_from_plain(text_as_plain(model))
    assert again.labels == model.labels
    assert np.array_equal(
        again.probabilities(examples.inputs), model.probabilities(examples.inputs)
    )


@pytest.mark.parametrize("broken", ["labels", "members", "rarities", "coefficients", "reads"])
def test_plain_values_that_are_none_are_refused(broken: str) -> None:
    plain = text_as_plain(fit_text(topic_examples(60), seed=1, plan=QUICK))
    (member,) = plain["members"]
    values: dict[str, object] = {
        "labels": {**plain, "labels": ["a"]},
        "members": {**plain, "members": []},
        "rarities": {**plain, "members": [{**member, "rarities": np.ones(3)}]},
        "coefficients": {**plain, "members": [{**member, "coefficients": np.ones(3)}]},
        "reads": {**plain, "members": [{**member, "reads": "tea leaves"}]},
    }[broken]
    with pytest.raises((KeyError, TypeError, ValueError)):
        text_from_plain(values)


def test_a_member_that_adds_nothing_is_left_out() -> None:
    rng = np.random.default_rng(0)
    labels = [str(label) for label in rng.integers(0, 2, 400)]
    # The words say it all, and their characters little: the same letters in another order.
    texts = [
        " ".join(["abcdefgh" if label == "0" else "hgfedcba", *map(str, rng.integers(0, 9, 4))])
        for label in labels
    ]
    model = fit_text(Examples.alike(texts, labels), seed=1)
    assert len(model.members) == 1


def test_quick_models_are_of_words_alone_and_uncalibrated() -> None:
    model = fit_text(topic_examples(60), seed=1, plan=QUICK)
    (member,) = model.members
    assert linear_as_plain(member)["reads"] == "words"
    assert (member.weight, model.learning) == (1.0, None)


def test_several_fits_are_one_model() -> None:
    examples = topic_examples(90)
    model = fit_text(examples, seed=1, plan=TextPlan(fits=3))
    assert accuracy(model, examples) > 0.95
    assert not np.array_equal(
        model.probabilities(examples.inputs),
        fit_text(examples, seed=1).probabilities(examples.inputs),
    )


def strange_words(rows: int, seed: int) -> Examples:
    """Texts of which no term comes twice, and labels that only ``encode`` knows."""
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list("abcdefghijklmnop"), 9)) for _ in range(rows)]
    return Examples.alike(texts, ["odd" if parity(text) else "even" for text in texts])


def parity(text: str) -> int:
    return sum(map(ord, text)) % 2


def encode(texts: Sequence[str]) -> FloatArray:
    """A stand-in for sentence vectors: they mean something, and have some noise."""
    rows = [[parity(text) - 0.5, 0.1 * np.sin(len(text)), 0.1] for text in texts]
    return np.array(rows, np.float64).reshape(-1, 3)


def test_an_encoders_vectors_join_where_they_add_something() -> None:
    model = fit_text(strange_words(120, 1), seed=1, encode=encode)
    assert model.needs_embeddings
    assert any(isinstance(member, LinearVectors) for member in model.members)
    asked = strange_words(100, 2)
    loaded = text_from_plain(text_as_plain(model))
    with pytest.raises(EncoderMissingError, match="install the extra 'embeddings'"):
        loaded.answers(asked.inputs)
    bound = loaded.with_encoder(encode)
    assert np.array_equal(bound.probabilities(asked.inputs), model.probabilities(asked.inputs))
    assert accuracy(bound, asked) > 0.95


def test_a_text_whose_vector_is_not_known_yet_has_no_answer() -> None:
    model = fit_text(strange_words(120, 1), seed=1, encode=encode)
    asked = strange_words(3, 2).inputs

    def cached(texts: Sequence[str]) -> FloatArray:
        return np.where([[False], [True], [False]], np.nan, encode(texts))

    found = model.with_encoder(cached).answers(asked)
    assert found.texts[1] is None
    assert np.isnan(found.scores).tolist() == [False, True, False]
    assert np.isnan(found.signals[MARGIN]).tolist() == [False, True, False]
    assert np.isnan(found.signals[ENTROPY]).tolist() == [False, True, False]
    assert found.texts[0] == model.answers(asked[:1]).texts[0]


def test_vectors_that_say_nothing_are_left_out() -> None:
    def blind(texts: Sequence[str]) -> FloatArray:
        return np.ones((len(texts), 5))

    model = fit_text(topic_examples(120), seed=1, encode=blind)
    assert not model.needs_embeddings


@pytest.mark.parametrize("vectors", [np.ones((3, 4)), np.ones(60), np.full((60, 4), np.nan)])
def test_vectors_that_are_none_are_refused(vectors: FloatArray) -> None:
    with pytest.raises(TrainingError, match="one vector a text is needed"):
        fit_text(topic_examples(60), seed=1, encode=lambda _: vectors)


def test_the_encoder_is_no_part_of_what_a_model_is() -> None:
    model = TextModel(labels=("a", "b"), members=())
    assert model.with_encoder(encode) == replace(model)
    assert "encode" not in repr(model.with_encoder(encode))


@given(st.text(alphabet=st.characters(max_codepoint=0x30FF), max_size=60))
def test_words_are_those_of_the_pattern_whichever_way_they_are_cut(text: str) -> None:
    assert words_of(text) == re.findall(WORD, text.lower())
