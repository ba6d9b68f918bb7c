"""The agreement job on 20,000 tasks with three answers each, against reading their rows.

There is no peer that measures a running project: the ratio is to what nobody can do without, to
read the rows and their JSON out of the store. Beside it a second run, with nothing new.
Run: ``python -m benchmarks.agreement_job``.
"""

from __future__ import annotations

import random
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from audit_jobs.agreement import job as agreement
from backend.store.ledger import Grounds, append_decisions
from backend.store.shared_tasks import shared_tasks
from backend.store.tasks import StoredTask, store_annotations, store_tasks
from benchmarks.results import at_most, finish, told
from connectors.label_studio.answers import result_of
from connectors.label_studio.labeling import parse_labeling
from policies.domain import Decision, Outcome, Purpose
from tests.fakes.worked_project import CONFIG, WorkedProject, worked_policy, worked_project

TASKS = 20_000
ANSWERS = 3
MOST_RATIO = 15.0
PURPOSES = ((Purpose.CONTROL, 0.1), (Purpose.HOLDOUT, 0.1), (Purpose.AGREEMENT, 0.5))


def filled(folder: Path) -> WorkedProject:
    """Eight people, an answer in five wrong; tasks of all slices."""
    chance = random.Random(4)  # noqa: S311 - made-up answers, not a secret
    worked = worked_project(folder, worked_policy(agreement={"share": 0.5, "minimum_alpha": 0.7}))
    labeling = parse_labeling(CONFIG)
    ids = list(range(1, TASKS + 1))
    now = worked.clock()
    rows = [
        {
            "annotation_id": task * 10 + place,
            "task_id": task,
            "user_id": person,
            "by_robot": False,
            "label": label,
            "result": result_of(labeling, label),
            "was_cancelled": False,
            "ground_truth": False,
            "lead_time_s": chance.expovariate(0.1),
            "parent_prediction_id": None,
            "created_at": now + timedelta(minutes=task + place),
            "updated_at": now + timedelta(minutes=task + place),
        }
        for task in ids
        for place, person in enumerate(chance.sample(range(3, 11), ANSWERS))
        for label in ["AB"[(task + (chance.random() < 0.2)) % 2]]
    ]
    decisions = [_decision(task) for task in ids]
    grounds = Grounds(
        model_version=None, policy_hash=worked.project.policy_hash, certificate_id=None
    )
    with worked.runtime.sessions.begin() as session:
        stored = [StoredTask(id=task, data={"text": f"text {task}"}) for task in ids]
        store_tasks(session, worked.project_id, stored, now)
        store_annotations(session, worked.project_id, ids, rows, now)
        append_decisions(session, worked.project_id, decisions, grounds, now)
    return worked


def _decision(task: int) -> Decision:
    purpose, probability = PURPOSES[task % len(PURPOSES)]
    return Decision(
        task_id=task,
        outcome=Outcome.REVIEW,
        purpose=purpose,
        tier="general",
        rule="no_model",
        reason="no model yet",
        label=None,
        score=None,
        threshold=None,
        draw=0.0,
        inclusion_probability=probability,
    )


def main() -> None:
    """Print CPU times and the ratio; fail past the limit."""
    with tempfile.TemporaryDirectory() as folder:
        worked = filled(Path(folder))
        project = worked.project
        start = time.process_time()
        with worked.runtime.reads() as session:
            read = sum(len(task.readings) for task in shared_tasks(session, project.id))
        reading = time.process_time() - start
        start = time.process_time()
        report = agreement.run(worked.runtime, project)
        job = time.process_time() - start
        start = time.process_time()
        again = agreement.run(worked.runtime, project)
        nothing = time.process_time() - start
        worked.runtime.sessions.kw["bind"].dispose()
    assert report["units"] == TASKS
    assert again["state"] == "nothing new"
    print(f"{TASKS:,} tasks, {read:,} answers")
    print(f"reading the rows: {reading:.2f} s; the job: {job:.2f} s, {job / reading:.1f} times")
    print(f"with nothing new: {nothing:.3f} s, {nothing / reading:.3f} times")
    finish(
        [
            at_most(
                "the job",
                figure=f"{job:.2f} s",
                peer=f"reading the rows {reading:.2f} s",
                ratio=job / reading,
                limit=MOST_RATIO,
            ),
            told("with nothing new", figure=f"{nothing:.3f} s", ratio=nothing / reading),
        ]
    )


if __name__ == "__main__":
    main()
