"""Deployed models beside the project's own: how their answers are named, and where they stand."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from policies.decisions import is_none
from policies.domain import BoolArray, Candidates, Monitored, ObjectArray

# The rule of a decision that verifies what a deployed model answered.
MONITORING = "monitoring"
_PREFIX = "deployed: "
_OWN_NAME = re.compile("labelgate", re.IGNORECASE)


def deployed_name(version: str) -> str:
    """What answers of this version of a deployed model are shown and noted under.

    Never the name of a version of the project's own, and never one that a view of Label Studio
    looks for: views take what contains their marker, and markers begin with Labelgate's name.

    >>> deployed_name("2026-11 b"), deployed_name("labelgate: Audit")
    ('deployed: 2026-11 b', 'deployed: label-gate: Audit')
    """
    return _PREFIX + _OWN_NAME.sub("label-gate", version)


def is_deployed(predictor: str | None) -> bool:
    """Whether such a name is that of a deployed model."""
    return predictor is not None and predictor.startswith(_PREFIX)


def not_monitored(n: int) -> Monitored:
    """So many tasks, none of which verifies a deployed model."""
    nothing = np.full(n, None, object)
    unknown = np.full(n, np.nan)
    return Monitored(
        predictors=nothing,
        labels=nothing,
        scores=unknown,
        draws=unknown,
        shares=unknown,
        reasons=nothing,
    )


def with_deployed_answers(candidates: Candidates, mask: BoolArray) -> Candidates:
    """The candidates with the deployed model's answers in place of the own model's, where marked.

    What signals say is about the own model's answers, so it is unknown there.
    """
    monitored = candidates.monitored
    if monitored is None or not mask.any():
        return candidates
    mentions = candidates.mentions
    if mentions is not None and monitored.mentions is not None:
        mentions = _merged(mentions, monitored.mentions, mask)
    parts = candidates.part_scores
    if parts is not None:
        parts = _merged(parts, np.full(len(mask), None, object), mask)
    answered = mask & ~is_none(monitored.labels)
    return replace(
        candidates,
        labels=_merged(candidates.labels, monitored.labels, mask),
        scores=np.where(mask, monitored.scores, candidates.scores),
        problems=_merged(candidates.problems, np.full(len(mask), None, object), answered),
        predictors=_merged(candidates.predictors, monitored.predictors, mask),
        signals={
            name: np.where(mask, np.nan, values) for name, values in candidates.signals.items()
        },
        mentions=mentions,
        part_scores=parts,
    )


def _merged(values: ObjectArray, others: ObjectArray, mask: BoolArray) -> ObjectArray:
    merged = values.copy()
    merged[mask] = others[mask]
    return merged
