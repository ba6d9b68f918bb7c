"""The contract of a queue of orders: the one in memory and the one in a real Redis alike."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from audit_jobs.order_threads import OrderThreads
from audit_jobs.order_worker import take_orders
from backend.orders import queue as queue_module
from backend.orders.order import HELP, ROUND, Lane, Order, OrderError, order_from_plain
from backend.orders.queue import OrderQueue
from backend.orders.redis_queue import RedisQueue
from tests.waiting import until


def round_of(project_id: int) -> Order:
    return Order(lane=Lane.ROUNDS, job=ROUND, project_id=project_id)


@dataclass
class World:
    """A queue, what its workers do, and what they have done."""

    queue: OrderQueue
    begin: Callable[[], contextlib.AbstractContextManager[None]]
    outcome: Callable[[Order], bool] = lambda _: True
    done: list[str] = field(default_factory=list)

    def carry_out(self, order: Order) -> bool:
        well = self.outcome(order)
        self.done.append(order.name)
        return well

    def until_done(self, count: int) -> None:
        until(lambda: len(self.done) >= count, f"{count} orders are carried out")


def in_memory() -> World:
    threads = OrderThreads(lambda order: made.carry_out(order))  # noqa: PLW0108  # not made yet

    @contextlib.contextmanager
    def begin() -> Iterator[None]:
        threads.start()
        try:
            yield
        finally:
            threads.stop()

    made = World(queue=threads, begin=begin)
    return made


def in_redis(url: str) -> World:
    queue = RedisQueue(Redis.from_url(url), secrets.token_hex(4))

    @contextlib.contextmanager
    def begin() -> Iterator[None]:
        ended = threading.Event()
        arguments = (queue, list(Lane), made.carry_out, ended)
        worker = threading.Thread(target=take_orders, args=arguments)
        worker.start()
        try:
            yield
        finally:
            ended.set()
            worker.join()

    made = World(queue=queue, begin=begin)
    return made


@pytest.fixture(params=["memory", "redis"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        return in_memory()
    return in_redis(request.getfixturevalue("redis_url"))


def test_an_order_is_carried_out_once_however_often_it_is_placed(world: World) -> None:
    assert world.queue.place(round_of(1))
    assert not world.queue.place(round_of(1))
    assert world.queue.place(round_of(2))
    with world.begin():
        world.until_done(2)
        until(lambda: not any(lane.under_way for lane in world.queue.look().lanes), "rest")
        assert world.queue.place(round_of(1))  # the first is done: it may be due again
        world.until_done(3)
    assert world.done == ["round-1-0", "round-2-0", "round-1-0"]


def test_an_order_under_way_is_not_placed_again(world: World) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def outcome(_order: Order) -> bool:
        begun.set()
        return goes_on.wait(30)

    world.outcome = outcome
    assert world.queue.place(round_of(1))
    with world.begin():
        assert begun.wait(30)
        assert not world.queue.place(round_of(1))
        seen = world.queue.look()
        assert {lane.lane: lane.under_way for lane in seen.lanes}[Lane.ROUNDS] == 1
        assert [worker.doing for worker in seen.workers] == [("round-1-0",)]
        goes_on.set()
        world.until_done(1)
    assert world.done == ["round-1-0"]


def test_an_order_that_failed_rests(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (queue_module, "audit_jobs.order_threads", "backend.orders.redis_queue"):
        name = module if isinstance(module, str) else module.__name__
        monkeypatch.setattr(f"{name}.RESTS_S", 1)
    world.outcome = lambda _: False
    assert world.queue.place(round_of(1))
    with world.begin():
        world.until_done(1)
        until(lambda: not any(lane.under_way for lane in world.queue.look().lanes), "rest")
        assert not world.queue.place(round_of(1))
        until(lambda: world.queue.place(round_of(1)), "it has rested")
        world.until_done(2)


def test_an_order_that_breaks_leaves_the_worker_alive(world: World) -> None:
    def outcome(order: Order) -> bool:
        if order.project_id == 1:
            raise ValueError("of this test")
        return True

    world.outcome = outcome
    world.queue.place(round_of(1))
    world.queue.place(round_of(2))
    with world.begin():
        world.until_done(1)
    assert world.done == ["round-2-0"]


def test_how_a_queue_stands_is_told(world: World) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    assert world.queue.look().waiting == 0
    assert world.queue.look().oldest is None
    assert world.queue.look().workers == []
    world.queue.place(round_of(1))
    world.queue.place(round_of(2))
    world.queue.place(Order(lane=Lane.ASKED, job="sync", project_id=1, request_id=7))
    seen = world.queue.look()
    assert {lane.lane: lane.waiting for lane in seen.lanes} == {
        **dict.fromkeys(Lane, 0),
        Lane.ROUNDS: 2,
        Lane.ASKED: 1,
    }
    assert seen.waiting == 3
    assert seen.oldest is not None
    assert before <= seen.oldest <= datetime.now(UTC)
    with world.begin():
        until(lambda: bool(world.queue.look().workers), "the worker is known")
        (worker,) = world.queue.look().workers
        assert set(worker.lanes) == set(Lane)
        world.until_done(3)
        until(lambda: world.queue.look().waiting == 0, "nothing waits")
    until(lambda: world.queue.look().workers == [], "the worker has gone")


def test_no_lane_waits_for_another_one_to_be_empty(world: World) -> None:
    def outcome(order: Order) -> bool:
        if order.lane is Lane.ROUNDS:
            time.sleep(0.1)
        return True

    world.outcome = outcome
    for number in range(1, 6):
        world.queue.place(round_of(number))
    world.queue.place(Order(lane=Lane.NIGHTLY, job="freeze", project_id=1))
    world.queue.place(Order(lane=Lane.HELP, job=HELP, project_id=1, part=3))
    with world.begin():
        world.until_done(7)
    assert {"freeze-1-0", "help-1-3"} <= set(world.done[:4])


@pytest.mark.parametrize(
    "found",
    [
        None,
        "round",
        {},
        {**round_of(1).as_plain(), "lane": "elsewhere"},
        {**round_of(1).as_plain(), "project_id": "1"},
        {**round_of(1).as_plain(), "more": 1},
        {k: v for k, v in round_of(1).as_plain().items() if k != "part"},
    ],
)
def test_what_is_no_order_is_refused(found: object) -> None:
    with pytest.raises(OrderError, match="no order"):
        order_from_plain(found)


@pytest.mark.parametrize(
    "order", [round_of(3), Order(lane=Lane.SLOW, job="retrain", project_id=2, part=1, request_id=4)]
)
def test_an_order_survives_being_plain(order: Order) -> None:
    assert order_from_plain(order.as_plain()) == order
