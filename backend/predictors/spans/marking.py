"""The spans that a tagger marks in texts, and what it knows of how sure they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backend.predictors.spans.chains import Packing, Posterior, best_tags, packing, posterior
from backend.predictors.spans.taggers import Tagger
from backend.predictors.spans.tags import spans_of_tags
from backend.predictors.spans.token_features import numbered, seen
from backend.predictors.spans.tokens import Window, borders_of, windows_of
from policies.domain import FloatArray, IntArray

# Tokens that are tagged at a time: memory stays small, however long the texts are.
_BLOCK_TOKENS = 20_000
# Steps between tags that all windows of a block weigh at a time, 8 bytes each.
_BLOCK_STEPS = 4_000_000
_SURE = 1e-9  # no closer to 0 or 1 than this

# Start and end (exclusive) in characters, the label's number, the chain's probability of it.
MarkedSpan = tuple[int, int, int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A text's spans in order, and the logarithm of the probability of exactly these spans."""

    spans: tuple[MarkedSpan, ...]
    log_probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A window of a text: whose it is, and where its tokens start and end there."""

    text: int
    window: Window
    starts: IntArray
    ends: IntArray


def marked_texts(tagger: Tagger, texts: Sequence[str]) -> list[Marked]:
    """What the tagger marks in each text; the spans are the likeliest of all sets of spans."""
    spans: list[list[MarkedSpan]] = [[] for _ in texts]
    logs = [0.0] * len(texts)
    for block in _blocks(texts, max(1, _BLOCK_STEPS // tagger.steps.after.size)):
        for place, found in zip(block, _marked(tagger, block), strict=True):
            spans[place.text] += found.spans
            logs[place.text] += found.log_probability
    return [
        Marked(spans=tuple(own), log_probability=log) for own, log in zip(spans, logs, strict=True)
    ]


def _blocks(texts: Sequence[str], most_windows: int) -> Iterator[list[_Place]]:
    block: list[_Place] = []
    tokens = 0
    for number, text in enumerate(texts):
        borders = borders_of(text)
        for window in windows_of(text, borders):
            own = slice(window.first, window.last)
            starts, ends = borders.starts[own], borders.ends[own]
            block.append(_Place(text=number, window=window, starts=starts, ends=ends))
            tokens += len(starts)
            if tokens >= _BLOCK_TOKENS or len(block) >= most_windows:
                yield block
                block, tokens = [], 0
    if block:
        yield block


def _marked(tagger: Tagger, block: Sequence[_Place]) -> Iterator[Marked]:
    """What is marked in each window of a block."""
    pack = packing([len(place.starts) for place in block])
    tokens = seen(numbered([place.window for place in block]), tagger.vocabulary)
    scores = tagger.scores(tokens)[pack.rows]
    packed_tags, best = best_tags(scores, tagger.steps, pack)
    found = posterior(scores, tagger.steps, pack)
    tags, begun, gone_on = _in_order(found, packed_tags, pack)
    last = 0
    for number, place in enumerate(block):
        first, last = last, last + len(place.starts)
        own = tags[first:last]
        yield Marked(
            spans=tuple(
                (int(place.starts[head]), int(place.ends[end - 1]), label, probability)
                for head, end, label, probability in _with_probabilities(
                    own, begun[first:last], gone_on[first:last]
                )
            ),
            log_probability=min(0.0, float(best[number] - found.log_totals[number])),
        )


def _in_order(
    found: Posterior, packed_tags: IntArray, pack: Packing
) -> tuple[IntArray, FloatArray, FloatArray]:
    """By token in the order of the texts: its tag, and two probabilities.

    The first is that of its tag. The second is that the span of the token before it, if there is
    one, goes on with this token, given that it came so far: a chain forgets all but the last tag.
    """
    rows = np.arange(len(packed_tags))
    before = np.maximum(pack.before, 0)
    earlier = packed_tags[before]
    inner = earlier + earlier % 2  # I of the same label
    steps = found.step_weights[earlier, inner] * found.onward[rows, inner]
    share = np.clip(steps / found.backward[before, earlier], 0.0, 1.0)
    onward = np.where((pack.before >= 0) & (earlier > 0), share, 0.0)
    tags, own, going_on = np.empty(len(rows), np.int64), np.empty(len(rows)), np.empty(len(rows))
    tags[pack.rows] = packed_tags
    own[pack.rows] = found.tags[rows, packed_tags]
    going_on[pack.rows] = onward
    return tags, own, going_on


def _with_probabilities(
    tags: IntArray, begun: FloatArray, gone_on: FloatArray
) -> Iterator[tuple[int, int, int, float]]:
    """The spans of one window with the probability of exactly this span."""
    for first, end, label in spans_of_tags(tags):
        ending = 1.0 - gone_on[end] if end < len(tags) else 1.0
        probability = begun[first] * np.prod(gone_on[first + 1 : end]) * ending
        yield first, end, label, float(np.clip(probability, _SURE, 1 - _SURE))
