"""Tags for the tokens of windows: a linear chain over the columns of ``token_features``, trained.

The weights are those of least regularised log loss (L-BFGS on all windows at once). Three models of
the same features were compared on wikigold, five folds, by the spans they find (F1) and by what a
promise of 10 % wrong answers lets through: this one 0.723 and 0.40; every token by itself with the
likeliest allowed tags 0.686 and 0.28; an averaged perceptron, which has no probabilities of its
own, 0.705 and nothing. A second model's agreement added nothing to this one's score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from backend.predictors.protocol import Progress
from backend.predictors.spans.chains import Packing, Steps, expected_steps, packing, posterior
from backend.predictors.spans.tags import allowed_steps, tag_count
from backend.predictors.spans.token_features import (
    DISTANCES,
    PLACES,
    Seen,
    Vocabulary,
    learned_vocabulary,
    numbered,
    seen,
    seen_mask,
)
from backend.predictors.spans.tokens import Window
from policies.domain import BoolArray, FloatArray, IntArray

# Half of it times the squared weights is added to the loss. On wikigold 1.0 finds more than 0.3
# (F1 0.723 and 0.717), and is less sure of what is wrong; with 2.0 it finds less again.
_PENALTY = 1.0
_MOST_ROUNDS = 60
# Weights in all: ten arrays of this length are held while training, 8 bytes each.
_MOST_WEIGHTS = 3_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagger:
    """A trained chain: scores of tags by column.

    ``words`` (terms, distances, tags) is 0 where a term is not seen at a distance; ``pairs``
    (pairs, tags); ``places`` (places, tags).
    """

    vocabulary: Vocabulary
    words: FloatArray
    pairs: FloatArray
    places: FloatArray
    steps: Steps

    def scores(self, tokens: Seen) -> FloatArray:
        """The scores of each token's tags, (tokens, tags), without those of steps."""
        return _scores(tokens, self.words, self.pairs, self.places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """Windows with a tag for each of their tokens (all in a row), and a weight for each window."""

    windows: Sequence[Window]
    tags: IntArray
    weights: FloatArray


def fit_tagger(tagged: Tagged, labels: int, progress: Progress) -> Tagger:
    """Train on these windows, at least one; the same arguments give the same tagger."""
    tokens = numbered(tagged.windows)
    vocabulary = learned_vocabulary(tokens, _MOST_WEIGHTS // tag_count(labels))
    loss = _Loss.of(tagged, seen(tokens, vocabulary), seen_mask(vocabulary), labels)
    rounds = iter(range(1, _MOST_ROUNDS + 1))
    found = minimize(
        loss.value_and_slope,
        np.zeros(loss.size),
        jac=True,
        method="L-BFGS-B",
        callback=lambda _: progress(next(rounds) / _MOST_ROUNDS),
        options={"maxiter": _MOST_ROUNDS, "maxcor": 5, "ftol": 1e-5, "gtol": 1e-4},
    )
    words, pairs, places, first, after = loss.parts(found.x)
    steps = Steps(first=first, after=after, allowed=loss.allowed)
    return Tagger(vocabulary=vocabulary, words=words, pairs=pairs, places=places, steps=steps)


def _scores(tokens: Seen, words: FloatArray, pairs: FloatArray, places: FloatArray) -> FloatArray:
    tags = places.shape[1]
    by_word = (tokens.words @ words.reshape(len(words), -1)).reshape(-1, DISTANCES, tags)
    scores: FloatArray = tokens.places @ places + tokens.pairs @ pairs
    for distance, rows in enumerate(tokens.at):
        scores += by_word[rows, distance]
    return scores


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loss:
    """The loss of training windows, its tokens packed."""

    tokens: Seen
    term_words: csr_matrix
    pair_tokens: csr_matrix
    word_tokens: Sequence[csr_matrix]
    mask: BoolArray
    allowed: BoolArray
    pack: Packing
    weights: FloatArray
    wanted: FloatArray
    wanted_first: FloatArray
    wanted_after: FloatArray

    @staticmethod
    def of(tagged: Tagged, tokens: Seen, mask: BoolArray, labels: int) -> _Loss:
        pack = packing([len(window.words) for window in tagged.windows])
        packed = Seen(
            words=tokens.words,
            at=tokens.at[:, pack.rows],
            pairs=tokens.pairs[pack.rows],
            places=tokens.places[pack.rows],
        )
        tags, weights = tagged.tags[pack.rows], tagged.weights[pack.sequence]
        count, kinds = len(tags), tag_count(labels)
        wanted = np.zeros((count, kinds))
        wanted[np.arange(count), tags] = weights
        later = pack.before >= 0
        wanted_after = np.zeros((kinds, kinds))
        np.add.at(wanted_after, (tags[pack.before[later]], tags[later]), weights[later])
        shape = (packed.words.shape[0], count)
        places = np.arange(count)
        return _Loss(
            tokens=packed,
            term_words=packed.words.T.tocsr(),
            pair_tokens=packed.pairs.T.tocsr(),
            word_tokens=[csr_matrix((np.ones(count), (at, places)), shape) for at in packed.at],
            mask=mask,
            allowed=allowed_steps(labels),
            pack=pack,
            weights=weights,
            wanted=wanted,
            wanted_first=wanted[~later].sum(axis=0),
            wanted_after=wanted_after,
        )

    @property
    def size(self) -> int:
        """How many weights there are."""
        kinds = len(self.allowed)
        return kinds * (int(self.mask.sum()) + self.tokens.pairs.shape[1] + PLACES + 1 + kinds)

    def parts(self, weights: FloatArray) -> tuple[FloatArray, ...]:
        """The weights of words, pairs, places, first tags and steps."""
        kinds = len(self.allowed)
        sizes = [int(self.mask.sum()), self.tokens.pairs.shape[1], PLACES, 1, kinds]
        rows = weights.reshape(-1, kinds)
        seen_words, pairs, places, first, after = np.split(rows, np.cumsum(sizes)[:-1])
        words = np.zeros((*self.mask.shape, kinds))
        words[self.mask] = seen_words
        return words, pairs, places, first[0], after

    def value_and_slope(self, weights: FloatArray) -> tuple[float, FloatArray]:
        words, pairs, places, first, after = self.parts(weights)
        scores = _scores(self.tokens, words, pairs, places)
        steps = Steps(first=first, after=after, allowed=self.allowed)
        found = posterior(scores, steps, self.pack)
        right = np.sum(self.wanted * scores) + self.wanted_first @ first
        right += np.sum(self.wanted_after * after)
        later = self.pack.before >= 0
        totals = self.weights[~later] @ found.log_totals[self.pack.sequence[~later]]
        value = totals - right + 0.5 * _PENALTY * (weights @ weights)

        excess = found.tags * self.weights[:, None] - self.wanted
        by_word = np.stack([one @ excess for one in self.word_tokens], axis=1)
        by_term = self.term_words @ by_word.reshape(len(by_word), -1)
        slope = np.concatenate(
            [
                by_term.reshape(*self.mask.shape, -1)[self.mask],
                self.pair_tokens @ excess,
                self.tokens.places.T @ excess,
                excess[~later].sum(axis=0, keepdims=True),
                expected_steps(found, self.pack, self.weights) - self.wanted_after,
            ]
        ).ravel()
        return float(value), slope + _PENALTY * weights
