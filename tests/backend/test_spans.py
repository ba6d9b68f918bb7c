from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp
from skops.io import dumps, loads

from backend.predictors.errors import TrainingError
from backend.predictors.protocol import ControlModel, Examples
from backend.predictors.spans.marking import marked_texts
from backend.predictors.spans.model import SpansModel, fit_spans, spans_as_plain, spans_from_plain
from backend.predictors.spans.tags import spans_of_tags, token_spans
from backend.predictors.spans.token_features import numbered, seen
from backend.predictors.spans.tokens import borders_of, windows_of
from policies.answer_texts import SpanText, spans_of, spans_text
from policies.conditions import LOWEST_REGION_SCORE, REGION_COUNT

NAMES = ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald"]
PLACES = ["Paris", "New York", "Oslo", "Lima", "Rio", "Kyoto"]
NOTHING = spans_text([])


def travels(rows: int, seed: int = 0) -> Examples:
    """Who went where; every fourth sentence names nobody."""
    rng = np.random.default_rng(seed)
    texts, answers = [], []
    for row in range(rows):
        who, where = str(rng.choice(NAMES)), str(rng.choice(PLACES))
        head = f"{rng.choice(['yesterday', 'today', 'then'])} "
        if row % 4 == 3:
            texts.append(f"{head}nobody went to the station")
            answers.append(NOTHING)
            continue
        text = f"{head}{who} went to {where} ."
        start = text.index(where)
        spans = [(len(head), len(head) + len(who), "Person"), (start, start + len(where), "Place")]
        texts.append(text)
        answers.append(spans_text(spans))
    return Examples.alike(texts, answers)


@pytest.fixture(scope="module")
def model() -> SpansModel:
    return fit_spans(travels(60), seed=1)


def share_right(model: ControlModel, examples: Examples) -> float:
    return float(
        np.mean(model.answers(examples.inputs).texts == np.array(examples.answers, object))
    )


def test_spans_are_learned(model: SpansModel) -> None:
    assert model.labels == ("Person", "Place")
    assert share_right(model, travels(100, seed=9)) > 0.95
    new = model.answers(["yesterday Linus went to Tromso ."])
    assert spans_of(new.texts[0]) == ((10, 15, "Person"), (24, 30, "Place"))


def test_answers_come_with_scores_and_signals(model: SpansModel) -> None:
    found = model.answers(["then Ada went to New York .", "nobody went to the station"])
    assert found.part_scores is not None
    assert [len(scores) for scores in found.part_scores] == [2, 0]
    assert found.signals[REGION_COUNT].tolist() == [2.0, 0.0]
    assert found.signals[LOWEST_REGION_SCORE][0] == min(found.part_scores[0])
    assert np.isnan(found.signals[LOWEST_REGION_SCORE][1])
    assert ((found.scores > 0) & (found.scores <= 1)).all()


def test_the_scores_of_spans_stand_in_the_order_of_the_text(model: SpansModel) -> None:
    strange = model.answers(["then Ada went to zzz Qqq-7 ."])
    assert strange.part_scores is not None
    spans = spans_of(strange.texts[0])
    assert list(spans) == sorted(spans)
    assert len(strange.part_scores[0]) == len(spans)


def test_a_text_is_answered_as_in_a_batch(model: SpansModel) -> None:
    inputs = travels(20, seed=3).inputs
    together = model.answers(inputs)
    alone = [model.answers([text]) for text in inputs]
    assert [each.texts[0] for each in alone] == together.texts.tolist()
    assert np.allclose([each.scores[0] for each in alone], together.scores)


def test_the_same_arguments_give_the_same_model(model: SpansModel) -> None:
    again = fit_spans(travels(60), seed=1)
    texts = travels(30, seed=4).inputs
    one, two = model.answers(texts), again.answers(texts)
    assert one.texts.tolist() == two.texts.tolist()
    assert np.array_equal(one.scores, two.scores)


def test_a_model_file_holds_the_same_model(model: SpansModel) -> None:
    texts = travels(30, seed=5).inputs
    back = spans_from_plain(loads(dumps(spans_as_plain(model)), trusted=[]))
    one, two = model.answers(texts), back.answers(texts)
    assert one.texts.tolist() == two.texts.tolist()
    assert np.array_equal(one.scores, two.scores)
    assert one.part_scores is not None
    assert two.part_scores is not None
    assert one.part_scores.tolist() == two.part_scores.tolist()


@pytest.mark.parametrize(
    "broken",
    [
        {"terms": "a"},
        {"first": np.zeros(2)},
        {"pairs": "no array"},
        {"labels": ["only one"]},
        {"whole": [1.0]},
        {"words": None},
        {"terms": 3},
    ],
)
def test_a_malformed_file_is_refused(model: SpansModel, broken: dict[str, Any]) -> None:
    plain = spans_as_plain(model)
    with pytest.raises((KeyError, TypeError, ValueError)):
        spans_from_plain(plain | broken)
    with pytest.raises(KeyError):
        spans_from_plain({name: value for name, value in plain.items() if name not in broken})


@pytest.mark.parametrize(
    "text",
    ["", "   \n\t ", "\x00", "🙂👩\u200d👩\u200d👧 e\u0301 ", "\ud800", "漢字" * 50, "a" * 100_000],
)
def test_odd_texts_are_answered(model: SpansModel, text: str) -> None:
    found = model.answers([text, "then Ada went to Oslo ."])
    assert np.isfinite(found.scores).all()
    assert all(0 <= start < end <= len(text) for start, end, _ in spans_of(found.texts[0]))
    assert len(spans_of(found.texts[1])) == 2


def test_no_text_gives_no_answer(model: SpansModel) -> None:
    found = model.answers([])
    assert found.texts.shape == found.scores.shape == (0,)


def test_a_very_long_text_is_read_in_windows(model: SpansModel) -> None:
    sentence = "today Ada went to New York .\n"
    found = model.answers([sentence * 10_000])
    spans = spans_of(found.texts[0])
    assert len(spans) == 20_000
    assert spans[-1] == (len(sentence) * 9_999 + 18, len(sentence) * 9_999 + 26, "Place")
    assert found.signals[REGION_COUNT][0] == 20_000


def test_many_labels_and_many_short_texts_are_answered_in_little_memory() -> None:
    labels = [f"label {number}" for number in range(60)]
    texts = [f"word{number} x" for number in range(60)]
    answers = [
        spans_text([(0, len(text) - 2, label)]) for text, label in zip(texts, labels, strict=True)
    ]
    model = fit_spans(Examples.alike(texts, answers), seed=1)
    tracemalloc.start()
    try:
        found = model.answers(["word7 x"] * 3_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert set(found.texts) == {answers[7]}
    assert peak < 150e6  # all 3,000 at once would take 350 MB for one table alone


def all_taggings(model: SpansModel, text: str) -> dict[tuple[SpanText, ...], float]:
    """The probability of every set of spans, from the scores of all taggings."""
    words = borders_of(text)
    found: dict[tuple[SpanText, ...], float] = {}
    tagger = model.tagger
    scores = tagger.scores(seen(numbered(list(windows_of(text, words))), tagger.vocabulary))
    steps = tagger.steps
    for way in product(range(scores.shape[1]), repeat=len(scores)):
        pairs = list(zip((0, *way[:-1]), way, strict=True))
        if all(steps.allowed[pair] for pair in pairs):
            score = steps.first[way[0]] + sum(steps.after[pair] for pair in pairs[1:])
            score += sum(scores[place, tag] for place, tag in enumerate(way))
            spans = tuple(
                (int(words.starts[first]), int(words.ends[end - 1]), model.labels[label])
                for first, end, label in spans_of_tags(np.array(way))
            )
            found[spans] = float(score)
    total = logsumexp(list(found.values()))
    return {spans: float(np.exp(score - total)) for spans, score in found.items()}


@pytest.mark.parametrize("text", ["Ada went New York", "Rio Kyoto Lima", "to New York Oslo"])
def test_probabilities_are_those_of_all_sets_of_spans(model: SpansModel, text: str) -> None:
    (found,) = marked_texts(model.tagger, [text])
    ways = all_taggings(model, text)
    said = tuple((start, end, model.labels[label]) for start, end, label, _ in found.spans)
    assert said == max(ways, key=ways.__getitem__)
    assert np.exp(found.log_probability) == pytest.approx(ways[said])
    for start, end, label, probability in found.spans:
        span = (start, end, model.labels[label])
        assert probability == pytest.approx(sum(p for way, p in ways.items() if span in way))


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        (Examples.alike([], []), "0 texts, 0 spans"),
        (travels(1), "1 texts, 2 spans"),
        (Examples.alike(["a", "b"], [NOTHING, NOTHING]), "2 texts, 0 spans"),
        (Examples.alike(["a  ", "b"], [spans_text([(1, 3, "X")]), NOTHING]), "0 spans on words"),
        (Examples.alike(["a", "b"], ["Spam", NOTHING]), "an answer holds no spans: 'Spam'"),
        (Examples.alike(["a"], [NOTHING, NOTHING]), "1 inputs, 2 answers"),
    ],
)
def test_what_cannot_be_learned_is_said(examples: Examples, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        fit_spans(examples, seed=1)


@pytest.mark.parametrize("weights", [[0.0, 0.0], [-1.0, 2.0], [np.nan, 1.0]])
def test_weights_that_are_none_are_refused(weights: Sequence[float]) -> None:
    few = travels(2)
    odd = Examples(inputs=few.inputs, answers=few.answers, weights=np.array(weights))
    with pytest.raises(TrainingError, match="weights must be finite"):
        fit_spans(odd, seed=1)


def test_two_texts_are_enough() -> None:
    model = fit_spans(travels(2), seed=1)
    assert model.labels == ("Person", "Place")
    assert np.isfinite(model.answers(travels(4).inputs).scores).all()


def test_texts_without_words_stop_nothing() -> None:
    examples = travels(2)
    blank = Examples.alike([*examples.inputs, "", " ", "\n"], [*examples.answers, *[NOTHING] * 3])
    assert fit_spans(blank, seed=1).answers([""]).texts.tolist() == [NOTHING]


def test_labels_of_any_characters_come_back() -> None:
    label = 'a "b"\n/ 漢 🙂'
    texts = [f"we saw {name} there" for name in NAMES] * 3
    answers = [spans_text([(7, 7 + len(name), label)]) for name in NAMES] * 3
    model = fit_spans(Examples.alike(texts, answers), seed=1)
    assert model.answers(texts).texts.tolist() == answers
    assert spans_from_plain(spans_as_plain(model)).labels == (label,)


def test_spans_that_tags_cannot_say_are_counted_and_make_no_right_answer() -> None:
    texts = [f"we saw New {place} there" for place in ("York", "Haven", "Delhi", "Orleans")] * 5
    nested = [spans_text([(7, 10, "Word"), (7, len(text) - 6, "Place")]) for text in texts]
    model = fit_spans(Examples.alike(texts, nested), seed=1)
    found = model.answers(texts)
    assert model.lost == len(texts)
    assert [len(spans_of(text)) for text in found.texts] == [1] * len(texts)
    assert found.scores.max() < 0.2


def test_a_heavier_answer_counts_for_more() -> None:
    texts = ["see Mercury now"] * 12
    answers = [spans_text([(4, 11, "Planet")]), spans_text([(4, 11, "Metal")])] * 6
    for heavier, label in ((0, "Planet"), (1, "Metal")):
        weights = np.where(np.arange(12) % 2 == heavier, 1.0, 0.1)
        model = fit_spans(Examples(inputs=texts, answers=answers, weights=weights), seed=1)
        assert spans_of(model.answers(texts[:1]).texts[0])[0][2] == label


def test_examples_of_no_weight_teach_nothing() -> None:
    one, other = travels(40), travels(40, seed=7)
    wrong = [NOTHING] * 40
    both = Examples(
        inputs=[*one.inputs, *other.inputs],
        answers=[*one.answers, *wrong],
        weights=np.repeat([1.0, 0.0], 40),
    )
    assert share_right(fit_spans(both, seed=1), travels(60, seed=8)) > 0.95


def test_training_tells_how_far_it_is_and_can_be_ended() -> None:
    told: list[float] = []
    fit_spans(travels(12), seed=1, progress=told.append)
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] == 1.0

    def stop(share: float) -> None:
        if share > 0.1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_spans(travels(12), seed=1, progress=stop)


def wikigold(data_folder: Path) -> Examples:
    with gzip.open(data_folder / "wikigold_ner.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    rows = [rows[row] for row in np.random.default_rng(0).permutation(len(rows))]
    spans = [[(each["start"], each["end"], each["label"]) for each in r["spans"]] for r in rows]
    return Examples.alike([row["text"] for row in rows], [spans_text(each) for each in spans])


def part(examples: Examples, rows: slice) -> Examples:
    return Examples.alike(examples.inputs[rows], examples.answers[rows])


def test_scores_are_honest_and_rank_on_texts_never_seen(data_folder: Path) -> None:
    examples = wikigold(data_folder)
    model = fit_spans(part(examples, slice(0, 500)), seed=1)
    asked = part(examples, slice(500, None))
    found = model.answers(asked.inputs)
    right = found.texts == np.array(asked.answers, object)
    assert found.scores.mean() == pytest.approx(right.mean(), abs=0.05)
    surest = np.argsort(-found.scores)[: len(right) // 4]
    assert right[surest].mean() > 0.8 > right.mean() + 0.2
    assert found.part_scores is not None
    truths = [set(spans_of(answer)) for answer in asked.answers]
    said = [spans_of(text) for text in found.texts]
    hits = [span in truth for spans, truth in zip(said, truths, strict=True) for span in spans]
    chances = [chance for chances in found.part_scores for chance in chances]
    assert np.mean(chances) == pytest.approx(np.mean(hits), abs=0.05)


def test_every_marked_span_of_wikigold_has_a_place_in_tags(data_folder: Path) -> None:
    examples = wikigold(data_folder)
    numbers = {"LOC": 0, "MISC": 1, "ORG": 2, "PER": 3}
    for text, answer in zip(examples.inputs, examples.answers, strict=True):
        borders = borders_of(str(text))
        placed, lost = token_spans(borders, spans_of(answer), numbers)
        back = [(borders.starts[one], borders.ends[end - 1]) for one, end, _ in placed]
        assert (back, lost) == ([(start, end) for start, end, _ in spans_of(answer)], 0)
