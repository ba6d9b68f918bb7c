"""A linear-chain conditional random field over many sequences at once, in plain arrays.

Lafferty, McCallum and Pereira, "Conditional random fields", 2001. All sequences take each step of
the recursions together: rows are *packed*, which is to say all first tokens, then all second ones,
longer sequences first, so that a step is a slice. Probabilities are scaled anew at every token
(Rabiner 1989) instead of being kept as logarithms: a step is one small matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from policies.domain import BoolArray, FloatArray, IntArray

# A tag this much less likely than the best one of its token (e^-60) stays possible all the same:
# no product of what is left can vanish.
_LEAST_LOGIT = -60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """Where the tokens of sequences stand once they are packed.

    ``rows`` are places in the order in which the sequences follow each other; step ``t`` is the
    slice from ``steps[t]`` to ``steps[t + 1]``. ``sequence`` says whose token a packed row is, and
    ``before`` which packed row precedes it (-1 for a first one).
    """

    rows: IntArray
    steps: IntArray
    sequence: IntArray
    before: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Scores of a first tag (k,), and of a tag (column) after another (row), (k, k).

    ``allowed`` (k, k) says which steps there are at all; a first tag is one that may follow tag 0.
    """

    first: FloatArray
    after: FloatArray
    allowed: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """What a chain makes of scores, by packed row, and by sequence for ``log_totals``.

    ``tags`` (n, k) are the probabilities of each tag. ``onward`` (n, k) times the chance of a step
    into a row gives, with the ``forward`` of the row before, the probability of both tags.
    """

    tags: FloatArray
    forward: FloatArray
    backward: FloatArray
    onward: FloatArray
    step_weights: FloatArray
    log_totals: FloatArray


def packing(lengths: Sequence[int]) -> Packing:
    """How sequences of these lengths (each at least 1) are packed."""
    sizes = np.asarray(lengths, np.int64)
    order = np.argsort(-sizes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])[order]
    longest = int(sizes.max(initial=0))
    alive = np.searchsorted(-sizes[order], -np.arange(longest), side="left")
    steps = np.concatenate([[0], np.cumsum(alive)])
    step = np.repeat(np.arange(longest), alive)
    place = np.arange(len(step)) - steps[step]
    before = np.where(step > 0, steps[np.maximum(step - 1, 0)] + place, -1)
    return Packing(
        rows=starts[place] + step,
        steps=steps,
        sequence=order[place],
        before=before,
    )


def posterior(scores: FloatArray, steps: Steps, pack: Packing) -> Posterior:
    """The probabilities of tags by their packed scores (n, k): forward and backward once."""
    best = scores.max(axis=1, keepdims=True)
    local = np.exp(np.maximum(scores - best, _LEAST_LOGIT))
    peak = float(max(steps.first.max(initial=0.0), steps.after.max(initial=0.0)))
    step_weights = np.where(steps.allowed, np.exp(steps.after - peak), 0.0)
    first_weights = np.where(steps.allowed[0], np.exp(steps.first - peak), 0.0)
    forward, totals = _forward(local, first_weights, step_weights, pack)
    backward, onward = _backward(local / totals[:, None], step_weights, pack)
    log_rows = np.log(totals) + best[:, 0] + peak
    log_totals = np.zeros(int(pack.steps[1]) if len(pack.rows) else 0)
    np.add.at(log_totals, pack.sequence, log_rows)
    return Posterior(
        tags=forward * backward,
        forward=forward,
        backward=backward,
        onward=onward,
        step_weights=step_weights,
        log_totals=log_totals,
    )


def _forward(
    local: FloatArray, first: FloatArray, after: FloatArray, pack: Packing
) -> tuple[FloatArray, FloatArray]:
    forward, totals = np.empty_like(local), np.empty(len(local))
    bounds = pack.steps.tolist()
    for step, (start, stop) in enumerate(pairwise(bounds)):
        row = forward[start:stop]
        if step:
            earlier = bounds[step - 1]
            np.matmul(forward[earlier : earlier + stop - start], after, out=row)
            row *= local[start:stop]
        else:
            np.multiply(local[start:stop], first, out=row)
        total = row.sum(axis=1)
        row /= total[:, None]
        totals[start:stop] = total
    return forward, totals


def _backward(
    scaled: FloatArray, after: FloatArray, pack: Packing
) -> tuple[FloatArray, FloatArray]:
    backward, onward = np.ones_like(scaled), np.empty_like(scaled)
    transposed = np.ascontiguousarray(after.T)
    bounds = pack.steps.tolist()
    for step in range(len(bounds) - 2, -1, -1):
        start, stop = bounds[step], bounds[step + 1]
        np.multiply(scaled[start:stop], backward[start:stop], out=onward[start:stop])
        if step:
            earlier = bounds[step - 1]
            np.matmul(
                onward[start:stop], transposed, out=backward[earlier : earlier + stop - start]
            )
    return backward, onward


def expected_steps(found: Posterior, pack: Packing, weights: FloatArray) -> FloatArray:
    """How often each tag is expected after each other one, (k, k), tokens weighed by row."""
    later = pack.before >= 0
    weighed = found.onward[later] * weights[later, None]
    pairs = found.forward[pack.before[later]].T @ weighed
    expected: FloatArray = found.step_weights * pairs
    return expected


def best_tags(scores: FloatArray, steps: Steps, pack: Packing) -> tuple[IntArray, FloatArray]:
    """The likeliest tags by packed row (Viterbi), and the score of each sequence with them."""
    after = np.where(steps.allowed, steps.after, -np.inf)
    first = np.where(steps.allowed[0], steps.first, -np.inf)
    bounds = pack.steps.tolist()
    best, back = np.empty_like(scores), np.zeros(scores.shape, np.int64)
    for step, (start, stop) in enumerate(pairwise(bounds)):
        if step == 0:
            best[start:stop] = scores[start:stop] + first
            continue
        earlier = bounds[step - 1]
        ways = best[earlier : earlier + stop - start, :, None] + after
        back[start:stop] = ways.argmax(axis=1)
        best[start:stop] = ways.max(axis=1) + scores[start:stop]
    return _followed_back(best, back, pack)


def _followed_back(best: FloatArray, back: IntArray, pack: Packing) -> tuple[IntArray, FloatArray]:
    bounds = pack.steps.tolist()
    tags = best.argmax(axis=1)  # right for the last token of each sequence
    for step in range(len(bounds) - 2, 0, -1):
        start, stop, earlier = bounds[step], bounds[step + 1], bounds[step - 1]
        rows = np.arange(start, stop)
        tags[earlier : earlier + stop - start] = back[rows, tags[rows]]
    last = np.ones(len(tags), bool)
    last[pack.before[pack.before >= 0]] = False
    totals = np.empty(bounds[1] if len(bounds) > 1 else 0)
    totals[pack.sequence[last]] = best[last].max(axis=1)
    return tags, totals
