"""Simulated people: each look errs at its tier's rate, the same seed errs in the same places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from policies.sampling import draws
from policies.simulated_people import SimulatedPeople

ERRS, TAKEN_FOR = "errs", "taken for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewers:
    """Whoever looks at a task: ``people`` says how often each tier errs; unknown tiers never do.

    Whether a look errs depends on the seed, the tier, the task and which of the tier's looks at the
    task it is, not on when it happens: two policies on one seed are judged by the same people.
    """

    people: SimulatedPeople
    labels: Sequence[str]
    neighbours: Mapping[str, str]
    seed: int

    def answers(self, task: int, truth: str, tier: str, looks: int) -> list[str]:
        """What so many people of the tier say of the task, each without knowing of the others."""
        rate = self.people.error_rate.get(tier, 0.0)
        return [
            self._mistaken(task, truth, (tier, look))
            if self._draw(task, ERRS, (tier, look)) < rate
            else truth
            for look in range(looks)
        ]

    def _mistaken(self, task: int, truth: str, who: tuple[str, int]) -> str:
        others = [label for label in self.labels if label != truth]
        if not others:
            return truth
        if self.people.confusion == "neighbour":
            return self.neighbours[truth]
        return others[int(self._draw(task, TAKEN_FOR, who) * len(others))]

    def _draw(self, task: int, stream: str, who: tuple[str, int]) -> float:
        tier, look = who
        return float(draws(f"{self.seed}", f"{stream} {look} {tier}", np.array([task]))[0])


def reviewers(people: SimulatedPeople, labels: Sequence[str], seed: int) -> Reviewers:
    """The people of a simulation that can give these labels."""
    return Reviewers(
        people=people,
        labels=labels,
        neighbours=neighbours_of(labels, np.random.default_rng(seed)),
        seed=seed,
    )


def neighbours_of(labels: Sequence[str], rng: np.random.Generator) -> dict[str, str]:
    """For each label the one that it is taken for: its neighbour in a random circle."""
    circle = rng.permutation(np.array(labels, dtype=np.object_)).tolist()
    return dict(zip(circle, circle[1:] + circle[:1], strict=True))
