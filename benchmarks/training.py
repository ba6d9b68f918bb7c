"""``/predict`` while a trainer works, against idle, and how soon a promoted version serves.

Real processes: ``labelgate web``, and the trainer as the scheduler starts it (its limits, its low
priority); the answers to learn from are in the store. ``/predict`` of one task is asked 20 times a
second, over a connection of its own each, until the trainer has ended and its version serves. Run:
``python -m benchmarks.training``.
"""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson

from audit_jobs import retrain
from backend.store.training import request_training
from backend.store.votes import count_new_labels
from backend.synchronisation import synchronise
from benchmarks.results import at_most, finish
from benchmarks.stage import text
from connectors.loopback import free_port
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

TEXTS, WORDS, LABELS = 6_000, 60, ("A", "B")
PER_S, IDLE = 20.0, 200
REPEATS = 3
PREDICT_LIMIT, PICK_UP_LIMIT_S = 2.0, 2.0


def labelled(folder: Path) -> WorkedProject:
    """A project in which people have answered every task."""
    policy = worked_policy(retrain={"after_annotations": 100, "minimum_labels": 50})
    worked = worked_project(folder, policy)
    worked.tool.page_size = 1_000
    rows = [text(number, LABELS, WORDS) for number in range(TEXTS)]
    ids = worked.server.add_tasks(worked.project_id, [{"text": words} for words, _ in rows])
    for task_id, (_, label) in zip(ids, rows, strict=True):
        worked.server.submit(worked.people["ann"], task_id, label)
    synchronise(worked.runtime, worked.project)
    return worked


def train(worked: WorkedProject) -> None:
    """One training, as the scheduler carries it out."""
    with worked.runtime.sessions.begin() as session:
        labels = count_new_labels(session, worked.project_id)
        request_training(session, worked.project_id, "benchmark", labels, worked.clock())
    report = retrain.run(worked.runtime, worked.project)
    assert report["trained"], report


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """``labelgate web`` on the same data; its port."""
    port = free_port()
    env = os.environ | {"LABELGATE_DATA_DIR": str(folder), "LABELGATE_PORT": str(port)}
    with (
        (folder / "web.log").open("w") as log,
        subprocess.Popen([sys.executable, "-m", "labelgate", "web"], env=env, stderr=log) as web,
    ):
        try:
            while not answers(port):
                assert web.poll() is None, "the server ended"
                time.sleep(0.1)
            yield port
        finally:
            web.terminate()


def answers(port: int) -> bool:
    """Whether the server is up."""
    try:
        return bool(ask(port, 1))
    except OSError:
        return False


def ask(port: int, task_id: int) -> str:
    """``/predict`` of one task over a connection of its own; the version that answered."""
    body = {
        "project": "1",
        "tasks": [{"id": task_id, "data": {"text": text(task_id, LABELS, WORDS)[0]}}],
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/predict", orjson.dumps(body))
        response = connection.getresponse()
        found = orjson.loads(response.read())
    finally:
        connection.close()
    assert response.status == 200, found
    return str(found["model_version"])


def timed(port: int, due: float) -> float:
    """Seconds that an answer takes which is asked for at this time, not before."""
    time.sleep(max(0.0, due - time.perf_counter()))
    begin = time.perf_counter()
    ask(port, 1)
    return time.perf_counter() - begin


def meanwhile(worked: WorkedProject, port: int, old: str) -> tuple[list[float], float]:
    """Times of the answers while a trainer works; how long after its end the old version served."""
    trainer = threading.Thread(target=train, args=(worked,))
    trainer.start()
    times: list[float] = []
    begin, number = time.perf_counter(), 0
    while trainer.is_alive():
        times.append(timed(port, begin + number / PER_S))
        number += 1
    ended = time.perf_counter()
    while ask(port, 1) == old:
        time.sleep(0.01)
    return times, time.perf_counter() - ended


def told(seconds: Sequence[float]) -> str:
    """Median and 99th percentile."""
    p99 = statistics.quantiles(seconds, n=100)[98]
    return f"p50 {statistics.median(seconds) * 1000:6.1f} ms, p99 {p99 * 1000:6.1f} ms"


def main() -> None:
    """Several trainings in turn; exit code 1 where a limit is exceeded."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        worked = labelled(Path(name))
        train(worked)
        with serving(Path(name)) as port:
            for _ in range(REPEATS):
                old = ask(port, 1)
                begin = time.perf_counter()
                idle = [timed(port, begin + number / PER_S) for number in range(IDLE)]
                times, late = meanwhile(worked, port, old)
                ratio = statistics.median(times) / statistics.median(idle)
                kept = ratio <= PREDICT_LIMIT and late <= PICK_UP_LIMIT_S
                print(f"/predict idle       {told(idle)}")
                print(f"/predict meanwhile  {told(times)} ({len(times)} in a training)")
                print(
                    f"meanwhile / idle: {ratio:.2f} (limit {PREDICT_LIMIT:.1f}); the new version "
                    f"answers {late:.2f} s after the trainer's end (limit {PICK_UP_LIMIT_S:.1f})"
                    f"{'' if kept else ': EXCEEDED'}",
                    flush=True,
                )
                rows += [
                    at_most(
                        "/predict while a trainer works",
                        figure=told(times),
                        peer=f"idle {told(idle)}",
                        ratio=ratio,
                        limit=PREDICT_LIMIT,
                    ),
                    at_most(
                        "until the new version answers",
                        figure=f"{late:.2f} s",
                        peer=f"{PICK_UP_LIMIT_S:g} s",
                        ratio=late / PICK_UP_LIMIT_S,
                        limit=1.0,
                    ),
                ]
    finish(rows)


if __name__ == "__main__":
    main()
