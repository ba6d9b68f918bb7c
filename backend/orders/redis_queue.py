"""Orders in Redis, kept by RQ as JSON; nothing of what is found there is ever run by its name.

An order's number in Redis is made from its name, so that it stands there once, and from the name of
the installation, so that installations, and Label Studio, may use the same Redis.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.executions import WORKER_EXECUTIONS_KEY_TEMPLATE, ExecutionRegistry
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.worker_registration import clean_worker_registry, get_keys

from backend.orders.order import Lane, Order
from backend.orders.order_job import OrderJob
from backend.orders.queue import RESTS_S, LaneSeen, QueueSeen, QueueUnreachableError, WorkerSeen
from backend.runtime import Runtime
from backend.settings import Settings, SettingsError
from backend.store.installations import installation_name

# What RQ's own tools show as an order's function. The worker never looks it up: it does one thing.
SHOWN_AS = "labelgate.order"
NO_LIMIT = -1
ALIVE_S = 15  # a worker that has given no sign of life for so long is dead, as with leases
_ANSWER_S = 5.0
_LOST_S = 5.0  # an order that is neither in its lane nor under way for so long was lost


def redis_connection(
    settings: Settings, answer_s: float = _ANSWER_S, retries: int = 3
) -> Redis | None:
    """The Redis that the settings name, not asked yet; None where they name none.

    ``answer_s`` is how long it may take to answer, ``retries`` how often it is then asked again.

    Raises
        SettingsError: the address is none.
    """
    if settings.redis_url is None:
        return None
    try:
        return Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_connect_timeout=answer_s,
            socket_timeout=answer_s,
            retry=Retry(ExponentialBackoff(cap=1.0, base=0.1), retries),
        )
    except ValueError as error:
        raise SettingsError(
            f"LABELGATE_REDIS_URL cannot be used ({error}): give redis://HOST:6379/0, or rediss:// "
            "for TLS"
        ) from None


class RedisQueue:
    """The queue of one installation; ``space`` is its name."""

    def __init__(self, connection: Redis, space: str) -> None:
        self.connection = connection
        self._prefix = f"labelgate-{space}"
        self.lanes = {
            lane: Queue(
                f"{self._prefix}-{lane}", connection, job_class=OrderJob, serializer=JSONSerializer
            )
            for lane in Lane
        }
        self._missed: dict[str, float] = {}

    def _lane(self, lane: Lane) -> Queue:
        name = f"{self._prefix}-{lane}"
        return Queue(name, self.connection, job_class=OrderJob, serializer=JSONSerializer)

    def place(self, order: Order) -> bool:
        """As ``OrderQueue``."""
        with _reached():
            for _ in range(2):
                try:
                    self.lanes[order.lane].enqueue_call(
                        SHOWN_AS,
                        args=(order.as_plain(),),
                        job_id=self._number(order.name),
                        unique=True,
                        timeout=NO_LIMIT,
                        result_ttl=0,
                        failure_ttl=RESTS_S,
                    )
                except DuplicateJobError:
                    if not self._is_lost(order):
                        return False
                    self.connection.delete(Job.key_for(self._number(order.name)))
                else:
                    return True
        return False

    def _number(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    def _is_lost(self, order: Order) -> bool:
        """Whether an order that stands in Redis is in nobody's hands, and not about to be."""
        number, lane = self._number(order.name), self.lanes[order.lane]
        try:
            job = OrderJob.fetch(number, connection=self.connection, serializer=JSONSerializer)
        except (NoSuchJobError, ValueError):  # of an order that was cut off: no more than its key
            return self._missed_for_long(number)
        status = job.get_status(refresh=False)
        if status is JobStatus.FAILED:  # Redis forgets it once it has rested
            return False
        if self.connection.lpos(lane.key, number) is not None or _is_done_now(job):
            self._missed.pop(number, None)
            return False
        return self._missed_for_long(number)

    def _missed_for_long(self, number: str) -> bool:
        """Between the lane and a worker's hands an order is nowhere, for a moment."""
        now = time.monotonic()
        if now - self._missed.setdefault(number, now) < _LOST_S:
            return False
        del self._missed[number]
        return True

    def tidy(self) -> None:
        """As ``OrderQueue``."""
        with _reached():
            for queue in self.lanes.values():
                queue.started_job_registry.cleanup()
                queue.failed_job_registry.cleanup()
                clean_worker_registry(queue)

    def look(self) -> QueueSeen:
        """As ``OrderQueue``."""
        with _reached():
            lanes = [self._lane_seen(lane, queue) for lane, queue in self.lanes.items()]
            return QueueSeen(lanes=lanes, workers=self._workers())

    def _lane_seen(self, lane: Lane, queue: Queue) -> LaneSeen:
        first = queue.get_job_ids(0, 1)
        since = self.connection.hget(Job.key_for(first[0]), "enqueued_at") if first else None
        return LaneSeen(
            lane=lane,
            waiting=self.connection.llen(queue.key),
            oldest=None if since is None else _moment(since),
            under_way=self.connection.zcount(
                queue.started_job_registry.key, datetime.now(UTC).timestamp(), "+inf"
            ),
        )

    def _workers(self) -> list[WorkerSeen]:
        """A process may take orders in several threads, which RQ knows as so many workers."""
        lanes: dict[str, list[Lane]] = {}
        for lane, queue in self.lanes.items():
            for key in get_keys(queue=queue):
                lanes.setdefault(key, []).append(lane)
        found: dict[tuple[str, int], WorkerSeen] = {}
        for key, theirs in sorted(lanes.items()):
            seen = None
            with contextlib.suppress(ValueError):  # written by somebody else
                seen = self._worker(key, tuple(theirs))
            if seen is not None:
                before = found.get((seen.host, seen.pid))
                found[seen.host, seen.pid] = seen if before is None else _together(before, seen)
        return list(found.values())

    def _worker(self, key: str, lanes: tuple[Lane, ...]) -> WorkerSeen | None:
        found: Any = self.connection.hgetall(key)  # bytes, as RQ needs them
        said = {name.decode(): value.decode() for name, value in found.items()}
        if "death" in said or "last_heartbeat" not in said or "hostname" not in said:
            return None
        seen_at = _moment(said["last_heartbeat"])
        if datetime.now(UTC) - seen_at > timedelta(seconds=ALIVE_S):
            return None
        return WorkerSeen(
            host=said["hostname"],
            pid=int(said.get("pid", 0)),
            lanes=lanes,
            seen_at=seen_at,
            doing=self._doing(key) if said.get("state") == "busy" else (),
        )

    def _doing(self, worker_key: str) -> tuple[str, ...]:
        name = worker_key.rpartition(":")[2]
        found: Any = self.connection.smembers(WORKER_EXECUTIONS_KEY_TEMPLATE.format(name))
        numbers = sorted(each.decode() for each in found)
        return tuple(each.partition(":")[0].removeprefix(f"{self._prefix}-") for each in numbers)


def _together(one: WorkerSeen, other: WorkerSeen) -> WorkerSeen:
    return replace(
        one,
        lanes=tuple(lane for lane in Lane if lane in {*one.lanes, *other.lanes}),
        seen_at=max(one.seen_at, other.seen_at),
        doing=(*one.doing, *other.doing),
    )


def open_queue(runtime: Runtime) -> RedisQueue | None:
    """The installation's queue, with a connection of its own; None where no Redis is set."""
    connection = redis_connection(runtime.settings)
    if connection is None:
        return None
    with runtime.sessions.begin() as session:
        return RedisQueue(connection, installation_name(session))


def _is_done_now(job: Job) -> bool:
    registry = job.started_job_registry
    for execution in ExecutionRegistry(job.id, job.connection).get_execution_ids():
        until = job.connection.zscore(registry.key, f"{job.id}:{execution}")
        if until is not None and until >= time.time():
            return True
    return False


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise QueueUnreachableError(f"Redis does not answer: {error}") from None


def _moment(said: bytes | str) -> datetime:
    text = said.decode() if isinstance(said, bytes) else said
    return datetime.fromisoformat(text)
