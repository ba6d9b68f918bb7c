"""What an inference costs a real web process on a real PostgreSQL: the model's most used figure.

Batches over one kept connection, one after the other. Processor seconds of the web process and of
the database's processes count, not the clock: others may use the machine.
"""

from __future__ import annotations

import http.client
import statistics
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import orjson
from sqlalchemy import Engine, text

from audit_jobs.demo.servers import labelgate, wait_until_healthy
from backend.bootstrap import build_runtime
from backend.settings import Settings
from backend.store.inference_tokens import make_token
from benchmarks.inference_rows import inferences
from benchmarks.predict import LABELS
from benchmarks.scale_postgresql import seconds_of, server_seconds
from benchmarks.scale_store import TEXTS, WORDS, connected_project
from benchmarks.stage import text as words
from connectors.loopback import free_port

_WARM = 5  # batches that load what is loaded once


@dataclass(frozen=True, slots=True, kw_only=True)
class WebFigures:
    """Processor seconds of one inference in the web process and in the database, and the clock's.

    ``clock_s`` is the median time of a batch from the first byte to the answer, over ``batch``.
    """

    own_s: float
    database_s: float
    clock_s: float
    batch: int


def measure_web(url: str, folder: Path, *, batch: int, batches: int) -> WebFigures:
    """Post them, each answered 202 with all stored; a project is made in an empty database."""
    settings = Settings.model_validate(
        {"data_dir": folder, "database_url": url, "port": free_port()}
    )
    runtime = build_runtime(settings)
    connected_project(runtime)
    with runtime.sessions.begin() as session:
        token = make_token(session, 1, runtime.now())
    engine: Engine = runtime.sessions.kw["bind"]
    texts = [words(seed, LABELS, WORDS)[0] for seed in range(TEXTS)]
    log = folder / "web.log"
    with labelgate(settings, "web", log) as process:
        wait_until_healthy(settings.own_url, process, log)
        took = []
        own = there = 0.0
        with closing(http.client.HTTPConnection("127.0.0.1", settings.port, timeout=120)) as line:
            for number in range(batches + _WARM):
                if number == _WARM:
                    own, there = _tree_seconds(process.pid), _database_seconds(engine)
                body = orjson.dumps({"inferences": inferences(number * batch, batch, texts)})
                began = time.perf_counter()
                _post(line, body, token, batch)
                took.append(time.perf_counter() - began)
        own, there = _tree_seconds(process.pid) - own, _database_seconds(engine) - there
    engine.dispose()
    rows = batch * batches
    return WebFigures(
        own_s=own / rows,
        database_s=there / rows,
        clock_s=statistics.median(took[_WARM:]) / batch,
        batch=batch,
    )


def _post(line: http.client.HTTPConnection, body: bytes, token: str, batch: int) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    line.request("POST", "/v1/inferences", body, headers)
    answer = line.getresponse()
    said = answer.read()
    if answer.status != http.client.ACCEPTED or orjson.loads(said)["stored"] != batch:
        raise SystemExit(f"a batch was answered {answer.status}: {said[:300]!r}")


def _tree_seconds(pid: int) -> float:
    """Processor seconds of a process and of those that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return seconds_of(pid) + sum(_tree_seconds(int(child)) for child in children)


def _database_seconds(engine: Engine) -> float:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        return server_seconds(connection)
