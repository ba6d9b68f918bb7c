"""An order to do one piece of work, and the lanes in which orders wait for each other.

An order says only what to look at: what is due is in the database, and whoever carries an order out
looks there anew. So an order may be lost, or be carried out twice, without harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

# What an order may name beside the name of a job.
ROUND = "round"  # the jobs of a round, one after the other
HELP = "help"  # to take chunks of a large project's work from another worker's shoulders


class Lane(StrEnum):
    """Orders of one lane wait for each other; a worker looks at its lanes in turn."""

    ASKED = "asked"  # people wait for it
    HELP = "help"  # a round waits for it
    ROUNDS = "rounds"
    NIGHTLY = "nightly"
    SLOW = "slow"  # takes minutes, and does its work in a process of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Run ``job`` for the project; ``part`` tells orders apart of which several may be carried out.

    ``request_id`` is the request of a page that it carries out.
    """

    lane: Lane
    job: str
    project_id: int
    part: int = 0
    request_id: int | None = None

    @property
    def name(self) -> str:
        """Two orders of one name are the same: while one is open, the other is not needed.

        >>> Order(lane=Lane.ROUNDS, job=ROUND, project_id=3).name
        'round-3-0'
        """
        asked = "" if self.request_id is None else f"-request-{self.request_id}"
        return f"{self.job}-{self.project_id}-{self.part}{asked}"

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class OrderError(ValueError):
    """What was found in the queue is no order."""


def order_from_plain(found: object) -> Order:
    """The order in what a queue kept; whoever can write there may have written anything.

    Raises
        OrderError: it is none.
    """
    match found:
        case {
            "lane": str(lane),
            "job": str(job),
            "project_id": int(project_id),
            "part": int(part),
            "request_id": int() | None as request_id,
        } if isinstance(found, Mapping) and len(found) == 5 and lane in set(Lane):
            return Order(
                lane=Lane(lane),
                job=job,
                project_id=project_id,
                part=part,
                request_id=request_id,
            )
    raise OrderError("it is no order of Labelgate's")
