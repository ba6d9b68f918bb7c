"""What people corrected, by predicted label: counted from the ledger and the standing answers."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from backend.store.corrections import AnsweredTask, answered_tasks, corrections
from backend.store.tables import AnnotationRow, DecisionRow
from backend.store.tasks import mark_annotations_deleted
from policies.domain import Outcome, Purpose
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Routed, control, holdout and audited tasks; nothing accepted, so that people see it all."""
    made = worked_project(tmp_path, worked_policy(auto_accept="never"))
    made.promote(certified=False)
    made.add(["fruit", "motor", "music"] * 20)
    made.settle()
    return made


def counted(worked: WorkedProject, newest: int = 1_000) -> dict[str, tuple[int, int]]:
    with worked.runtime.reads() as session:
        return corrections(session, worked.project_id, newest)


def test_every_answer_counts_once_for_what_was_predicted(worked: WorkedProject) -> None:
    assert counted(worked) == {}
    predicted = {task: str(each.label) for task, each in worked.decisions().items()}
    assert set(predicted.values()) == {"A", "B"}
    for number, task_id in enumerate(predicted):
        worked.server.submit(worked.people["ann"], task_id, "B" if number % 2 else "A")
    worked.settle()
    said = {task: "B" if number % 2 else "A" for number, task in enumerate(predicted)}
    given = Counter(predicted.values())
    wrong = Counter(label for task, label in predicted.items() if said[task] != label)
    assert counted(worked) == {label: (given[label], wrong[label]) for label in ("A", "B")}
    worked.promote("music", "fruit")  # what the new version would have said does not matter
    worked.settle()
    assert counted(worked) == {label: (given[label], wrong[label]) for label in ("A", "B")}


def test_skips_robots_and_answers_that_were_taken_back_do_not_count(
    worked: WorkedProject,
) -> None:
    first, second, third = list(worked.decisions())[:3]
    worked.server.skip(worked.people["ann"], first)
    gone = worked.server.submit(worked.people["ann"], second, "A")
    worked.server.submit(worked.people["bob"], third, "A")
    worked.settle()
    assert sum(answers for answers, _ in counted(worked).values()) == 2
    with worked.runtime.sessions.begin() as session:
        mark_annotations_deleted(session, worked.project_id, [gone], worked.clock())
    assert sum(answers for answers, _ in counted(worked).values()) == 1


def test_the_robots_own_labels_are_no_answers(tmp_path: Path) -> None:
    worked = worked_project(tmp_path)
    worked.promote()
    worked.add(["fruit", "motor"] * 10)
    worked.settle()
    assert any(each.outcome is Outcome.ACCEPT for each in worked.decisions().values())
    assert counted(worked) == {}


def test_only_the_newest_answers_count(worked: WorkedProject) -> None:
    predicted = {task: str(each.label) for task, each in worked.decisions().items()}
    of_a = [task for task, label in predicted.items() if label == "A"][:4]
    for task_id, label in zip(of_a, "BBAA", strict=True):
        worked.server.submit(worked.people["ann"], task_id, label)
    worked.settle()
    assert counted(worked) == {"A": (4, 2)}
    assert counted(worked, 2) == {"A": (2, 0)}
    assert counted(worked, 3) == {"A": (3, 1)}


def answered(worked: WorkedProject) -> list[AnsweredTask]:
    with worked.runtime.reads() as session:
        return list(answered_tasks(session, worked.project_id))


def test_an_answer_stands_beside_the_decision_that_was_in_force_when_it_was_given(
    worked: WorkedProject,
) -> None:
    task_id, before = next(iter(worked.decisions().items()))
    between = worked.clock()
    worked.promote("music", "fruit", certified=False)
    worked.settle()
    after = worked.decisions()[task_id]
    assert (before.model_version, after.model_version) == ("v1", "v2")
    assert before.label != after.label
    early = worked.server.submit(worked.people["ann"], task_id, "A")
    late = worked.server.submit(worked.people["bob"], task_id, "B")
    worked.settle()
    with worked.runtime.sessions.begin() as session:
        given_early = AnnotationRow.annotation_id == early
        session.execute(update(AnnotationRow).where(given_early).values(created_at=between))
    found = {each.annotation_id: each.in_force for each in answered(worked)}
    assert {
        annotation: (each.label, each.model_version)
        for annotation, each in found.items()
        if each is not None
    } == {early: (before.label, "v1"), late: (after.label, "v2")}


def test_an_answer_older_than_every_decision_has_none_in_force(worked: WorkedProject) -> None:
    worked.server.submit(worked.people["ann"], next(iter(worked.decisions())), "A")
    worked.settle()
    with worked.runtime.sessions.begin() as session:
        session.execute(update(DecisionRow).values(decided_at=worked.clock() + timedelta(days=1)))
    assert [each.in_force for each in answered(worked)] == [None]


def test_of_an_audit_the_first_answer_counts_alone(worked: WorkedProject) -> None:
    predicted_a = [task for task, each in worked.decisions().items() if each.label == "A"]
    audited, skipped, routed = predicted_a[:3]
    with worked.runtime.sessions.begin() as session:
        audits = DecisionRow.task_id.in_([audited, skipped])
        session.execute(update(DecisionRow).where(audits).values(purpose=Purpose.AUDIT.value))
    worked.server.skip(worked.people["ann"], skipped)
    for task_id in (audited, routed, skipped):
        worked.server.submit(worked.people["bob"], task_id, "B")
        worked.server.submit(worked.people["sue"], task_id, "A")
    worked.settle()
    # Both answers to the routed task, one to each audit: a skip is no answer.
    assert counted(worked) == {"A": (4, 3)}
