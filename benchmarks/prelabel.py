"""Pre-labelling a whole project, against Label Studio's bulk route called bare.

On a real Label Studio, 5,000 tasks each, on projects of their own, in turn: what ``labelgate
prelabel`` does from its start to its end (look for news, predict, decide, record, place, look at
what is there, import, note as delivered), and plain httpx that posts as many rows of the same kind
to ``import/predictions``. Then the same command for 100,000 tasks on an annotation tool in memory:
what all but Label Studio costs.
Run: ``python -m benchmarks.prelabel``.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from audit_jobs.prelabelling.run import ask, carry_out, counts
from backend.predictors import artifacts
from backend.runtime import Runtime
from backend.store.models import store_version
from backend.store.prelabels import PrelabelCounts
from backend.store.projects import ConnectedProject
from backend.synchronisation import synchronise
from benchmarks.large_project import peak_megabytes
from benchmarks.results import at_least, at_most, finish
from benchmarks.stage import (
    Stage,
    champion,
    choices_config,
    connect,
    import_tasks,
    make_project,
    set_up,
    task_rows,
    text,
)
from connectors.annotation_tool import Prelabel
from connectors.label_studio.answers import result_of
from connectors.label_studio.convert import prelabel_row
from connectors.label_studio.labeling import parse_labeling
from tests.fakes.predictors import predictor_of
from tests.fakes.worked_project import worked_policy, worked_project

TASKS, BARE_CHUNK, REPEATS = 5_000, 1_000, 3
LARGE = 100_000
WORDS = 14
LEAST_RATIO = 0.50
MOST_BOOKKEEPING = 0.20
VERSION = "v1"
LABELS = tuple(f"topic {number}" for number in range(10))
LABELING = parse_labeling(choices_config(LABELS))
POLICY = """
project: {project}
stakes: low
model: {{embeddings: "off"}}
tiers:
  - {{name: general, reviewers: [admin@example.com], cost_per_label: 0.1, daily_capacity: 100}}
auto_accept: {{max_error_rate: 0.05, confidence: 0.95}}
"""


def serve(runtime: Runtime, project: ConnectedProject) -> None:
    """A version that nobody has to train while the time runs; nothing is certified."""
    texts, topics = zip(*(text(10**7 + row, LABELS, WORDS) for row in range(2_000)), strict=True)
    model = predictor_of(texts, topics, version=VERSION)
    artifact = artifacts.save(runtime.settings.models_dir, project.id, model)
    now = runtime.now()
    version = champion(VERSION, model.labels, now, artifact)
    with runtime.sessions.begin() as session:
        store_version(session, project.id, version, now)


def prelabelled(runtime: Runtime, project: ConnectedProject) -> PrelabelCounts:
    """What the command does between its first and its last word."""
    ask(runtime, project, None, time.sleep)
    return carry_out(runtime, project, time.sleep)


def bare_rate(stage: Stage, number: int) -> float:
    """Rows a second of the bulk route alone."""
    project_id = make_project(stage, f"bare {number}", LABELS)
    import_tasks(stage, project_id, task_rows(range(TASKS), LABELS, WORDS))
    ids = [task.id for page in stage.runtime.tool().tasks_after(project_id, 0) for task in page]
    rows = [
        prelabel_row(
            Prelabel(
                task_id=task_id,
                result=result_of(LABELING, LABELS[place % len(LABELS)]),
                score=0.5 + place % 100 / 200,
                model_version=VERSION,
            )
        )
        for place, task_id in enumerate(ids)
    ]
    token = stage.runtime.settings.require_label_studio_token()
    headers = {"Authorization": f"Token {token}"}
    with httpx.Client(base_url=stage.label_studio.url, timeout=120, headers=headers) as client:
        started = time.perf_counter()
        for start in range(0, len(rows), BARE_CHUNK):
            client.post(
                f"/api/projects/{project_id}/import/predictions",
                json=rows[start : start + BARE_CHUNK],
            ).raise_for_status()
        seconds = time.perf_counter() - started
    assert rows_there(stage, project_id) == len(rows)
    return len(rows) / seconds


def own_rate(stage: Stage, number: int) -> float:
    """Rows a second of the command; rows are labels, and the markers and ranks of the queue."""
    project_id = make_project(stage, f"labelgate {number}", LABELS)
    import_tasks(stage, project_id, task_rows(range(TASKS), LABELS, WORDS))
    project = connect(stage, project_id, POLICY.format(project=project_id))
    serve(stage.runtime, project)
    synchronise(stage.runtime, project)
    started = time.perf_counter()
    found = prelabelled(stage.runtime, project)
    seconds = time.perf_counter() - started
    assert found.waiting == 0
    assert found.shown > TASKS / 2
    return rows_there(stage, project_id) / seconds


def rows_there(stage: Stage, project_id: int) -> int:
    """How many predictions Label Studio says the project has."""
    return int(stage.admin.get(f"/api/projects/{project_id}/")["total_predictions_number"])


def bookkeeping(folder: Path) -> float:
    """Tasks a second of CPU time, everything but Label Studio."""
    worked = worked_project(folder, worked_policy(capacity=100))
    worked.tool.page_size = 1_000
    worked.add(["fruit", "motor"] * (LARGE // 2))
    worked.promote(certified=False)
    synchronise(worked.runtime, worked.project)
    started = time.process_time()
    found = prelabelled(worked.runtime, worked.project)
    seconds = time.process_time() - started
    assert found == counts(worked.runtime, worked.project)
    assert found.waiting == 0
    print(
        f"{LARGE:,} tasks without Label Studio: {seconds:.1f} s of CPU time, "
        f"{found.shown:,} shown, {peak_megabytes():,.0f} MB at most",
        flush=True,
    )
    return LARGE / seconds


def main() -> None:
    """Measure in turn; exit code 1 where a limit is missed."""
    ratios, bare_rates = [], []
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        stage = set_up(Path(name), servers, "web")
        first = make_project(stage, "robot", LABELS)  # the first connect makes the robot's account
        connect(stage, first, POLICY.format(project=first))
        for number in range(REPEATS):
            turns = (bare_rate, own_rate) if number % 2 else (own_rate, bare_rate)
            rates = {turn: turn(stage, number) for turn in turns}
            bare_rates.append(rates[bare_rate])
            ratios.append(rates[own_rate] / rates[bare_rate])
            print(
                f"run {number}: bare {rates[bare_rate]:5.0f} rows/s, "
                f"labelgate prelabel {rates[own_rate]:5.0f} rows/s, ratio {ratios[-1]:.2f}",
                flush=True,
            )
    with tempfile.TemporaryDirectory() as name:
        share = statistics.median(bare_rates) / bookkeeping(Path(name))
    median = statistics.median(ratios)
    bare = statistics.median(bare_rates)
    finish(
        [
            at_least(
                "rows a second of labelgate prelabel",
                figure=f"{median * bare:.0f}",
                peer=f"the bare route {bare:.0f}",
                ratio=median,
                limit=LEAST_RATIO,
            ),
            at_most(
                "100,000 tasks without Label Studio",
                figure=f"{share:.2f} of its time",
                peer="Label Studio's own time for as many rows",
                ratio=share,
                limit=MOST_BOOKKEEPING,
            ),
        ]
    )


if __name__ == "__main__":
    main()
