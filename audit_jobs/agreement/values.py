"""Agreement on what people said of a whole task: labels, ratings, numbers, texts, rankings."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from audit_jobs.agreement.regions import Agreed, answered_by
from audit_jobs.measures.alpha import krippendorff_alpha, raw_agreement
from audit_jobs.measures.distances import Level, jaccard_distance, masi_distance
from audit_jobs.measures.fleiss import fleiss_kappa
from audit_jobs.measures.gwet import gwet_ac1
from audit_jobs.measures.icc import intraclass_correlations
from audit_jobs.measures.pairs import (
    ALPHA,
    CHANCE_PAIRS,
    Pairs,
    Scores,
    alpha,
    pairs_between,
    pairs_within,
)
from audit_jobs.measures.patterns import patterns_of
from audit_jobs.measures.rankings import kendall_tau, same_column
from audit_jobs.measures.ratings import Ratings, ratings_of
from audit_jobs.measures.resampling import Figures, ratios
from audit_jobs.measures.texts import edit_similarity, word_error_rate
from connectors.answers import Answer, Kind, Ranking
from policies.domain import Estimate, FloatArray

RAW = "raw_agreement"
FIRST_SIDE = "left"
_NUMBERS = frozenset({Kind.NUMBER, Kind.RATING, Kind.DATETIME})
# How two answers of each kind are compared where they are attributes of matched regions.
Alike = Callable[[Any, Any], float | None]


def agreed_values(kind: Kind, answers: Sequence[Answer[Any]], tasks: int, seed: int) -> Agreed:
    """The figures that compare answers two by two; ``Agreed.main`` compares annotators."""
    answered = answered_by(answers)
    pairs = pairs_within(answered.tasks)
    main, alike = _MAIN[kind]
    if kind is Kind.CHOICES and not _are_sets(kind, answers):
        main, alike = RAW, _same
    scores = {main: _scores(answers, pairs, alike)}
    others: list[Figures] = []
    if kind is Kind.TEXT:
        scores["exact_match"] = _scores(answers, pairs, _same)
        errors = _scores(answers, pairs, word_error_rate)
        scores["word_error_rate"] = replace(errors, limits=(0.0, None))
        chance = pairs_between(answered, CHANCE_PAIRS, seed)
        between = (chance, _scores(answers, chance, alike))
        others.append(alpha(answered, (pairs, scores[main]), between, tasks))
    elif kind is Kind.RANKING:
        scores[main] = replace(scores[main], limits=(-1.0, 1.0))
        scores["exact_match"] = _scores(answers, pairs, _same)
        if any(len(answer.value.columns) > 1 for answer in answers):
            scores["same_column"] = _scores(answers, pairs, _same_column)
    elif kind in _NUMBERS:
        gaps = _scores(answers, pairs, _gap)
        scores["mean_absolute_difference"] = replace(gaps, limits=(0.0, None))
    elif kind is Kind.PAIRWISE:
        first = np.array([[answer.value == FIRST_SIDE] for answer in answers], dtype=np.float64)
        names = ["first_side_picked"]
        others.append(ratios(names, answered.tasks, first, np.ones_like(first), size=tasks))
    return Agreed(answered=answered, pairs=pairs, scores=scores, main=main, others=tuple(others))


def beyond_chance(
    kind: Kind, answers: Sequence[Answer[Any]], level: Level, seed: int
) -> dict[str, Estimate]:
    """Agreement beyond chance of answers that are labels, sets of labels or numbers.

    Ratings are compared at the ordinal and numbers and times at the interval level, unless another
    ``level`` than the nominal one is asked for. Label sets have an alpha for each distance: equal
    or not, Jaccard's and MASI's; taxonomies one that counts the common ancestors.

    Raises
        ValueError: a number below 0 at the ratio level, or more labels than can be compared.
    """
    if kind in {Kind.TEXT, Kind.RANKING}:
        return {}
    ratings = _ratings(kind, answers)
    patterns = patterns_of(ratings)
    found = {RAW: raw_agreement(patterns, seed)}
    if kind in _NUMBERS:
        natural = Level.ORDINAL if kind is Kind.RATING else Level.INTERVAL
        asked = natural if level is Level.NOMINAL else level
        found[ALPHA] = krippendorff_alpha(patterns, asked, seed)
        return found | intraclass_correlations(ratings, seed)
    found[ALPHA] = krippendorff_alpha(patterns, Level.NOMINAL, seed)
    if kind is Kind.TAXONOMY:
        table = _ancestor_distance([json.loads(name) for name in patterns.categories])
        found[f"{ALPHA}_hierarchical"] = krippendorff_alpha(patterns, table, seed)
    elif _are_sets(kind, answers):
        sets = [frozenset(json.loads(name)) for name in patterns.categories]
        for name, distance in (("jaccard", jaccard_distance), ("masi", masi_distance)):
            found[f"{ALPHA}_{name}"] = krippendorff_alpha(patterns, distance(sets), seed)
    found["fleiss_kappa"] = fleiss_kappa(patterns, seed)
    found["gwet_ac1"] = gwet_ac1(patterns, seed)
    return found


def likeness(kind: Kind) -> Alike:
    """How alike two answers of a kind are, in [0, 1]."""
    return _MAIN[kind][1]


def _scores(answers: Sequence[Answer[Any]], pairs: Pairs, alike: Alike) -> Scores:
    values = [
        alike(answers[one].value, answers[other].value)
        for one, other in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
    ]
    return Scores(
        above=np.array([0.0 if value is None else value for value in values], dtype=np.float64),
        below=np.array([value is not None for value in values], dtype=np.float64),
    )


def _ratings(kind: Kind, answers: Sequence[Answer[Any]]) -> Ratings:
    plain = kind in _NUMBERS
    return ratings_of(
        [str(answer.task) for answer in answers],
        [str(answer.annotator) for answer in answers],
        [repr(answer.value) if plain else json.dumps(answer.value) for answer in answers],
    )


def _are_sets(kind: Kind, answers: Sequence[Answer[Any]]) -> bool:
    """Whether anybody chose several labels at once."""
    return kind is Kind.CHOICES and any(len(answer.value) > 1 for answer in answers)


def _ancestor_distance(taxonomies: Sequence[Sequence[Sequence[str]]]) -> FloatArray:
    """1 - 2 * common / (one + other), of the nodes that are picked with all of their ancestors.

    Of single paths it is the distance of Wu and Palmer (1994): 0 for the same node, 1 where already
    the roots differ.
    """
    jaccard = jaccard_distance([_with_ancestors(paths) for paths in taxonomies])
    return np.divide(jaccard, 2 - jaccard)


def _with_ancestors(paths: Sequence[Sequence[str]]) -> frozenset[str]:
    ends = ((path, end) for path in paths for end in range(1, len(path) + 1))
    return frozenset(json.dumps(path[:end]) for path, end in ends)


def _same(one: Any, other: Any) -> float:
    return float(one == other)


def _gap(one: float, other: float) -> float:
    return abs(one - other)


def _jaccard(one: Sequence[Any], other: Sequence[Any]) -> float:
    either = set(one) | set(other)
    return len(set(one) & set(other)) / len(either) if either else 1.0


def _tau(one: Ranking, other: Ranking) -> float | None:
    return kendall_tau(dict(one.columns), dict(other.columns))


def _same_column(one: Ranking, other: Ranking) -> float | None:
    return same_column(dict(one.columns), dict(other.columns))


_MAIN: dict[Kind, tuple[str, Alike]] = {
    Kind.CHOICES: ("mean_jaccard", _jaccard),
    Kind.TAXONOMY: ("mean_jaccard", _jaccard),
    Kind.PAIRWISE: (RAW, _same),
    Kind.RATING: (RAW, _same),
    Kind.NUMBER: (RAW, _same),
    Kind.DATETIME: (RAW, _same),
    Kind.TEXT: ("edit_similarity", edit_similarity),
    Kind.RANKING: ("kendall_tau", _tau),
}
