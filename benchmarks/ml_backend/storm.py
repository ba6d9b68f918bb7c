"""Thirty answers of people in a second and a half: what each side makes of their webhooks.

Both serve a model that learned 6,000 texts of 60 words and two labels, and learn them again because
of the answers. label-studio-ml forks a training of its own for every webhook; Labelgate keeps the
events, and its one trainer is at work beside them. ``/predict`` of one task is asked meanwhile, 20
times a second, until everything has ended. Each side has the machine to itself. Run:
``python -m benchmarks.ml_backend.storm``.
"""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from sqlalchemy import func, select

from backend.store.job_tables import EventRow
from benchmarks import processes, training
from benchmarks.load import family, memory_bytes, percentile, processor_seconds
from benchmarks.ml_backend import server
from benchmarks.ml_backend.inputs import PROJECT
from benchmarks.results import Row, asserted, at_least, at_most, finish, told
from benchmarks.stage import text
from connectors.label_studio.events import SECRET_HEADER
from connectors.loopback import free_port
from tests.fakes.worked_project import CONFIG, WorkedProject

EVENTS, EVENTS_PER_S, PREDICTS_PER_S = 30, 20.0, 20.0
PATIENCE_S = 300.0
WEBHOOK_LIMIT_S = 1.0  # Label Studio waits no longer
LEAST_PROCESSOR, LEAST_MEMORY = 2.0, 2.0
SECRET = "the secret"  # noqa: S105 - of the store in memory's project
PEER = "label-studio-ml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """What one side did: seconds and statuses of its answers, and what the storm cost."""

    webhooks: Sequence[tuple[float, int]]
    predicts: Sequence[tuple[float, int]]
    trainings: int
    seconds: float
    processor_s: float
    peak_bytes: int


@dataclass(slots=True)
class Watch:
    """Looks at a side until told to stop: its memory at most, and ``/predict`` meanwhile."""

    ask: Callable[[], tuple[float, int]]
    ended: threading.Event = field(default_factory=threading.Event)
    peak_bytes: int = 0
    most_processes: int = 0
    predicts: list[tuple[float, int]] = field(default_factory=list)

    def memory(self) -> None:
        """Of all that this process has started."""
        while not self.ended.wait(0.1):
            below = [each for each in family(os.getpid()) if each != os.getpid()]
            self.most_processes = max(self.most_processes, len(below))
            self.peak_bytes = max(self.peak_bytes, memory_bytes(below))

    def asking(self) -> None:
        """One task after the other."""
        while not self.ended.wait(1 / PREDICTS_PER_S):
            self.predicts.append(self.ask())


def timed(port: int, path: str, body: bytes, headers: dict[str, str]) -> tuple[float, int]:
    """Seconds and status of one answer over a connection of its own; 0 where none came."""
    begin = time.perf_counter()
    try:
        status, _ = server.post(port, path, body, headers=headers, timeout_s=60)
    except OSError:
        status = 0
    return time.perf_counter() - begin, status


def event(number: int) -> bytes:
    """The webhook of an answer, as far as either side reads it."""
    annotation = {"id": number, "task": number, "project": 1, "result": []}
    task = {"id": number, "project": 1, "data": {"text": "a word"}}
    body = {"action": "ANNOTATION_CREATED", "annotation": annotation, "task": task}
    return orjson.dumps(body | {"project": {"id": 1, "label_config": CONFIG}})


def storm(port: int, trained: Callable[[], int], used: Callable[[], float]) -> Storm:
    """Post the events, each when it is due, and wait until ``trained`` returns."""
    data = {"text": text(1, training.LABELS, training.WORDS)[0]}
    task = {"id": 1, "data": data, "annotations": []}
    asked = orjson.dumps({"tasks": [task], "project": PROJECT, "label_config": CONFIG})
    watch = Watch(ask=lambda: timed(port, "/predict", asked, {}))
    watch.ask()  # the first one loads the model
    before, began = used(), time.perf_counter()
    watching = [threading.Thread(target=each) for each in (watch.memory, watch.asking)]
    for each in watching:
        each.start()
    with ThreadPoolExecutor(max_workers=EVENTS) as clients:
        learning = clients.submit(trained)
        told_of = []
        for number in range(1, EVENTS + 1):
            time.sleep(max(0.0, began + number / EVENTS_PER_S - time.perf_counter()))
            headers = {SECRET_HEADER: SECRET}
            told_of.append(clients.submit(timed, port, "/webhook", event(number), headers))
        webhooks = [each.result() for each in told_of]
        trainings = learning.result()
    seconds = time.perf_counter() - began
    watch.ended.set()
    for each in watching:
        each.join()
    return Storm(
        webhooks=webhooks,
        predicts=watch.predicts,
        trainings=trainings,
        seconds=seconds,
        processor_s=used() - before,
        peak_bytes=watch.peak_bytes,
    )


def own_storm(folder: Path) -> tuple[Storm, int]:
    """Labelgate's side, and how many of the events are in its store at the end."""
    worked = training.labelled(folder)
    training.train(worked)
    port = free_port()
    settings = {"LABELGATE_WEBHOOK_SECRET": SECRET, "LABELGATE_EMBEDDINGS": "off"}
    with processes.running("web", port, ["-m", "labelgate", "web"], folder, settings) as web:

        def used() -> float:
            ended = resource.getrusage(resource.RUSAGE_CHILDREN)
            return processor_seconds(web.pid) + ended.ru_utime + ended.ru_stime

        def trained() -> int:
            training.train(worked)
            return 1

        found = storm(port, trained, used)
    return found, events(worked)


def events(worked: WorkedProject) -> int:
    """Webhooks in the store."""
    with worked.runtime.reads() as session:
        return session.scalar(select(func.count()).select_from(EventRow)) or 0


def peer_storm(folder: Path) -> Storm:
    """The peer's side: it has ended when nothing that it forked is at work any more."""
    rows = [text(number, training.LABELS, training.WORDS) for number in range(training.TEXTS)]
    texts, labels = zip(*rows, strict=True)
    port = free_port()
    with server.running(folder, port, texts, labels) as peer:
        server.set_up(port, PROJECT, CONFIG)
        server.trained(peer, PROJECT, CONFIG)
        at_rest = len(working(peer.pid))
        done = finished(peer)

        def trained() -> int:
            time.sleep(EVENTS / EVENTS_PER_S + 1)
            deadline = time.monotonic() + PATIENCE_S
            while len(working(peer.pid)) > at_rest:
                if time.monotonic() > deadline:
                    raise SystemExit(f"label-studio-ml was at work for {PATIENCE_S:g} s")
                time.sleep(0.2)
            return len(finished(peer) - done)

        return storm(port, trained, lambda: processor_seconds(peer.pid))


def working(pid: int) -> list[int]:
    """Processes of the family that have not ended; one that nobody asked after is left out."""
    found = []
    for each in family(pid):
        try:
            state = Path(f"/proc/{each}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0]
        except OSError:
            continue
        if state != "Z":
            found.append(each)
    return found


def finished(peer: server.Peer) -> set[Path]:
    """Trainings that left a result."""
    return set(peer.models.glob("*/job_result.json"))


def words(answers: Sequence[tuple[float, int]], right: int) -> str:
    """Times and how many were not answered as they must be."""
    seconds = [taken for taken, _ in answers]
    wrong = sum(status != right for _, status in answers)
    return (
        f"p50 {1e3 * statistics.median(seconds):.0f} ms, p99 {1e3 * percentile(seconds, 99):.0f} "
        f"ms, slowest {1e3 * max(seconds):.0f} ms, {wrong} of {len(answers)} refused"
    )


def rows_of(own: Storm, kept: int, peer: Storm) -> list[Row]:
    """Both sides' figures."""
    slowest = max(taken for taken, _ in own.webhooks)
    own_p50, peer_p50 = (
        statistics.median(taken for taken, _ in each.predicts) for each in (own, peer)
    )
    right = all(status == 200 for _, status in own.predicts)
    return [
        at_most(
            "webhooks, of the second that Label Studio waits",
            figure=words(own.webhooks, 201),
            peer=f"{PEER}: {words(peer.webhooks, 201)}",
            ratio=slowest / WEBHOOK_LIMIT_S,
            limit=1.0,
        ),
        asserted(
            "every event is kept",
            figure=f"{kept} of {EVENTS} in the store",
            held=kept == EVENTS,
            peer=f"{PEER}: keeps none, learns at once",
        ),
        asserted(
            "trainings",
            figure=f"{own.trainings} for {EVENTS} events",
            held=own.trainings == 1,
            peer=f"{PEER}: {EVENTS} at once, {peer.trainings} results: ids are seconds",
        ),
        told(
            "/predict meanwhile",
            figure=words(own.predicts, 200),
            peer=f"{PEER}: {words(peer.predicts, 200)}",
            ratio=own_p50 / peer_p50,
        ),
        asserted(
            "/predict is never refused",
            figure="all answered" if right else "some refused",
            held=right,
        ),
        at_least(
            "processor, times less",
            figure=f"{own.processor_s:.1f} s in {own.seconds:.0f} s",
            peer=f"{PEER}: {peer.processor_s:.1f} s in {peer.seconds:.0f} s",
            ratio=peer.processor_s / own.processor_s,
            limit=LEAST_PROCESSOR,
        ),
        at_least(
            "memory at most, times less",
            figure=f"{own.peak_bytes / 1e6:,.0f} MB",
            peer=f"{PEER}: {peer.peak_bytes / 1e6:,.0f} MB",
            ratio=peer.peak_bytes / own.peak_bytes,
            limit=LEAST_MEMORY,
        ),
    ]


def main() -> None:
    """One storm on each side, one after the other."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "own").mkdir()
        (folder / "peer").mkdir()
        own, kept = own_storm(folder / "own")
        peer = peer_storm(folder / "peer")
    finish(rows_of(own, kept, peer))


if __name__ == "__main__":
    main()
