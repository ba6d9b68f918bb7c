"""Answering ``/v1/reward``: what answers to prompts are worth to the serving reward model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backend.predictors.embedded import EmbeddedPredictor
from backend.predictors.inputs import MAX_CHARACTERS
from backend.predictors.rewards.comparisons import Answers
from backend.predictors.rewards.model import RewardModel
from backend.reward_files import reward_models
from backend.serving import Snapshot

MOST_ITEMS = 5_000
_MOST_SHOWN = 10


class RewardItemsError(ValueError):
    """Items that cannot be scored; the message names the first ten by place and field."""


class NoRewardModelError(Exception):
    """The project has no reward model that could score; the message says what to do."""


def reward_model(snapshot: Snapshot) -> RewardModel:
    """The reward model that serves the project.

    Raises
        NoRewardModelError: none was trained yet, or what serves is of another kind.
    """
    project = snapshot.project.id
    if snapshot.predictor is None:
        raise NoRewardModelError(
            f"project {project} has no model yet: run `labelgate train --project {project}` once "
            "people have compared enough"
        )
    predictor = snapshot.predictor
    found = reward_models(predictor) if isinstance(predictor, EmbeddedPredictor) else []
    if found:
        return found[0]
    raise NoRewardModelError(
        f"project {project} is served by {snapshot.model_version}, which is no reward model: "
        "projects whose config has a Pairwise or a Ranker get one"
    )


def answers_of(items: Sequence[Any]) -> Answers:
    """The answers to score, each with its prompt ("" where none is given).

    Raises
        RewardItemsError: an item is no object with a text "response" and, or not, a text "prompt".
    """
    problems = [
        f"items[{place}]{problem}"
        for place, item in enumerate(items)
        if (problem := _problem(item)) is not None
    ]
    if problems:
        more = len(problems) - _MOST_SHOWN
        shown = "; ".join(problems[:_MOST_SHOWN]) + (f"; and {more:,} more" if more > 0 else "")
        raise RewardItemsError(f'{shown}: send items like {{"prompt": ..., "response": ...}}')
    return Answers(
        prompts=[item.get("prompt") or "" for item in items],
        responses=[item["response"] for item in items],
    )


def _problem(item: Any) -> str | None:
    if not isinstance(item, dict):
        return f" is {type(item).__name__}, not an object"
    if "response" not in item:
        return ".response is missing"
    for field in ("prompt", "response"):
        value = item.get(field, "")
        if not isinstance(value, str) and not (field == "prompt" and value is None):
            return f".{field} is {type(value).__name__}, not a text"
        if value is not None and len(value) > MAX_CHARACTERS:
            return f".{field} has {len(value):,} characters, at most {MAX_CHARACTERS:,} are read"
    return None
