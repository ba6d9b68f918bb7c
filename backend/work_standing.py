"""How the work stands: who leads, which workers live, what waits; for people and programs alike.

It is looked at by whoever only looks: nothing is written, and a Redis that is away costs a second.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from backend.orders.queue import QueueSeen, QueueUnreachableError
from backend.orders.redis_queue import RedisQueue, redis_connection
from backend.runtime import Runtime
from backend.settings import SettingsError
from backend.store.installations import known_installation
from backend.store.leases import LONGEST, SCHEDULER, held_lease

_ANSWER_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """The scheduler that leads: its host and process, and whether its lease still stands."""

    host: str
    pid: int
    alive: bool
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkStanding:
    """Who leads (None: nobody did since one stopped), and the queue where there is one.

    ``uses_redis`` says whether there should be; ``problem`` why it could not be looked at.
    """

    leader: Leader | None
    uses_redis: bool
    queue: QueueSeen | None = None
    problem: str | None = None


def work_standing(runtime: Runtime) -> WorkStanding:
    """Look at the database and, where it is set, at Redis."""
    with runtime.reads() as session:
        held = held_lease(session, SCHEDULER)
        installation = known_installation(session)
    leader = None
    if held is not None:
        host, pid, _ = held.holder.rsplit(" ", 2)
        now = datetime.now(UTC)  # leases run on the time of day, which may have been set back
        alive = now < held.until <= now + LONGEST
        leader = Leader(host=host, pid=int(pid), alive=alive, until=held.until)
    try:
        connection = redis_connection(runtime.settings, _ANSWER_S, retries=0)
        if connection is None:
            return WorkStanding(leader=leader, uses_redis=False)
        with closing(connection):
            # Before any scheduler or worker was started nothing can wait.
            queue = RedisQueue(connection, installation or "none").look()
    except (QueueUnreachableError, SettingsError) as error:
        return WorkStanding(leader=leader, uses_redis=True, problem=str(error))
    return WorkStanding(leader=leader, uses_redis=True, queue=queue)
