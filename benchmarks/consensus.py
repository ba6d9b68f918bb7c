"""Consensus of 4,000,000 ratings: Dawid-Skene against majority on the same ratings, with memory.

There is no peer among the dependencies, so the figures are ratios to majority and to the ratings.
Each method runs in a process of its own, so that its peak of memory is its own; the peak of a
process that only makes the ratings stands beside it. A third of the raters are spammers.
Run: ``python -m benchmarks.consensus``.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import orjson

from audit_jobs.measures.consensus import Consensus, majority, weighted
from audit_jobs.measures.dawid_skene import dawid_skene
from audit_jobs.measures.one_coin import one_coin
from audit_jobs.measures.ratings import Ratings
from policies.domain import IntArray

UNITS = 1_000_000
ANSWERS = 4
RATERS = 2_000
LABELS = 5
MOST_RATIO = 15.0  # Dawid-Skene by majority
METHODS: dict[str, Callable[[Ratings], Consensus]] = {
    "majority": majority,
    "weighted": weighted,
    "one-coin": one_coin,
    "dawid-skene": dawid_skene,
}


def crowd(seed: int = 0, units: int = UNITS) -> tuple[Ratings, IntArray]:
    """Ratings with their truth; raters of a unit differ, as whole numbers a fixed step apart."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, LABELS, units)
    unit = np.repeat(np.arange(units), ANSWERS)
    first, step = random.integers(0, RATERS, units), random.integers(1, RATERS // ANSWERS, units)
    raters = (first[unit] + step[unit] * np.tile(np.arange(ANSWERS), units)) % RATERS
    skill = random.uniform(0.6, 0.95, RATERS)
    skill[: RATERS // 3] = 1 / LABELS
    right = random.random(len(unit)) < skill[raters]
    values = np.where(right, truth[unit], random.integers(0, LABELS, len(unit)))
    ratings = Ratings(
        units=unit,
        raters=raters,
        values=values,
        unit_names=tuple(map(str, range(units))),
        rater_names=tuple(map(str, range(RATERS))),
        categories=tuple(map(str, range(LABELS))),
        dropped=0,
    )
    return ratings, truth


def measure(name: str) -> None:
    """Print the figures of one method as JSON; ``ratings`` only makes them."""
    ratings, truth = crowd()
    figures: dict[str, float] = {}
    if name in METHODS:
        start = time.process_time()
        found = METHODS[name](ratings)
        figures["seconds"] = time.process_time() - start
        figures["accuracy"] = float((found.labels == truth).mean())
        figures["converged"] = found.converged
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(orjson.dumps(figures).decode())


def main() -> None:
    """Print time, memory and accuracy of every method; fail past the limit."""
    if len(sys.argv) > 1:
        measure(sys.argv[1])
        return
    print(f"{UNITS * ANSWERS:,} ratings of {UNITS:,} units by {RATERS:,} raters, {LABELS} labels")
    found = {}
    for name in ("ratings", *METHODS):
        command = [sys.executable, "-m", "benchmarks.consensus", name]
        run = subprocess.run(command, capture_output=True, check=True)
        found[name] = orjson.loads(run.stdout)
    base = found.pop("ratings")["peak_mb"]
    plain = found["majority"]["seconds"]
    print(f"the ratings alone: peak {base:,.0f} MB")
    for name, each in found.items():
        print(
            f"{name}: {each['seconds']:.1f} s, {each['seconds'] / plain:.1f} times majority; "
            f"peak {each['peak_mb']:,.0f} MB, {each['peak_mb'] / base:.1f} times the ratings; "
            f"{each['accuracy']:.4f} right, converged: {bool(each['converged'])}"
        )
    ratio = found["dawid-skene"]["seconds"] / plain
    if ratio > MOST_RATIO:
        sys.exit(f"Dawid-Skene takes {ratio:.1f} times as long as majority, most {MOST_RATIO:g}")


if __name__ == "__main__":
    main()
