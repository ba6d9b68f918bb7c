"""The people behind a control of labels: who agrees with the others, who mixes up what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from audit_jobs.agreement.controls import of_several
from audit_jobs.agreement.slices import LABELS, ratings_in
from audit_jobs.measures.annotators import (
    FALSE_DISCOVERIES,
    agreement_with_consensus,
    disagreeing_more,
)
from audit_jobs.measures.confusions import label_confusions, rater_confusions
from audit_jobs.measures.consensus import majority
from audit_jobs.measures.distances import TooManyCategoriesError
from audit_jobs.measures.guidelines import guideline_report
from audit_jobs.measures.rater_pairs import RaterPairs, rater_pairs
from audit_jobs.measures.ratings import Ratings
from connectors.answers import Control
from policies.domain import IntArray

MOST_CONFUSIONS = 10


def people(control: Control, names: Sequence[str]) -> dict[str, Any] | None:
    """Each annotator against the consensus of the others, and what is mixed up more than by chance.

    ``names`` are those of the annotators by their places. None where answers are no labels.
    """
    if control.kind not in LABELS or control.per_region:
        return None
    several, tasks = of_several(control)
    if not tasks:
        return None
    ratings = ratings_in(several, readable=True)
    consensus = majority(ratings)
    who = [names[int(place)] for place in ratings.rater_names]
    scores = agreement_with_consensus(ratings, consensus)
    try:
        pairs = rater_pairs(ratings)
    except TooManyCategoriesError:
        pairs = None
    return {
        "annotators": [
            {"annotator": name, "with_consensus": score.as_json()}
            for name, score in zip(who, scores, strict=True)
        ],
        "disagreeing_pairs": [] if pairs is None else _disagreeing(pairs, who),
        "label_confusions": _confused_labels(ratings),
        "annotator_confusions": _confused_people(ratings, consensus.others, who),
    }


def guideline(control: Control, tasks: Sequence[int]) -> dict[str, Any] | None:
    """What the guideline should say more about; ``tasks`` are the tasks' ids by their places.

    None where answers are no labels, or too many to compare.
    """
    if control.kind not in LABELS or control.per_region:
        return None
    several, kept = of_several(control)
    try:
        report = guideline_report(ratings_in(several, readable=True)).as_json()
    except TooManyCategoriesError:
        return None
    for pair in report["pairs"]:
        pair["examples"] = [tasks[kept[int(unit)]] for unit in pair["examples"]]
    return report


def _disagreeing(pairs: RaterPairs, who: Sequence[str]) -> list[dict[str, Any]]:
    """Those who disagree far more than the others, the surest first."""
    chances = disagreeing_more(pairs)
    found = [
        {
            "annotators": [who[left], who[right]],
            "shared": shared,
            "agreed": agreed,
            "p_value": chance,
        }
        for left, right, shared, agreed, chance in zip(
            pairs.left.tolist(),
            pairs.right.tolist(),
            pairs.shared.tolist(),
            pairs.agreed.tolist(),
            chances.tolist(),
            strict=True,
        )
        if chance <= FALSE_DISCOVERIES
    ]
    return sorted(found, key=lambda pair: float(pair["p_value"]))


def _confused_labels(ratings: Ratings) -> list[dict[str, Any]]:
    found = label_confusions(ratings)
    return [
        {
            "labels": [
                ratings.categories[int(found.first[place])],
                ratings.categories[int(found.second[place])],
            ],
            "tasks": int(found.units[place]),
            "lift": float(found.lift[place]),
            "p_value": _or_none(float(found.p_value[place])),
        }
        for place in range(min(MOST_CONFUSIONS, len(found)))
    ]


def _confused_people(
    ratings: Ratings, others: IntArray, who: Sequence[str]
) -> list[dict[str, Any]]:
    found = rater_confusions(ratings, others)
    conspicuous = [place for place in range(len(found)) if found.conspicuous[place]]
    return [
        {
            "annotator": who[int(found.rater[place])],
            "others_say": ratings.categories[int(found.others[place])],
            "says": ratings.categories[int(found.said[place])],
            "times": int(found.times[place]),
            "lift": float(found.lift[place]),
            "p_value": float(found.p_value[place]),
        }
        for place in conspicuous[:MOST_CONFUSIONS]
    ]


def _or_none(figure: float) -> float | None:
    return None if math.isnan(figure) else figure
