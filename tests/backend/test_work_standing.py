"""Who leads, who works and what waits: told by the doctor, the page of jobs and the metrics."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit_jobs.leading import Leadership
from backend.diagnosis import work
from backend.diagnosis.findings import Finding, Verdict
from backend.orders.order import ROUND, Lane, Order
from backend.orders.queue import LaneSeen, QueueSeen, WorkerSeen
from backend.orders.redis_queue import open_queue
from backend.store.leases import SCHEDULER, take_lease
from backend.work_standing import Leader, WorkStanding, work_standing
from tests.fakes.web_project import WebProject, web_project

NOBODY_LISTENS = "redis://:secret-word@127.0.0.1:1/0"


def led(*, alive: bool = True) -> Leader:
    return Leader(host="alpha", pid=41, alive=alive, until=datetime(2026, 3, 1, tzinfo=UTC))


def queue(
    workers: Sequence[tuple[str, Sequence[Lane]]] = (), waits: timedelta | None = None
) -> QueueSeen:
    now = datetime.now(UTC)
    oldest = None if waits is None else now - waits
    return QueueSeen(
        lanes=[
            LaneSeen(
                lane=lane,
                waiting=3 if lane is Lane.ROUNDS and oldest else 0,
                oldest=oldest if lane is Lane.ROUNDS else None,
                under_way=int(lane is Lane.SLOW),
            )
            for lane in Lane
        ],
        workers=[
            WorkerSeen(host=host, pid=7, lanes=tuple(lanes), seen_at=now, doing=("round-1-0",))
            for host, lanes in workers
        ],
    )


def standing(leader: Leader | None, seen: QueueSeen | None) -> WorkStanding:
    return WorkStanding(leader=leader, uses_redis=seen is not None, queue=seen)


def verdicts(found: Sequence[Finding]) -> dict[str, Verdict]:
    return {each.check: each.verdict for each in found}


def test_nobody_leads_before_anybody_was_there(tmp_path: Path) -> None:
    seen = work_standing(web_project(tmp_path).runtime)
    assert seen == WorkStanding(leader=None, uses_redis=False)


def test_who_leads_is_known_by_the_lease(tmp_path: Path) -> None:
    project = web_project(tmp_path)
    leadership = Leadership(project.runtime)
    leadership.ask()
    leader = work_standing(project.runtime).leader
    assert leader is not None
    assert leader.alive
    assert leadership.holder.startswith(f"{leader.host} {leader.pid} ")
    with project.runtime.sessions.begin() as session:
        long_ago = datetime(2026, 1, 1, tzinfo=UTC)
        take_lease(session, SCHEDULER, leadership.holder, long_ago, 15)
    leader = work_standing(project.runtime).leader
    assert leader is not None
    assert not leader.alive


def test_a_redis_that_is_away_is_told_soon_and_without_its_password(tmp_path: Path) -> None:
    project = web_project(tmp_path, redis_url=NOBODY_LISTENS)
    began = time.monotonic()
    seen = work_standing(project.runtime)
    assert time.monotonic() - began < 3
    assert (seen.uses_redis, seen.queue) == (True, None)
    assert seen.problem is not None
    assert seen.problem.startswith("Redis does not answer")
    assert "secret-word" not in seen.problem
    assert "secret-word" not in repr(project.runtime.settings)


def test_an_address_that_is_none_names_the_setting(tmp_path: Path) -> None:
    seen = work_standing(web_project(tmp_path, redis_url="http://:secret-word@redis").runtime)
    assert seen.problem is not None
    assert "LABELGATE_REDIS_URL cannot be used" in seen.problem
    assert "secret-word" not in seen.problem


def test_what_waits_in_redis_is_seen(tmp_path: Path, redis_url: str) -> None:
    project = web_project(tmp_path, redis_url=redis_url)
    empty = work_standing(project.runtime).queue
    assert empty is not None
    assert empty.waiting == 0
    orders = open_queue(project.runtime)
    assert orders is not None
    orders.place(Order(lane=Lane.ROUNDS, job=ROUND, project_id=1))
    seen = work_standing(project.runtime).queue
    assert seen is not None
    assert seen.waiting == 1
    # Another installation on the same Redis is none the wiser.
    other = web_project(tmp_path / "other", redis_url=redis_url)
    assert open_queue(other.runtime) is not None
    theirs = work_standing(other.runtime).queue
    assert theirs is not None
    assert theirs.waiting == 0


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (standing(led(), None), {"leader": Verdict.OK}),
        (standing(None, None), {"leader": Verdict.FAILED}),
        (standing(led(alive=False), None), {"leader": Verdict.FAILED}),
        (
            WorkStanding(leader=led(), uses_redis=True, problem="Redis does not answer: refused"),
            {"leader": Verdict.OK, "redis": Verdict.FAILED},
        ),
        (
            standing(led(), queue()),
            {"leader": Verdict.OK, "redis": Verdict.OK, "workers": Verdict.FAILED},
        ),
        (
            standing(led(), queue([("alpha", [Lane.ROUNDS])])),
            {
                "leader": Verdict.OK,
                "redis": Verdict.OK,
                "workers": Verdict.FAILED,
                "waiting": Verdict.OK,
            },
        ),
        (
            standing(led(), queue([("a", list(Lane)), ("b", list(Lane))], timedelta(minutes=9))),
            {
                "leader": Verdict.OK,
                "redis": Verdict.OK,
                "workers": Verdict.OK,
                "waiting": Verdict.WARNING,
            },
        ),
    ],
)
def test_the_doctor_judges(seen: WorkStanding, expected: dict[str, Verdict]) -> None:
    assert verdicts(list(work.judge(seen, projects=1))) == expected


def test_without_a_project_nobody_need_lead() -> None:
    (found,) = work.judge(standing(None, None), projects=0)
    assert found.verdict is Verdict.NOT_CHECKED


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    made = web_project(tmp_path)
    made.connect()
    return made


def page(project: WebProject) -> str:
    return " ".join(project.client().get("/jobs").text.split())


def test_the_page_of_jobs_says_who_works(
    project: WebProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No scheduler leads" in page(project)
    shown = standing(led(), queue([("<b>alpha</b>", list(Lane))], timedelta(seconds=90)))
    monkeypatch.setattr("backend.web.pages.jobs.work_standing", lambda _: shown)
    said = page(project)
    assert "The scheduler on alpha leads (process 41)." in said
    assert "1 worker, 3 orders waiting, the oldest since" in said
    assert "&lt;b&gt;alpha&lt;/b&gt;" in said
    assert "round-1-0" in said
    away = WorkStanding(leader=led(), uses_redis=True, problem="Redis does not answer: at 10.0.0.9")
    monkeypatch.setattr("backend.web.pages.jobs.work_standing", lambda _: away)
    said = page(project)
    assert "Redis does not answer" in said
    assert "10.0.0.9" not in said
    monkeypatch.setattr("backend.web.pages.jobs.work_standing", lambda _: standing(led(), queue()))
    assert "No worker is alive" in page(project)


def test_metrics_count_workers_and_orders(
    project: WebProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = project.client().get("/metrics").text.splitlines()
    assert "labelgate_scheduler_leading 0.0" in lines
    assert not any(line.startswith("labelgate_workers") for line in lines)
    shown = standing(led(), queue([("alpha", list(Lane))], timedelta(seconds=90)))
    monkeypatch.setattr("backend.web.metrics.work_standing", lambda _: shown)
    lines = project.client().get("/metrics").text.splitlines()
    for line in (
        "labelgate_scheduler_leading 1.0",
        "labelgate_redis_up 1.0",
        "labelgate_workers 1.0",
        'labelgate_orders{lane="rounds",state="waiting"} 3.0',
        'labelgate_orders{lane="slow",state="under_way"} 1.0',
        'labelgate_oldest_order_seconds{lane="asked"} 0.0',
    ):
        assert line in lines
    (oldest,) = (
        line for line in lines if line.startswith('labelgate_oldest_order_seconds{lane="rounds"}')
    )
    assert 89 < float(oldest.split()[1]) < 120
