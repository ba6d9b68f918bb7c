"""What is due, as orders: worked out anew from the database at every look, so nothing is lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from audit_jobs.asked import MOST_TRIES, asked_orders
from audit_jobs.job_names import SLOW
from backend.orders.order import HELP, ROUND, Lane, Order
from backend.retraining import attended
from backend.runtime import Runtime
from backend.store.events import open_projects
from backend.store.job_runs import first_run, lease_of, projects_done_since
from backend.store.leases import held_leases
from backend.store.projects import ConnectedProject, all_projects
from backend.store.training import training_waits
from backend.store.work_chunks import count_free_chunks

# At which hour (UTC) a job is due for every project, once a day.
NIGHTLY: Mapping[str, int] = MappingProxyType(
    {
        "strategies": 1,
        "thresholds": 1,
        "extra_audits": 1,  # before a freeze: what is drawn is not final yet
        "freeze": 2,
        "reconcile": 3,
    }
)
MOST_HELPERS = 32  # of a project's round: one that finds nothing to do is done at once


class DueWork:
    """Looks at every connected project; remembers when it last wanted each one's round."""

    def __init__(self, runtime: Runtime, clock: Callable[[], float] = time.monotonic) -> None:
        self._runtime = runtime
        self._clock = clock
        self._wanted: dict[int, float] = {}
        self._training: set[int] = set()
        self._tried: Counter[tuple[str, int, datetime]] = Counter()

    def look(self) -> list[Order]:
        """What people asked for, help, trainings, and rounds: after a webhook or a while."""
        with self._runtime.reads() as session:
            projects = all_projects(session)
            hinted = open_projects(session)
            shared = count_free_chunks(session, datetime.now(UTC))
        trainings = list(self._trainings(projects))
        rounds = self._rounds(projects, hinted)
        return [*asked_orders(self._runtime), *_help(shared), *trainings, *rounds]

    def _trainings(self, projects: list[ConnectedProject]) -> Iterator[Order]:
        """The training requests that have settled, and that nobody attends to."""
        with self._runtime.reads() as session:
            now = self._runtime.now()
            waiting = {each.id for each in projects if training_waits(session, each.id, now)}
            free = [each for each in sorted(waiting) if not attended(session, each)]
        for ended in self._training - waiting:
            self._wanted.pop(ended, None)  # a new version decides everything again
        self._training = waiting
        for project_id in free:
            yield Order(lane=Lane.SLOW, job="retrain", project_id=project_id)

    def _rounds(self, projects: list[ConnectedProject], hinted: set[int]) -> Iterator[Order]:
        now = self._clock()
        for project in projects:
            since = now - self._wanted.get(project.id, float("-inf"))
            if project.id in hinted or since >= self._runtime.settings.sync_interval_s:
                self._wanted[project.id] = now
                yield Order(lane=Lane.ROUNDS, job=ROUND, project_id=project.id)

    def nightly(self) -> list[Order]:
        """The nightly jobs that have not been run since their hour, whoever was to run them then.

        A project that was connected after it waits for the next, and one whose job runs already
        for the end of that run.
        """
        now = self._runtime.now()
        with self._runtime.reads() as session:
            projects = [each.id for each in all_projects(session)]
            held = set(held_leases(session))
            found = [
                (job, project_id, due_at)
                for job, hour in NIGHTLY.items()
                for due_at in [last_time(hour, now)]
                for project_id in _without(projects, projects_done_since(session, job, due_at))
                if lease_of(job, project_id) not in held
                and self._tried[job, project_id, due_at] < MOST_TRIES
                and (first_run(session, project_id) or now) < due_at
            ]
        self._tried = Counter(
            {each: n for each, n in self._tried.items() if now - each[2] < timedelta(days=2)}
        )
        return [
            Order(lane=Lane.SLOW if job in SLOW else Lane.NIGHTLY, job=job, project_id=project_id)
            for job, project_id, _ in found
        ]

    def lost(self) -> None:
        """Note that orders of the last look were not placed: every round is due again."""
        self._wanted.clear()

    def took(self, order: Order) -> None:
        """Note that a nightly order was placed."""
        hour = NIGHTLY.get(order.job)
        if hour is not None and order.request_id is None:
            due_at = last_time(hour, self._runtime.now())
            self._tried[order.job, order.project_id, due_at] += 1


def _help(shared: Mapping[int, int]) -> Iterator[Order]:
    """As many workers as there are chunks that nobody works on, for each project that shares."""
    for project_id, chunks in shared.items():
        for part in range(min(chunks, MOST_HELPERS)):
            yield Order(lane=Lane.HELP, job=HELP, project_id=project_id, part=part)


def _without(projects: list[int], done: set[int]) -> list[int]:
    return [each for each in projects if each not in done]


def last_time(hour: int, now: datetime) -> datetime:
    """The last time that it was this hour.

    >>> last_time(3, datetime(2026, 3, 2, 2, 59)), last_time(3, datetime(2026, 3, 2, 3, 0))
    (datetime.datetime(2026, 3, 1, 3, 0), datetime.datetime(2026, 3, 2, 3, 0))
    """
    today = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return today if today <= now else today - timedelta(days=1)
