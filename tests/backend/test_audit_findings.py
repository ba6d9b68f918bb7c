"""What audits find teaches: it defines known failures, is trained on, and never measured on."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.store.corrections import corrections
from policies.domain import Purpose
from policies.queue import known_failures
from policies.quotas import KNOWN_FAILURES, Sampling
from tests.backend.test_second_looks import OTHER, policy, slices
from tests.fakes.worked_project import WorkedProject, worked_project


@pytest.fixture
def audited(tmp_path: Path) -> tuple[WorkedProject, dict[int, str]]:
    """Every accept is audited; the model is wrong about every second A. What auditors said."""
    rules = policy("sue", "kim", second_share=0.0)
    worked = worked_project(tmp_path, rules)
    worked.people["kim"] = worked.server.add_user("kim@example.com")
    worked.promote()
    worked.add(["fruit", "motor"] * 60)
    worked.settle()
    said: dict[int, str] = {}
    for place, task_id in enumerate(sorted(worked.with_purpose(Purpose.AUDIT))):
        label = str(worked.decisions()[task_id].label)
        said[task_id] = "B" if label == "A" and place % 4 == 0 else label
        worked.server.submit(worked.people["sue"], task_id, said[task_id])
    worked.settle()
    return worked, said


def counted(worked: WorkedProject) -> dict[str, tuple[int, int]]:
    with worked.runtime.reads() as session:
        return corrections(session, worked.project_id)


def test_labels_that_audits_found_wrong_are_known_failures(
    audited: tuple[WorkedProject, dict[int, str]],
) -> None:
    worked, said = audited
    found = counted(worked)
    assert sum(answers for answers, _ in found.values()) == len(said)
    assert found["A"][1] > 5
    assert found["B"][1] == 0
    assert list(known_failures(found)) == ["A"]


def test_a_second_look_at_an_error_is_not_a_second_error(
    audited: tuple[WorkedProject, dict[int, str]],
) -> None:
    worked, said = audited
    before = counted(worked)
    wrong = [task_id for task_id, row in worked.deliveries().items() if row.overlap == 2]
    assert wrong
    for task_id in wrong:
        worked.server.submit(worked.people["kim"], task_id, said[task_id])
    worked.settle()
    assert counted(worked) == before


def test_the_queue_takes_what_is_predicted_like_it(tmp_path: Path) -> None:
    sampling = Sampling(random=0.5, uncertainty=0.2, known_failures=0.3)
    rules = policy("sue").model_copy(update={"auto_accept": "never", "sampling": sampling})
    worked = worked_project(tmp_path, policy("sue"))
    worked.promote()
    worked.add(["fruit", "motor"] * 60)
    worked.settle()
    for place, task_id in enumerate(sorted(worked.with_purpose(Purpose.AUDIT))):
        label = str(worked.decisions()[task_id].label)
        wrong = label == "A" and place % 4 == 0
        worked.server.submit(worked.people["sue"], task_id, OTHER[label] if wrong else label)
    worked.settle()
    worked.connect(rules)
    worked.add(["fruit", "motor"] * 10)
    worked.settle()
    asked = {
        task_id
        for task_id, row in worked.deliveries().items()
        if row.strategy == KNOWN_FAILURES and task_id in worked.decisions()
    }
    assert asked
    assert {worked.decisions()[task_id].label for task_id in asked} == {"A"}


def test_findings_are_trained_on_and_never_measured_on(
    audited: tuple[WorkedProject, dict[int, str]],
) -> None:
    worked, said = audited
    found = slices(worked)
    assert {task_id: found.training[task_id] for task_id in said} == said
    assert not said.keys() & found.holdout.keys()
    assert not said.keys() & found.control.keys()
