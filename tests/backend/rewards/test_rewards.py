from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from backend.predictors.errors import TrainingError
from backend.predictors.folds import group_folds
from backend.predictors.rewards.comparisons import Answers, compared, in_columns, part_of
from backend.predictors.rewards.fitting import fit_rewards
from backend.predictors.rewards.model import (
    RewardModel,
    reward_as_plain,
    reward_from_plain,
)
from backend.predictors.rewards.style import STYLE, styles
from backend.predictors.texts.classifier import EncoderMissingError
from connectors.preference_files import read_pairs
from policies.domain import FloatArray
from policies.judgments import Choice, Judgment, Order, PreferencePair
from tests.fakes.model_files import through_file

VOCABULARY = [f"word{number:02}" for number in range(40)]


def simulated(
    seed: int, pairs: int, *, place: float = 0.0, tie: bool = False
) -> tuple[list[PreferencePair], FloatArray]:
    """Answers of a dozen words out of forty, each with its worth, and what a judge said."""
    rng = np.random.default_rng(seed)
    worth = rng.normal(size=40)
    made = []
    for number in range(pairs):
        one, other = (np.sort(rng.choice(40, 12, replace=False)) for _ in range(2))
        order = Order.AB if rng.random() < 0.5 else Order.BA
        lead = worth[one].sum() - worth[other].sum() + (place if order is Order.AB else -place)
        said = Choice.A if rng.random() < 1 / (1 + np.exp(-lead)) else Choice.B
        if tie and abs(lead) < 1.0:
            said = Choice.TIE
        made.append(
            PreferencePair(
                id=str(number),
                prompt=f"prompt {number % 200}",
                response_a=" ".join(VOCABULARY[word] for word in one),
                response_b=" ".join(VOCABULARY[word] for word in other),
                judgments=(Judgment(judge="kim", choice=said, order=order),),
            )
        )
    return made, worth


def pair(
    *said: tuple[Choice, Order | None], number: int = 0, texts: tuple[str, str] = ("red", "blue")
) -> PreferencePair:
    return PreferencePair(
        id=str(number),
        prompt="name a colour",
        response_a=texts[0],
        response_b=texts[1],
        judgments=tuple(
            Judgment(judge=f"j{place}", choice=choice, order=order)
            for place, (choice, order) in enumerate(said)
        ),
    )


def better(model: RewardModel, prompt: str, responses: Sequence[str]) -> int:
    return int(
        np.argmax(model.worths(Answers(prompts=[prompt] * len(responses), responses=responses)))
    )


@pytest.mark.simulation
def test_a_thousand_judged_texts_of_forty_words_give_the_true_order() -> None:
    agreements, places = [], []
    for seed in range(3):
        pairs, worth = simulated(seed, 1_000, place=0.7)
        model = fit_rewards(compared(pairs), seed=0)
        rng = np.random.default_rng(100 + seed)
        drawn = [rng.choice(40, 12, replace=False) for _ in range(2_000)]
        texts = [" ".join(VOCABULARY[word] for word in np.sort(words)) for words in drawn]
        told = model.worths(Answers(prompts=[""] * len(texts), responses=texts))
        true = np.array([worth[words].sum() for words in drawn])
        agreements.append(np.mean((np.diff(told) > 0) == (np.diff(true) > 0)))
        places.append(model.position)
    assert np.mean(agreements) >= 0.94
    assert all(place is not None and 0.2 < place < 1.2 for place in places)


@pytest.mark.simulation
@pytest.mark.parametrize(("wavering", "least"), [(False, 0.96), (True, 0.93)])
def test_words_that_add_up_as_often_as_they_stand_there_give_the_true_order(
    *, wavering: bool, least: float
) -> None:
    rng = np.random.default_rng(1)
    worth = rng.normal(0, 0.5, 40)

    def drawn(answers: int) -> tuple[FloatArray, list[str]]:
        counts = rng.poisson(2, (answers, 40))
        return counts @ worth, [" ".join(np.repeat(VOCABULARY, each)) for each in counts]

    (true, texts), (new, unseen) = drawn(2_000), drawn(3_000)
    lead = true[::2] - true[1::2]
    chance = 1 / (1 + np.exp(-lead)) if wavering else lead > 0
    first = rng.random(1_000) < chance
    said = np.column_stack([first, ~first, np.zeros(1_000)]).astype(np.float64)
    asked = [
        (f"prompt {number}", texts[2 * number], texts[2 * number + 1]) for number in range(1_000)
    ]
    told = fit_rewards(in_columns(asked, said), seed=0).worths(
        Answers(prompts=[""] * len(unseen), responses=unseen)
    )
    assert np.mean((np.diff(told) > 0) == (np.diff(new) > 0)) >= least


def test_real_preferences_are_learned_beyond_chance_and_said_as_sure_as_they_are(
    data_folder: Path,
) -> None:
    every = compared(read_pairs(data_folder / "pandalm_preferences.jsonl.gz"))
    training, aside = next(iter(group_folds(every.groups, seed=2)))
    model = fit_rewards(part_of(every, training), seed=0)
    unseen = part_of(every, aside)
    worths = model.worths(unseen.answers)
    likely = model.preferences(worths[unseen.first] - worths[unseen.second])
    lead = unseen.outcomes.first - unseen.outcomes.second
    kept = lead != 0
    right = (likely[:, 0] > likely[:, 1])[kept] == (lead > 0)[kept]
    said = likely[:, :2].max(axis=1)[kept] / likely[:, :2].sum(axis=1)[kept]
    assert right.mean() > 0.66
    assert said.mean() == pytest.approx(right.mean(), abs=0.12)
    assert 0.05 < likely[:, 2].mean() < 0.15  # 10.9 % of all judgements are ties


def test_judges_of_a_pair_share_its_weight_and_those_who_said_nothing_have_none() -> None:
    columns = compared(
        [
            pair((Choice.A, None), (Choice.A, None), (Choice.B, None), (Choice.NONE, None)),
            pair((Choice.NONE, None), number=1),
            pair((Choice.TIE, Order.AB), (Choice.B, Order.BA), number=2),
        ]
    )
    assert columns.pairs.tolist() == [0, 2, 2]
    assert columns.places.tolist() == [0.0, 1.0, -1.0]
    assert columns.outcomes.first.tolist() == pytest.approx([2 / 3, 0, 0])
    assert columns.outcomes.second.tolist() == pytest.approx([1 / 3, 0, 0.5])
    assert columns.outcomes.ties.tolist() == pytest.approx([0, 0.5, 0])
    assert len(columns.answers) == 2


def test_judgements_of_a_criterion_are_no_preferences() -> None:
    asked = PreferencePair(
        id="1",
        prompt="",
        response_a="x",
        response_b="y",
        judgments=(Judgment(judge="kim", choice=Choice.A, criterion="tone"),),
    )
    assert len(compared([asked])) == 0
    assert compared([asked], criterion="tone").outcomes.first.tolist() == [1.0]


def test_the_place_is_never_part_of_a_score() -> None:
    said = [pair((Choice.A, Order.AB), number=n) for n in range(30)]
    said += [pair((Choice.B, Order.BA), number=n) for n in range(30, 60)]
    model = fit_rewards(compared(said), seed=0)
    assert model.position is not None
    assert model.position > 2.0
    worths = model.worths(Answers(prompts=["name a colour"] * 2, responses=["red", "blue"]))
    assert abs(worths[0] - worths[1]) < 0.2


def test_an_order_that_never_changed_says_nothing_about_places() -> None:
    said = [pair((Choice.A, Order.AB), number=n) for n in range(30)]
    model = fit_rewards(compared(said), seed=0)
    assert model.position is None
    assert better(model, "name a colour", ["blue", "red"]) == 1


def test_taking_out_length_leaves_what_else_people_like() -> None:
    rng = np.random.default_rng(0)
    texts, said = [], []
    for number in range(300):
        sizes, good = rng.choice([5, 10, 20, 40], 2), rng.random(2) < 0.5
        one, other = (
            ("polite " if kind else "abrupt ") + " ".join(rng.choice(VOCABULARY, size))
            for kind, size in zip(good, sizes, strict=True)
        )
        lead = np.log2(sizes[0] / sizes[1]) + 2.0 * (int(good[0]) - int(good[1]))
        first = float(rng.random() < 1 / (1 + np.exp(-lead)))
        texts.append((f"prompt {number}", one, other))
        said.append((first, 1.0 - first, 0.0))
    columns = in_columns(texts, np.array(said))
    free = fit_rewards(columns, seed=0, length_free=True)
    assert free.length_weight == 0.0
    assert better(free, "prompt 1", ["abrupt word01", "polite word01"]) == 1


def test_ties_are_expected_where_they_were_seen() -> None:
    pairs, _ = simulated(1, 300, tie=True)
    model = fit_rewards(compared(pairs), seed=0)
    alike = model.preferences(np.zeros(1))[0]
    assert alike[2] > 0.2
    assert alike[0] == pytest.approx(alike[1])
    assert model.preferences(np.full(1, 50.0))[0, 2] < alike[2]


def test_sentence_vectors_are_read_where_they_tell_something() -> None:
    rng = np.random.default_rng(0)

    def encode(texts: Sequence[str]) -> FloatArray:
        return np.array([[float(text.split()[0][-2:]) / 40.0, 1.0] for text in texts])

    texts, said = [], []
    for number in range(200):
        one, other = (" ".join(rng.choice(VOCABULARY, 4)) for _ in range(2))
        first = float(encode([one])[0, 0] > encode([other])[0, 0])
        texts.append((f"prompt {number}", one, other))
        said.append((first, 1.0 - first, 0.0))
    columns = in_columns(texts, np.array(said))
    model = fit_rewards(columns, seed=0, encode=encode)
    assert model.needs_embeddings
    kept = reward_from_plain(through_file(reward_as_plain(model)))
    with pytest.raises(EncoderMissingError, match="no encoder"):
        kept.worths(columns.answers)
    assert kept.with_encoder(encode).worths(columns.answers) == pytest.approx(
        model.worths(columns.answers)
    )


def test_vectors_that_tell_nothing_are_not_asked_for() -> None:
    pairs, _ = simulated(2, 60)
    model = fit_rewards(compared(pairs), seed=0, encode=lambda texts: np.ones((len(texts), 3)))
    assert not model.needs_embeddings
    assert model.encode is None


def test_a_model_is_the_same_after_a_file_and_for_the_same_seed() -> None:
    pairs, _ = simulated(3, 100, place=0.5, tie=True)
    model, again = (fit_rewards(compared(pairs), seed=4) for _ in range(2))
    kept = reward_from_plain(through_file(reward_as_plain(model)))
    asked = Answers(prompts=["a", "b"], responses=["word01 word02", ""])
    for other in (again, kept):
        assert (other.worths(asked) == model.worths(asked)).all()
        assert (other.tie, other.position) == (model.tie, model.position)
    plain = reward_as_plain(model)
    for key in plain:
        with pytest.raises((KeyError, TypeError, ValueError)):
            reward_from_plain({name: value for name, value in plain.items() if name != key})


def test_nothing_but_ties_teaches_nothing() -> None:
    with pytest.raises(TrainingError, match="of no pair one answer was preferred"):
        fit_rewards(compared([pair((Choice.TIE, None))]), seed=0)


def test_style_is_told_by_name() -> None:
    prompt = "List three reasons to run"
    texts = ["I run.\nI run.\nI run.", "- Health\n- Joy\n```x = 1;```", "three reasons", ""]
    named = dict(zip(STYLE, styles([prompt] * 4, texts).T.tolist(), strict=True))
    assert named["lines"] == pytest.approx([np.log2(3), np.log2(3), 0, 0])
    assert named["list_items"] == pytest.approx([0, np.log2(3), 0, 0])
    assert named["code"] == [0, 1, 0, 0]
    assert named["repeated_lines"] == pytest.approx([2 / 3, 0, 0, 0])
    assert named["repeated_phrases"] == pytest.approx([0.5, 0, 0, 0])
    assert named["quotes_prompt"] == [0, 0, 1, 0]
    assert named["covers_prompt"] == pytest.approx([0.2, 0, 0.4, 0])
    assert named["empty"] == [0, 0, 0, 1]
    assert styles([], []).shape == (0, len(STYLE))


@pytest.mark.parametrize("text", ["\n" * 200_000, " \t" * 100_000, "-" * 200_000, "\u0130" * 1000])
def test_style_of_a_hostile_text_takes_time_that_grows_with_it(text: str) -> None:
    assert np.isfinite(styles(["x" * 1000], [text])).all()
