"""What a queue of orders offers, wherever it keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from backend.orders.order import Lane, Order

# For how long an order that failed is not taken again: what fails now fails in a second too, and
# a Label Studio that is down is not to be asked without a pause.
RESTS_S = 5


class QueueUnreachableError(Exception):
    """The queue's server does not answer; what is due stays due, and is ordered again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneSeen:
    """A lane: how many orders wait, since when the oldest does, and how many are being done."""

    lane: Lane
    waiting: int
    oldest: datetime | None
    under_way: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSeen:
    """A worker process that gave a sign of life lately; ``doing`` are its orders, (): idle."""

    host: str
    pid: int
    lanes: tuple[Lane, ...]
    seen_at: datetime
    doing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSeen:
    """How a queue stands: every lane, and the workers that are alive."""

    lanes: Sequence[LaneSeen]
    workers: Sequence[WorkerSeen]

    @property
    def waiting(self) -> int:
        """How many orders wait in all lanes together."""
        return sum(lane.waiting for lane in self.lanes)

    @property
    def oldest(self) -> datetime | None:
        """Since when the oldest of all waits."""
        return min((lane.oldest for lane in self.lanes if lane.oldest), default=None)


class OrderQueue(Protocol):
    """Keeps orders until a worker has carried them out; not safe from loss, and need not be."""

    def place(self, order: Order) -> bool:
        """Let an order wait in its lane; False where the same one is open, or failed just now.

        Raises
            QueueUnreachableError: its server does not answer.
        """

    def tidy(self) -> None:
        """Let go of the orders of workers that died, so that they can be placed again.

        Raises
            QueueUnreachableError: its server does not answer.
        """

    def look(self) -> QueueSeen:
        """How the queue stands now.

        Raises
            QueueUnreachableError: its server does not answer.
        """
