"""What growth is measured on is a store like others, and the exponents say what they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select

from audit_jobs.jobs import JOBS
from backend.store.audit_answers import audits
from backend.store.deliveries import count_by_state
from backend.store.settled import count_settled
from backend.store.tables import AnnotationRow, DecisionRow, TaskRow
from backend.store.votes import count_human_labels
from benchmarks.growth.__main__ import exponent
from benchmarks.growth.generated import generated
from benchmarks.growth.measuring import Measured
from benchmarks.growth.rows import PROJECT, fill
from benchmarks.large_store.stages import Stage, stage
from benchmarks.loop_quality import by_confidence

TASKS = 600


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    made = stage(tmp_path_factory.mktemp("filled"), seed=1)
    fill(made, TASKS)
    return made


def run_of(size: int) -> Measured:
    return Measured(work="x", size=size, cpu_s=0.0, wall_s=0.0, before_mb=0.0, peak_mb=0.0)


@pytest.mark.parametrize(
    ("values", "found"),
    [([1.0, 10.0], 1.0), ([1.0, 100.0], 2.0), ([0.001, 0.2], 0.301), ([5.0, 5.0], 0.0)],
)
def test_the_exponent_is_that_of_the_two_largest_sizes(values: list[float], found: float) -> None:
    runs = [run_of(1_000), run_of(10_000), run_of(100_000)]
    assert exponent(runs, [3.0, *values], least=0.1) == pytest.approx(found, abs=1e-3)


def test_there_is_no_exponent_of_one_size_or_of_next_to_nothing() -> None:
    assert exponent([run_of(1_000)], [5.0], least=0.1) is None
    assert exponent([run_of(1_000), run_of(10_000)], [0.0, 0.09], least=0.1) is None


def test_the_rows_of_a_filled_store_agree_with_each_other(filled: Stage) -> None:
    with filled.runtime.reads() as session:
        answers = dict(
            session.execute(
                select(AnnotationRow.task_id, func.count()).group_by(AnnotationRow.task_id)
            ).all()
        )
        tasks = session.execute(select(TaskRow.task_id, TaskRow.human_labels)).all()
        decisions = session.scalar(select(func.count()).select_from(DecisionRow))
        found = audits(session, PROJECT, filled.members["experts"])
        assert count_human_labels(session, PROJECT) == sum(answers.values())
        assert count_by_state(session, PROJECT) == {"delivered": TASKS}
        assert sum(count_settled(session, PROJECT).values()) > TASKS // 4
    assert decisions == len(tasks) == TASKS
    assert all(count == answers.get(task_id, 0) for task_id, count in tasks)
    assert len(found) > 10
    assert found.judged.all()


def test_jobs_find_their_rows_there(filled: Stage) -> None:
    project = filled.project(PROJECT)
    found = {name: JOBS[name](filled.runtime, project) for name in ("audit", "breaker")}
    assert found["audit"]["pass_rate"]["value"] > 0.9
    assert found["breaker"]["tripped"] == 0


def test_what_is_made_while_it_is_read_is_read_once(tmp_path: Path) -> None:
    runtime, project = generated(stage(tmp_path, seed=1), 1_500)
    found = JOBS["sync"](runtime, project)
    assert (found["tasks"], found["answers"]) == (1_500, 750)


def test_every_task_ends_with_a_look_or_with_an_accept() -> None:
    words = {"fruit": "apple pear plum", "motor": "wheel brake clutch"}
    labels = np.random.default_rng(0).choice(list(words), 120)
    texts = np.array([words[label] for label in labels], object)
    found = by_confidence(texts, labels.astype(object), batch=20)
    assert (found.looks + found.accepted, found.wrong) == (120, 0.0)
    assert found.accepted >= 60
