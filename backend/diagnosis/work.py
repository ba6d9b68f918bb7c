"""Whether one scheduler leads, and whether workers take what it orders."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from backend.diagnosis.findings import Finding, Topic
from backend.orders.order import Lane
from backend.orders.queue import QueueSeen
from backend.work_standing import WorkStanding

TOPIC = Topic("work")
_START = "labelgate serve (or labelgate scheduler, where the web process runs apart)"
_LONG = timedelta(minutes=5)  # an order that waits longer: too few workers


def judge(seen: WorkStanding, *, projects: int) -> Iterator[Finding]:
    """The leader; with Redis also that it answers, that workers live, and that nothing waits long.

    ``projects`` is how many are connected: without any nothing has to run.
    """
    yield _leader(seen, projects)
    if not seen.uses_redis:
        return
    if seen.queue is None:
        yield TOPIC.failed(
            "redis",
            f"{seen.problem}; what is due waits in the database",
            "start Redis, or mend LABELGATE_REDIS_URL, or unset it: then the scheduler does the "
            "work itself",
        )
        return
    yield TOPIC.ok("redis", f"it answers, {seen.queue.waiting} orders wait")
    yield from _workers(seen.queue)


def _leader(seen: WorkStanding, projects: int) -> Finding:
    leader = seen.leader
    if leader is not None and leader.alive:
        return TOPIC.ok("leader", f"the scheduler on {leader.host}, process {leader.pid}, leads")
    if projects == 0:
        return TOPIC.not_checked("leader", "no project is connected")
    if leader is None:
        return TOPIC.failed("leader", "no scheduler leads: nothing is done", _START)
    return TOPIC.failed(
        "leader",
        f"the scheduler on {leader.host}, process {leader.pid}, led until "
        f"{leader.until:%Y-%m-%d %H:%M:%S} UTC, and no other has taken over",
        _START,
    )


def _workers(queue: QueueSeen) -> Iterator[Finding]:
    taken = {lane for worker in queue.workers for lane in worker.lanes}
    if not queue.workers:
        yield TOPIC.failed("workers", "no worker is alive: nothing is done", "labelgate worker")
        return
    hosts = len({worker.host for worker in queue.workers})
    alive = f"{len(queue.workers)} alive on {hosts} host{'s' if hosts > 1 else ''}"
    untaken = [lane.value for lane in Lane if lane not in taken]
    if untaken:
        yield TOPIC.failed(
            "workers",
            f"{alive}, and none takes the orders of {', '.join(untaken)}",
            "labelgate worker (without --lane it takes all)",
        )
    else:
        yield TOPIC.ok("workers", alive)
    waits = timedelta(0) if queue.oldest is None else datetime.now(UTC) - queue.oldest
    if waits > _LONG:
        yield TOPIC.warning(
            "waiting",
            f"the oldest order waits for {waits.total_seconds() / 60:.0f} minutes",
            "start more workers: labelgate worker, on this machine or another",
        )
    else:
        yield TOPIC.ok("waiting", "no order waits for long")
