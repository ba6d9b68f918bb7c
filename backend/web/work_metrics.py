"""Gauges of the work itself: who leads, how many workers live, what waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client.core import GaugeMetricFamily, Metric

from backend.work_standing import WorkStanding


def work_gauges(seen: WorkStanding) -> Iterator[Metric]:
    """The leader, and the queue's figures: without a sample where there is none to look at."""
    leading = GaugeMetricFamily(
        "labelgate_scheduler_leading", "1 while a scheduler holds the lease to lead."
    )
    reached = GaugeMetricFamily("labelgate_redis_up", "1 where Redis answers.")
    workers = GaugeMetricFamily("labelgate_workers", "Worker processes that are alive.")
    orders = GaugeMetricFamily(
        "labelgate_orders", "Orders in the queue by how far they are.", labels=["lane", "state"]
    )
    oldest = GaugeMetricFamily(
        "labelgate_oldest_order_seconds",
        "For how long the oldest order of a lane waits; 0 where none does.",
        labels=["lane"],
    )
    leading.add_metric([], int(seen.leader is not None and seen.leader.alive))
    if seen.uses_redis:
        reached.add_metric([], int(seen.queue is not None))
    if seen.queue is not None:
        workers.add_metric([], len(seen.queue.workers))
        now = datetime.now(UTC)
        for lane in seen.queue.lanes:
            orders.add_metric([lane.lane, "waiting"], lane.waiting)
            orders.add_metric([lane.lane, "under_way"], lane.under_way)
            waits = 0.0 if lane.oldest is None else (now - lane.oldest).total_seconds()
            oldest.add_metric([lane.lane], max(0.0, waits))
    yield from (leading, reached, workers, orders, oldest)
