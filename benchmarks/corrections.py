"""The corrections job on 100,000 answered tasks with three decisions each, against reading them.

There is no peer that measures a running project: the ratio is to what nobody can do without, to
read the answers, the looks and who was decided when once out of the store. Beside it the answers
with the decision in force alone, and a second run with nothing new.
Run: ``python -m benchmarks.corrections``.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from audit_jobs.corrections import job as corrections
from backend.store.corrections import answered_tasks
from backend.store.ledger import Grounds, append_decisions
from backend.store.tables import AnnotationRow, DecisionRow, DeliveryRow
from backend.store.tasks import StoredTask, store_annotations, store_tasks
from benchmarks.results import at_most, finish, told
from policies.domain import Decision, Outcome, Purpose
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

TASKS = 100_000
VERSIONS = ("v1", "v2", "v3")
MOST_RATIO = 10.0
_ROWS_PER_STATEMENT = 5_000
_CONTROL = 5  # every fifth task is blind
_READ = (
    (
        AnnotationRow.annotation_id,
        AnnotationRow.task_id,
        AnnotationRow.user_id,
        AnnotationRow.label,
        AnnotationRow.created_at,
        AnnotationRow.lead_time_s,
    ),
    (DeliveryRow.delivered, DeliveryRow.delivered_at),
    (DecisionRow.task_id, DecisionRow.seq, DecisionRow.decided_at),
)


def filled(folder: Path, tasks: int) -> WorkedProject:
    """Every task decided by three versions, shown or blind, and answered; one in five corrected."""
    chance = random.Random(4)  # noqa: S311 - made-up answers, not a secret
    worked = worked_project(folder, worked_policy(auto_accept="never"))
    start = worked.clock()
    ids = list(range(1, tasks + 1))
    with worked.runtime.sessions.begin() as session:
        stored = [StoredTask(id=task, data={"text": f"text {task}"}) for task in ids]
        store_tasks(session, worked.project_id, stored, start)
        for hours, version in enumerate(VERSIONS):
            grounds = Grounds(
                model_version=version,
                policy_hash=worked.project.policy_hash,
                certificate_id=None,
            )
            decided = [_decision(task, chance.random()) for task in ids]
            at = start + timedelta(hours=hours)
            append_decisions(session, worked.project_id, decided, grounds, at)
    delivered = start + timedelta(hours=len(VERSIONS))
    with worked.runtime.sessions.begin() as session:
        for first in range(0, tasks, _ROWS_PER_STATEMENT):
            part = ids[first : first + _ROWS_PER_STATEMENT]
            looks = [_delivery(worked.project_id, task, tasks, delivered) for task in part]
            session.execute(insert(DeliveryRow), looks)
        answers = [_answer(task, chance, delivered) for task in ids]
        store_annotations(session, worked.project_id, ids, answers, delivered)
    return worked


def _decision(task: int, score: float) -> Decision:
    control = task % _CONTROL == 0
    return Decision(
        task_id=task,
        outcome=Outcome.REVIEW,
        purpose=Purpose.CONTROL if control else Purpose.ROUTED,
        tier="general",
        rule="control" if control else "below_threshold",
        reason="made up",
        label="AB"[task % 2],
        score=score,
        threshold=None,
        draw=0.0,
        inclusion_probability=1 / _CONTROL if control else 1.0,
    )


def _delivery(project_id: int, task: int, tasks: int, at: datetime) -> dict[str, Any]:
    label = None if task % _CONTROL == 0 else "AB"[task % 2]
    look = {"marker": "general", "label": label, "version": VERSIONS[-1], "accepts": False}
    return {
        "project_id": project_id,
        "task_id": task,
        "decision_seq": (len(VERSIONS) - 1) * tasks + task,
        "marker": "general",
        "label": label,
        "model_version": VERSIONS[-1],
        "accepts": False,
        "state": "delivered",
        "next_attempt_at": at,
        "delivered_at": at,
        "delivered": {**look, "overlap": 1},
    }


def _answer(task: int, chance: random.Random, delivered: datetime) -> dict[str, Any]:
    at = delivered + timedelta(minutes=task)
    return {
        "annotation_id": task,
        "task_id": task,
        "user_id": chance.randrange(3, 11),
        "by_robot": False,
        "label": "AB"[(task + (chance.random() < 0.2)) % 2],
        "result": [],
        "was_cancelled": False,
        "ground_truth": False,
        "lead_time_s": chance.expovariate(0.1),
        "parent_prediction_id": None,
        "created_at": at,
        "updated_at": at,
    }


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _read(worked: WorkedProject) -> None:
    with worked.runtime.reads() as session:
        for columns in _READ:
            table = columns[0].class_
            session.execute(select(*columns).where(table.project_id == worked.project_id)).all()


def _answered(worked: WorkedProject) -> None:
    with worked.runtime.reads() as session:
        assert all(each.in_force for each in answered_tasks(session, worked.project_id))


def main() -> None:
    """Print CPU times and ratios; fail past the limit."""
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else TASKS
    with tempfile.TemporaryDirectory() as folder:
        worked = filled(Path(folder), tasks)
        project = worked.project
        reading = min(_seconds(lambda: _read(worked)) for _ in range(2))
        answered = _seconds(lambda: _answered(worked))
        start = time.process_time()
        report = corrections.run(worked.runtime, project)
        job = time.process_time() - start
        nothing = _seconds(lambda: corrections.run(worked.runtime, project))
        worked.runtime.sessions.kw["bind"].dispose()
    assert report["rate"]["n"] == tasks - tasks // _CONTROL
    assert report["blind_error"]["n"] == tasks // _CONTROL
    print(f"{tasks:,} answered tasks, {len(VERSIONS)} decisions each")
    print(f"reading the rows once: {reading:.2f} s")
    print(f"answers beside the decision in force: {answered:.2f} s, {answered / reading:.1f} times")
    print(f"the job: {job:.2f} s, {job / reading:.1f} times")
    print(f"with nothing new: {nothing:.3f} s, {nothing / reading:.3f} times")
    finish(
        [
            at_most(
                "the job",
                figure=f"{job:.2f} s",
                peer=f"reading the rows once {reading:.2f} s",
                ratio=job / reading,
                limit=MOST_RATIO,
            ),
            told("with nothing new", figure=f"{nothing:.3f} s", ratio=nothing / reading),
        ]
    )


if __name__ == "__main__":
    main()
