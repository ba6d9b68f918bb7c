"""Workers that share one large project: tasks a second by how many there are, beside one alone.

The model takes 20 ms a task and waits meanwhile, as one that is asked over a network does, so that
what is measured is the sharing, whatever processors there are. Real processes, a real Redis, a real
PostgreSQL; of Label Studio there is only who its users are.
Run: ``python -m benchmarks.workers``; LABELGATE_TEST_DATABASE_URL and LABELGATE_TEST_REDIS_URL say
where the servers are, else ones of its own are started.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path

from backend.orders.queue import QueueUnreachableError
from backend.orders.redis_queue import open_queue
from backend.runtime import Runtime
from backend.store.decisions import current_decisions
from backend.store.job_requests import JobRequest, ask_for_job
from benchmarks.results import Row, asserted, at_least, finish, is_quick, told
from tests.fakes.failing_server import FailingServer, running
from tests.fakes.large_project import SECONDS_A_TEXT, LargeProject, large_project
from tests.fakes.web_project import PROJECT_ID
from tests.real_servers import new_database, postgresql, redis_server
from tests.waiting import until

SECONDS = 0.02
WORKERS = (1, 4, 10)
TASKS_A_WORKER = 1_000
PATIENCE_S = 900.0
# Of what so many workers could do at most; the rest is the first second, which one works alone, the
# second until others come, and the last chunks, at which some find nothing left.
LEAST_SHARE = 0.5


def measured(folder: Path, settings: dict[str, str], number: int) -> tuple[float, LargeProject]:
    """Seconds from the wish to the last decision, and the project as it was left."""
    tokens = {"label_studio_token": "a" * 40, "robot_token": "b" * 40}
    tasks = number * TASKS_A_WORKER // (4 if is_quick() else 1)
    large = large_project(folder, tasks, **settings, **tokens, sync_interval_s=3_600)
    queue = open_queue(large.runtime)
    assert queue is not None
    with contextlib.ExitStack() as stack:
        stack.enter_context(large.process("scheduler", log="scheduler"))
        for each in range(number):
            stack.enter_context(large.process("worker", log=f"worker{each}"))

        def all_there() -> bool:
            with contextlib.suppress(QueueUnreachableError):
                return len(queue.look().workers) == number
            return False

        until(all_there, "all workers are there", PATIENCE_S)
        began = time.monotonic()
        ask(large.runtime)
        until(lambda: is_decided(large), "all is decided", PATIENCE_S)
        return time.monotonic() - began, large


def ask(runtime: Runtime) -> None:
    """Wish for the job that decides, as a person does on the page of jobs."""
    wish = JobRequest(
        id=0,
        job="route",
        project_id=PROJECT_ID,
        asked_by="benchmark",
        why="measured",
        asked_at=runtime.now(),
        taken_at=None,
        run_id=None,
    )
    with runtime.sessions.begin() as session:
        ask_for_job(session, wish)


def is_decided(large: LargeProject) -> bool:
    """Whether every task has a decision."""
    with large.runtime.reads() as session:
        return sum(1 for _ in current_decisions(session, PROJECT_ID)) == large.tasks


def rows_of(folder: Path, database_url: str, redis_url: str, label_studio_url: str) -> list[Row]:
    """A row for each number of workers, beside one alone."""
    rows: list[Row] = []
    alone = 0.0
    for number in WORKERS:
        with new_database(database_url) as url:
            settings = {
                "database_url": url,
                "redis_url": redis_url,
                "label_studio_url": label_studio_url,
            }
            seconds, large = measured(folder / str(number), settings, number)
            rate = large.tasks / seconds
            once = set(large.asked().values()) == {1} and len(large.asked()) == large.tasks
            large.check_ledger()
            large.runtime.sessions.kw["bind"].dispose()
        figure = f"{rate:.0f} tasks/s ({large.tasks:,} tasks)"
        if number == 1:
            alone = rate
            rows.append(told("1 worker", figure=figure))
        else:
            peer, limit = f"1 worker {alone:.0f} tasks/s", number * LEAST_SHARE
            name = f"{number} workers"
            rows.append(at_least(name, figure=figure, peer=peer, ratio=rate / alone, limit=limit))
        asked = f"{large.tasks:,} asked once, by {len(large.askers())} processes"
        rows.append(asserted(f"every task once, {number}", figure=asked, held=once))
    return rows


def main() -> None:
    """Start the servers, measure, tell."""
    os.environ[SECONDS_A_TEXT] = str(SECONDS)
    server = FailingServer()
    server.tell((200, "application/json", "[]"))
    thread = running(server)
    with (
        tempfile.TemporaryDirectory() as place,
        postgresql(Path(place)) as database_url,
        redis_server(Path(place) / "redis") as redis_url,
    ):
        if database_url is None or redis_url is None:
            raise SystemExit("neither a running PostgreSQL and Redis nor their servers were found")
        rows = rows_of(Path(place), database_url, redis_url, server.url)
    server.stop(thread)
    server.server_close()
    finish(rows)


if __name__ == "__main__":
    main()
