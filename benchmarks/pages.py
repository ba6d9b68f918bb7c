"""Every page on a store of 1,000,000 decisions, against the 300 ms that a page may take.

The pages are found by the app's rules: a new one is timed without a word here. What is timed is the
processor's time of the whole answer, which is the time on a machine with nothing else to do; the
time by the clock is printed beside it, as is the time of the first look at a page, in which a
process makes what it keeps. Run: ``python -m benchmarks.pages``; with ``--store DIR`` on
a copy of a store that ``python -m benchmarks.large_store`` has made.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from audit_jobs.jobs import JOBS
from backend.app import create_app
from backend.runtime import Runtime
from backend.store.job_tables import JobRunRow
from backend.store.models import all_versions
from backend.store.projects import all_projects
from backend.store.tables import DecisionRow
from backend.web.server import keep_loaded
from benchmarks.large_store import fill
from benchmarks.large_store.stages import stage
from benchmarks.results import asserted, at_most, finish

DECISIONS = 1_000_000
LIMIT_S = 0.300
LOOKS = 9
_REFUSED = 409  # a page too: what says why nothing is there to confirm
# No pages: what probes, metrics of other protocols and Label Studio ask; files of any length.
_OTHERS = ("/static", "/v1/", "/setup", "/health", "/versions", "/validate")
_FILES = (".csv", ".json", ".yaml")
# What a query string may ask of a page, by the end of the page's rule.
_ASKED = {
    "/decisions": (
        "label=refund",
        "label=nothing-says-this",
        "task=12345",
        "rule=below_threshold",
        "rule=routes%5B0%5D",
        "rule=no_such_rule",
        "score_from=0.9&score_to=0.901",
        "human=praise",
        "human=praise&differs=yes",
        "model=v3",
        "purpose=recall",
        "outcome=accept&sort=score",
        "history=all&tier=experts",
        "since=2026-10-01&until=2026-10-02",
    ),
    "/policy": ("max_error_percent=8",),
    "/what-if": (
        "max_error_percent=8",
        "max_error_percent=2&audit_percent=30",
        "confidence_percent=90&cost_of_error=2",
        "control_percent=20&capacity_0=50&capacity_1=20",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timed:
    """A page's times in seconds: ``worked`` of the processor, ``waited`` by the clock.

    ``first`` is the processor's time of the first look, in which what a process keeps is made.
    """

    path: str
    status: int
    first: float
    worked: tuple[float, ...]
    waited: tuple[float, ...]

    @property
    def share(self) -> float:
        """The median against the limit."""
        return statistics.median(self.worked) / LIMIT_S


def main() -> None:
    """Print each page's share of the limit, and fail where one is over it, or is no page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, help="a folder with a filled store; it is copied")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runtime = _runtime(Path(folder), asked.store)
        app = create_app(runtime)
        keep_loaded()  # as the server does
        timed = [_timed(app.test_client(), path) for path in _paths(app, runtime)]
    _print(timed)
    broken = [f"{e.path} ({e.status})" for e in timed if e.status >= 400 and e.status != _REFUSED]
    slowest = max(timed, key=lambda each: each.share)
    finish(
        [
            at_most(
                f"slowest of {len(timed)} pages, {slowest.path}",
                figure=f"{1e3 * statistics.median(slowest.worked):.0f} ms of the processor",
                peer="300 ms",
                ratio=slowest.share,
                limit=1.0,
            ),
            asserted("every page is one", figure=", ".join(broken) or "all", held=not broken),
        ]
    )


def _runtime(folder: Path, store: Path | None) -> Runtime:
    """A store of the newest schema whose clock stands at its newest decision, counted once."""
    if store is None:
        runtime = fill(folder, decisions=DECISIONS).stage.runtime
    else:
        shutil.copytree(store, folder, dirs_exist_ok=True)
        set_up = stage(folder, seed=0)
        runtime = set_up.runtime
        with runtime.reads() as session:
            newest = session.scalar(select(func.max(JobRunRow.started_at)))
        if newest is not None:
            set_up.clock.at(newest + timedelta(minutes=1))
    with runtime.reads() as session:
        projects = all_projects(session)
    for project in projects:
        JOBS["counts"](runtime, project)
    return runtime


def _paths(app: Flask, runtime: Runtime) -> Iterator[str]:
    """Every page that the app has: of each project where it is about one."""
    rules = sorted(
        rule.rule
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ())
        and not rule.rule.startswith(_OTHERS)
        and not rule.rule.endswith(_FILES)
    )
    with runtime.reads() as session:
        projects = all_projects(session)
        known = {each.id: _known(session, each.id, each.policy_hash) for each in projects}
    for rule in rules:
        about = "<int:project_id>" in rule
        for project_id in known if about else [next(iter(known))]:
            for path in _filled(rule, known[project_id]):
                yield path
                for end, queries in _ASKED.items():
                    if project_id == next(iter(known)) and rule.endswith(end):
                        yield from (f"{path}?{query}" for query in queries)


def _known(session: Session, project_id: int, policy_hash: str) -> dict[str, tuple[str, ...]]:
    """What the rules' parameters may be for a project: every version, else one of each."""
    newest = select(func.max(DecisionRow.seq)).where(DecisionRow.project_id == project_id)
    return {
        "<int:project_id>": (str(project_id),),
        "<int:seq>": (str((session.scalar(newest) or 1) // 2 + 1),),
        "<int:run_id>": (str(session.scalar(select(func.max(JobRunRow.id))) or 1),),
        "<digest>": (policy_hash,),
        "<version>": tuple(each.version for each in all_versions(session, project_id)),
    }


def _filled(rule: str, known: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """The paths of a rule with what its parameters may be; none where one is unknown."""
    parameter = next((name for name in known if name in rule), None)
    if parameter is not None:
        for value in known[parameter]:
            yield from _filled(rule.replace(parameter, value), known)
    elif "<" not in rule:
        yield rule


def _timed(client: FlaskClient, path: str) -> _Timed:
    began_work = time.process_time()
    status = client.get(path).status_code
    first = time.process_time() - began_work
    worked, waited = [], []
    for _ in range(LOOKS):
        began, began_work = time.perf_counter(), time.process_time()
        client.get(path)
        worked.append(time.process_time() - began_work)
        waited.append(time.perf_counter() - began)
    return _Timed(path=path, status=status, first=first, worked=tuple(worked), waited=tuple(waited))


def _print(timed: list[_Timed]) -> None:
    print(
        f"{'page':62} {'of 300 ms':>9} {'median':>8} {'p95':>8} {'first':>8} "
        f"{'clock':>8} {'its p95':>8}"
    )
    for each in sorted(timed, key=lambda one: -one.share):
        median, high = statistics.median(each.worked), _p95(each.worked)
        print(
            f"{each.path:62} {each.share:9.2f} {1_000 * median:5.0f} ms {1_000 * high:5.0f} ms "
            f"{1_000 * each.first:5.0f} ms {1_000 * statistics.median(each.waited):5.0f} ms "
            f"{1_000 * _p95(each.waited):5.0f} ms"
        )


def _p95(times: tuple[float, ...]) -> float:
    return statistics.quantiles(times, n=20, method="inclusive")[-1]


if __name__ == "__main__":
    main()
