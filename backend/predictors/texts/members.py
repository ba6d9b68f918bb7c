"""The members of a text classifier: linear models of one kind of feature each.

What each of them adds was measured; ADR 0017 has the table.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from backend.predictors.errors import TrainingError
from backend.predictors.single_choice import Taught
from backend.predictors.temperature import logits
from backend.predictors.texts.linear import Coefficients, Linear, LinearTerms, LinearVectors
from backend.predictors.texts.terms import (
    CHARACTER_RUNS,
    WORD,
    WORD_RUNS,
    character_terms,
    rarities,
    weighed,
    word_terms,
)
from policies.domain import FloatArray, IntArray

# Texts -> vectors (texts, dimensions), about of unit length; when answers are asked for, a row
# of NaN says that a vector is not known yet.
Encoder = Callable[[Sequence[str]], FloatArray]

# A ceiling for memory only: 150 classes on 100,000 terms are 60 MB of coefficients.
_MAX_TERMS = 100_000


class Member(StrEnum):
    """A kind of feature that a linear model of its own is fitted on."""

    WORDS = "words"
    CHARACTERS = "characters"
    # Words again, each speaking for a label by its log odds there (Wang and Manning, "Baselines and
    # Bigrams", 2012): counted, not fitted.
    NAIVE_BAYES = "naive Bayes"
    VECTORS = "vectors"


# Members that read the same of a text: theirs is one table of coefficients in the end.
_READS_AS = {Member.NAIVE_BAYES: Member.WORDS}


def view_of(member: Member) -> Member:
    """The member whose reading of the texts this one shares."""
    return _READS_AS.get(member, member)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Texts as counts of terms (texts x terms); ``listed`` has the terms, one a line."""

    counts: csr_matrix
    listed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Texts as vectors (texts x dimensions)."""

    vectors: FloatArray


Read = Counted | Encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What some rows taught a member: decisions are ``features @ coefficients + intercepts``."""

    rarities: FloatArray
    coefficients: FloatArray
    intercepts: FloatArray


def read_terms(texts: Sequence[str], view: Member) -> Counted | None:
    """The counts of the terms of words or characters; None where no text has one."""
    if view is Member.CHARACTERS:
        return count_terms(texts, analyzer="char_wb", ngram_range=CHARACTER_RUNS)
    return count_terms(texts, token_pattern=WORD, ngram_range=WORD_RUNS)


def count_terms(texts: Sequence[str], **how: Any) -> Counted | None:
    """The counts of terms as ``CountVectorizer`` is told; None where no text has one."""
    vectorizer = CountVectorizer(max_features=_MAX_TERMS, dtype=np.float64, **how)
    try:
        counts = vectorizer.fit_transform(texts)
    except ValueError as error:
        if "empty vocabulary" in str(error):
            return None
        raise
    return Counted(counts=csr_matrix(counts), listed="\n".join(vectorizer.get_feature_names_out()))


def read_vectors(texts: Sequence[str], encode: Encoder) -> Encoded:
    """The vectors of texts; TrainingError where the encoder gives anything else."""
    vectors = np.asarray(encode(texts), np.float64)
    if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
        raise TrainingError(
            f"the encoder gave an array of shape {vectors.shape} for {len(texts):,} texts, or "
            "values that are no numbers: one vector a text is needed"
        )
    return Encoded(vectors=vectors)


def learn(
    member: Member, read: Read, rows: IntArray, taught: Taught, seeds: Sequence[int]
) -> Learned:
    """Fit a member on some rows; every label stands in them.

    More than one seed gives the mean of fits on differently weighted rows (Bayesian bootstrap).
    """
    codes, row_weights = taught.codes[rows], taught.weights[rows]
    weights = rarities(read.counts[rows]) if isinstance(read, Counted) else np.empty(0)
    features = _features(read, rows, weights)
    if member is Member.NAIVE_BAYES:
        sums = _label_sums(features, codes, row_weights)
        return _by_log_odds(sums, weights)
    fits = [
        _fitted(member, features, codes, row_weights * drawn, seed)
        for seed, drawn in zip(seeds, _draws(len(rows), seeds), strict=True)
    ]
    return Learned(
        rarities=weights,
        coefficients=np.mean([fit.coef_.T for fit in fits], axis=0, dtype=np.float64),
        intercepts=np.mean([fit.intercept_ for fit in fits], axis=0, dtype=np.float64),
    )


def decisions_on(learned: Learned, read: Read, rows: IntArray) -> FloatArray:
    """Logits (rows, labels) of texts that may not have been learned from."""
    features = _features(read, rows, learned.rarities)
    values = np.asarray(features @ learned.coefficients + learned.intercepts, np.float64)
    return logits(values[:, 0] if values.shape[1] == 1 else values)


def _features(read: Read, rows: IntArray, weights: FloatArray) -> csr_matrix | FloatArray:
    if isinstance(read, Encoded):
        return np.asarray(read.vectors[rows], np.float64)
    return weighed(read.counts[rows], weights)


def compiled(view: Member, learned: Sequence[tuple[Learned, float]], read: Read) -> Linear:
    """Members of one view, each with its weight, in the arrays that they answer with.

    The first one's weight stands apart, so that its coefficients stay those that were fitted.
    """
    (first, weight), *others = learned
    summed = first.coefficients + sum(
        each.coefficients * (other / weight) for each, other in others
    )
    intercepts = first.intercepts + sum(
        each.intercepts * (other / weight) for each, other in others
    )
    coefficients: Coefficients = summed.astype(np.float32)
    if isinstance(read, Encoded):
        return LinearVectors(coefficients=coefficients, intercepts=intercepts, weight=weight)
    return LinearTerms(
        terms=(character_terms if view is Member.CHARACTERS else word_terms)(read.listed),
        rarities=np.append(first.rarities, 0.0),
        coefficients=np.vstack([coefficients, np.zeros_like(coefficients[:1])]),
        intercepts=intercepts,
        weight=weight,
    )


def _fitted(
    member: Member,
    features: csr_matrix | FloatArray,
    codes: IntArray,
    weights: FloatArray,
    seed: int,
) -> LogisticRegression:
    """A multinomial regression; at most a few dozen passes over the rows."""
    if member is Member.VECTORS:
        regression = LogisticRegression(C=30.0, tol=1e-3, max_iter=200)
    else:
        # saga stops on relative change, whatever the number of classes; with 150 of them it takes
        # a quarter of lbfgs's time for the same accuracy and ranking.
        regression = LogisticRegression(
            C=10.0, solver="saga", tol=1e-2, max_iter=1000, random_state=seed
        )
        features = features.astype(np.float32)
    with warnings.catch_warnings():
        # A fit that stops early is still measured on the holdout before it serves.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Few examples of many classes are no regression: so every project with many classes begins.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        return regression.fit(features, codes, sample_weight=weights)


def _draws(rows: int, seeds: Sequence[int]) -> list[FloatArray]:
    """How often each fit counts each row: once, where there is one fit."""
    if len(seeds) == 1:
        return [np.ones(rows)]
    return [np.random.default_rng(seed).exponential(size=rows) for seed in seeds]


def _label_sums(
    features: csr_matrix | FloatArray, codes: IntArray, weights: FloatArray
) -> FloatArray:
    """The weighted sum of the features of each label's rows (labels, features)."""
    rows = np.arange(len(codes))
    return csr_matrix(csr_matrix((weights, (codes, rows))) @ features).toarray()


def _by_log_odds(inside: FloatArray, weights: FloatArray) -> Learned:
    """The log odds of every term inside a label and outside of it, smoothed by one.

    How frequent the labels are is left to the other members.
    """
    outside = inside.sum(axis=0) - inside
    odds = _log_shares(inside + 1.0) - _log_shares(outside + 1.0)
    coefficients = np.ascontiguousarray((odds[1:] if len(odds) == 2 else odds).T)
    return Learned(
        rarities=weights, coefficients=coefficients, intercepts=np.zeros(coefficients.shape[1])
    )


def _log_shares(sums: FloatArray) -> FloatArray:
    shares: FloatArray = np.log(sums / sums.sum(axis=1, keepdims=True))
    return shares
