"""Delivery to a real Label Studio, against its own bulk routes called bare.

For 2,000 tasks each, on projects of their own, in turn: ``backend.delivery.deliver`` with stored
wishes, half of them to accept and half to review, and plain httpx that imports the same prediction
rows 1,000 at a time and turns the accepted half into annotations. Before that the first sync of a
project stands beside Label Studio's own export of as many tasks. Labelgate's project is connected,
so that Label Studio sends it webhooks; both must leave the same behind. Last, the bare routes by
several clients at once: what workers could win that shared one project's delivery.
Run: ``python -m benchmarks.delivery``.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import orjson

from backend.delivery import deliver
from backend.prelabels import prelabels_of
from backend.secret_files import require_robot_token
from backend.store.deliveries import Wish, store_wishes
from backend.store.models import store_version
from backend.store.projects import ConnectedProject
from backend.synchronisation import synchronise
from benchmarks.results import at_least, finish, is_quick, told
from benchmarks.stage import (
    Stage,
    champion,
    choices_config,
    connect,
    import_tasks,
    make_project,
    set_up,
    task_rows,
)
from connectors.label_studio.convert import prelabel_row
from connectors.label_studio.labeling import parse_labeling

TASKS = 2_000
BARE_CHUNK = 1_000
WORDS = 14
REPEATS = 5
HANDS = 4
LEAST_RATIO = 0.70
VERSION = "v1"
LABELS = tuple(f"topic {number}" for number in range(10))
LABELING = parse_labeling(choices_config(LABELS))
POLICY = """
project: {project}
stakes: low
tiers:
  - {{name: general, reviewers: [admin@example.com], cost_per_label: 0.1, daily_capacity: 2000}}
auto_accept: {{max_error_rate: 0.05, confidence: 0.95}}
"""


def fresh_project(stage: Stage, title: str) -> tuple[int, list[int]]:
    """A project of ``TASKS`` tasks that nobody has touched, and their ids."""
    project_id = make_project(stage, title, LABELS)
    import_tasks(stage, project_id, task_rows(range(TASKS), LABELS, WORDS))
    pages = stage.runtime.tool().tasks_after(project_id, 0)
    ids = [task.id for page in pages for task in page]
    assert len(ids) == TASKS
    return project_id, ids


def wishes_for(task_ids: list[int]) -> list[Wish]:
    """Half are accepted; half go to a tier's view, with the model's answer shown."""
    return [
        Wish(
            task_id=task_id,
            decision_seq=number,
            marker=None if number % 2 else "general",
            label=LABELS[number % len(LABELS)],
            score=0.5 + number % 100 / 200,
            model_version=VERSION,
            accepts=bool(number % 2),
            overlap=1,
            rank=None if number % 2 else 1 + number % 20,
        )
        for number, task_id in enumerate(task_ids)
    ]


def bare_seconds(stage: Stage, project_id: int, wishes: list[Wish]) -> float:
    """The bulk routes alone: no store, no look at what is there, no comparison."""
    settings = stage.runtime.settings
    admin = {"Authorization": f"Token {settings.require_label_studio_token()}"}
    robot = {"Authorization": f"Token {require_robot_token(settings)}"}
    rows = [prelabel_row(row) for wish in wishes for row in prelabels_of(wish, LABELING)]
    accepted = [wish.task_id for wish in wishes if wish.accepts]
    action = f"/api/dm/actions?id=predictions_to_annotations&project={project_id}"
    with httpx.Client(base_url=stage.label_studio.url, timeout=120) as client:
        started = time.perf_counter()
        for start in range(0, len(rows), BARE_CHUNK):
            client.post(
                f"/api/projects/{project_id}/import/predictions",
                headers=admin,
                json=rows[start : start + BARE_CHUNK],
            ).raise_for_status()
        for start in range(0, len(accepted), BARE_CHUNK):
            chunk = {"all": False, "included": accepted[start : start + BARE_CHUNK]}
            body = {"selectedItems": chunk, "model_version": VERSION}
            client.post(action, headers=robot, json=body).raise_for_status()
        return time.perf_counter() - started


def times_faster_together(stage: Stage, number: int) -> float:
    """The rate of the bare routes by several clients at once, through that by one alone."""
    alone, alone_tasks = fresh_project(stage, f"alone {number}")
    shared, shared_tasks = fresh_project(stage, f"shared {number}")
    parts = [wishes_for(shared_tasks)[hand::HANDS] for hand in range(HANDS)]
    by_one = bare_seconds(stage, alone, wishes_for(alone_tasks))
    started = time.perf_counter()
    with ThreadPoolExecutor(HANDS) as hands:
        list(hands.map(lambda part: bare_seconds(stage, shared, part), parts))
    together = time.perf_counter() - started
    same = left_behind(stage, alone), left_behind(stage, shared)
    assert same[0] == same[1], same
    print(f"       {HANDS} at once {by_one / together:.2f} times as fast as one", flush=True)
    return by_one / together


def bare_pull_seconds(stage: Stage, project_id: int) -> float:
    """The export of the whole project, which is what sync reads, parsed and thrown away."""
    admin = {"Authorization": f"Token {stage.runtime.settings.require_label_studio_token()}"}
    address = f"/api/projects/{project_id}/export?exportType=JSON&download_all_tasks=true"
    with httpx.Client(base_url=stage.label_studio.url, timeout=600) as client:
        started = time.perf_counter()
        answer = client.get(address, headers=admin).raise_for_status()
        assert len(orjson.loads(answer.content)) == TASKS
        return time.perf_counter() - started


def pull_seconds(stage: Stage, project: ConnectedProject) -> float:
    """The first sync of a project: every task read and stored."""
    started = time.perf_counter()
    synchronise(stage.runtime, project)
    return time.perf_counter() - started


def labelgate_seconds(stage: Stage, project: ConnectedProject, wishes: list[Wish]) -> float:
    """From pending wishes to everything delivered and noted as such."""
    with stage.runtime.sessions.begin() as session:
        store_version(
            session, project.id, champion(VERSION, LABELS, stage.runtime.now()), stage.runtime.now()
        )
        stored = store_wishes(session, project.id, wishes, stage.runtime.now())
    assert stored == TASKS
    started = time.perf_counter()
    report = deliver(stage.runtime, project)
    taken = time.perf_counter() - started
    assert report == {"delivered": TASKS, "left_to_people": 0, "failed": 0}, report
    return taken


def left_behind(stage: Stage, project_id: int) -> tuple[Any, Any]:
    """How many annotations and predictions Label Studio says the project has."""
    seen = stage.admin.get(f"/api/projects/{project_id}/")
    return seen["total_annotations_number"], seen["total_predictions_number"]


def compare(stage: Stage, number: int) -> tuple[float, float]:
    """One run of each; the ratios of their rates, of delivery and of the first sync."""
    bare_project, bare_tasks = fresh_project(stage, f"bare {number}")
    own_id, own_tasks = fresh_project(stage, f"labelgate {number}")
    own_project = connect(stage, own_id, POLICY.format(project=own_id))
    seconds: dict[str, float] = {}
    pulls = {"bare": bare_pull_seconds(stage, bare_project)}
    pulls["labelgate"] = pull_seconds(stage, own_project)
    for name in ("bare", "labelgate") if number % 2 else ("labelgate", "bare"):
        if name == "bare":
            seconds[name] = bare_seconds(stage, bare_project, wishes_for(bare_tasks))
        else:
            seconds[name] = labelgate_seconds(stage, own_project, wishes_for(own_tasks))
    same = left_behind(stage, bare_project), left_behind(stage, own_id)
    assert same[0] == same[1], same
    ratio = seconds["bare"] / seconds["labelgate"]
    print(
        f"run {number}: bare {TASKS / seconds['bare']:6.0f} tasks/s, "
        f"labelgate {TASKS / seconds['labelgate']:6.0f} tasks/s, ratio {ratio:.2f}",
        flush=True,
    )
    pulled = pulls["bare"] / pulls["labelgate"]
    print(
        f"       bare export {TASKS / pulls['bare']:6.0f} tasks/s, "
        f"first sync {TASKS / pulls['labelgate']:6.0f} tasks/s, ratio {pulled:.2f}",
        flush=True,
    )
    return ratio, pulled


def main() -> None:
    """Measure several times in turn; exit code 1 where the median is below the limit."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        stage = set_up(Path(name), servers, "web")
        first = make_project(stage, "robot", LABELS)  # the first connect makes the robot's account
        connect(stage, first, POLICY.format(project=first))
        turns = range(1 if is_quick() else REPEATS)
        ratios = [compare(stage, number) for number in turns]
        together = [times_faster_together(stage, number) for number in turns]
    delivered, pulled = zip(*ratios, strict=True)
    finish(
        [
            at_least(
                f"rate of delivery, {TASKS:,} tasks",
                figure=f"{min(delivered):.2f} to {max(delivered):.2f} of the bare rate",
                peer="import/predictions and predictions_to_annotations called bare",
                ratio=statistics.median(delivered),
                limit=LEAST_RATIO,
            ),
            told(
                f"rate of the first sync, {TASKS:,} tasks",
                figure=f"{min(pulled):.2f} to {max(pulled):.2f} of the bare rate",
                peer="Label Studio's export of the project called bare",
                ratio=statistics.median(pulled),
            ),
            told(
                f"the bare routes by {HANDS} clients at once, times as fast",
                figure=f"{min(together):.2f} to {max(together):.2f}",
                peer="the bare routes by one client",
                ratio=statistics.median(together),
            ),
        ]
    )


if __name__ == "__main__":
    main()
