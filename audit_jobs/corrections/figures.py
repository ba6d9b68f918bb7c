"""The figures of a report, from answers in columns: plain values, undefined ones are null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from audit_jobs.measures.confusions import label_confusions
from audit_jobs.measures.corrections import (
    Answers,
    automation_bias,
    blind_error,
    correction_rate,
    rates_by,
)
from audit_jobs.measures.lead_times import Pace, pace, pace_by_tier
from audit_jobs.measures.model_confusions import Background, model_confusions, unclear_pairs
from audit_jobs.measures.ratings import Ratings
from policies.correction_bands import CorrectionBands, band_of, meaning
from policies.domain import Estimate

MOST_CONFUSIONS = 1_000
MOST_NAMES = 500  # of labels and reviewers, those with most answers


def figures(
    answers: Answers,
    bands: CorrectionBands,
    background: Background | None = None,
    everybody: Answers | None = None,
) -> dict[str, Any]:
    """All figures of these answers.

    ``everybody`` holds the answers by which tiers and reviewers are told apart, where ``answers``
    has the first one of each task alone.
    """
    rate = correction_rate(answers)
    band = band_of(rate, bands)
    people = answers if everybody is None else everybody
    found, confused = model_confusions(answers, MOST_CONFUSIONS, background)
    return {
        "answers": len(answers),
        "rate": rate.as_json(),
        "band": str(band),
        "says": meaning(band, rate),
        "bands": {"low": bands.low, "high": bands.high},
        "blind_error": blind_error_of(answers),
        "automation_bias": _bias(answers),
        "seconds": _pace(pace(answers)),
        "by_label": _banded(rates_by(answers, answers.predicted, answers.labels), bands),
        "by_tier": _banded(rates_by(people, people.tier, people.tiers), bands),
        "by_reviewer": _banded(rates_by(people, people.reviewer, people.reviewers), bands),
        "seconds_by_tier": {tier: _pace(each) for tier, each in pace_by_tier(answers).items()},
        "confusions": [each.as_json() for each in found],
        "confused_pairs": confused,
    }


def blind_error_of(answers: Answers) -> dict[str, Any] | None:
    """The blind error rate; None where nobody answered a random blind task."""
    error = blind_error(answers)
    return error.as_json() if error.n else None


def unclear_of(ratings: Ratings) -> frozenset[tuple[str, str]] | None:
    """The labels that people mix up among themselves; None where no task has two answers."""
    answered = np.bincount(ratings.units, minlength=len(ratings.unit_names))
    if not (answered > 1).any():
        return None
    return unclear_pairs(label_confusions(ratings), ratings.categories)


def _bias(answers: Answers) -> dict[str, Any] | None:
    if not answers.shown.any() or answers.shown.all():
        return None
    found = automation_bias(answers)
    return {
        **found.difference.as_json(),
        "shown": found.shown,
        "blind": found.blind,
        "within": list(found.within),
        "note": found.note,
    }


def _pace(found: Pace) -> dict[str, Any]:
    return {
        "shown": found.shown.as_json(),
        "blind": found.blind.as_json(),
        "throughput": found.throughput.as_json(),
        "within": list(found.within),
    }


def _banded(rates: Mapping[str, Estimate], bands: CorrectionBands) -> dict[str, Any]:
    chosen = sorted(rates.items(), key=lambda each: -each[1].n)[:MOST_NAMES]
    return {name: {**rate.as_json(), "band": str(band_of(rate, bands))} for name, rate in chosen}
