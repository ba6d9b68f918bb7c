"""A round of jobs on a project of 100,000 tasks: with nothing new, and with one new answer.

The scheduler runs all of them whenever a webhook came. There is no peer that does the same work:
the ratio is to what nobody can do without, to read the rows of the project once out of the store,
JSON and long texts left aside. Beside them ``/`` and ``/metrics``.
Run: ``python -m benchmarks.rounds``.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import Text, select

from audit_jobs.job_names import ROUND
from audit_jobs.jobs import JOBS
from backend.app import create_app
from backend.store.columns import Json
from backend.store.figures import project_figures
from backend.store.tables import AnnotationRow, DecisionRow, DeliveryRow, TaskRow
from benchmarks.large_project import large_project, open_audits, peak_megabytes
from benchmarks.results import Row, at_most, finish
from tests.fakes.worked_project import WorkedProject

TASKS, ANSWERS, AUDITS = 100_000, 20_000, 5_000
LOOKS = 3
MOST_OF_A_JOB = 0.2  # with nothing new, of reading the rows once
MOST_OF_A_ROUND = 1.0
MOST_WITH_AN_ANSWER = 3.0  # of a job


def main() -> None:
    """Print CPU times as ratios; fail past the limits."""
    with tempfile.TemporaryDirectory() as folder:
        worked = large_project(Path(folder), TASKS, ANSWERS, AUDITS)
        for _ in range(3):  # what the last answers lead to is done, once and for all
            _round(worked)
        _print_size(worked)
        reading = min(_seconds(lambda: _read_rows(worked)) for _ in range(LOOKS))
        print(f"reading the rows once: {reading:.2f} s")
        nothing = _best([_round(worked) for _ in range(LOOKS)])
        answered = _best([_answered_round(worked) for _ in range(LOOKS)])
        _print(nothing, answered, reading)
        _print_pages(worked)
        print(f"peak memory: {peak_megabytes():,.0f} MB")
        worked.runtime.sessions.kw["bind"].dispose()
    finish(_rows(nothing, answered, reading))


def _round(worked: WorkedProject) -> dict[str, float]:
    """The CPU seconds of each job of a round."""
    worked.clock.forward(60)
    project = worked.project
    return {name: _seconds(partial(JOBS[name], worked.runtime, project)) for name in ROUND}


def _answered_round(worked: WorkedProject) -> dict[str, float]:
    """The same after an auditor has answered once."""
    task_id, label = open_audits(worked)[0]
    worked.server.submit(worked.people["sue"], task_id, label)
    return _round(worked)


def _best(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: min(each[name] for each in rounds) for name in ROUND}


def _read_rows(worked: WorkedProject) -> None:
    """Tasks, ledger, answers and deliveries, in all columns that hold no text of any length."""
    with worked.runtime.reads() as session:
        for table in (TaskRow, DecisionRow, AnnotationRow, DeliveryRow):
            short = [
                each
                for each in table.__table__.columns
                if not isinstance(each.type, Json) and not isinstance(each.type, Text)
            ]
            session.execute(select(*short)).all()


def _seconds(do: Callable[[], object]) -> float:
    start = time.process_time()
    do()
    return time.process_time() - start


def _print_size(worked: WorkedProject) -> None:
    with worked.runtime.reads() as session:
        figures = project_figures(session, worked.project)
    print(
        f"{figures.tasks:,} tasks, {figures.human_labels:,} answers, {figures.accepted:,} accepted"
    )


def _print(nothing: dict[str, float], answered: dict[str, float], reading: float) -> None:
    print(f"{'job':12} {'nothing new':>12} {'one answer':>12}  times reading")
    rows = [*((name, nothing[name], answered[name]) for name in ROUND)]
    rows.append(("round", sum(nothing.values()), sum(answered.values())))
    for name, idle, busy in rows:
        print(
            f"{name:12} {idle / reading:12.3f} {busy / reading:12.3f}  ({idle:.3f} s, {busy:.3f} s)"
        )


def _print_pages(worked: WorkedProject) -> None:
    client = create_app(worked.runtime).test_client()
    for path in ("/", "/projects/1", "/metrics"):
        assert client.get(path).status_code == 200
        best = min(_seconds(partial(client.get, path)) for _ in range(LOOKS))
        print(f"{path}: {1_000 * best:.0f} ms")


def _rows(nothing: dict[str, float], answered: dict[str, float], reading: float) -> list[Row]:
    """The round, and the job that takes longest of it, with nothing new and with one answer."""
    slowest = max(ROUND, key=nothing.__getitem__)
    busiest = max(ROUND, key=answered.__getitem__)
    found = (
        ("the round with nothing new", sum(nothing.values()), MOST_OF_A_ROUND),
        (f"its longest job, {slowest}", nothing[slowest], MOST_OF_A_JOB),
        (f"the longest after one answer, {busiest}", answered[busiest], MOST_WITH_AN_ANSWER),
    )
    peer = f"reading the rows once {reading:.2f} s"
    return [
        at_most(name, figure=f"{taken:.3f} s", peer=peer, ratio=taken / reading, limit=limit)
        for name, taken, limit in found
    ]


if __name__ == "__main__":
    main()
