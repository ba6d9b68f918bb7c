"""Orders of several answers to one prompt: learned as pairs, told as the order of their worths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import logsumexp

from backend.predictors.errors import TrainingError
from backend.predictors.protocol import (
    ControlAnswers,
    Examples,
    Listed,
    ModelInput,
    Progress,
    no_progress,
)
from backend.predictors.rewards.comparisons import Answers, in_columns
from backend.predictors.rewards.fitting import fit_rewards
from backend.predictors.rewards.model import RewardModel, reward_as_plain, reward_from_plain
from connectors.label_studio.comparisons import Comparison, choice_between
from connectors.label_studio.controls import Control
from policies.answer_texts import RANK, ranking_text
from policies.domain import FloatArray, column
from policies.judgments import Choice

_CHOICES = (Choice.A, Choice.B, Choice.TIE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingModel:
    """Puts the items of a list in order by their worth to a reward model."""

    reward: RewardModel

    @property
    def labels(self) -> tuple[str, ...]:
        """None: an order is made of the items that it is asked about."""
        return ()

    def answers(self, inputs: Sequence[ModelInput]) -> ControlAnswers:
        """The items of each list, best first; the score is how likely people give this very order.

        By Plackett and Luce's model (Plackett 1975), in which the best of those that are left is
        picked again and again; the worths stand as far apart as pairs of the typical difference do.
        """
        lists = [_listed(value) for value in inputs]
        worths = self.reward.worths(
            Answers(
                prompts=[each.prompt for each in lists for _ in each.items],
                responses=[text for each in lists for text in each.items.values()],
            )
        )
        ends = np.cumsum([len(each.items) for each in lists], dtype=np.int64)
        typical = self.reward.typical
        slope = float(self.reward.log_odds(np.array([typical]))[0]) / typical
        texts, scores = [], []
        for each, own in zip(lists, np.split(worths, ends[:-1]), strict=False):
            order = np.argsort(-own, kind="stable")
            names = list(each.items)
            texts.append(ranking_text({RANK: [names[place] for place in order]}))
            scores.append(_likely(slope * own[order]))
        return ControlAnswers(texts=column(texts), scores=np.array(scores, np.float64))


def fit_rankings(
    control: Control, examples: Examples, *, seed: int, progress: Progress = no_progress
) -> RankingModel:
    """Train on lists whose items people put in order: all pairs of an order are learned from.

    Of n items there are n (n - 1) / 2 pairs, and they say no more than n - 1 of them would: each
    counts 2 / n.

    Raises
        TrainingError: nobody preferred anything, or no text holds a word.
    """
    comparison = Comparison(criterion="", controls=(control,))
    texts: list[tuple[str, str, str]] = []
    said: list[list[float]] = []
    for value, answer, weight in zip(
        examples.inputs, examples.answers, examples.weights.tolist(), strict=True
    ):
        listed = _listed(value)
        for one, other in combinations(listed.items, 2):
            choice = choice_between(comparison, {control.name: answer}, one, other)
            if choice is Choice.NONE:
                continue
            texts.append((listed.prompt, listed.items[one], listed.items[other]))
            counts = 2.0 * weight / len(listed.items)
            said.append([counts * (choice is each) for each in _CHOICES])
    if not texts:
        raise TrainingError("no order of two items or more was given: rank more tasks first")
    comparisons = in_columns(texts, np.array(said, np.float64))
    return RankingModel(reward=fit_rewards(comparisons, seed=seed, progress=progress))


def ranking_as_plain(model: RankingModel) -> dict[str, Any]:
    """The model in arrays and plain values, for a model file."""
    return {"reward": reward_as_plain(model.reward)}


def ranking_from_plain(values: Mapping[str, Any]) -> RankingModel:
    """What ``ranking_as_plain`` wrote; KeyError, TypeError or ValueError where it is none."""
    return RankingModel(reward=reward_from_plain(values["reward"]))


def _likely(ordered: FloatArray) -> float:
    """The probability of this order of worths, the best first."""
    left = np.array([logsumexp(ordered[place:]) for place in range(len(ordered))])
    return float(np.exp((ordered - left).sum()))


def _listed(value: ModelInput) -> Listed:
    if not isinstance(value, Listed):
        raise TypeError(f"not the items of a list: a {type(value).__name__}")
    return value
