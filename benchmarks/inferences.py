"""Inferences a second through ``labelgate web`` on SQLite, and webhooks meanwhile.

A real web process; batches of 100, 1,000 and 10,000 inferences (60 words of data each) come first
at the promised 2,000 inferences a second, then from four clients over kept connections as fast as
they are answered. Meanwhile webhooks come in an open loop, 20 a second, each over a connection of
its own and timed from the moment it was due: Label Studio waits one second for them. They are held
to that second at the promised rate, and told at the other. The peer in the same run is a bare
``executemany`` of the same rows into the same table of another file, one commit a batch, by one
thread without a web server. What was answered 202 is counted in the database at the end.
Run: ``python -m benchmarks.inferences``.
"""

from __future__ import annotations

import http.client
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import orjson

from audit_jobs.demo.servers import labelgate, wait_until_healthy
from backend.bootstrap import build_runtime
from backend.runtime import Runtime
from backend.settings import Settings
from backend.store.inference_tokens import make_token
from backend.store.projects import store_policy, store_project
from benchmarks.inference_rows import bare_rate, inferences
from benchmarks.predict import LABELS, POLICY, PROJECT, project
from benchmarks.results import Row, asserted, at_least, at_most, finish
from benchmarks.stage import text
from benchmarks.webhooks import Request, open_loop
from connectors.label_studio.events import SECRET_HEADER
from connectors.loopback import free_port
from policies.loading import parse_policy, policy_hash

SIZES = (100, 1_000, 10_000)
CLIENTS = 4
WORDS = 60
TEXTS = 2_000
SECONDS = 8.0
WEBHOOKS_PER_S = 20.0
LIMIT_PER_S = 2_000  # inferences
WEBHOOK_LIMIT_S = 1.0  # Label Studio gives up
SECRET = "of the benchmark"  # noqa: S105 - opens nothing but this benchmark's server


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The running server, the token of its project, and where its database lies."""

    runtime: Runtime
    token: str
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one size of batch measured: rates in inferences a second, times in seconds."""

    size: int
    per_s: float
    bare_per_s: float
    batches: Sequence[float]
    webhooks: Sequence[float]
    answered: int


def set_up(folder: Path) -> Bench:
    """A project in a new database, and a token for it."""
    settings = Settings.model_validate(
        {"data_dir": folder, "port": free_port(), "webhook_secret": SECRET}
    )
    runtime = build_runtime(settings)
    now, digest = datetime.now(UTC), policy_hash(parse_policy(POLICY))
    with runtime.sessions.begin() as session:
        store_policy(session, digest, POLICY, now)
        store_project(session, project(digest, PROJECT), now)
    with runtime.sessions.begin() as session:
        token = make_token(session, PROJECT, now)
    return Bench(runtime=runtime, token=token, folder=folder)


class Client(threading.Thread):
    """Posts batches over one connection until the time is over."""

    def __init__(self, bench: Bench, batches: Iterator[tuple[str, bytes]], until: float) -> None:
        super().__init__()
        self._bench = bench
        self._batches = batches
        self._until = until
        self.times: list[float] = []
        self.stored = 0
        self.error: str | None = "did not end"

    def run(self) -> None:
        """Every answer must be a 202 that says that all is stored."""
        port = self._bench.runtime.settings.port
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            for key, body in self._batches:
                started = time.perf_counter()
                headers = {
                    "Authorization": f"Bearer {self._bench.token}",
                    "Content-Type": "application/json",
                    "Idempotency-Key": key,
                }
                connection.request("POST", "/v1/inferences", body, headers)
                response = connection.getresponse()
                content = response.read()
                if response.status != 202:
                    self.error = f"{response.status}: {content[:300]!r}"
                    return
                self.times.append(time.perf_counter() - started)
                self.stored += orjson.loads(content)["stored"]
                if time.perf_counter() > self._until:
                    break
        self.error = None


def batches_of(size: int, numbers: Iterator[int], texts: Sequence[str]) -> list[tuple[str, bytes]]:
    """Enough batches of a client for a while, made beforehand: making them is not measured."""
    made = []
    for _ in range(max(2, 30_000 // size)):
        first = next(numbers) * max(SIZES)
        body = orjson.dumps({"inferences": inferences(first, size, texts)})
        made.append((f"batch-{first}", body))
    return made


def webhook(bench: Bench, task_id: int) -> Request:
    """The webhook of an answer to this task."""
    body = {
        "action": "ANNOTATION_CREATED",
        "project": {"id": PROJECT},
        "annotation": {"id": task_id, "task": task_id},
    }
    return Request(
        port=bench.runtime.settings.port,
        path="/webhook",
        body=orjson.dumps(body),
        headers={SECRET_HEADER: SECRET},
        status=201,
    )


def beside(
    bench: Bench, *, per_s: float, size: int, numbers: Iterator[int], texts: Sequence[str]
) -> list[float]:
    """Webhooks while inferences come in at the promised rate, each batch when it is due."""
    batches = [
        Request(
            port=bench.runtime.settings.port,
            path="/v1/inferences",
            body=orjson.dumps({"inferences": inferences(next(numbers) * max(SIZES), size, texts)}),
            headers={"Authorization": f"Bearer {bench.token}"},
            status=202,
        )
        for _ in range(round(SECONDS * per_s / size))
    ]
    sending = threading.Thread(target=open_loop, args=(batches, per_s / size))
    sending.start()
    asked = [webhook(bench, 1 + each) for each in range(round(SECONDS * WEBHOOKS_PER_S))]
    webhooks = open_loop(asked, WEBHOOKS_PER_S)
    sending.join()
    return webhooks


def load(bench: Bench, size: int, numbers: Iterator[int], texts: Sequence[str]) -> Load:
    """Post batches of a size, and webhooks meanwhile."""
    made = [batches_of(size, numbers, texts) for _ in range(CLIENTS)]
    bare = bare_rate(bench.folder, size, texts)
    asked = [webhook(bench, 1 + each) for each in range(round(SECONDS * WEBHOOKS_PER_S))]
    begin = time.perf_counter()
    clients = [Client(bench, iter(each), begin + SECONDS) for each in made]
    for client in clients:
        client.start()
    webhooks = open_loop(asked, WEBHOOKS_PER_S)
    for client in clients:
        client.join()
    failed = [client.error for client in clients if client.error is not None]
    if failed:
        raise SystemExit(f"a client was not answered with 202: {failed[0]}")
    # A client that had posted all that was made beforehand ended before the time was over.
    per_s = sum(client.stored / sum(client.times) for client in clients)
    return Load(
        size=size,
        per_s=per_s,
        bare_per_s=bare,
        batches=[each for client in clients for each in client.times],
        webhooks=webhooks,
        answered=sum(client.stored for client in clients),
    )


def figures(seconds: Sequence[float]) -> str:
    """Median, 99th percentile and maximum."""
    p99 = statistics.quantiles(seconds, n=100)[98]
    return (
        f"p50 {statistics.median(seconds) * 1000:6.1f} ms, p99 {p99 * 1000:6.1f} ms, "
        f"max {max(seconds) * 1000:6.1f} ms"
    )


def report_beside(size: int, webhooks: Sequence[float]) -> Row:
    """Print what webhooks took at the promised rate; their row."""
    p99 = statistics.quantiles(webhooks, n=100)[98]
    kept = p99 <= WEBHOOK_LIMIT_S
    print(f"webhooks beside {LIMIT_PER_S:,} inferences a second in batches of {size:,}")
    print(f"                     {figures(webhooks)}")
    print(
        f"  p99 of webhooks / 1 s: {p99 / WEBHOOK_LIMIT_S:.2f} (limit 1.00)"
        f"{'' if kept else ': EXCEEDED'}",
        flush=True,
    )
    return at_most(
        f"webhooks beside {LIMIT_PER_S:,} inferences a second in batches of {size:,}",
        figure=figures(webhooks),
        peer="the second that Label Studio waits",
        ratio=p99 / WEBHOOK_LIMIT_S,
        limit=1.0,
    )


def report(found: Load) -> Row:
    """Print the figures of one size; its row."""
    p99 = statistics.quantiles(found.webhooks, n=100)[98]
    kept = found.per_s >= LIMIT_PER_S
    print(f"batches of {found.size:,} by {CLIENTS} clients: {found.per_s:,.0f} inferences a second")
    print(f"  answers            {figures(found.batches)}")
    print(f"  webhooks meanwhile {figures(found.webhooks)}")
    print(
        f"  rate / {LIMIT_PER_S:,}: {found.per_s / LIMIT_PER_S:.1f} (limit 1.0); rate / bare "
        f"executemany ({found.bare_per_s:,.0f} a second): {found.per_s / found.bare_per_s:.2f}; "
        f"p99 of webhooks / 1 s: {p99 / WEBHOOK_LIMIT_S:.2f}"
        f"{'' if kept else ': EXCEEDED'}",
        flush=True,
    )
    return at_least(
        f"inferences in batches of {found.size:,}",
        figure=f"{found.per_s:,.0f} a second",
        peer=f"{LIMIT_PER_S:,} a second; a bare executemany {found.bare_per_s:,.0f}",
        ratio=found.per_s / LIMIT_PER_S,
        limit=1.0,
    )


def main() -> None:
    """Every size of batch; exit code 1 where a limit is exceeded."""
    texts = [text(seed, LABELS, WORDS)[0] for seed in range(TEXTS)]
    numbers = count()
    with tempfile.TemporaryDirectory() as name:
        bench = set_up(Path(name))
        settings = bench.runtime.settings
        log = bench.folder / "labelgate.log"
        with labelgate(settings, "web", log) as process:
            wait_until_healthy(settings.own_url, process, log)
            webhook(bench, 1).send()  # the first one opens the database
            idle = open_loop([webhook(bench, 1)] * 100, WEBHOOKS_PER_S)
            print(f"webhooks alone       {figures(idle)}")
            paced = [
                beside(bench, per_s=LIMIT_PER_S, size=size, numbers=numbers, texts=texts)
                for size in SIZES
            ]
            found = [load(bench, size, numbers, texts) for size in SIZES]
        rows = [report_beside(*each) for each in zip(SIZES, paced, strict=True)]
        rows += [report(each) for each in found]
        with closing(sqlite3.connect(bench.folder / "labelgate.db")) as database:
            (there,) = database.execute("SELECT count(*) FROM inferences").fetchone()
        answered = sum(each.answered for each in found)
        answered += sum(round(SECONDS * LIMIT_PER_S / size) * size for size in SIZES)
        print(f"answered 202: {answered:,}, in the database: {there:,}")
    rows.append(
        asserted(
            "what was answered 202 is stored",
            figure=f"{there:,} of {answered:,}",
            held=there == answered,
        )
    )
    finish(rows)


if __name__ == "__main__":
    main()
