"""A model of many projects on many machines, fed by figures that were measured on one.

Batches of inferences come at random times (Poisson) for projects of very different size (Zipf). A
web process takes one batch at a time, from its first byte to the answer, and lets three more wait,
as ``backend.inferences.turns`` does; it refuses the rest with 429. In the database batches of one
project wait for one another (``write_alone``), and all wait for a core and for the log's disk.
Workers take an order a project and round. Nothing here knows a machine: all comes as figures.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400
WAITING = 3  # batches that a web process lets wait: half of its 8 threads, less the one at work
MOST_REFUSED = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Seconds and bytes of one row, and of one request or order, whatever it holds."""

    web_s: float
    database_s: float
    log_bytes: float
    sampling_s: float
    sampling_database_s: float
    sampling_log_bytes: float
    commit_s: float
    request_s: float = 0.0
    order_s: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Inferences a second on average; ``peak`` is how much more come in the busiest hour."""

    per_s: float
    projects: int = 1_000
    batch: int = 500
    peak: float = 2.0
    zipf: float = 1.0

    def shares(self) -> NDArray[np.float64]:
        """Each project's share of the traffic, the largest first."""
        weights = 1 / np.arange(1, self.projects + 1) ** self.zipf
        return np.asarray(weights / weights.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What runs: web processes and workers in all; cores and disk of each database."""

    web: int
    workers: int
    databases: int = 1
    cores: int = 16
    disk_bytes_s: float = 500e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Seconds from the first byte to the answer, the share refused, and how busy each part was.

    ``refused`` is of all batches; ``busy`` names shares of the time, the hottest database's.
    """

    p50_s: float
    p99_s: float
    refused: float
    busy: dict[str, float]


def intake(
    costs: Costs, traffic: Traffic, layout: Layout, *, seconds: float = 30.0, seed: int = 9
) -> Intake:
    """Play the busiest hour's first ``seconds``: every batch through web process and database."""
    rng = np.random.default_rng(seed)
    rate = traffic.per_s * traffic.peak / traffic.batch
    count = max(200, int(rate * seconds))
    times = np.cumsum(rng.exponential(1 / rate, count))
    projects = rng.choice(traffic.projects, count, p=traffic.shares())
    webs = rng.integers(layout.web, size=count)
    # What one takes varies as service times do: half of the mean either way.
    own = (traffic.batch * costs.web_s + costs.request_s) * rng.uniform(0.5, 1.5, count)
    there = traffic.batch * costs.database_s * rng.uniform(0.5, 1.5, count)
    log = traffic.batch * costs.log_bytes / layout.disk_bytes_s
    queues: list[list[float]] = [[] for _ in range(layout.web)]
    free = np.zeros(layout.web)
    cores = [[0.0] * layout.cores for _ in range(layout.databases)]
    disks = np.zeros(layout.databases)
    locks: dict[int, float] = {}
    took, refused, held = [], 0, 0.0
    for at, project, web, own_s, there_s in zip(times, projects, webs, own, there, strict=True):
        ahead = [end for end in queues[web] if end > at]
        if len(ahead) > WAITING:
            queues[web], refused = ahead, refused + 1
            continue
        database = project % layout.databases
        begun = max(at, free[web])
        ready = max(begun + own_s, locks.get(project, 0.0))
        core = heapq.heappop(cores[database])
        done = max(ready, core) + there_s
        heapq.heappush(cores[database], done)
        disks[database] = max(disks[database], done) + log
        end = disks[database] + costs.commit_s
        locks[project] = free[web] = end
        queues[web] = [*ahead, end]
        held += end - begun
        took.append(end - at)
    spread = _largest_share(traffic, layout) * rate
    busy = {
        "web processes": held / (times[-1] * layout.web),
        "database cores": spread * traffic.batch * costs.database_s / layout.cores,
        "log disk": spread * log,
        "largest project": rate
        * traffic.shares()[0]
        * (traffic.batch * costs.database_s + log + costs.commit_s),
    }
    p50, p99 = np.quantile(took, (0.5, 0.99))
    return Intake(p50_s=float(p50), p99_s=float(p99), refused=refused / count, busy=busy)


def _largest_share(traffic: Traffic, layout: Layout) -> float:
    """The share of the database that has most of the traffic."""
    homes = np.arange(traffic.projects) % layout.databases
    return float(np.bincount(homes, weights=traffic.shares()).max())


def capacity(costs: Costs, traffic: Traffic, layout: Layout) -> tuple[float, Intake]:
    """The most inferences a second, on average, of which none of a thousand is refused."""
    low, high = 100.0, 1_000_000.0
    best = intake(costs, replace(traffic, per_s=low), layout)
    for _ in range(14):
        middle = (low * high) ** 0.5
        played = intake(costs, replace(traffic, per_s=middle), layout, seconds=10)
        if played.refused <= MOST_REFUSED:
            low, best = middle, played
        else:
            high = middle
    return low, best


def sampling_delay_s(
    costs: Costs, traffic: Traffic, layout: Layout, *, hours: float = 2.0, round_s: float = 30.0
) -> tuple[float, float]:
    """How old the oldest answer is when a job looks at it, 99th percentile; how busy workers are.

    An order for each project that has something waiting, each round; a project's next one waits
    for the one before (its lease), and an answer for both.
    """
    rates = traffic.per_s * traffic.peak * traffic.shares()
    row_s = costs.sampling_s + costs.sampling_database_s
    free = [0.0] * layout.workers
    ended = np.zeros(traffic.projects)
    seen = np.zeros(traffic.projects)  # until when what came was looked at
    ages, worked = [], 0.0
    for turn in range(1, int(hours * 3_600 / round_s) + 1):
        now = turn * round_s
        for project in range(traffic.projects):
            if ended[project] > now:
                continue  # at work still: its next order takes what came meanwhile
            begun = max(now, heapq.heappop(free))
            work = rates[project] * (begun - seen[project]) * row_s + costs.order_s
            heapq.heappush(free, begun + work)
            ages.append(begun + work - seen[project])
            seen[project], ended[project] = begun, begun + work
            worked += work
    busy = worked / (hours * 3_600 * layout.workers)
    return float(np.quantile(ages, 0.99)), busy


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How much of what comes is stored, and for how long; ``bytes`` of a row with its indexes.

    ``random_index_bytes`` of a row are of the index over the senders' ids, which come in no order.
    """

    name: str
    stored: float
    days: float
    bytes: float
    random_index_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """What a way of keeping asks of the databases, all together."""

    rows: float
    bytes: float
    random_index_bytes: float
    reads_s: float
    forgetting_cores: float
    log_bytes_day: float


def store(
    keeping: Keeping, traffic: Traffic, costs: Costs, *, memory_bytes: float, forget_s: float
) -> Store:
    """The steady state: as much is forgotten as comes. ``memory_bytes`` holds indexes, of all.

    What of the index over ids is not in memory is read from disk for a new id: one page each.
    """
    per_s = traffic.per_s * keeping.stored
    rows = per_s * DAY_S * keeping.days
    index = rows * keeping.random_index_bytes
    missed = max(0.0, 1 - memory_bytes / index) if index else 0.0
    return Store(
        rows=rows,
        bytes=rows * keeping.bytes,
        random_index_bytes=index,
        reads_s=per_s * traffic.peak * missed,
        forgetting_cores=per_s * forget_s,
        log_bytes_day=per_s * DAY_S * (costs.log_bytes + costs.sampling_log_bytes),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """US dollars a month: inputs, round figures of the order that large clouds ask."""

    core: float = 25.0
    memory_gb: float = 3.0
    disk_gb: float = 0.12
    reads_1000_s: float = 6.0
    archive_gb: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """What is paid for, standbys included; ``reads_s`` are reads of disk a second."""

    cores: float
    memory_gb: float
    disk_gb: float
    reads_s: float
    archive_gb: float


def month(prices: Prices, bought: Bought) -> dict[str, float]:
    """US dollars a month by what for, and ``all``."""
    parts = {
        "cores": bought.cores * prices.core,
        "memory": bought.memory_gb * prices.memory_gb,
        "disks": bought.disk_gb * prices.disk_gb + bought.reads_s / 1_000 * prices.reads_1000_s,
        "log archive": bought.archive_gb * prices.archive_gb,
    }
    return {**parts, "all": sum(parts.values())}


def databases_needed(needs: Sequence[float]) -> int:
    """How many databases: the largest of the needs, each in databases."""
    return max(1, int(np.ceil(max(needs))))
