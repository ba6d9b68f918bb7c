"""Simulated judges of pairs whose truth is known: worths, pushes of place and length, wavering."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.special import expit

from audit_jobs.measures.preferences.judged import UNKNOWN, Judged
from policies.domain import FloatArray, IntArray


def simulated(
    seed: int,
    *,
    prompts: int,
    answers: int = 2,
    judges: int = 1,
    spread: float = 1.0,
    place: float = 0.0,
    length: float = 0.0,
    ties: float = 0.0,
    gold: bool = False,
    one_order: bool = False,
) -> Judged:
    """Judges who compare all pairs of each prompt's answers.

    ``spread`` is that of the log odds over questions; ``place`` and ``length`` are the log odds of
    the first place and of a doubling; with ``one_order`` all judges of a question see one.
    """
    random = np.random.default_rng(seed)
    one, other = (np.array(side) for side in zip(*combinations(range(answers), 2), strict=True))
    prompt = np.repeat(np.arange(prompts), len(one))
    codes = np.arange(prompts * answers).reshape(prompts, answers)
    pairs = np.stack([codes[:, one].ravel(), codes[:, other].ravel()], axis=1)
    flipped = random.random(len(pairs)) < 0.5
    pairs[flipped] = pairs[flipped, ::-1]
    lengths = random.normal(0, 1, prompts * answers)
    doublings = lengths[pairs[:, 0]] - lengths[pairs[:, 1]]
    worths = random.normal(0, spread / np.sqrt(2), prompts * answers) + length * lengths
    odds: FloatArray = worths[pairs[:, 0]] - worths[pairs[:, 1]]
    question = np.repeat(np.arange(len(pairs)), judges)
    first = random.integers(0, 2, len(question)) * 2 - 1
    if one_order:
        first = first[question * judges]
    chosen = random.random(len(question)) < expit(odds[question] + place * first)
    choice: IntArray = np.where(chosen, 1, -1)
    choice[random.random(len(question)) < ties] = 0
    return Judged(
        question=question,
        judge=np.tile(np.arange(judges), len(pairs)),
        choice=choice,
        first=first,
        record=question,
        judge_names=tuple(f"judge{code}" for code in range(judges)),
        silent=np.zeros(judges, np.int64),
        question_names=tuple(map(str, range(len(pairs)))),
        prompt=prompt,
        answers=pairs,
        gold=np.sign(odds).astype(np.int64) if gold else np.full(len(pairs), UNKNOWN),
        doublings=doublings,
    )
