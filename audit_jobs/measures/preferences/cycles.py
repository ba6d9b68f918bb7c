"""Intransitivity: triples of answers of which each is preferred to the next, in a ring.

Kendall and Babington Smith 1940, "On the method of paired comparisons". Two nulls are told apart.
Were the direction of every judged pair drawn at random, a quarter of the triples were cyclic: fewer
say that judges follow an order at all, more that they follow a ring. And judges who do have an
order, but differ or waver, make some cycles too: how many, a simulation says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from scipy.stats import binom, norm

from audit_jobs.measures.bootstrap import sum_by
from audit_jobs.measures.pairs import pairs_within
from audit_jobs.measures.preferences.choices import fit_choices, standard_errors
from audit_jobs.measures.preferences.designs import NAME, PLACE, design_of
from audit_jobs.measures.preferences.judged import Judged
from audit_jobs.measures.preferences.shares import clustered_share
from policies.domain import BoolArray, Estimate, FloatArray, IntArray

BY_CHANCE = 0.25
_DRAWS = 2_000
_FEWEST_DRAWS = 100
_MOST_SIMULATED = 5_000_000  # judged pairs in all draws: some seconds
_MOST_DRAWN = 20_000  # triples; the number of cycles among more is as good as normal
_MOST_WEDGES = 5_000_000  # pairs of edges at one answer that are looked at
_MOST_CELLS = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Intransitivity:
    """Cycles among the triples of answers all of whose pairs were judged and decided.

    ``cyclic`` is their share, drawn by prompts. ``p_value`` is the chance of so many cycles or more
    were directions drawn at random, ``p_fewer`` that of so few or fewer. ``by_noise`` is the share
    that judges with an order would make by differing as much as they do, ``p_beyond_noise`` the
    chance that they make so large a share or a larger one; None where no question has two
    judgements: then nothing tells how much judges differ. ``left_out`` counts prompts with too
    many answers to look at, ``tied`` triples with a pair on which judges are even.
    """

    cyclic: Estimate
    cycles: int
    triples: int
    prompts: int
    tied: int
    p_value: float
    p_fewer: float
    by_noise: float | None
    p_beyond_noise: float | None
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Triples:
    """Judged pairs of answers (edges), and the triples that they make, by the places of the edges.

    ``net`` is how many judgements prefer the first (the smaller code) of an edge beyond those that
    prefer the other; ``judged`` how many are decided. Edges of a triple u < v < w: uv, uw, vw.
    """

    nodes: IntArray  # edges x 2
    net: IntArray
    judged: IntArray
    edges: IntArray  # triples x 3
    left_out: int


def intransitivity(data: Judged, seed: int = 0) -> Intransitivity | None:
    """Of the majority over all judges of each pair; None where no three answers are compared.

    Answers of a prompt with the same text are one answer.
    """
    found = triples_of(data)
    cyclic, whole = _cyclic(np.sign(found.net)[None, :], found.edges)
    if not whole.any():
        return None
    prompt = _prompt_of_answers(data)[found.nodes[found.edges[:, 0], 0]]
    cycles, triples = int(cyclic.sum()), int(whole.sum())
    more, fewer = _by_chance(found, cycles, whole[0], seed)
    noise = _by_noise(data, found, cycles / triples, seed)
    return Intransitivity(
        cyclic=clustered_share(cyclic[0][whole[0]], prompt[whole[0]], seed),
        cycles=cycles,
        triples=triples,
        prompts=len(np.unique(prompt[whole[0]])),
        tied=len(found.edges) - triples,
        p_value=more,
        p_fewer=fewer,
        by_noise=None if noise is None else noise[0],
        p_beyond_noise=None if noise is None else noise[1],
        left_out=found.left_out,
    )


def cyclic_by_judge(data: Judged, seed: int = 0) -> dict[int, Estimate]:
    """The share of cycles among the triples that a judge decided alone, for those who have any."""
    found = {}
    for judge in range(len(data.judge_names)):
        own = data.those(data.judge == judge)
        triples = triples_of(own)
        cyclic, whole = _cyclic(np.sign(triples.net)[None, :], triples.edges)
        if whole.any():
            prompt = _prompt_of_answers(data)[triples.nodes[triples.edges[:, 0], 0]]
            found[judge] = clustered_share(cyclic[0][whole[0]], prompt[whole[0]], seed)
    return found


def triples_of(data: Judged) -> Triples:
    """All triples of answers whose three pairs were judged."""
    answers = data.answers[data.question]
    low, high = answers.min(axis=1), answers.max(axis=1)
    other = low != high  # two equal texts cannot be told apart
    width = int(data.answers.max(initial=0)) + 1
    keys, place = np.unique((low * width + high)[other], return_inverse=True)
    turned = np.where(answers[:, 0] == low, data.choice, -data.choice)[other]
    nodes = np.stack(np.divmod(keys, width), axis=1)
    edges, left_out = _triples(nodes, keys, width, _prompt_of_answers(data))
    size = len(keys)
    return Triples(
        nodes=nodes,
        net=sum_by(place, turned.astype(np.float64), size).astype(np.int64),
        judged=np.bincount(place[turned != 0], minlength=size).astype(np.int64),
        edges=edges,
        left_out=left_out,
    )


def _triples(nodes: IntArray, keys: IntArray, width: int, prompt: IntArray) -> tuple[IntArray, int]:
    """Places of the edges of each triple; edges are sorted, so their first answers are too."""
    open_edges, left_out = _few_enough(nodes, prompt)
    at = np.flatnonzero(open_edges)
    wedges = pairs_within(nodes[at, 0])
    one, other = at[wedges.left], at[wedges.right]
    wanted = nodes[one, 1] * width + nodes[other, 1]
    place = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    closed = keys[place] == wanted if len(keys) else np.zeros(0, np.bool_)
    return np.stack([one[closed], other[closed], place[closed]], axis=1), left_out


def _few_enough(nodes: IntArray, prompt: IntArray) -> tuple[BoolArray, int]:
    """The edges of as many prompts as can be looked at, those with the fewest wedges first."""
    of = prompt[nodes[:, 0]] if len(nodes) else np.empty(0, np.int64)
    _, degree = np.unique(nodes[:, 0], return_counts=True)
    starts = np.cumsum(degree) - degree
    wedges = sum_by(of[starts], degree * (degree - 1) / 2, int(of.max(initial=-1)) + 1)
    order = np.argsort(wedges, kind="stable")
    fits = np.zeros(len(wedges), dtype=np.bool_)
    fits[order] = np.cumsum(wedges[order]) <= _MOST_WEDGES
    return fits[of], int((~fits).sum())


def _prompt_of_answers(data: Judged) -> IntArray:
    prompts = np.zeros(int(data.answers.max(initial=-1)) + 1, dtype=np.int64)
    prompts[data.answers.ravel()] = np.repeat(data.prompt, 2)
    return prompts


def _cyclic(signs: IntArray, edges: IntArray) -> tuple[BoolArray, BoolArray]:
    """Which triples are rings, and which have three directions, for each row of directions."""
    uv, uw, vw = (signs[:, column] for column in edges.T)
    whole = (uv != 0) & (uw != 0) & (vw != 0)
    return whole & (uv == vw) & (uw != uv), whole


def _by_chance(found: Triples, cycles: int, whole: BoolArray, seed: int) -> tuple[float, float]:
    """The chance of so many cycles or more, and of so few or fewer, were directions drawn.

    A triple is cyclic with a chance of a quarter. Triples that share no pair are independent;
    those that do are uncorrelated (Moran 1947), so their number has the binomial's two moments.
    """
    edges = found.edges[whole]
    triples = len(edges)
    if len(np.unique(edges)) == edges.size:
        of = binom(triples, BY_CHANCE)
        return float(of.sf(cycles - 1)), float(of.cdf(cycles))
    if triples > _MOST_DRAWN:
        spread_of = math.sqrt(triples * BY_CHANCE * (1 - BY_CHANCE))
        middle = triples * BY_CHANCE
        return (
            float(norm.sf((cycles - 0.5 - middle) / spread_of)),
            float(norm.cdf((cycles + 0.5 - middle) / spread_of)),
        )
    random = np.random.default_rng(seed)
    drawn = np.concatenate(
        [
            _cyclic(random.integers(0, 2, (size, len(found.net))) * 2 - 1, edges)[0].sum(axis=1)
            for size in _sizes(max(triples, len(found.net)))
        ]
    )
    return (
        (int((drawn >= cycles).sum()) + 1) / (_DRAWS + 1),
        (int((drawn <= cycles).sum()) + 1) / (_DRAWS + 1),
    )


def _by_noise(data: Judged, found: Triples, share: float, seed: int) -> tuple[float, float] | None:
    """The share of cycles that Bradley and Terry's judges make, and the chance of as large a one.

    Answers' worths are normal; they spread as much as it takes for judges of one question to agree
    as they do, and each judgement errs by itself. How much that is, is known with an error, which
    is drawn too. Of 150 seeds, 60 prompts of four answers, the chance is under 5 % in 1 to 4 %
    where judges have an order, in 9 % where they merely guess; of 25 seeds, 100 prompts of three
    answers and rings in one of five, in 24 or more.
    """
    choices = design_of(data, NAME, PLACE).choices
    if not choices.repeated:
        return None
    fitted = fit_choices(choices)
    error = standard_errors(choices, fitted, np.arange(int(choices.group.max()) + 1))[-1]
    random = np.random.default_rng(seed)
    shares = []
    width = int(found.nodes.max(initial=0)) + 1
    draws = max(_FEWEST_DRAWS, min(_DRAWS, _MOST_SIMULATED // max(len(found.net), 1)))
    for size in _sizes(max(len(found.edges), width), draws):
        wide = np.maximum(random.normal(fitted.spread, error, (size, 1)), 0) / math.sqrt(2)
        worth = wide * random.standard_normal((size, width))
        chance = expit(worth[:, found.nodes[:, 0]] - worth[:, found.nodes[:, 1]])
        won = random.binomial(found.judged, chance)
        cyclic, whole = _cyclic(np.sign(2 * won - found.judged), found.edges)
        shares.append(cyclic.sum(axis=1) / np.maximum(whole.sum(axis=1), 1))
    drawn: FloatArray = np.concatenate(shares)
    as_large = int((drawn >= share).sum())
    return float(drawn.mean()), (as_large + 1) / (draws + 1)


def _sizes(width: int, draws: int = _DRAWS) -> list[int]:
    """How many draws are made at a time."""
    step = max(1, _MOST_CELLS // max(width, 1))
    return [min(step, draws - first) for first in range(0, draws, step)]
