"""Which tasks a tier labels next: a day's places, given out by the quotas of the policy.

Every part of the day has its own order of the waiting tasks and takes from it what no part took
before. All of it is a function of the columns that come in: the same columns, the same queue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from policies.domain import BoolArray, FloatArray, IntArray, ObjectArray
from policies.intervals import wilson
from policies.quotas import (
    DIVERSITY,
    KNOWN_FAILURES,
    PARTS,
    RANDOM,
    STRATIFIED,
    UNCERTAINTY,
    Sampling,
)
from policies.sampling import coded

# What no part asked for, in random order: people are not idle while tasks wait.
REST = "rest"
# Who picks first: the tasks of known failures are the fewest, and the others can take any.
_PICKING = (RANDOM, KNOWN_FAILURES, DIVERSITY, STRATIFIED, UNCERTAINTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The open tasks of one tier, in columns of one length.

    ``measuring`` are those of control, holdout and audit, ``audits`` the last of them.
    ``certainties`` rise with how sure the model is, NaN where it says nothing; ``novelties`` are
    NaN where they are unknown, ``labels`` None where there is no answer. ``draws`` is the order in
    which chance puts them.
    """

    measuring: BoolArray
    audits: BoolArray
    labels: ObjectArray
    certainties: FloatArray
    novelties: FloatArray
    draws: FloatArray

    def __len__(self) -> int:
        return len(self.draws)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What the parts know of the whole project beside the waiting tasks of one tier.

    ``counts`` are all open tasks by predicted label (None: no answer), ``failing`` the labels that
    people often correct, as ``known_failures`` finds them.
    """

    counts: Mapping[str | None, int]
    failing: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The places of the tasks to label, most wanted first, and the part that each was taken for."""

    places: IntArray
    strategies: tuple[str, ...]


def days_places(
    sampling: Sampling,
    waiting: Waiting,
    pool: Pool,
    capacity: int,
    given: Mapping[str, int] | None = None,
) -> Queue:
    """The tasks that a tier labels next, at most ``capacity`` of them and each once.

    Places go to the parts by their shares of the whole day, by largest remainder: ``capacity`` is
    what is left of the day, ``given`` how many of today's labels each part has had. What a part
    cannot fill goes to the others in proportion to their shares, and what is left over then to any
    waiting task. The random part comes first in the queue; the others alternate, so that every
    stop leaves a mix.
    """
    if capacity < 0:
        raise ValueError(f"capacity {capacity} must not be negative")
    orders = {part: order for part, order in _orders(sampling, waiting, pool).items() if len(order)}
    free = np.ones(len(waiting), bool)
    taken: dict[str, list[IntArray]] = {part: [] for part in (*PARTS, REST)}
    had = Counter(given or {})
    left = capacity
    while left and orders:
        wanted = _still_wanted({part: sampling.shares[part] for part in orders}, left, had)
        for part in [part for part in _PICKING if part in orders]:
            order = orders[part][free[orders[part]]]
            picked = order[: wanted[part]]
            free[picked] = False
            taken[part].append(picked)
            left -= len(picked)
            had[part] += len(picked)
            if len(picked) < wanted[part] or len(picked) == len(order):
                del orders[part]
    over = np.flatnonzero(free)
    taken[REST] = [over[np.argsort(waiting.draws[over], kind="stable")][:left]]
    return _mixed({part: _joined(parts) for part, parts in taken.items()})


def largest_remainder(places: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Whole places by share that sum to ``places``; equal remainders go to whom comes first.

    >>> largest_remainder(7, {"a": 0.5, "b": 0.25, "c": 0.25})
    {'a': 3, 'b': 2, 'c': 2}
    """
    total = sum(shares.values())
    exact = {name: places * share / total for name, share in shares.items()}
    whole = {name: int(value) for name, value in exact.items()}
    # Rounded: 0.1 * 3 / 1.0 must not beat an equal remainder by the last bit.
    by_remainder = sorted(shares, key=lambda name: -round(exact[name] - whole[name], 9))
    for name in by_remainder[: places - sum(whole.values())]:
        whole[name] += 1
    return whole


def known_failures(
    corrections: Mapping[str, tuple[int, int]], confidence: float = 0.95
) -> dict[str, float]:
    """The predicted labels that people correct more often than others, with how often at least.

    ``corrections`` has (answers, corrected) by predicted label. A label is a known failure where
    the lower bound of its rate (Wilson, two-sided at ``confidence``) is above the rate over all
    labels: a few bad answers of a rare label prove nothing.

    >>> list(known_failures({"spam": (100, 30), "ham": (900, 20), "rare": (2, 1)}))
    ['spam', 'rare']
    """
    answers = sum(each for each, _ in corrections.values())
    corrected = sum(each for _, each in corrections.values())
    lows = {label: wilson(bad, n, confidence).low for label, (n, bad) in corrections.items() if n}
    return {
        label: low
        for label, low in sorted(lows.items(), key=lambda item: (-(item[1] or 0.0), item[0]))
        if low is not None and low > corrected / answers
    }


def _still_wanted(shares: Mapping[str, float], left: int, given: Counter[str]) -> dict[str, int]:
    """What each part may still claim of a day; who has had more than its share claims nothing."""
    whole = largest_remainder(left + sum(given[part] for part in shares), shares)
    missing = {part: max(0, whole[part] - given[part]) for part in shares}
    return missing if sum(missing.values()) == left else largest_remainder(left, missing)


def _orders(sampling: Sampling, waiting: Waiting, pool: Pool) -> dict[str, IntArray]:
    """Every part's own order of the tasks that it wants, most wanted first."""
    slices = np.flatnonzero(waiting.measuring)
    routed = np.flatnonzero(~waiting.measuring)
    codes, labels = coded(waiting.labels[routed])
    draws = waiting.draws[routed]
    made: dict[str, IntArray] = {}
    if sampling.random:
        urgent = ~waiting.audits[slices]
        made[RANDOM] = slices[np.lexsort((waiting.draws[slices], urgent))]
    if sampling.uncertainty:
        certainties = waiting.certainties[routed]
        known = np.where(np.isnan(certainties), -np.inf, certainties)
        made[UNCERTAINTY] = routed[np.lexsort((draws, known))]
    if sampling.stratified:
        weights = np.array([pool.counts.get(label, 0) for label in labels], dtype=np.float64)
        turns = _ranks(codes, draws) + 0.5
        made[STRATIFIED] = routed[np.lexsort((draws, turns / np.maximum(weights[codes], 1e-9)))]
    if sampling.known_failures:
        rates = np.array([pool.failing.get(str(label), np.nan) for label in labels])[codes]
        failing = np.flatnonzero(~np.isnan(rates))
        made[KNOWN_FAILURES] = routed[failing[np.lexsort((draws[failing], -rates[failing]))]]
    if sampling.diversity:
        farness = -waiting.novelties[routed]
        rounds = _ranks(codes, farness, draws)
        # A task whose novelty is unknown comes after all others, whatever its label.
        made[DIVERSITY] = routed[np.lexsort((draws, farness, rounds, np.isnan(farness)))]
    return made


def _ranks(codes: IntArray, *keys: FloatArray) -> IntArray:
    """Each task's rank among those of its label, from 0: by the first key, ties by the next."""
    order = np.lexsort((*reversed(keys), codes))
    grouped = codes[order]
    starts = np.searchsorted(grouped, grouped)
    ranks = np.empty(len(codes), np.int64)
    ranks[order] = np.arange(len(codes)) - starts
    return ranks


def _joined(parts: list[IntArray]) -> IntArray:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _mixed(taken: Mapping[str, IntArray]) -> Queue:
    """The random part, then the others in turns by how many each has, then the rest."""
    turns: list[NDArray[np.float64]] = []
    for part, places in taken.items():
        if part in (RANDOM, REST):
            turns.append(np.full(len(places), -1.0 if part == RANDOM else 2.0))
        else:
            turns.append((np.arange(len(places)) + 0.5) / max(len(places), 1))
    order = np.argsort(np.concatenate(turns), kind="stable")
    names = [part for part, places in taken.items() for _ in range(len(places))]
    return Queue(
        places=np.concatenate(list(taken.values()))[order],
        strategies=tuple(names[place] for place in order),
    )
