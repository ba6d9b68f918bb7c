"""What a row costs in a real PostgreSQL: bytes in its table and in each index, and processor time.

Rows are written by the product's own functions, in batches, and then cloned by the database to the
larger size, so that a size per row is seen at two sizes. Processor time is that of this process and
of its server process (both on this machine), so that others who use the machine do not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from sqlalchemy import Engine, insert, text

from backend.bootstrap import build_runtime
from backend.inferences.intake import read_batch, take_in
from backend.inferences.sampling import sample_waiting
from backend.leasing import holding
from backend.runtime import Runtime
from backend.settings import Settings
from backend.store.inferences import PASSED, delete_inferences
from backend.store.ledger import Grounds, append_decisions
from backend.store.projects import ConnectedProject, active_project, store_policy, store_project
from backend.store.tables import DeliveryRow, TaskRow
from benchmarks.inference_rows import inferences
from benchmarks.predict import CONFIG, LABELS
from benchmarks.scale_postgresql import (
    TABLES,
    TableSize,
    alone,
    clone,
    commit_s,
    drop_s,
    log_position,
    server_seconds,
    size_of,
    without_data,
)
from benchmarks.stage import text as words
from policies.domain import Decision, Outcome, Purpose
from policies.loading import parse_policy, policy_hash

BATCH = 1_000
WORDS = 60
TEXTS = 2_000
POLICY = """
project: 1
stakes: low
tiers:
  - {name: general, reviewers: [a@x.org, b@x.org], cost_per_label: 0.1, daily_capacity: 100}
  - {name: senior, reviewers: [c@x.org], cost_per_label: 1.0, daily_capacity: 20}
auto_accept: {max_error_rate: 0.05, confidence: 0.95}
monitoring: {share: 0.01, retention_days: 30}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Processor seconds of one row, here and in the database, and its bytes of write-ahead log."""

    own_s: float
    database_s: float
    log_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFigures:
    """All that was measured; ``drop_s`` is the time to drop a partition of so many rows.

    ``worn`` are tables once each row was written anew: inferences that a job has looked at, tasks
    that were decided. The room of the old rows is free for others, and is room all the same.
    ``without_data`` are the bytes of an inference in the table where only ids are kept.
    """

    sizes: Sequence[TableSize]
    worn: Sequence[TableSize]
    without_data: float
    intake: Effort
    sampling: Effort
    ledger: Effort
    forgetting: Effort
    drop_s: float
    drop_rows: int
    commit_s: float


def measure(url: str, folder: Path, *, rows: int, most: int) -> StoreFigures:
    """Write ``rows`` by the product, then clone them to ``most``; ``most`` is a multiple."""
    settings = Settings.model_validate({"data_dir": folder, "database_url": url})
    runtime = build_runtime(settings)
    engine: Engine = runtime.sessions.kw["bind"]
    project = connected_project(runtime)
    intake = _effort(engine, rows, lambda: _take_in(runtime, project, rows))
    ledger = _effort(engine, rows, lambda: _decide(runtime, rows))
    sampling = _effort(engine, rows, lambda: _sample(runtime, project))
    worn = [size_of(engine, table, rows) for table in ("inferences", "tasks")]
    with alone(engine) as connection:
        connection.execute(text("VACUUM FULL inferences, tasks"))
    sizes = [size_of(engine, table, rows) for table in TABLES]
    disk_s = commit_s(engine)
    if most > rows:
        clone(engine, rows, most)
        sizes += [size_of(engine, table, most) for table in TABLES]
    dropping_s = drop_s(engine, rows)
    forgetting = _effort(engine, rows, lambda: _forget(runtime, rows))
    engine.dispose()
    return StoreFigures(
        sizes=sizes,
        worn=worn,
        without_data=without_data(engine, rows),
        intake=intake,
        sampling=sampling,
        ledger=ledger,
        forgetting=forgetting,
        drop_s=dropping_s,
        drop_rows=rows,
        commit_s=disk_s,
    )


def connected_project(runtime: Runtime) -> ConnectedProject:
    """A connected project with a policy that monitors, in an empty database."""
    now, digest = datetime.now(UTC), policy_hash(parse_policy(POLICY))
    made = ConnectedProject(
        id=1,
        title="scale",
        label_config=CONFIG,
        policy_text=POLICY,
        policy_hash=digest,
        robot_id=2,
        views={},
        ml_backend_id=None,
        webhook_id=None,
        previous_settings={},
        last_task_id=0,
        synced_until=None,
    )
    with runtime.sessions.begin() as session:
        store_policy(session, digest, POLICY, now)
        store_project(session, made, now)
    with runtime.reads() as session:
        found = active_project(session, 1)
    if found is None:
        raise SystemExit("the project that was just stored is not there")
    return found


def _take_in(runtime: Runtime, project: ConnectedProject, rows: int) -> None:
    """As the web process does with a request: parse, check, store, one transaction a batch."""
    texts = [words(seed, LABELS, WORDS)[0] for seed in range(TEXTS)]
    bodies = [
        orjson.dumps({"inferences": inferences(first, BATCH, texts)})
        for first in range(0, rows, BATCH)
    ]
    began = time.process_time()
    for body in bodies:
        take_in(runtime, project, read_batch(runtime, project, orjson.loads(body)["inferences"]))
    _spent.append(time.process_time() - began)


def _decide(runtime: Runtime, rows: int) -> None:
    """Tasks, their decisions and what is to be delivered, as a round writes them."""
    now = datetime.now(UTC)
    texts = [words(seed, LABELS, WORDS)[0] for seed in range(TEXTS)]
    grounds = Grounds(model_version="text-7", policy_hash="0" * 64, certificate_id=1)
    spent = 0.0
    for first in range(1, rows + 1, BATCH):
        numbers = range(first, first + BATCH)
        with runtime.sessions.begin() as session:
            session.execute(
                insert(TaskRow),
                [
                    {
                        "project_id": 1,
                        "task_id": number,
                        "data": {"text": texts[number % TEXTS], "country": "DE"},
                        "created_at": now,
                    }
                    for number in numbers
                ],
            )
        began = time.process_time()
        with runtime.sessions.begin() as session:
            append_decisions(session, 1, [_decision(number) for number in numbers], grounds, now)
            session.execute(insert(DeliveryRow), [_delivery(number, now) for number in numbers])
        spent += time.process_time() - began
    _spent.append(spent)


def _decision(number: int) -> Decision:
    accepts = number % 4 != 0
    return Decision(
        task_id=number,
        outcome=Outcome.ACCEPT if accepts else Outcome.REVIEW,
        purpose=Purpose.ROUTED,
        tier=None if accepts else "general",
        rule="auto_accept" if accepts else "below_threshold",
        reason="score 0.93 is at least 0.871, the threshold that was proved for this version",
        label=LABELS[number % len(LABELS)],
        score=number % 1000 / 1000,
        threshold=0.871,
        draw=number % 997 / 997,
        inclusion_probability=0.94,
        predictor="model",
    )


def _delivery(number: int, now: datetime) -> dict[str, object]:
    accepts = number % 4 != 0
    return {
        "project_id": 1,
        "task_id": number,
        "decision_seq": number,
        "marker": None if accepts else "general",
        "label": LABELS[number % len(LABELS)],
        "score": number % 1000 / 1000,
        "model_version": "text-7",
        "accepts": accepts,
        "state": "done",
        "next_attempt_at": now,
        "delivered_at": now,
    }


def _sample(runtime: Runtime, project: ConnectedProject) -> None:
    began = time.process_time()
    with holding(runtime, "inferences:1") as lease:
        if lease is None:
            raise SystemExit("somebody else holds the lease of the benchmark's own database")
        sample_waiting(runtime, project, parse_policy(POLICY), lease)
    _spent.append(time.process_time() - began)


def _forget(runtime: Runtime, rows: int) -> None:
    began, gone = time.process_time(), BATCH
    later = datetime.now(UTC) + timedelta(days=1)
    for _ in range(rows // BATCH):
        with runtime.sessions.begin() as session:
            gone = delete_inferences(session, 1, PASSED, later, BATCH)
        if gone < BATCH:
            break
    _spent.append(time.process_time() - began)


_spent: list[float] = []  # what the last measured piece took of this process, without its making


def _effort(engine: Engine, rows: int, work: Callable[[], None]) -> Effort:
    with engine.connect() as connection:
        connection.execute(text("CHECKPOINT"))
        before = server_seconds(connection)
        written = log_position(connection)
    work()
    with engine.connect() as connection:
        after = server_seconds(connection)
        written = log_position(connection) - written
    return Effort(
        own_s=_spent.pop() / rows, database_s=(after - before) / rows, log_bytes=written / rows
    )
