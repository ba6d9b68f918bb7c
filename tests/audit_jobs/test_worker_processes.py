"""Real schedulers and workers on a real Redis: they share a large project, and die in the middle.

Label Studio is not asked but for its users: what is looked at is who asks the model about what.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from backend.orders.order import Lane
from backend.orders.queue import QueueUnreachableError, WorkerSeen
from backend.orders.redis_queue import RedisQueue
from backend.store.installations import installation_name
from backend.store.job_requests import JobRequest, ask_for_job
from backend.store.leases import SCHEDULER, held_lease
from backend.store.tasks import StoredTask, store_tasks
from tests.fakes.failing_server import FailingServer, running
from tests.fakes.large_project import SECONDS_A_TEXT, LargeProject, large_project
from tests.fakes.web_project import PROJECT_ID
from tests.real_servers import ServerProcess, end, start_redis
from tests.waiting import until

PATIENCE_S = 240.0
TAKEN_OVER_S = 30.0


@pytest.fixture
def users_only() -> Iterator[str]:
    """A Label Studio that has no users, and nothing else either."""
    server = FailingServer()
    server.tell((200, "application/json", "[]"))
    thread = running(server)
    yield server.url
    server.stop(thread)
    server.server_close()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[ServerProcess]:
    started = [start_redis(tmp_path / "redis")]
    yield started[0]
    end(started[0])


def queue_of(large: LargeProject, redis: ServerProcess) -> RedisQueue:
    with large.runtime.sessions.begin() as session:
        return RedisQueue(Redis.from_url(redis.url), installation_name(session))


def workers(queue: RedisQueue) -> list[WorkerSeen]:
    with contextlib.suppress(QueueUnreachableError):
        return list(queue.look().workers)
    return []


def ask(large: LargeProject, job: str) -> None:
    wish = JobRequest(
        id=0,
        job=job,
        project_id=PROJECT_ID,
        asked_by="ann",
        why="a try",
        asked_at=large.runtime.now(),
        taken_at=None,
        run_id=None,
    )
    with large.runtime.sessions.begin() as session:
        ask_for_job(session, wish)


def leader(large: LargeProject) -> int | None:
    """The process that leads now."""
    with large.runtime.reads() as session:
        held = held_lease(session, SCHEDULER)
    return None if held is None else int(held.holder.split()[1])


def router(queue: RedisQueue) -> int | None:
    """The process that carries out the order to route."""
    for worker in workers(queue):
        if any(name.startswith("route-") for name in worker.doing):
            return worker.pid
    return None


def kill(pid: int, processes: list[subprocess.Popen[bytes]]) -> None:
    os.kill(pid, signal.SIGKILL)
    next(each for each in processes if each.pid == pid).wait()


@dataclass(frozen=True, kw_only=True)
class Size:
    store: str
    workers: int
    tasks: int


@pytest.fixture(autouse=True)
def slow_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECONDS_A_TEXT, "0.06")


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(Size(store="sqlite", workers=3, tasks=400), id="short"),
        pytest.param(
            Size(store="postgresql", workers=10, tasks=5_000),
            marks=pytest.mark.long,
            id="long",
        ),
    ],
)
def test_workers_share_a_project_whoever_dies(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    users_only: str,
    redis: ServerProcess,
    size: Size,
) -> None:
    number, tasks = size.workers, size.tasks
    settings: dict[str, Any] = {"label_studio_url": users_only, "redis_url": redis.url}
    settings |= {"label_studio_token": "a" * 40, "robot_token": "b" * 40, "sync_interval_s": 3600}
    if size.store == "postgresql":
        settings["database_url"] = request.getfixturevalue("postgresql_url")
    large = large_project(tmp_path / "large", tasks, **settings)
    queue = queue_of(large, redis)
    with contextlib.ExitStack() as stack:
        schedulers = [
            stack.enter_context(large.process("scheduler", log=f"scheduler{each}"))
            for each in range(2)
        ]
        crew = [
            stack.enter_context(large.process("worker", log=f"worker{each}"))
            for each in range(number)
        ]
        until(lambda: len(workers(queue)) == number, "all workers are there", PATIENCE_S)
        until(lambda: leader(large) is not None, "one leads", PATIENCE_S)
        large.hold()  # so that all come, and two die in its middle
        ask(large, "route")
        until(lambda: len(large.askers()) == number, "all ask the model", PATIENCE_S)

        first, dying = leader(large), router(queue)
        assert first is not None
        assert dying is not None
        kill(first, schedulers)
        kill(dying, crew)
        died_at = time.monotonic()
        large.let_go()
        until(lambda: leader(large) not in {None, first}, "another leads", TAKEN_OVER_S)
        assert time.monotonic() - died_at < TAKEN_OVER_S
        until(lambda: len(large.decided()) == tasks, "all is decided", PATIENCE_S)
        large.check_ledger(tasks)
        # By the dead, by who took up its chunk while its lease stood, and in the new round.
        assert max(large.asked().values()) <= 3

        begin_anew(redis, tmp_path / "redis")
        more = [StoredTask(id=n, data={"text": f"text of {n}"}) for n in range(10_001, 10_201)]
        with large.runtime.sessions.begin() as session:
            store_tasks(session, PROJECT_ID, more, large.runtime.now())
        ask(large, "route")
        until(lambda: len(large.decided()) == tasks + 200, "and what came later", PATIENCE_S)
        large.check_ledger(tasks + 200)
        again = {text: n for text, n in large.asked().items() if int(text.split()[-1]) > 10_000}
        assert set(again.values()) == {1}
        assert len(again) == 200
        until(lambda: len(workers(queue)) == number - 1, "they are known again", PATIENCE_S)
        seen = queue.look()
        assert {lane.lane: lane.under_way for lane in seen.lanes}[Lane.ASKED] == 0


def begin_anew(redis: ServerProcess, folder: Path) -> None:
    """Kill Redis and start it on the same port with nothing in it."""
    redis.process.kill()
    redis.process.wait()
    shutil.rmtree(folder)
    port = int(redis.url.rsplit(":", 1)[1].split("/")[0])
    object.__setattr__(redis, "process", start_redis(folder, port).process)
