"""An order as RQ keeps it: of all that may stand in Redis no more is read than an order needs.

RQ would import the function and the callbacks that a job names, send to the addresses that stand
there, and read results in whatever form they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rq.job import Job

from backend.orders.order import Order, order_from_plain

CarryOut = Callable[[Order], bool]

_READ = frozenset(
    {
        *(b"data", b"status", b"origin", b"description", b"worker_name"),
        *(b"created_at", b"enqueued_at", b"started_at", b"ended_at", b"last_heartbeat"),
        *(b"timeout", b"result_ttl", b"failure_ttl"),
    }
)


class OrderFailedError(Exception):
    """What the order asked for did not go well; the jobs' rows say why."""


class OrderJob(Job):
    """It runs no function by the name that stands in Redis; who works on it sets ``carry_out``."""

    carry_out: CarryOut

    def restore(self, raw_data: dict[bytes, bytes]) -> Any:
        """Read what is needed."""
        return super().restore({name: raw_data[name] for name in _READ & raw_data.keys()})

    def perform(self) -> None:
        """Carry the order out.

        Raises
            OrderError: it is none.
            OrderFailedError: it did not go well.
        """
        (found,) = self.args
        if not self.carry_out(order_from_plain(found)):
            raise OrderFailedError
