"""1,000 projects, 100 million decisions, 10,000 inferences a second: what it takes, what breaks.

Sizes, processor time and log of one row are measured on a real PostgreSQL and a real web process
here; the rest is a model (``benchmarks.scale_model``), whose inputs are printed. docs/scale.md
tells what follows.
Run: ``python -m benchmarks.scale [--rows N] [--most N] [--prices FILE]``, FILE being JSON with the
names of ``Prices``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.results import Row, finish, is_quick, told
from benchmarks.scale_model import (
    Bought,
    Costs,
    Keeping,
    Layout,
    Prices,
    Store,
    Traffic,
    capacity,
    databases_needed,
    intake,
    month,
    sampling_delay_s,
    store,
)
from benchmarks.scale_rows import forget_s, largest_of, measured_rows, wear_of
from benchmarks.scale_store import StoreFigures, measure
from benchmarks.scale_web import WebFigures, measure_web
from tests.real_servers import new_database, postgresql

GB = 1e9
TRAFFIC = Traffic(per_s=10_000)
DECISIONS, DECISIONS_A_TASK = 100_000_000, 3.7  # as in the large store: 270,000 tasks a million
# One database: what it may hold and do, and how much of its memory is there for indexes.
CORES, MEMORY_GB, DISK_GB, READS_S, FOR_INDEXES = 32, 256, 16_000, 64_000, 0.6
SMALL = Layout(web=2, workers=2, cores=16)
SMALL_MEMORY_GB, SMALL_DISK_GB, SMALL_READS_S = 64, 2_000, 16_000
LOG_DAYS = 7  # of the write-ahead log in the archive, to go back to any moment of them
MOST_AGE_S = 120.0  # of an answer that nobody has looked at yet
CROWDED = 0.6  # of its cores a database is given no more work


def main() -> None:
    """Measure, play, print; fails where a row grows dearer with their number."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000 if is_quick() else 100_000)
    parser.add_argument("--most", type=int, default=40_000 if is_quick() else 1_000_000)
    parser.add_argument("--prices", type=Path)
    asked = parser.parse_args()
    given = json.loads(asked.prices.read_text(encoding="utf-8")) if asked.prices else {}
    with tempfile.TemporaryDirectory() as name, postgresql(Path(name)) as url:
        if url is None:
            why = "no PostgreSQL: install its server, or start one on its port"
            finish([told("1,000 projects", figure=f"not measured: {why}")])
        folder = Path(name) / "data"
        folder.mkdir()
        with new_database(url) as database:
            web = measure_web(database, folder, batch=TRAFFIC.batch, batches=asked.rows // 1_000)
        with new_database(url) as database:
            measured = measure(database, folder, rows=asked.rows, most=asked.most)
    costs = _costs(web, measured)
    rows = [*measured_rows(web, measured, asked.rows), *_breaking(costs, measured)]
    rows += _ways(costs, measured, Prices(**given))
    finish(rows)


def _costs(web: WebFigures, measured: StoreFigures) -> Costs:
    return Costs(
        web_s=web.own_s,
        database_s=web.database_s,
        log_bytes=measured.intake.log_bytes,
        sampling_s=measured.sampling.own_s,
        sampling_database_s=measured.sampling.database_s,
        sampling_log_bytes=measured.sampling.log_bytes,
        commit_s=measured.commit_s,
    )


def _kept(measured: StoreFigures, name: str, stored: float, days: float) -> Keeping:
    """A way of keeping; each row is written anew once, when a job looks at it."""
    new = largest_of(measured, "inferences")
    worn = wear_of(measured, "inferences")
    heap = measured.without_data if "ids" in name else new.heap
    random = next(size for index, size in new.indexes.items() if "inference_id" in index)
    return Keeping(
        name=name,
        stored=stored,
        days=days,
        bytes=(heap + new.total - new.heap) * worn,
        random_index_bytes=random,
    )


def _breaking(costs: Costs, measured: StoreFigures) -> list[Row]:
    """At which rate each part of a small installation gives out, in order."""
    most, played = capacity(costs, TRAFFIC, SMALL)
    kept = _kept(measured, "all", 1.0, 30)
    day_rows = 86_400 * kept.days
    outgrown = SMALL_MEMORY_GB * GB * FOR_INDEXES / (day_rows * kept.random_index_bytes)
    limits = {
        f"{SMALL.web} web processes refuse batches (simulated)": most,
        f"{SMALL.workers} workers fall behind (simulated)": _worked(costs, SMALL),
        f"the disk of {SMALL_DISK_GB:,} GB is full in 30 days": SMALL_DISK_GB
        * GB
        / (day_rows * kept.bytes),
        f"the index over ids, outgrown {SMALL_MEMORY_GB} GB at {outgrown:,.0f} a second, asks for "
        f"{SMALL_READS_S:,} reads a second": SMALL_READS_S / TRAFFIC.peak + outgrown,
        f"{SMALL.cores} cores of the database are busy": CROWDED
        * SMALL.cores
        / ((costs.database_s + costs.sampling_database_s) * TRAFFIC.peak),
        "the largest project's batches wait for one another": 1
        / (TRAFFIC.shares()[0] * TRAFFIC.peak)
        / (costs.database_s + costs.commit_s / TRAFFIC.batch),
    }
    print("\n| inferences a second | what gives out |\n|---|---|")
    for what, rate in sorted(limits.items(), key=lambda each: each[1]):
        print(f"| {rate:,.0f} | {what} |")
    print(
        f"at {most:,.0f} a second: p50 {played.p50_s * 1e3:.0f} ms, p99 {played.p99_s * 1e3:.0f} ms"
    )
    first = min(limits, key=lambda each: limits[each])
    return [told("what breaks first", figure=f"{limits[first]:,.0f} a second: {first}")]


def _worked(costs: Costs, layout: Layout) -> float:
    """The most inferences a second that the workers look at in time."""
    low, high = 100.0, 1_000_000.0
    for _ in range(12):
        middle = (low * high) ** 0.5
        age, _ = sampling_delay_s(costs, replace(TRAFFIC, per_s=middle), layout, hours=0.5)
        low, high = (middle, high) if age <= MOST_AGE_S else (low, middle)
    return low


def _ways(costs: Costs, measured: StoreFigures, prices: Prices) -> list[Row]:
    """What 10,000 a second take, by how much of it is stored."""
    ways = (
        _kept(measured, "all, 30 days", 1.0, 30),
        _kept(measured, "all, 7 days", 1.0, 7),
        _kept(measured, "ids alone, 30 days", 1.0, 30),
        _kept(measured, "a tenth is sent, 30 days", 0.1, 30),
        _kept(measured, "a hundredth is sent, 90 days", 0.01, 90),
    )
    task = largest_of(measured, "tasks").total * wear_of(measured, "tasks")
    task += largest_of(measured, "deliveries").total
    ledger = DECISIONS * (largest_of(measured, "decisions").total + task / DECISIONS_A_TASK)
    print(f"\n100 million decisions with tasks and deliveries: {ledger / GB:,.0f} GB")
    print(
        "\n| kept | rows | inferences | index over ids | databases | web | workers | p99 "
        "| a month |\n|---|---|---|---|---|---|---|---|---|"
    )
    return [_way(way, costs, measured, prices, ledger) for way in ways]


def _way(way: Keeping, costs: Costs, measured: StoreFigures, prices: Prices, ledger: float) -> Row:
    traffic = replace(TRAFFIC, per_s=TRAFFIC.per_s * way.stored)
    databases, needs = _databases(way, costs, measured, ledger)
    layout = _layout(costs, traffic, databases)
    played = intake(costs, traffic, layout)
    kept = _stored(way, costs, measured, databases)
    bought = Bought(
        cores=2 * databases * CORES + layout.web + layout.workers,
        memory_gb=2 * databases * MEMORY_GB + 2 * layout.web + 4 * layout.workers,
        disk_gb=2 * (kept.bytes + ledger) / GB / 0.8,
        reads_s=2 * kept.reads_s,
        archive_gb=LOG_DAYS * kept.log_bytes_day / GB,
    )
    parts = month(prices, bought)
    print(
        f"| {way.name} | {kept.rows / 1e9:,.2f} billion | {kept.bytes / 1e12:,.1f} TB | "
        f"{kept.random_index_bytes / GB:,.0f} GB | {databases} | {layout.web} | {layout.workers} | "
        f"{played.p99_s * 1e3:.0f} ms | ${parts['all']:,.0f} |"
    )
    told_parts = ", ".join(f"{name} ${parts[name]:,.0f}" for name in parts if name != "all")
    return told(
        f"10,000 inferences a second, {way.name}",
        figure=f"${parts['all']:,.0f} a month ({told_parts}), {databases} databases for the "
        f"{max(needs, key=lambda each: needs[each])}",
    )


def _stored(way: Keeping, costs: Costs, measured: StoreFigures, databases: int) -> Store:
    return store(
        way,
        TRAFFIC,
        costs,
        memory_bytes=databases * MEMORY_GB * GB * FOR_INDEXES,
        forget_s=forget_s(measured),
    )


def _databases(
    way: Keeping, costs: Costs, measured: StoreFigures, ledger: float
) -> tuple[int, dict[str, float]]:
    """How many databases, and what each need alone would ask for."""
    row_s = costs.database_s + costs.sampling_database_s
    number = 1
    while True:
        kept = _stored(way, costs, measured, number)
        busy = TRAFFIC.per_s * way.stored * TRAFFIC.peak * row_s + kept.forgetting_cores
        needs = {
            "disks": (kept.bytes + ledger) / (0.8 * DISK_GB * GB),
            "cores": busy / (CROWDED * CORES),
            "reads of the index": kept.reads_s / READS_S,
        }
        needed = databases_needed(list(needs.values()))
        if needed <= number:
            return number, needs
        number += 1


def _layout(costs: Costs, traffic: Traffic, databases: int) -> Layout:
    """The fewest web processes and workers that keep up in the busiest hour, one to spare each."""
    web = 1
    while (
        capacity(costs, traffic, Layout(web=web, workers=1, databases=databases, cores=CORES))[0]
        < traffic.per_s
    ):
        web += 1
    workers = 1
    while (
        sampling_delay_s(costs, traffic, Layout(web=web, workers=workers), hours=0.5)[0]
        > MOST_AGE_S
    ):
        workers += 1
    return Layout(web=web + 1, workers=workers + 1, databases=databases, cores=CORES)


if __name__ == "__main__":
    main()
