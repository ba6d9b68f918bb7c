"""The embedded model of spans in texts (``Labels``): named entities and the like.

A linear chain over token features, trained on one processor without anything downloaded. Its score
of a task is the probability that exactly these spans are right, none too many and none missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no types

from backend.predictors.errors import TrainingError
from backend.predictors.protocol import ControlAnswers, Examples, ModelInput, Progress, no_progress
from backend.predictors.spans.chains import Steps
from backend.predictors.spans.marking import Marked, marked_texts
from backend.predictors.spans.platt import Platt, fit_platt, log_odds_of
from backend.predictors.spans.taggers import Tagged, Tagger, fit_tagger
from backend.predictors.spans.tags import allowed_steps, begun_anew, tag_count, tags_of, token_spans
from backend.predictors.spans.token_features import PLACES, Vocabulary, seen_mask
from backend.predictors.spans.tokens import Window, borders_of, windows_of
from policies.answer_texts import SpanText, spans_of, spans_text
from policies.conditions import LOWEST_REGION_SCORE, REGION_COUNT
from policies.domain import FloatArray, IntArray

_FOLDS = 5
# Tokens above which one held-out fifth calibrates instead of all five: its texts are enough for
# two numbers, and four more trainings would cost minutes.
_MANY_TOKENS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SpansModel:
    """A trained tagger, the labels by their numbers, and what makes its probabilities honest.

    ``lost`` counts the training spans that one tag a token cannot say: those that overlap a longer
    one, or lie where the text has no token.
    """

    tagger: Tagger
    labels: tuple[str, ...]
    whole: Platt
    part: Platt
    lost: int

    def answers(self, inputs: Sequence[ModelInput]) -> ControlAnswers:
        """The spans of each text, with the calibrated probability of all and of each."""
        marked = marked_texts(self.tagger, [str(text) for text in inputs])
        chances = iter(self.part.probabilities(_part_log_odds(marked)).tolist())
        texts, parts = (np.empty(len(marked), object) for _ in range(2))
        for row, each in enumerate(marked):
            texts[row] = spans_text(_named(each, self.labels))
            parts[row] = tuple(islice(chances, len(each.spans)))
        lowest = [min(scores, default=np.nan) for scores in parts]
        return ControlAnswers(
            texts=texts,
            scores=self.whole.probabilities(_whole_log_odds(marked)),
            signals={
                REGION_COUNT: np.array([len(scores) for scores in parts], np.float64),
                LOWEST_REGION_SCORE: np.array(lowest, np.float64),
            },
            part_scores=parts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Texts:
    """Training texts as windows and tags, with the spans that people marked, in one order."""

    texts: Sequence[str]
    spans: Sequence[frozenset[SpanText]]
    weights: FloatArray
    windows: Sequence[Sequence[Window]]
    tags: Sequence[IntArray]


def fit_spans(examples: Examples, *, seed: int, progress: Progress = no_progress) -> SpansModel:
    """Train on all examples; calibrate on texts that the calibrating trainings did not see.

    A text without any span teaches that nothing is to be marked in it. The same arguments give the
    same model.

    Raises
        TrainingError: fewer than two texts, no span on a word in any, an answer that holds no
            spans, weights that are none.
    """
    spans = [_spans_of(answer) for answer in examples.answers]
    labels = tuple(sorted({label for each in spans for _, _, label in each}))
    weights = _checked_weights(examples)
    texts, lost = _read([str(text) for text in examples.inputs], spans, weights, labels)
    marked = sum(map(len, spans))
    if len(spans) < 2 or lost == marked:
        raise TrainingError(
            "at least two labelled texts are needed to train, and a span on a word in one of them; "
            f"there are {len(spans)} texts, {marked - lost} spans on words: label more tasks first"
        )
    with threadpool_limits(limits=1):  # the other cores belong to other requests
        return _fitted(texts, labels, lost, seed, progress)


def _spans_of(answer: str) -> frozenset[SpanText]:
    try:
        return frozenset(spans_of(answer))
    except ValueError as error:
        raise TrainingError(f"an answer holds no spans: {answer[:100]!r}") from error


def _checked_weights(examples: Examples) -> FloatArray:
    """The weights, 1 on average of those that are not 0."""
    weights = np.asarray(examples.weights, np.float64)
    if not len(examples.inputs) == len(examples.answers) == len(weights):
        raise TrainingError(
            f"{len(examples.inputs)} inputs, {len(examples.answers)} answers and {len(weights)} "
            "weights: there must be one of each for every text"
        )
    if len(weights) and not (np.isfinite(weights).all() and weights.min() >= 0 and weights.any()):
        raise TrainingError("the examples' weights must be finite, none below 0 and not all 0")
    return weights / weights[weights > 0].mean() if len(weights) else weights


def _read(
    texts: Sequence[str],
    spans: Sequence[frozenset[SpanText]],
    weights: FloatArray,
    labels: Sequence[str],
) -> tuple[_Texts, int]:
    """The texts as a tagger reads them, and how many spans found no place in tags."""
    numbers = {label: number for number, label in enumerate(labels)}
    windows: list[list[Window]] = []
    tags: list[IntArray] = []
    lost = 0
    for text, marked in zip(texts, spans, strict=True):
        borders = borders_of(text)
        placed, without = token_spans(borders, sorted(marked), numbers)
        windows.append(list(windows_of(text, borders)))
        firsts = [window.first for window in windows[-1]]
        tags.append(begun_anew(tags_of(placed, len(borders.starts)), firsts))
        lost += without
    return _Texts(texts=texts, spans=spans, weights=weights, windows=windows, tags=tags), lost


def _fitted(
    texts: _Texts, labels: tuple[str, ...], lost: int, seed: int, progress: Progress
) -> SpansModel:
    folds = list(_folds(texts, seed))
    trainings = len(folds) + 1

    def told(done: int) -> Progress:
        return lambda share: progress((done + share) / trainings)

    marked: dict[int, Marked] = {}
    for done, (trained, held_out) in enumerate(folds):
        tagger = fit_tagger(_tagged(texts, trained), len(labels), told(done))
        found = marked_texts(tagger, [texts.texts[row] for row in held_out])
        marked.update(zip(held_out.tolist(), found, strict=True))
    whole, part = _calibrated(texts, labels, marked)
    tagger = fit_tagger(_tagged(texts, range(len(texts.texts))), len(labels), told(len(folds)))
    progress(1.0)
    return SpansModel(tagger=tagger, labels=labels, whole=whole, part=part, lost=lost)


def _folds(texts: _Texts, seed: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Training and held-out rows; every fifth that leaves something to train on."""
    order = np.random.default_rng(seed).permutation(len(texts.texts))
    many = sum(map(len, texts.tags)) > _MANY_TOKENS
    for number in range(1 if many else min(_FOLDS, len(order))):
        held_out = np.sort(order[number::_FOLDS])
        trained = np.setdiff1d(order, held_out)
        if any(texts.windows[row] and texts.weights[row] > 0 for row in trained.tolist()):
            yield trained, held_out


def _tagged(texts: _Texts, rows: Iterable[int]) -> Tagged:
    used = [int(row) for row in rows if texts.windows[row] and texts.weights[row] > 0]
    windows = [window for row in used for window in texts.windows[row]]
    return Tagged(
        windows=windows,
        tags=np.concatenate([texts.tags[row] for row in used]),
        weights=np.repeat(texts.weights[used], [len(texts.windows[row]) for row in used]),
    )


def _calibrated(
    texts: _Texts, labels: Sequence[str], marked: Mapping[int, Marked]
) -> tuple[Platt, Platt]:
    """What makes the probabilities of held-out texts honest: of whole answers, of single spans."""
    if not marked:
        return Platt(), Platt()
    said = {row: _named(each, labels) for row, each in marked.items()}
    right = np.array([frozenset(said[row]) == texts.spans[row] for row in marked])
    weights = texts.weights[list(marked)]
    parts = [span in texts.spans[row] for row in marked for span in said[row]]
    part_weights = np.repeat(weights, [len(each.spans) for each in marked.values()])
    found = list(marked.values())
    return (
        fit_platt(_whole_log_odds(found), right, weights),
        fit_platt(_part_log_odds(found), np.array(parts, bool), part_weights),
    )


def _named(marked: Marked, labels: Sequence[str]) -> list[SpanText]:
    return [(start, end, labels[number]) for start, end, number, _ in marked.spans]


def _whole_log_odds(marked: Sequence[Marked]) -> FloatArray:
    return log_odds_of(np.array([each.log_probability for each in marked], np.float64))


def _part_log_odds(marked: Sequence[Marked]) -> FloatArray:
    chances = [chance for each in marked for *_, chance in each.spans]
    return log_odds_of(np.log(np.array(chances, np.float64)))


def spans_as_plain(model: SpansModel) -> dict[str, Any]:
    """The model in arrays and plain values, for a model file."""
    tagger = model.tagger
    vocabulary = tagger.vocabulary
    return {
        "labels": list(model.labels),
        "terms": "\n".join(vocabulary.terms),  # in the order of their columns; none has a break
        "lowered": "\n".join(sorted(vocabulary.lowered)),
        "pair_codes": vocabulary.pairs,
        "words": tagger.words[seen_mask(vocabulary)],
        "pairs": tagger.pairs,
        "places": tagger.places,
        "first": tagger.steps.first,
        "after": tagger.steps.after,
        "whole": [model.whole.slope, model.whole.intercept],
        "part": [model.part.slope, model.part.intercept],
        "lost": model.lost,
    }


def spans_from_plain(values: Mapping[str, Any]) -> SpansModel:
    """The model that ``spans_as_plain`` wrote.

    KeyError, TypeError or ValueError where it is none.
    """
    labels = tuple(str(label) for label in values["labels"])
    tags = tag_count(len(labels))
    terms = _lines(values["terms"])
    vocabulary = Vocabulary(
        terms={term: column for column, term in enumerate(terms)},
        pairs=np.asarray(values["pair_codes"], np.int64),
        lowered=frozenset(_lines(values["lowered"])),
    )
    steps = Steps(
        first=_shaped(values["first"], (tags,)),
        after=_shaped(values["after"], (tags, tags)),
        allowed=allowed_steps(len(labels)),
    )
    mask = seen_mask(vocabulary)
    words = np.zeros((*mask.shape, tags))
    words[mask] = _shaped(values["words"], (int(mask.sum()), tags))
    tagger = Tagger(
        vocabulary=vocabulary,
        words=words,
        pairs=_shaped(values["pairs"], (len(vocabulary.pairs), tags)),
        places=_shaped(values["places"], (PLACES, tags)),
        steps=steps,
    )
    return SpansModel(
        tagger=tagger,
        labels=labels,
        whole=_platt(values["whole"]),
        part=_platt(values["part"]),
        lost=int(values["lost"]),
    )


def _lines(values: Any) -> list[str]:
    if not isinstance(values, str):
        raise TypeError(f"a text of one term a line is needed, not {type(values).__name__}")
    return values.split("\n")


def _shaped(values: Any, shape: tuple[int, ...]) -> FloatArray:
    found = np.asarray(values, np.float64)
    if found.shape != shape:
        raise ValueError(f"an array of {shape} is needed, it has {found.shape}")
    return found


def _platt(values: Sequence[float]) -> Platt:
    slope, intercept = values
    return Platt(slope=float(slope), intercept=float(intercept))
