"""Bootstrap intervals over tasks, for many figures at once: tasks are drawn again, not pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import norm, t

from policies.domain import Estimate, FloatArray, IntArray

REPEATS = 1_000
# Weights held at a time: 4 million of them are 32 MB.
_WEIGHTS_AT_A_TIME = 4_000_000
_NORMAL = 1.959963984540054  # 97.5 % of the normal distribution lie below


# The least and the most that a figure can be.
Limits = tuple[float | None, float | None]
SHARE: Limits = (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Several figures of weighted tasks; ``of`` gives one row of them for each row of weights.

    ``n`` is the number of tasks behind each; a figure that is undefined is NaN. ``limits`` are what
    more tasks could pull a figure down and up to, None where nothing holds it; 0 and 1 if left out.
    """

    names: tuple[str, ...]
    of: Callable[[FloatArray], FloatArray]
    n: tuple[int, ...]
    limits: tuple[Limits, ...] = ()


def estimated(figures: Iterable[Figures], tasks: int, seed: int = 0) -> dict[str, Estimate]:
    """Every figure with its 95 % interval over resampled tasks, all of them of the same draws.

    Resamples in which a figure is undefined are left out of its interval. Where all of them are
    equal, because all tasks are alike or there is one, the bounds are those of four (1.96²) more
    tasks at the worst and at the best, as Wilson's interval has it for a share of 0 or 1.
    """
    every = list(figures)
    if tasks == 0:
        nothing = Estimate(value=None, low=None, high=None, n=0)
        return {name: nothing for each in every for name in each.names}
    values = _rows(every, np.ones((1, tasks)))[0]
    repeats = np.vstack([_rows(every, weights) for weights in resamples(tasks, seed)])
    columns = zip(values.tolist(), repeats.T, strict=True)
    return {
        name: _estimate(*next(columns), limits, n)
        for each in every
        for name, limits, n in zip(
            each.names, each.limits or (SHARE,) * len(each.names), each.n, strict=True
        )
    }


def resamples(tasks: int, seed: int) -> Iterator[FloatArray]:
    """How often each task is drawn in each of ``REPEATS`` resamples, some resamples at a time."""
    rng = np.random.default_rng(seed)
    shares = np.full(tasks, 1 / tasks)
    step = max(1, _WEIGHTS_AT_A_TIME // tasks)
    for first in range(0, REPEATS, step):
        size = min(step, REPEATS - first)
        yield rng.multinomial(tasks, shares, size=size).astype(np.float64)


def ratios(
    names: Sequence[str], tasks: IntArray, above: FloatArray, below: FloatArray, *, size: int
) -> Figures:
    """Sum of ``above`` by sum of ``below``, a column for each name and a row for each observation.

    ``tasks`` says whose each observation is, of ``size``; undefined where ``below`` sums to 0.
    """
    width = len(names)
    cells = (np.repeat(tasks, width), np.tile(np.arange(width), len(tasks)))
    shape = (size, width)
    return ratios_of_sums(
        names,
        csr_array((above.ravel(), cells), shape=shape),
        csr_array((below.ravel(), cells), shape=shape),
    )


def ratios_of_sums(names: Sequence[str], above: csr_array, below: csr_array) -> Figures:
    """The same, of sums that have a row for each task."""

    def of(weights: FloatArray) -> FloatArray:
        return divided(weights @ above, weights @ below)

    n = tuple(int(count) for count in np.asarray((below > 0).sum(axis=0)).ravel())
    return Figures(names=tuple(names), of=of, n=n)


def divided(above: FloatArray, below: FloatArray) -> FloatArray:
    """The quotient, NaN where it is undefined.

    >>> divided(np.array([1.0, 1.0]), np.array([4.0, 0.0])).tolist()
    [0.25, nan]
    """
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _rows(figures: Sequence[Figures], weights: FloatArray) -> FloatArray:
    return np.hstack([each.of(weights) for each in figures])


def _estimate(value: float, repeats: FloatArray, limits: Limits, n: int) -> Estimate:
    if np.isnan(value):
        return Estimate(value=None, low=None, high=None, n=n)
    defined = repeats[~np.isnan(repeats)]
    if len(defined) and np.ptp(defined) > 1e-12:
        tail = _tail(n)
        bounds = np.quantile(defined, [tail, 1 - tail])
        return Estimate(value=value, low=float(bounds[0]), high=float(bounds[1]), n=n)
    more = _NORMAL**2
    low, high = (
        None if limit is None else (n * value + more * limit) / (n + more) for limit in limits
    )
    return Estimate(value=value, low=low, high=high, n=n)


def _tail(n: int) -> float:
    """The share of resamples beyond each bound: 2.5 %, and less where tasks are few.

    Resamples of n tasks spread too little; the wider quantiles are those of Hesterberg 2015, "What
    Teachers Should Know About the Bootstrap", section 5.3: as much as Student's t beats the normal.
    """
    if n < 2:
        return 0.0
    return float(norm.cdf(-math.sqrt(n / (n - 1)) * t.ppf(0.975, n - 1)))
