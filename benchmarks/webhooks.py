"""Webhook intake while a retrain runs: 200 events at 50 a second, and ``/predict`` meanwhile.

Real processes: a Label Studio, ``labelgate serve`` beside it (web server, scheduler, trainer), and
this client. 2,000 labelled texts make the first version; 200 more make one retrain due; once its
trainer is at work, 200 recorded ANNOTATION_CREATED webhooks about those 200 are posted in an open
loop, every answer timed from the moment its event was due, each over a connection of its own as
Label Studio does. ``/predict`` of one task is timed the same way, before and meanwhile.
Run: ``python -m benchmarks.webhooks``.
"""

from __future__ import annotations

import http.client
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import func, select

from backend.secret_files import require_webhook_secret
from backend.store.deliveries import PENDING, count_by_state
from backend.store.events import count_open
from backend.store.job_tables import EventRow
from backend.store.model_tables import TrainingRequestRow
from backend.store.models import champion
from backend.store.projects import ConnectedProject
from backend.store.training import RUNNING, open_requests
from benchmarks.results import Row, asserted, at_most, finish, is_quick
from benchmarks.stage import (
    Stage,
    connect,
    import_tasks,
    make_project,
    set_up,
    task_rows,
    text,
)
from connectors.label_studio.events import SECRET_HEADER
from tests.waiting import until

PAYLOADS = Path(__file__).parents[1] / "tests" / "contract" / "payloads"
LABELS = tuple(f"intent {number}" for number in range(30))
WORDS = 60
LABELLED, UNLABELLED, NEW = 2_000, 300, 200
EVENTS, EVENTS_PER_S = 200, 50.0
IDLE_PREDICTS, PREDICTS_PER_S = 300, 20.0
REPEATS = 3
ANSWER_LIMIT_S = 0.100
PREDICT_LIMIT = 2.0
PATIENCE_S = 300.0
QUIET_S = 3.0
POLICY = """
project: {project}
stakes: low
tiers:
  - {{name: general, reviewers: [admin@example.com], cost_per_label: 0.1, daily_capacity: 100}}
auto_accept: {{max_error_rate: 0.05, confidence: 0.95}}
retrain: {{after_annotations: 200, minimum_labels: 1000}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that can be sent again and again, and the status that it must be answered with."""

    port: int
    path: str
    body: bytes
    headers: dict[str, str]
    status: int

    def send(self) -> bytes:
        """Send it over a connection of its own; the answer's body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Content-Type": "application/json", **self.headers}
            connection.request("POST", self.path, self.body, headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        assert response.status == self.status, content[:500]
        return content


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """What one storm measured, in seconds; ``trained_on`` says that the trainer outlasted it."""

    answers: Sequence[float]
    predicts: Sequence[float]
    retrains: int
    trained_on: bool


def open_loop(requests: Sequence[Request], per_s: float) -> list[float]:
    """Send each at its time, whether the earlier ones are answered or not; seconds from due."""
    begin = time.perf_counter() + 0.05

    def timed(due: float, request: Request) -> float:
        request.send()
        return time.perf_counter() - due

    with ThreadPoolExecutor(max_workers=32) as clients:
        under_way = []
        for number, request in enumerate(requests):
            due = begin + number / per_s
            time.sleep(max(0.0, due - time.perf_counter()))
            under_way.append(clients.submit(timed, due, request))
        return [answer.result() for answer in under_way]


def recorded(name: str) -> dict[str, Any]:
    """A body as Label Studio 1.23.2 sent it."""
    body: dict[str, Any] = orjson.loads((PAYLOADS / f"{name}-1.23.2.json").read_bytes())
    return body


def event_request(stage: Stage, project: ConnectedProject, task_id: int) -> Request:
    """The webhook of an answer to this task."""
    body = recorded("annotation-created")
    body["project"] |= {
        "id": project.id,
        "title": project.title,
        "label_config": project.label_config,
    }
    body["annotation"] |= {"id": task_id, "task": task_id, "project": project.id}
    body["task"] |= {"id": task_id, "project": project.id}
    settings = stage.runtime.settings
    return Request(
        port=settings.port,
        path="/webhook",
        body=orjson.dumps(body),
        headers={SECRET_HEADER: require_webhook_secret(settings)},
        status=201,
    )


def predict_request(stage: Stage, project: ConnectedProject, seed: int) -> Request:
    """``/predict`` of one task, as it is asked when a person opens the task."""
    body = recorded("predict")
    body |= {"project": f"{project.id}.1", "label_config": project.label_config}
    body["tasks"] = [
        body["tasks"][0]
        | {"id": seed, "project": project.id, "data": {"text": text(seed, LABELS, WORDS)[0]}}
    ]
    port = stage.runtime.settings.port
    return Request(port=port, path="/predict", body=orjson.dumps(body), headers={}, status=200)


def wait_until_quiet(stage: Stage, project: ConnectedProject) -> None:
    """Return once nothing has waited to be handled, trained or delivered for a while."""
    quiet_since = time.monotonic()

    def quiet() -> bool:
        nonlocal quiet_since
        with stage.runtime.reads() as session:
            waiting = (
                count_open(session)
                + len(open_requests(session, project.id))
                + count_by_state(session, project.id).get(PENDING, 0)
            )
        if waiting:
            quiet_since = time.monotonic()
        return time.monotonic() - quiet_since > QUIET_S

    until(quiet, "Labelgate to have nothing to do", PATIENCE_S)


def is_training(stage: Stage, project: ConnectedProject) -> bool:
    """True while a trainer is at work."""
    with stage.runtime.reads() as session:
        return any(r.state == RUNNING for r in open_requests(session, project.id))


def count(stage: Stage, table: type[TrainingRequestRow | EventRow]) -> int:
    """How many training requests, or webhooks, there ever were."""
    with stage.runtime.reads() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def start_project(stage: Stage) -> ConnectedProject:
    """A connected project whose first version serves."""
    project_id = make_project(stage, "webhooks", LABELS)
    import_tasks(stage, project_id, task_rows(range(LABELLED), LABELS, WORDS, labelled=True))
    rest = range(LABELLED, LABELLED + UNLABELLED)
    import_tasks(stage, project_id, task_rows(rest, LABELS, WORDS))
    project = connect(stage, project_id, POLICY.format(project=project_id))

    def serves() -> bool:
        with stage.runtime.reads() as session:
            return champion(session, project_id) is not None

    until(serves, "the first version", PATIENCE_S)
    wait_until_quiet(stage, project)
    return project


def idle_predicts(stage: Stage, project: ConnectedProject) -> list[float]:
    """``/predict`` while nothing else is asked; also warms everything up."""
    requests = [predict_request(stage, project, seed) for seed in range(IDLE_PREDICTS)]
    answer = orjson.loads(requests[0].send())
    assert answer["model_version"].startswith("v"), answer
    return open_loop(requests, PREDICTS_PER_S)


def storm(stage: Stage, project: ConnectedProject, number: int) -> Storm:
    """Make one retrain due, wait for its trainer, and post the events while it works."""
    retrains, events = count(stage, TrainingRequestRow), count(stage, EventRow)
    seeds = range(number * 10_000, number * 10_000 + NEW)
    import_tasks(stage, project.id, task_rows(seeds, LABELS, WORDS, labelled=True))
    until(lambda: is_training(stage, project), "the trainer", PATIENCE_S)
    last_task = max(
        task.id for page in stage.runtime.tool().tasks_after(project.id, 0) for task in page
    )
    answered = range(last_task - EVENTS + 1, last_task + 1)
    told = [event_request(stage, project, task_id) for task_id in answered]
    asked = round(EVENTS / EVENTS_PER_S * PREDICTS_PER_S)
    predicts = [predict_request(stage, project, seed) for seed in range(asked)]
    times: dict[str, list[float]] = {}

    def ask() -> None:
        times["predicts"] = open_loop(predicts, PREDICTS_PER_S)

    asking = threading.Thread(target=ask)
    asking.start()
    times["answers"] = open_loop(told, EVENTS_PER_S)
    asking.join()
    trained_on = is_training(stage, project)
    wait_until_quiet(stage, project)
    assert count(stage, EventRow) - events >= EVENTS, "an event was answered but not kept"
    return Storm(
        answers=times["answers"],
        predicts=times["predicts"],
        retrains=count(stage, TrainingRequestRow) - retrains,
        trained_on=trained_on,
    )


def figures(seconds: Sequence[float]) -> str:
    """Median, 99th percentile and maximum."""
    p99 = statistics.quantiles(seconds, n=100)[98]
    return (
        f"p50 {statistics.median(seconds) * 1000:6.1f} ms, p99 {p99 * 1000:6.1f} ms, "
        f"max {max(seconds) * 1000:6.1f} ms"
    )


def report(idle: Sequence[float], found: Storm) -> list[Row]:
    """The rows of one storm."""
    slowest = max(found.answers) / ANSWER_LIMIT_S
    ratio = statistics.median(found.predicts) / statistics.median(idle)
    trained = "under way all the time" if found.trained_on else "ended before the events did"
    return [
        at_most(
            f"slowest of {EVENTS} webhooks while a retrain runs",
            figure=figures(found.answers),
            peer="100 ms",
            ratio=slowest,
            limit=1.0,
        ),
        at_most(
            "/predict meanwhile",
            figure=figures(found.predicts),
            peer=f"idle {figures(idle)}",
            ratio=ratio,
            limit=PREDICT_LIMIT,
        ),
        asserted(
            "one retrain",
            figure=f"{found.retrains}, {trained}",
            held=found.retrains == 1 and found.trained_on,
        ),
    ]


def main() -> None:
    """Several storms on one project; exit code 1 where a limit is exceeded."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        stage = set_up(Path(name), servers, "serve")
        project = start_project(stage)
        rows = []
        for number in range(1, 2 if is_quick() else REPEATS + 1):
            idle = idle_predicts(stage, project)
            rows += report(idle, storm(stage, project, number))
    finish(rows)


if __name__ == "__main__":
    main()
