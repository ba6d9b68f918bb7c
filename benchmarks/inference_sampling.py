"""100,000 inferences that wait, looked at: shares, draws, states and counts, in chunks.

There is no peer that does the same work: the ratio is to what nobody can do without, to read the
rows once, and to a bare executemany that notes as much. 2,000 inferences a second come in; looking
at them must not fall behind. Beside it how long the database is taken at a time.
Run: ``python -m benchmarks.inference_sampling``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import cast

from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from backend.inferences.sampling import sample_waiting
from backend.leasing import holding
from backend.store.inference_tables import InferenceRow
from backend.store.inferences import Inference, store_inferences
from benchmarks.results import at_least, at_most, finish
from connectors.inference_data import data_sha256
from policies.loading import parse_policy
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

INFERENCES = 100_000
BATCH = 10_000
LEAST_A_SECOND = 2_000
MOST_AT_A_TIME_S = 0.5  # half of what Label Studio gives a webhook
FROM = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = {"share": 0.03, "each_class": 10, "slices": ["country"]}
RULED = PLAIN | {
    "rules": [
        {"when": {"kind": "score", "below": 0.6}, "share": 0.2},
        {"when": {"kind": "task_field", "field": "text", "regex": "refund|court"}, "share": 0.5},
    ],
    "routed": 0.1,
}


@dataclass
class _Watched:
    """Sessions that write how long each of their transactions took."""

    sessions: sessionmaker[Session]
    took: list[float] = field(default_factory=list)

    def begin(self) -> AbstractContextManager[Session]:
        return _timed(self.sessions.begin(), self.took)


class _timed(AbstractContextManager[Session]):  # noqa: N801 - used as a function
    def __init__(self, inner: AbstractContextManager[Session], took: list[float]) -> None:
        self._inner, self._took = inner, took

    def __enter__(self) -> Session:
        session = self._inner.__enter__()
        self._began = time.perf_counter()
        return session

    def __exit__(self, *error: object) -> bool | None:
        left = self._inner.__exit__(*error)  # type: ignore[arg-type]  # passed on
        self._took.append(time.perf_counter() - self._began)
        return left


def main() -> None:
    """Print rates and ratios; fail past the limits."""
    rows = []
    for name, monitoring in (("share and floors", PLAIN), ("rules and routes too", RULED)):
        with tempfile.TemporaryDirectory() as folder:
            routes = [{"kind": "predicted_label", "in": ["B"], "tier": "senior"}]
            policy = worked_policy(monitoring=monitoring, routes=routes)
            worked = worked_project(Path(folder), policy)
            _fill(worked)
            reading = _seconds(partial(_read, worked))
            noting = _seconds(partial(_note, worked))
            looking, longest = _look(worked)
            worked.runtime.sessions.kw["bind"].dispose()
        rate = INFERENCES / looking
        print(
            f"{name}: {rate:,.0f} a second, {rate / LEAST_A_SECOND:.1f} times what comes in; "
            f"{looking / reading:.1f} times reading them ({INFERENCES / reading:,.0f} a second), "
            f"{looking / (reading + noting):.1f} times reading them and a bare executemany; "
            f"the database is taken for {longest * 1000:.0f} ms at most"
        )
        bare = INFERENCES / (reading + noting)
        rows += [
            at_least(
                name,
                figure=f"{rate:,.0f} a second",
                peer=f"{LEAST_A_SECOND:,} come in; reading and a bare executemany {bare:,.0f}",
                ratio=rate / LEAST_A_SECOND,
                limit=1.0,
            ),
            at_most(
                f"{name}: longest transaction",
                figure=f"{1e3 * longest:.0f} ms",
                peer=f"{1e3 * MOST_AT_A_TIME_S:.0f} ms",
                ratio=longest / MOST_AT_A_TIME_S,
                limit=1.0,
            ),
        ]
    finish(rows)


def _fill(worked: WorkedProject) -> None:
    for start in range(0, INFERENCES, BATCH):
        batch = [_inference(number) for number in range(start, start + BATCH)]
        with worked.runtime.sessions.begin() as session:
            store_inferences(session, worked.project_id, batch, worked.clock())


def _inference(number: int) -> Inference:
    country = ("DE", "FR", "CH", "IT", "AT")[number % 5]
    data = {"text": f"answer number {number} to a letter of some length " * 4, "country": country}
    return Inference(
        inference_id=f"request-{number:012d}",
        model_version="2026-01",
        predicted="AB"[number % 11 == 0],
        score=(number % 97) / 96,
        data=data,
        data_sha256=data_sha256(data),
        slices={"country": country},
        at=FROM + timedelta(seconds=number * 30),
    )


def _read(worked: WorkedProject) -> None:
    """What is looked at, once, as it stands."""
    columns = InferenceRow.__table__.c
    looked = (columns.id, columns.inference_id, columns.model_version, columns.predicted)
    with worked.runtime.reads() as session:
        session.execute(
            select(*looked, columns.score, columns.at, columns.slices, columns.data)
        ).all()


def _note(worked: WorkedProject) -> None:
    """A bare executemany over as many rows, taken back."""
    statement = text("update inferences set share = :share, draw = :share where id = :id")
    with worked.runtime.reads() as session:
        ids = session.scalars(select(InferenceRow.id)).all()
    rows = [{"share": 0.5, "id": each} for each in ids]
    with worked.runtime.sessions() as session, session.begin() as transaction:
        session.execute(statement, rows)
        transaction.rollback()


def _look(worked: WorkedProject) -> tuple[float, float]:
    """How long looking at all takes, and the longest transaction of it."""
    watched = _Watched(worked.runtime.sessions)
    runtime = replace(worked.runtime, sessions=cast("sessionmaker[Session]", watched))
    policy = parse_policy(worked.project.policy_text)
    with holding(worked.runtime, "benchmark") as lease:
        if lease is None:
            sys.exit("the lease is taken")
        began = time.perf_counter()
        found = sample_waiting(runtime, worked.project, policy, lease)
        took = time.perf_counter() - began
    if found["looked_at"] != INFERENCES:
        sys.exit(f"looked at {found['looked_at']:,} of {INFERENCES:,}")
    return took, max(watched.took)


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
