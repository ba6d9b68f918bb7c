"""Taking orders from Redis, by RQ's worker: one after the other, in this very process.

RQ would fork a process for each. Here libraries and models stay loaded instead, and connections
open; what could break a process (training) has one of its own as ever.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout, StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import BaseDeathPenalty
from rq.worker import DequeueStrategy, WorkerStatus

from backend.orders.order import Lane, OrderError
from backend.orders.order_job import CarryOut, OrderFailedError, OrderJob
from backend.orders.redis_queue import ALIVE_S, RedisQueue

logger = logging.getLogger(__name__)

_LOOK_S = 1  # how long a worker waits for an order before it sees whether it is to end
_BEAT_S = 4.0
_AGAIN_S = 2.0


class _NoLimit(BaseDeathPenalty):
    """No order is ended for the time it takes: what may hang has limits of its own."""

    def setup_death_penalty(self) -> None:
        """Nothing."""

    def cancel_death_penalty(self) -> None:
        """Nothing."""


class OrderWorker(SimpleWorker):
    """Looks at its lanes in turn; ends between two orders once ``ended`` is set."""

    job_class = OrderJob
    death_penalty_class = _NoLimit

    def __init__(
        self,
        queue: RedisQueue,
        lanes: Sequence[Lane],
        carry_out: CarryOut,
        ended: threading.Event,
    ) -> None:
        super().__init__(
            [queue.lanes[lane] for lane in lanes],
            name=f"labelgate-{secrets.token_hex(6)}",
            connection=queue.connection,
            worker_ttl=ALIVE_S,
            serializer=JSONSerializer,
            log_job_description=False,
        )
        self.log_result_lifespan = False
        self._carry_out = carry_out
        self._ended = ended

    def bootstrap(self, *_: Any, **__: Any) -> None:
        """Be known to be there; logging is the command's."""
        self.register_birth()  # type: ignore[no-untyped-call]  # RQ's
        self.set_state(WorkerStatus.STARTED)

    def subscribe(self) -> None:
        """Take no commands from Redis."""

    def _install_signal_handlers(self) -> None:
        """Signals are the command's, which sets ``ended``."""

    def run_maintenance_tasks(self) -> None:
        """The leading scheduler tidies."""

    def check_for_suspension(self, burst: bool) -> None:  # noqa: FBT001  # as RQ has it
        """Nobody suspends it through Redis."""

    def procline(self, message: str) -> None:
        """The process keeps its name."""

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue]:
        """The next order; a Redis that was away, or was started empty, is told of us again."""
        del timeout, max_idle_time
        while not self._ended.is_set():
            try:
                self._be_known()
                found = self.queue_class.dequeue_any(
                    self._ordered_queues,
                    _LOOK_S,
                    connection=self.connection,
                    job_class=self.job_class,
                    serializer=self.serializer,
                    death_penalty_class=self.death_penalty_class,
                )
            except DequeueTimeout:
                continue
            except (RedisConnectionError, RedisTimeoutError) as error:
                logger.warning("worker.redis_away error=%s", error)
                self._ended.wait(_AGAIN_S)
                continue
            if found is not None:
                self.reorder_queues(reference_queue=found[1])
                job: Job = found[0]
                return job, found[1]
        raise StopRequested

    def _be_known(self) -> None:
        self.heartbeat()
        if not self.connection.hexists(self.key, "birth"):
            self.connection.delete(self.key)
            self.register_birth()  # type: ignore[no-untyped-call]  # RQ's
        self.set_state(WorkerStatus.IDLE)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Carry out an order, and say all the while that this worker is alive."""
        execution = self.prepare_execution(job)
        with self._beating(job, execution):
            self.perform_job(job, queue, execution)
        self.set_state(WorkerStatus.IDLE)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """As RQ's, with the one thing that an order does."""
        cast("OrderJob", job).carry_out = self._carry_out
        return bool(super().perform_job(job, queue, execution))

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """For how long a sign of life holds; after it the order is given to somebody else."""
        del job, working_time
        return ALIVE_S

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Nothing of jobs that failed: what failed stands with their runs."""
        if isinstance(exc_info[1], OrderError):
            logger.error("worker.order_refused order=%s error=%s", job.id, exc_info[1])
        elif not isinstance(exc_info[1], OrderFailedError):
            logger.error("worker.order_failed order=%s", job.id, exc_info=exc_info)

    @contextmanager
    def _beating(self, job: Job, execution: Execution) -> Iterator[None]:
        done = threading.Event()
        beating = threading.Thread(target=self._beat, args=(job, execution, done), daemon=True)
        beating.start()
        try:
            yield
        finally:
            done.set()
            beating.join()

    def _beat(self, job: Job, execution: Execution, done: threading.Event) -> None:
        while not done.wait(_BEAT_S):
            try:
                self.maintain_heartbeats(job, execution)
            except RedisError as error:  # the next may reach it; else somebody else does it too
                logger.warning("worker.beat_failed error=%s", error)


def take_orders(
    queue: RedisQueue, lanes: Sequence[Lane], carry_out: CarryOut, ended: threading.Event
) -> None:
    """Take orders from these lanes until ``ended`` is set, whatever becomes of Redis meanwhile."""
    logging.getLogger("rq.worker").setLevel(logging.ERROR)
    while not ended.is_set():
        try:
            OrderWorker(queue, lanes, carry_out, ended).work(
                dequeue_strategy=DequeueStrategy.ROUND_ROBIN
            )
        except RedisError as error:
            logger.warning("worker.redis_away error=%s", error)
        except Exception:  # a worker that lives and takes nothing would be worse than one that died
            logger.exception("worker.failed")
        ended.wait(_AGAIN_S)
