"""How far judges of preferences can be trusted: every figure of a set of judged pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from audit_jobs.agreement.votes import VotesAgreement, votes_agreement
from audit_jobs.measures.consensus import Consensus
from audit_jobs.measures.distances import Level
from audit_jobs.measures.gold import Gold, accuracy, gold_of, gold_scores
from audit_jobs.measures.multiple_tests import adjusted
from audit_jobs.measures.preferences.cycles import (
    BY_CHANCE,
    Intransitivity,
    cyclic_by_judge,
    intransitivity,
)
from audit_jobs.measures.preferences.judged import (
    Judged,
    criteria,
    gold_labels,
    judged,
    ratings_of_judged,
)
from audit_jobs.measures.preferences.lengths import LengthBias, length_bias
from audit_jobs.measures.preferences.position import (
    JudgesPosition,
    PositionBias,
    Swapped,
    position_bias,
)
from audit_jobs.measures.preferences.shares import clustered_share
from audit_jobs.measures.preferences.verdicts import consensus_of, in_all_choices
from audit_jobs.measures.ratings import Ratings
from policies.domain import Estimate, IntArray
from policies.intervals import wilson
from policies.judgments import PreferencePair

_ALPHA = "krippendorff_alpha"


def preference_report(pairs: Sequence[PreferencePair], seed: int = 0) -> dict[str, Any]:
    """All figures in plain values; intervals are 95 %, and the same for the same seed.

    Judges are compared on questions: a repeat is its first pair once more, of which a judge's first
    word counts. Who said nothing ("none") is in ``ties.none`` and nowhere else. What is not known
    is None: ``position_bias`` without an order, ``accuracy`` without gold, ``intransitivity``
    without three answers that were compared with each other.
    """
    data = judged(pairs)
    ratings = ratings_of_judged(data)
    agreed = votes_agreement(ratings, Level.NOMINAL)
    by_choice = in_all_choices(ratings)
    consensus = consensus_of(by_choice)
    gold = gold_of(by_choice, gold_labels(data))
    position = position_bias(data, seed)
    return {
        "pairs": len(pairs),
        "judges": len(data.judge_names),
        "agreement": _agreement(data, ratings, agreed, (consensus, gold)),
        "krippendorff_alpha": agreed.measures[_ALPHA].as_json(),
        "ties": _ties(data),
        "position_bias": None if position is None else position_as_json(position[0]),
        "judges_detail": _details(
            (data, by_choice), agreed, (consensus, gold), {} if position is None else position[1]
        ),
        "intransitivity": _optional(intransitivity(data, seed), _cycles_as_json),
        "length_bias": _optional(length_bias(data, seed), _length_as_json),
        "criteria": {name: _criterion(pairs, name, data, seed) for name in criteria(pairs)},
    }


def position_as_json(found: PositionBias) -> dict[str, Any]:
    """Under the names of the fields; the share's own figures on top."""
    return {
        **found.share.as_json(),
        "effect": found.effect.as_json(),
        "p_value": found.p_value,
        "found": found.found,
        "first": found.first.as_json(),
        "a_first": found.a_first.as_json(),
        "one_order": found.one_order,
        "swapped": _optional(found.swapped, _swapped_as_json),
    }


def _swapped_as_json(found: Swapped) -> dict[str, Any]:
    return {
        "answer_kept": found.answer_kept.as_json(),
        "place_kept": found.place_kept.as_json(),
        "first_twice": found.first_twice,
        "second_twice": found.second_twice,
    }


def _cycles_as_json(found: Intransitivity) -> dict[str, Any]:
    return {
        **found.cyclic.as_json(),
        "cycles": found.cycles,
        "triples": found.triples,
        "prompts": found.prompts,
        "tied": found.tied,
        "by_chance": BY_CHANCE,
        "p_value": found.p_value,
        "p_fewer": found.p_fewer,
        "by_noise": found.by_noise,
        "p_beyond_noise": found.p_beyond_noise,
        "left_out": found.left_out,
    }


def _length_as_json(found: LengthBias) -> dict[str, Any]:
    return {
        **found.longer_preferred.as_json(),
        "per_doubling": found.per_doubling.as_json(),
        "p_value": found.p_value,
        "found": found.found,
        "beside_gold": _optional(found.beside_gold, Estimate.as_json),
    }


def _agreement(
    data: Judged, ratings: Ratings, agreed: VotesAgreement, truth: tuple[Consensus, Gold]
) -> dict[str, Any]:
    consensus, gold = truth
    sure = consensus.confidence[~np.isnan(consensus.confidence)]
    return {
        "raw": agreed.measures["raw_agreement"].as_json(),
        **{name: agreed.measures[name].as_json() for name in ("fleiss_kappa", "gwet_ac1")},
        "pairs": [pair.as_json() for pair in agreed.pairs],
        "by_choice": {label: each.as_json() for label, each in agreed.by_label.items()},
        "repeated": _known(_repeated(data)),
        "consensus": {
            "method": consensus.method,
            "questions": len(ratings.unit_names),
            "confidence": float(sure.mean()) if len(sure) else None,
            "accuracy": _known(accuracy(consensus, gold)),
        },
        "notes": [note.replace("worker", "judge").replace("item", "pair") for note in agreed.notes],
    }


def _ties(data: Judged) -> dict[str, Any]:
    silent = int(data.silent.sum())
    return {
        "share": clustered_share(data.choice == 0, data.question).as_json(),
        "none": wilson(silent, silent + len(data)).as_json(),
    }


def _details(
    judgments: tuple[Judged, Ratings],
    agreed: VotesAgreement,
    truth: tuple[Consensus, Gold],
    positions: Mapping[int, JudgesPosition],
) -> dict[str, Any]:
    """A judge at a time; who only ever said "none" has no ratings, and undefined figures."""
    data, ratings = judgments
    consensus, gold = truth
    place = {name: at for at, name in enumerate(ratings.rater_names)}
    right = gold_scores(ratings, gold)
    nothing = Estimate(value=None, low=None, high=None, n=0)
    by_place = _positions(positions)
    longer, cycles = _longer(data), cyclic_by_judge(data)
    details = {}
    for code, name in enumerate(data.judge_names):
        at = place.get(name)
        own = data.judge == code
        quality = float("nan") if at is None else float(consensus.quality[at])
        details[name] = {
            "judgments": int(own.sum()),
            "accuracy": None if at is None else _known(right[at]),
            "agreement": (nothing if at is None else agreed.annotators[at]).as_json(),
            "quality": None if np.isnan(quality) else quality,
            "ties": clustered_share(data.choice[own] == 0, data.question[own]).as_json(),
            "none": int(data.silent[code]),
            "position_bias": by_place.get(code),
            "longer_preferred": _known(longer[code]),
            "cyclic": _optional(cycles.get(code), Estimate.as_json),
            "repeated": _known(_repeated(data.those(own))),
        }
    return details


def _positions(positions: Mapping[int, JudgesPosition]) -> dict[int, dict[str, Any]]:
    """With p-values adjusted for the number of judges: of many, one looks biased by chance."""
    honest = adjusted(np.array([each.p_value for each in positions.values()]))
    return {
        code: {**each.first.as_json(), "p_value": each.p_value, "adjusted": value}
        for (code, each), value in zip(positions.items(), honest.tolist(), strict=True)
    }


def _longer(data: Judged) -> list[Estimate]:
    longer = np.sign(data.doublings[data.question])
    known = data.decided & (longer != 0)
    judges = len(data.judge_names)
    won = np.bincount(data.judge[known & (data.choice == longer)], minlength=judges)
    n = np.bincount(data.judge[known], minlength=judges)
    return [wilson(hits, of) for hits, of in zip(won.tolist(), n.tolist(), strict=True)]


def _repeated(data: Judged) -> Estimate:
    """How often a judge who answered a question again said the same as the first time."""
    cell = data.question * max(len(data.judge_names), 1) + data.judge
    order = np.argsort(cell, kind="stable")
    place = _places(cell[order])
    first = order[np.flatnonzero(place == 1) - 1]
    again = order[place == 1]
    return wilson(int((data.choice[first] == data.choice[again]).sum()), len(again))


def _places(cells: IntArray) -> IntArray:
    """The place of each of sorted cells among its equals."""
    places: IntArray = np.arange(len(cells)) - np.searchsorted(cells, cells)
    return places


def _criterion(
    pairs: Sequence[PreferencePair], name: str, preference: Judged, seed: int
) -> dict[str, Any]:
    data = judged(pairs, name)
    agreed = votes_agreement(ratings_of_judged(data), Level.NOMINAL)
    position = position_bias(data, seed)
    return {
        "judgments": len(data),
        "judges": len(data.judge_names),
        "agreement": {
            "raw": agreed.measures["raw_agreement"].as_json(),
            "pairs": [pair.as_json() for pair in agreed.pairs],
        },
        "krippendorff_alpha": agreed.measures[_ALPHA].as_json(),
        "ties": _ties(data),
        "position_bias": None if position is None else position_as_json(position[0]),
        "with_preference": _known(_with_preference(data, preference)),
    }


def _with_preference(data: Judged, preference: Judged) -> Estimate:
    """How often a judge's choice by the criterion is his preference, where he decided both."""
    said: dict[tuple[int, str], int] = {}
    decided = preference.those(preference.decided)
    names = [preference.judge_names[code] for code in decided.judge.tolist()]
    for record, judge, choice in zip(
        decided.record.tolist(), names, decided.choice.tolist(), strict=True
    ):
        said.setdefault((record, judge), choice)
    own = data.those(data.decided)
    found = [
        said.get((record, data.judge_names[code]), 0) * choice
        for record, code, choice in zip(
            own.record.tolist(), own.judge.tolist(), own.choice.tolist(), strict=True
        )
    ]
    same = np.array(found, np.int64)
    known = same != 0
    return clustered_share(same[known] > 0, own.question[known])


def _known(found: Estimate) -> dict[str, Any] | None:
    return None if found.value is None else found.as_json()


def _optional(found: Any, as_json: Any) -> Any:
    return None if found is None else as_json(found)
