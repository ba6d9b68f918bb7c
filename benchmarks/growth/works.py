"""The works that are measured, by name: each prepares, and gives back what is to be timed.

``COLUMNS`` work on arrays in memory, ``OWN`` fill an empty store of their own, ``STORED`` look at a
store that ``benchmarks.growth.rows`` has filled, in the order in which they stand here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import numpy as np
from sqlalchemy import select

from audit_jobs.agreement.votes import votes_agreement
from audit_jobs.jobs import JOBS
from audit_jobs.measures.dawid_skene import dawid_skene
from audit_jobs.measures.distances import Level
from backend.app import create_app
from backend.store.ledger_check import verify_ledger
from backend.store.tables import TaskRow
from backend.store.tasks import StoredTask, store_annotations, store_tasks
from benchmarks.agreement import RATERS, columns, table
from benchmarks.consensus import crowd
from benchmarks.decide import CERTIFICATION, POLICY, candidates
from benchmarks.growth.generated import generated
from benchmarks.growth.rows import PROJECT, settle
from benchmarks.large_store.stages import Stage, policy_text
from connectors.label_studio.answers import result_of
from connectors.label_studio.labeling import parse_labeling
from policies.engine import decide
from policies.loading import parse_policy
from policies.thresholds import certify, grid_from_scores

Timed = Callable[[], object]
ANSWERS_A_UNIT = 4  # of consensus


def _decide(size: int) -> Timed:
    policy, tasks = parse_policy(POLICY), candidates(seed=1, tasks=size)
    return lambda: decide(policy, tasks, CERTIFICATION, model_version="v1")


def _agreement(size: int) -> Timed:
    ratings = columns(table(size // RATERS, 5, 0.0))
    return lambda: votes_agreement(ratings, Level.NOMINAL)


def _consensus(size: int) -> Timed:
    ratings, _ = crowd(units=size // ANSWERS_A_UNIT)
    return lambda: dawid_skene(ratings)


def _certify(size: int) -> Timed:
    random = np.random.default_rng(0)
    scores = random.beta(3, 1, size)
    wrong = random.random(size) < 0.4 * (1 - scores)

    def work() -> object:
        grid = grid_from_scores(
            scores, max_error_rate=0.05, confidence=0.95, n_labelled=size, floor=0.0
        )
        return certify(
            scores, wrong, grid=grid, model_version="v1", max_error_rate=0.05, confidence=0.95
        )

    return work


def _synchronise(stage: Stage, size: int) -> Timed:
    runtime, project = generated(stage, size)
    return partial(JOBS["sync"], runtime, project)


def _route(stage: Stage, size: int) -> Timed:
    """Every task decided for the first time: by rules alone, as before the first model."""
    runtime, project = generated(stage, size)
    JOBS["sync"](runtime, project)

    def work() -> None:
        while JOBS["route"](runtime, stage.project(PROJECT))["left"]:
            pass

    return work


def _verify(stage: Stage, size: int) -> Timed:
    _route(stage, size)()

    def work() -> None:
        with stage.runtime.reads() as session:
            assert verify_ledger(session, PROJECT).why is None

    return work


def _nothing(stage: Stage, size: int) -> Timed:
    del size
    return partial(stage.project, PROJECT)


def _job(name: str, stage: Stage, size: int) -> Timed:
    """The first look of a job at all that is there."""
    del size
    return partial(JOBS[name], stage.runtime, stage.project(PROJECT))


def _idle(name: str, stage: Stage, size: int) -> Timed:
    """A job that has nothing to do, because it has just run."""
    work = _job(name, stage, size)
    work()
    return work


def _again(name: str, stage: Stage, size: int) -> Timed:
    """The same once one more answer has come; the first look is not timed."""
    work = _job(name, stage, size)
    work()
    _answer_one(stage)
    return work


def _anew(stage: Stage, size: int) -> Timed:
    """Every open task decided once more, because a price of the policy was edited."""
    title = stage.project(PROJECT).title
    stage.connect(PROJECT, title, policy_text(title, size, strict=False, edition=1))
    return _job("route", stage, size)


def _one_task(stage: Stage, size: int) -> Timed:
    """One task that has come is decided, and the day's queue placed; all else is delivered."""
    settle(stage)
    with stage.runtime.sessions.begin() as session:
        task = StoredTask(id=size + 1, data={"text": "why was I charged twice", "source": "web"})
        store_tasks(session, PROJECT, [task], stage.clock())
    return partial(JOBS["route"], stage.runtime, stage.project(PROJECT))


def _page(path: str, stage: Stage, size: int) -> Timed:
    """The second look at a page: at the first a process makes what it keeps."""
    JOBS["counts"](stage.runtime, stage.project(PROJECT))
    client = create_app(stage.runtime).test_client()
    asked = path.format(project=PROJECT, task=size // 2)
    assert client.get(asked).status_code == 200
    return partial(client.get, asked)


def _answer_one(stage: Stage) -> None:
    """A person answers the newest task that nobody has answered."""
    project, now = stage.project(PROJECT), stage.clock()
    labeling = parse_labeling(project.label_config)
    label = labeling.labels[0]
    with stage.runtime.sessions.begin() as session:
        task_id = session.scalar(
            select(TaskRow.task_id)
            .where(TaskRow.project_id == PROJECT, TaskRow.human_labels == 0)
            .order_by(TaskRow.task_id.desc())
            .limit(1)
        )
        assert task_id is not None
        row = {
            "annotation_id": 2 * task_id,
            "task_id": task_id,
            "user_id": stage.members["desk"][0],
            "by_robot": False,
            "label": label,
            "result": result_of(labeling, label),
            "was_cancelled": False,
            "ground_truth": False,
            "lead_time_s": 5.0,
            "parent_prediction_id": None,
            "created_at": now,
            "updated_at": now,
        }
        store_annotations(session, PROJECT, [task_id], [row], now)


COLUMNS: Mapping[str, Callable[[int], Timed]] = MappingProxyType(
    {
        "decide": _decide,
        "agreement of ratings": _agreement,
        "consensus": _consensus,
        "threshold": _certify,
    }
)
OWN: Mapping[str, Callable[[Stage, int], Timed]] = MappingProxyType(
    {"sync, all new": _synchronise, "route, all new": _route, "verify the ledger": _verify}
)
_JOBS = (
    "gold",
    "readers",
    "agreement",
    "corrections",
    "audit",
    "curves",
    "breaker",
    "drift",
    "counts",
    "figures",
    "extra_audits",
    "alerts",
)
_JOBS_AGAIN = ("gold", "readers", "agreement", "corrections", "audit", "breaker", "drift", "counts")
_PAGES = (
    "/projects/{project}",
    "/projects/{project}/decisions",
    "/projects/{project}/decisions?label=refund",
    "/projects/{project}/decisions?task={task}",
    "/projects/{project}/decisions?score_from=0.9&score_to=0.901",
    "/projects/{project}/models",
    "/projects/{project}/policy",
    "/metrics",
)
STORED: Mapping[str, Callable[[Stage, int], Timed]] = MappingProxyType(
    {
        "nothing": _nothing,
        "job sync, nothing new": partial(_idle, "sync"),
        **{f"job {name}": partial(_job, name) for name in _JOBS},
        **{f"job {name}, one answer more": partial(_again, name) for name in _JOBS_AGAIN},
        "job route, all anew": _anew,
        "job route, one task more": _one_task,
        **{f"page {path}": partial(_page, path) for path in _PAGES},
    }
)
