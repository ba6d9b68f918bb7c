"""How time and memory grow with the rows: every work at 10,000, 100,000 and 1,000,000 of them.

Each work runs at each size in a process of its own. The exponent is that of ``time ~ rows ** x``
between the two largest sizes: 1 is linear, 0 does not depend on the rows at all. What takes less
than a tenth of a second at the largest size has none.
Run: ``python -m benchmarks.growth``; ``--sizes 10000,100000,1000000,10000000`` for the full form,
``--only NAME`` for some works, ``--database URL`` (an empty PostgreSQL) for the stored ones.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.growth.measuring import FILL, Measured, measured
from benchmarks.growth.works import COLUMNS, OWN, STORED

SIZES = (10_000, 100_000, 1_000_000)
MOST_EXPONENT = 1.15
_LEAST_S, _LEAST_MB = 0.1, 20.0
# In the normal form these stop a size earlier: a ledger of a million hashes takes minutes.
_DEAR = frozenset({"route, all new", "verify the ledger"})


def main() -> int:
    """Print the table; 1 where something grows faster than its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--only", help="a part of the works' names")
    parser.add_argument("--database", help="URL of an empty database; default: SQLite")
    parser.add_argument("--folder", type=Path, help="where the stores are made; default: /tmp")
    asked = parser.parse_args()
    sizes = sorted(int(size) for size in asked.sizes.split(","))
    rows: dict[str, list[Measured]] = {}
    for size in sizes:
        for each in _at(size, asked, last=size == sizes[-1] and len(sizes) > 1):
            rows.setdefault(each.work, []).append(each)
            print(
                f"{each.work:62} {each.size:>11,} {each.cpu_s:9.2f} s {each.wall_s:9.2f} s "
                f"{each.own_mb:8,.0f} MB of {each.peak_mb:8,.0f} MB",
                flush=True,
            )
    return _judged(rows)


def _at(size: int, asked: argparse.Namespace, *, last: bool) -> Iterable[Measured]:
    def wanted(names: Iterable[str]) -> list[str]:
        return [name for name in names if asked.only is None or asked.only in name]

    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="growth-") as name:
        folder = Path(name)
        for work in wanted([*COLUMNS, *OWN]):
            if not (last and work in _DEAR and asked.only is None):
                yield measured(work, size, folder, None)
        stored = wanted(STORED)
        if stored:
            yield measured(FILL, size, folder, asked.database)
        for work in stored:
            yield measured(work, size, folder, asked.database)


def _judged(rows: dict[str, list[Measured]]) -> int:
    print(f"\n{'work':62} {'time grows by':>14} {'memory by':>10}")
    over = []
    for work, found in rows.items():
        time = exponent(found, [each.cpu_s for each in found], _LEAST_S)
        memory = exponent(found, [each.own_mb for each in found], _LEAST_MB)
        print(f"{work:62} {_told(time):>14} {_told(memory):>10}")
        if max(time or 0.0, memory or 0.0) > MOST_EXPONENT:
            over.append(work)
    if over:
        print(f"more than rows ** {MOST_EXPONENT}: {', '.join(over)}")
    return 1 if over else 0


def exponent(found: Sequence[Measured], values: Sequence[float], least: float) -> float | None:
    """The exponent between the two largest sizes; None where there is one, or too little to tell.

    A value under ``least`` counts as ``least``: what is small is noise and fixed costs.
    """
    if len(found) < 2 or values[-1] < least:
        return None
    low, high = max(values[-2], least), values[-1]
    return math.log(high / low) / math.log(found[-1].size / found[-2].size)


def _told(grows: float | None) -> str:
    return "-" if grows is None else f"n ** {grows:.2f}"


if __name__ == "__main__":
    sys.exit(main())
