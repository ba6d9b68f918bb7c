"""How time and memory grow with the rows: every work at 10,000, 100,000 and 1,000,000 of them.

At 10,000,000 those of ``AT_LARGEST``: sync, decide, the measures, the audit, the pages.

Each work runs at each size in a process of its own. The exponent is that of ``time ~ rows ** x``
between the two largest sizes at which it ran: 1 is linear, 0 does not depend on the rows at all.
What takes less than a tenth of a second, or 20 MB, at the largest size has none.

The normal form stops at 100,000 for what hashes or measures every row (``DEAR``); with ``--sizes``
given all run at all of them: ``--sizes 10000,100000,1000000,10000000`` is the full form. ``--only
PART`` takes the works with this in their names, ``--postgresql`` keeps the filled stores in a real
PostgreSQL, as the tests find or start one.
Run: ``python -m benchmarks.growth``.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.growth.measuring import FILL, Measured, measured
from benchmarks.growth.works import COLUMNS, OWN, STORED
from benchmarks.results import Row, finish, is_quick, told
from tests.real_servers import new_database, postgresql

LARGEST = 10_000_000
SIZES, QUICK_SIZES = (10_000, 100_000, 1_000_000, LARGEST), (1_000, 10_000)
MOST_EXPONENT = 1.2  # sorting, and rows that no longer fit the processor's memory
LEAST_S, LEAST_MB = 0.1, 20.0
# Minutes each at a million rows, on a quiet machine: hashes, resamples, three measured looks.
DEAR = frozenset(
    {
        "route, all new",
        "verify the ledger",
        "job agreement",
        "job agreement, one answer more",
        "job corrections, one answer more",
        "job route, all anew",
        "job route, one task more",
    }
)
AT_LARGEST = frozenset(
    {
        "decide",
        "agreement of ratings",
        "consensus",
        "threshold",
        "sync, all new",
        "nothing",
        "job audit",
        "job counts",
        "page /projects/{project}",
        "page /projects/{project}/decisions",
        "page /projects/{project}/decisions?label=refund",
        "page /projects/{project}/models",
    }
)


def main() -> None:
    """Print a line for each run, then the exponents; 1 where something grows too fast."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", help="numbers of rows, with commas between; default: as above")
    parser.add_argument("--only", default="", help="a part of the works' names")
    parser.add_argument("--postgresql", action="store_true", help="instead of SQLite")
    parser.add_argument("--folder", type=Path, help="where the stores are made; default: /tmp")
    asked = parser.parse_args()
    normal = QUICK_SIZES if is_quick() else SIZES
    sizes = sorted(int(size) for size in asked.sizes.split(",")) if asked.sizes else normal
    chosen = asked.sizes is not None or is_quick()
    found: dict[str, list[Measured]] = {}
    for size in sizes:
        names = [name for name in _works(size, every=chosen) if asked.only in name]
        for each in _at(size, names, asked):
            found.setdefault(each.work, []).append(each)
            print(_line(each), flush=True)
    finish([_row(work, runs) for work, runs in found.items()])


def _works(size: int, *, every: bool) -> list[str]:
    """What runs at a size: all, or what the normal form has time for."""
    return [
        name
        for name in (*COLUMNS, *OWN, *STORED)
        if every or (name in AT_LARGEST if size >= LARGEST else size < SIZES[2] or name not in DEAR)
    ]


def _at(size: int, names: Sequence[str], asked: argparse.Namespace) -> Iterator[Measured]:
    with ExitStack() as stack:
        made = tempfile.TemporaryDirectory(dir=asked.folder, prefix="growth-")
        folder = Path(stack.enter_context(made))
        database = None
        if asked.postgresql:
            server = stack.enter_context(postgresql(folder / "server"))
            if server is None:
                raise SystemExit("no PostgreSQL: install its server (Debian: postgresql)")
            database = stack.enter_context(new_database(server))
        for work in names:
            if work not in STORED:
                yield measured(work, size, folder, None)
        stored = [work for work in names if work in STORED]
        for work in [FILL, *stored] if stored else []:
            yield measured(work, size, folder, database)


def _row(work: str, runs: Sequence[Measured]) -> Row:
    last = runs[-1]
    time = exponent(runs, [each.cpu_s for each in runs], LEAST_S)
    memory = exponent(runs, [each.own_mb for each in runs], LEAST_MB)
    seconds = ", ".join(f"{run.cpu_s:.2f}" for run in runs)
    sizes = ", ".join(f"{run.size:,}" for run in runs)
    figure = f"{seconds} s at {sizes} rows; {last.own_mb:,.0f} MB at the last"
    if time is None and memory is None:
        return told(work, figure=figure)
    grows = ", ".join(
        f"{name} by rows ** {value:.2f}"
        for name, value in (("time", time), ("memory", memory))
        if value is not None
    )
    worst = max(time or 0.0, memory or 0.0)
    return Row(
        name=work,
        figure=figure,
        peer=grows,
        ratio=worst,
        limit=f"at most rows ** {MOST_EXPONENT:g}",
        held=worst <= MOST_EXPONENT,
    )


def exponent(runs: Sequence[Measured], values: Sequence[float], least: float) -> float | None:
    """The exponent between the two largest sizes; None where there is one, or too little to tell.

    A value under ``least`` counts as ``least``: what is small is noise and fixed costs.
    """
    if len(runs) < 2 or values[-1] < least:
        return None
    low, high = max(values[-2], least), values[-1]
    return math.log(high / low) / math.log(runs[-1].size / runs[-2].size)


def _line(each: Measured) -> str:
    return (
        f"{each.work:62} {each.size:>11,} {each.cpu_s:9.2f} s {each.wall_s:9.2f} s "
        f"{each.own_mb:8,.0f} MB of {each.peak_mb:8,.0f} MB"
    )


if __name__ == "__main__":
    main()
