"""From judged pairs to a reward model, and how good it is on prompts that it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit_jobs.measures.preferences.reward_models import (
    calibration,
    held_out,
    pair_accuracy,
    swaying,
    ties,
)
from audit_jobs.preferences.preferred import held_out as held_out_prompts
from backend.embeddings.encoders import Encoder
from backend.predictors.errors import TrainingError
from backend.predictors.protocol import Progress
from backend.predictors.rewards.comparisons import Comparisons, compared, part_of
from backend.predictors.rewards.fitting import fit_rewards
from backend.reward_files import RewardFile, encoding, packed_reward
from policies.domain import FloatArray, IntArray
from policies.judgments import PreferencePair


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """How a model is to be trained: the share of prompts held out, and the seed of all draws."""

    holdout: float
    seed: int
    length_free: bool = False
    encoder: Encoder | None = None


def train_on(
    pairs: Sequence[PreferencePair], wished: Wished, progress: Progress
) -> tuple[RewardFile, dict[str, Any]]:
    """A model of the prompts that are not held out, and what is to be said of it.

    Raises
        TrainingError: nothing can be learned from the pairs.
    """
    every = compared(pairs)
    if not len(every):
        raise TrainingError("nobody judged any of the pairs: there is nothing to learn from")
    training, aside = _split(every, wished)
    model = fit_rewards(
        part_of(every, training),
        seed=wished.seed,
        progress=progress,
        encode=None if wished.encoder is None else encoding(wished.encoder),
        length_free=wished.length_free,
    )
    made = packed_reward(model, None if wished.encoder is None else wished.encoder.space)
    return made, _told(every, (training, aside), made, wished) | {"pairs": len(pairs)}


def _split(every: Comparisons, wished: Wished) -> tuple[IntArray, IntArray]:
    """(training, held-out) rows, the same prompts as an export with this share and seed holds out.

    Where there is no prompt the two answers stand for it.
    """
    texts, prompts = every.answers.responses, every.answers.prompts
    asked = [
        prompts[one] or "\n".join(sorted((texts[one], texts[other])))
        for one, other in zip(every.first.tolist(), every.second.tolist(), strict=True)
    ]
    aside = held_out_prompts(dict.fromkeys(asked), wished.holdout, wished.seed)
    apart = np.array([prompt in aside for prompt in asked], np.bool_)
    return np.flatnonzero(~apart), np.flatnonzero(apart)


def _told(
    every: Comparisons, split: tuple[IntArray, IntArray], made: RewardFile, wished: Wished
) -> dict[str, Any]:
    training, aside = (part_of(every, rows) for rows in split)
    unseen = held_out(aside, _likely(made, aside))
    swayed = {
        name: None if found is None else found.as_json() for name, found in swaying(every).items()
    }
    return {
        "holdout_accuracy": pair_accuracy(unseen).as_json(),
        "training": _counts(training),
        "holdout": _counts(aside) | {"share": wished.holdout, "seed": wished.seed},
        "calibration": calibration(unseen),
        "ties": ties(unseen),
        "length_effect": {"alone": swayed["length_alone"], "beside_style": swayed["length"]},
        "position_effect": swayed["position"],
        "length_free": wished.length_free,
        "embeddings": made.model.needs_embeddings,
        "version": made.version,
    }


def _likely(made: RewardFile, comparisons: Comparisons) -> FloatArray:
    if not len(comparisons):
        return np.empty((0, 3))
    worths = made.model.worths(comparisons.answers)
    return made.model.preferences(worths[comparisons.first] - worths[comparisons.second])


def _counts(comparisons: Comparisons) -> dict[str, int]:
    return {
        "pairs": len(np.unique(comparisons.pairs)),
        "prompts": len(np.unique(comparisons.groups)),
    }
