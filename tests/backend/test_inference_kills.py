"""kill -9 of ``labelgate web`` while inferences come in: what was answered is there, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select

from backend.store.inference_tables import InferenceRow
from connectors.inference_client import InferenceClient, InferencesNotSentError
from connectors.loopback import free_port
from tests.backend.test_web_server import WEB, environment
from tests.fakes.inferences import monitored_project, token_of
from tests.fakes.web_project import WebProject
from tests.waiting import until

KILLS = 2
SENDERS = 3
BATCH = 200
SEED = 20261129
PATIENCE_S = 60.0


class Sender(threading.Thread):
    """Sends batch after batch, each until it is answered, and notes what was answered."""

    def __init__(self, name: str, url: str, token: str) -> None:
        super().__init__(name=name)
        self._to = (url, token)
        self._stop_asked = threading.Event()
        self.answered: list[str] = []
        self.failed = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with InferenceClient(*self._to, batch=2 * BATCH, attempts=1, timeout_s=10) as client:
                while not self._stop_asked.is_set():
                    self._one_batch(client)
        except BaseException as error:  # noqa: BLE001  # handed to the test's own thread
            self.error = error

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(PATIENCE_S)

    def _one_batch(self, client: InferenceClient) -> None:
        first = len(self.answered)
        ids = [f"{self.name}-{number}" for number in range(first, first + BATCH)]
        for each in ids:
            client.add(each, "A", model_version="v1", data={"text": each})
        while len(client):
            try:
                client.send()
            except InferencesNotSentError:
                self.failed += 1
                time.sleep(0.02)  # as the client itself does between attempts
        self.answered += ids


@contextmanager
def serving(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """The server and its worker, in a group of their own, killed at the end."""
    process = subprocess.Popen(
        WEB,
        env=environment(folder, port),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Labelgate listens on ")
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE_S)


def stored_ids(project: WebProject) -> list[str]:
    with project.runtime.reads() as session:
        return list(session.scalars(select(InferenceRow.inference_id).order_by(InferenceRow.id)))


def test_what_was_answered_outlives_every_kill_and_nothing_is_doubled(tmp_path: Path) -> None:
    project = monitored_project(tmp_path)
    port, rng = free_port(), random.Random(SEED)  # noqa: S311  # when it dies: nothing secret
    url, token = f"http://127.0.0.1:{port}", token_of(project)
    senders = [Sender(f"sender{number}", url, token) for number in range(SENDERS)]

    def answered() -> list[str]:
        return [each for sender in senders for each in list(sender.answered)]

    for sender in senders:
        sender.start()
    try:
        for _ in range(KILLS):
            with serving(tmp_path, port):
                before = len(answered())
                until(lambda: len(answered()) > before, "answers", every_s=0.01)  # noqa: B023 - asked at once
                time.sleep(rng.uniform(0.0, 0.3))  # the random moment is the point of the test
            told = answered()
            there = stored_ids(project)
            assert set(told) <= set(there)
            assert len(there) == len(set(there))
        with serving(tmp_path, port):
            for sender in senders:
                sender.stop()
    finally:
        for sender in senders:
            sender.stop()
    assert [sender.error for sender in senders] == [None] * SENDERS
    assert sum(sender.failed for sender in senders) >= KILLS
    assert sorted(stored_ids(project)) == sorted(answered())
