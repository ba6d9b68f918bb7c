"""Whoever can write into Redis cannot make a worker run anything but Labelgate's own jobs."""

from __future__ import annotations

import json
import os
import pickle
import secrets
import threading
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq.job import Job

from audit_jobs.order_worker import take_orders
from backend.orders.order import ROUND, Lane, Order
from backend.orders.redis_queue import RedisQueue
from tests.waiting import until


class Harm:
    """What runs a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


HONEST = Order(lane=Lane.ROUNDS, job=ROUND, project_id=1)


def harmful(path: Path) -> dict[str, dict[str, bytes]]:
    """The fields of forged jobs that make a folder if they are trusted."""
    order = json.dumps(["labelgate.order", None, [HONEST.as_plain()], {}]).encode()
    named = json.dumps(["os.mkdir", None, [str(path)], {}]).encode()
    harm = pickle.dumps(Harm(path))
    return {
        "a pickle": {"data": harm},
        "a packed pickle": {"data": zlib.compress(harm)},
        "a pickled result": {"data": named, "result": harm},
        "pickled meta": {"data": named, "meta": harm},
        "another function": {"data": named},
        "a method": {"data": json.dumps(["mkdir", "os", [str(path)], {}]).encode()},
        "a callback when it went well": {"data": order, "success_callback_name": b"os.mkdir"},
        "a callback when it failed": {"data": named, "failure_callback_name": b"os.mkdir"},
    }


@pytest.mark.parametrize("kind", sorted(harmful(Path())))
def test_a_forged_order_runs_nothing_and_the_worker_goes_on(
    kind: str, tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit_jobs.order_worker._AGAIN_S", 0.1)
    made = tmp_path / "made"
    redis = Redis.from_url(redis_url)
    queue = RedisQueue(redis, secrets.token_hex(4))
    number = f"forged-{secrets.token_hex(4)}"
    lane = queue.lanes[Lane.ROUNDS]
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
    frame = {"status": b"queued", "origin": lane.name.encode(), "created_at": now}
    forged: Any = {**frame, "timeout": b"-1", **harmful(made)[kind]}
    redis.hset(Job.key_for(number), mapping=forged)
    redis.rpush(lane.key, number)
    queue.place(Order(lane=Lane.ROUNDS, job=ROUND, project_id=2))
    done: list[str] = []
    ended = threading.Event()

    def carry_out(order: Order) -> bool:
        done.append(order.name)
        return True

    worker = threading.Thread(target=take_orders, args=(queue, list(Lane), carry_out, ended))
    worker.start()
    try:
        until(lambda: "round-2-0" in done, "the honest order is carried out")
    finally:
        ended.set()
        worker.join()
    assert not made.exists()
    # A callback's order is honest itself: it is carried out, and nobody is called back.
    assert set(done) <= {"round-2-0", HONEST.name}
    redis.delete(Job.key_for(number))


@pytest.mark.parametrize("kind", sorted(harmful(Path())))
def test_tidying_after_a_forged_order_runs_nothing(
    kind: str, tmp_path: Path, redis_url: str
) -> None:
    """As if it had been under way by a worker that died: its failure would be told."""
    made = tmp_path / "made"
    redis = Redis.from_url(redis_url)
    queue = RedisQueue(redis, secrets.token_hex(4))
    number = f"forged-{secrets.token_hex(4)}"
    lane = queue.lanes[Lane.ROUNDS]
    webhooks = json.dumps([{"url": "http://127.0.0.1:1/", "statuses": ["failed"]}]).encode()
    frame = {b"status": b"started", b"origin": lane.name.encode(), b"webhooks": webhooks}
    called = {b"failure_callback_name": b"os.mkdir", b"stopped_callback_name": b"os.mkdir"}
    fields = {name.encode(): value for name, value in harmful(made)[kind].items()}
    forged: Any = {**fields, **frame, **called}
    redis.hset(Job.key_for(number), mapping=forged)
    redis.zadd(lane.started_job_registry.key, {f"{number}:{secrets.token_hex(4)}": 1})
    queue.tidy()
    assert not made.exists()
    assert redis.zcard(lane.started_job_registry.key) == 0
    assert queue.look().waiting == 0
    redis.delete(Job.key_for(number))


def test_a_forged_worker_is_not_counted(redis_url: str) -> None:
    redis = Redis.from_url(redis_url)
    queue = RedisQueue(redis, secrets.token_hex(4))
    key = f"rq:worker:forged-{secrets.token_hex(4)}"
    redis.sadd(f"rq:workers:{queue.lanes[Lane.ROUNDS].name}", key)
    redis.hset(key, mapping={"last_heartbeat": "soon", "hostname": "h", "pid": "many"})
    assert queue.look().workers == []
    redis.delete(key)


def test_orders_are_kept_as_json(redis_url: str) -> None:
    redis = Redis.from_url(redis_url)
    queue = RedisQueue(redis, secrets.token_hex(4))
    queue.place(HONEST)
    (number,) = queue.lanes[Lane.ROUNDS].get_job_ids()
    kept = redis.hget(Job.key_for(number), "data")
    assert isinstance(kept, bytes)
    name, instance, arguments, keywords = json.loads(zlib.decompress(kept))
    assert (name, instance, arguments, keywords) == (
        "labelgate.order",
        None,
        [HONEST.as_plain()],
        {},
    )
