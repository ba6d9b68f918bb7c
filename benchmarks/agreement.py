"""Agreement of 500,000 ratings against the ``krippendorff`` package, and of 4,000,000 in seconds.

The package gets the table of raters and units that it wants, Labelgate the ratings in columns; both
values must be equal to nine digits. The package gives the value alone, so that is what is compared
first; below it the value with its interval of 1,000 resamples, for which the package would have to
be called 1,000 times. Then the whole report of 4,000,000 ratings by 5 raters, a fifth of them
missing, and its largest memory. Times are of the processor; the best of five.
Run: ``python -m benchmarks.agreement``.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable

import krippendorff
import numpy as np

from audit_jobs.agreement.votes import votes_agreement
from audit_jobs.measures.alpha import alpha_value, krippendorff_alpha
from audit_jobs.measures.distances import Level
from audit_jobs.measures.patterns import patterns_of
from audit_jobs.measures.ratings import Ratings
from policies.domain import FloatArray

RATERS = 5
UNITS = 100_000
MANY_UNITS = 1_000_000
LEAST_RATIO = 5.0
MOST_SECONDS = 5.0


def table(units: int, labels: int, missing: float, seed: int = 1) -> FloatArray:
    """Raters down, units across: labels as numbers, NaN where one is missing."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, labels, units)
    said = np.where(
        random.random((RATERS, units)) < 0.7, truth, random.integers(0, labels, (RATERS, units))
    )
    return np.where(random.random((RATERS, units)) < missing, np.nan, said)


def columns(said: FloatArray) -> Ratings:
    """The same as ratings, a unit after the other, as a file has them."""
    units, raters = np.nonzero(~np.isnan(said.T))
    labels = int(np.nanmax(said)) + 1
    return Ratings(
        units=units,
        raters=raters,
        values=said.T[units, raters].astype(np.int64),
        unit_names=tuple(map(str, range(said.shape[1]))),
        rater_names=tuple(map(str, range(len(said)))),
        categories=tuple(map(str, range(labels))),
        dropped=0,
    )


def timed(work: Callable[[], object], times: int = 5) -> float:
    """CPU seconds, the best of some runs."""
    found = []
    for _ in range(times):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def theirs(said: FloatArray, level: Level) -> float:
    """The package's alpha."""
    return float(krippendorff.alpha(reliability_data=said, level_of_measurement=level.value))


def compared(labels: int, missing: float, level: Level) -> float:
    """Print the times; how many times faster Labelgate gives the value."""
    said = table(UNITS, labels, missing)
    ratings = columns(said)
    value = alpha_value(patterns_of(ratings), level)
    assert value is not None
    assert abs(value - theirs(said, level)) < 1e-9
    here = timed(lambda: alpha_value(patterns_of(ratings), level))
    with_interval = timed(lambda: krippendorff_alpha(patterns_of(ratings), level))
    there = timed(lambda: theirs(said, level))
    print(
        f"{len(ratings):,} ratings, {labels} labels, {level.value}: {here * 1e3:.1f} ms, "
        f"krippendorff {there / here:.1f} times as long ({there * 1e3:.0f} ms)\n"
        f"  with the interval: {with_interval * 1e3:.0f} ms; krippendorff's value alone takes "
        f"{there / with_interval:.1f} times as long, "
        f"1,000 of them {1e3 * there / with_interval:,.0f}"
    )
    return there / here


def peak_memory(work: Callable[[], object]) -> float:
    """The most memory that the work holds at a time beyond what was there before, in MB."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def main() -> int:
    """Print the figures; 1 where a limit is broken."""
    ratio = compared(5, 0.0, Level.NOMINAL)
    compared(5, 0.2, Level.NOMINAL)
    compared(20, 0.0, Level.NOMINAL)
    compared(5, 0.0, Level.INTERVAL)
    ratings = columns(table(MANY_UNITS, 5, 0.2))
    alpha = timed(lambda: krippendorff_alpha(patterns_of(ratings)), times=1)
    report = timed(lambda: votes_agreement(ratings, Level.NOMINAL), times=1)
    held = sum(column.nbytes for column in (ratings.units, ratings.raters, ratings.values)) / 1e6
    peak = peak_memory(lambda: votes_agreement(ratings, Level.NOMINAL))
    print(f"{len(ratings):,} ratings: alpha {alpha:.2f} s, the whole report {report:.2f} s")
    print(f"peak memory {peak:,.0f} MB beside the {held:,.0f} MB of the ratings")
    return 0 if ratio >= LEAST_RATIO and report <= MOST_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
