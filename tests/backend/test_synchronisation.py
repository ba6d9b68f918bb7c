"""Reading what is new: once, in any order, with any interruption."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.store.events import add_event, count_open
from backend.store.tasks import mark_tasks_deleted, task_ids, unlabelled_task_ids
from backend.store.training import open_requests, recent_requests
from backend.store.votes import answers, count_human_labels, human_votes
from backend.synchronisation import reconcile, synchronise
from connectors.annotation_tool import AnnotationToolUnavailableError, Task
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

DOWN = AnnotationToolUnavailableError("Label Studio is down")


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    made = worked_project(tmp_path)
    made.add(["fruit"] * 20)
    return made


def sync(worked: WorkedProject) -> dict[str, int]:
    return synchronise(worked.runtime, worked.project)


def event(worked: WorkedProject, action: str, **detail: object) -> None:
    with worked.runtime.sessions.begin() as session:
        add_event(session, worked.project_id, action, detail, worked.clock())


def votes(worked: WorkedProject) -> dict[int, str]:
    with worked.runtime.reads() as session:
        return answers(human_votes(session, worked.project_id))


def labels(worked: WorkedProject) -> int:
    with worked.runtime.reads() as session:
        return count_human_labels(session, worked.project_id)


def test_tasks_and_answers_are_counted_once(worked: WorkedProject) -> None:
    first, second, *_ = [task.id for task in worked.tasks]
    worked.server.submit(worked.people["ann"], first, "A")
    worked.server.skip(worked.people["ann"], second)
    assert sync(worked) == {"tasks": 20, "answers": 1}
    assert sync(worked) == {"tasks": 0, "answers": 0}
    assert votes(worked) == {first: "A"}
    worked.add(["motor"])
    worked.server.submit(worked.people["bob"], second, "B")
    assert sync(worked) == {"tasks": 1, "answers": 1}


@pytest.mark.parametrize("method", ["project", "tasks_after", "annotated_since"])
def test_an_interruption_loses_and_doubles_nothing(worked: WorkedProject, method: str) -> None:
    for task in worked.tasks:
        worked.server.submit(worked.people["ann"], task.id, "A")
    event(worked, "ANNOTATION_CREATED")
    worked.tool.fail_next(method, DOWN, afterwards=True)
    with pytest.raises(AnnotationToolUnavailableError):
        sync(worked)
    with worked.runtime.reads() as session:
        assert count_open(session) == 1
    sync(worked)
    assert labels(worked) == len(votes(worked)) == 20
    with worked.runtime.reads() as session:
        assert count_open(session) == 0


def test_a_changed_answer_replaces_the_old_one(worked: WorkedProject) -> None:
    task_id = worked.tasks[0].id
    answer = worked.server.submit(worked.people["ann"], task_id, "A")
    sync(worked)
    worked.server.edit(worked.people["ann"], answer, "B")
    assert sync(worked)["answers"] == 0
    assert votes(worked) == {task_id: "B"}
    assert labels(worked) == 1


def test_a_person_who_changes_the_robots_answer_is_its_author(worked: WorkedProject) -> None:
    worked.promote()
    worked.settle()
    robots = [task for task in worked.tasks if task.annotations]
    sync(worked)
    assert labels(worked) == 0
    worked.server.edit(worked.people["ann"], robots[0].annotations[0].id, "A")  # confirms it
    worked.server.edit(worked.people["bob"], robots[1].annotations[0].id, "B")
    sync(worked)
    with worked.runtime.reads() as session:
        found = {
            each.task_id: (each.user_id, each.label)
            for each in human_votes(session, worked.project_id)
        }
    assert found == {
        robots[0].id: (worked.people["ann"], "A"),
        robots[1].id: (worked.people["bob"], "B"),
    }


def test_deletions_come_with_their_events(worked: WorkedProject) -> None:
    first, second = (task.id for task in worked.tasks[:2])
    answer = worked.server.submit(worked.people["ann"], first, "A")
    sync(worked)
    worked.server.delete_annotation(answer)
    event(worked, "ANNOTATIONS_DELETED", annotation_ids=[answer, 999_999])
    worked.server.delete_task(second)
    event(worked, "TASKS_DELETED", task_ids=[second, 999_999])
    sync(worked)
    assert votes(worked) == {}
    with worked.runtime.reads() as session:
        unlabelled = unlabelled_task_ids(session, worked.project_id)
    assert first in unlabelled
    assert second not in unlabelled


def test_what_was_deleted_without_an_event_is_noticed_by_reconciling(
    worked: WorkedProject,
) -> None:
    first, second, third, *_ = [task.id for task in worked.tasks]
    gone = worked.server.submit(worked.people["ann"], first, "A")
    worked.server.submit(worked.people["ann"], second, "A")
    sync(worked)
    worked.server.delete_annotation(gone)
    worked.server.delete_task(third)
    sync(worked)
    assert set(votes(worked)) == {first, second}  # no event came: nothing could be known
    assert reconcile(worked.runtime, worked.project) == {"tasks_gone": 1, "annotations_gone": 1}
    assert set(votes(worked)) == {second}
    with worked.runtime.reads() as session:
        unlabelled = unlabelled_task_ids(session, worked.project_id)
    assert first in unlabelled
    assert third not in unlabelled
    assert reconcile(worked.runtime, worked.project) == {"tasks_gone": 0, "annotations_gone": 0}


def test_a_task_that_is_there_after_all_comes_back(worked: WorkedProject) -> None:
    """An event, or a Label Studio that was restored from a backup for an hour, said it was gone."""
    back, *kept = [task.id for task in worked.tasks]
    sync(worked)
    with worked.runtime.sessions.begin() as session:
        mark_tasks_deleted(session, worked.project_id, [back], worked.clock())
        assert task_ids(session, worked.project_id) == kept
    assert reconcile(worked.runtime, worked.project) == {"tasks_gone": 0, "annotations_gone": 0}
    with worked.runtime.reads() as session:
        assert task_ids(session, worked.project_id) == [back, *kept]


def test_a_task_that_goes_while_it_is_read_does_not_come_back(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, *kept = [task.id for task in worked.tasks]
    sync(worked)
    read = worked.tool.all_with_annotations

    def deleted_meanwhile(_tool: object, project_id: int) -> Iterator[list[Task]]:
        for page in read(project_id):
            with worked.runtime.sessions.begin() as session:
                mark_tasks_deleted(session, project_id, [gone], worked.clock())
            yield page

    monkeypatch.setattr(type(worked.tool), "all_with_annotations", deleted_meanwhile)
    reconcile(worked.runtime, worked.project)
    with worked.runtime.reads() as session:
        assert task_ids(session, worked.project_id) == kept


def test_an_answer_that_is_gone_while_others_stand_needs_no_event(worked: WorkedProject) -> None:
    task_id = worked.tasks[0].id
    gone = worked.server.submit(worked.people["ann"], task_id, "A")
    worked.server.submit(worked.people["bob"], task_id, "B")
    sync(worked)
    worked.server.delete_annotation(gone)
    sync(worked)
    assert votes(worked) == {task_id: "B"}
    assert labels(worked) == 1


def test_an_answer_that_label_studio_lost_count_of_is_read_by_its_webhook_and_stays(
    worked: WorkedProject,
) -> None:
    lost, other, *_ = [task.id for task in worked.tasks]
    answer = worked.server.submit(worked.people["ann"], lost, "A")
    worked.server.submit(worked.people["ann"], other, "B")
    worked.server.miscounted.add(lost)
    assert sync(worked)["answers"] == 1
    event(worked, "ANNOTATION_CREATED", task_ids=[lost], annotation_ids=[answer])
    assert sync(worked)["answers"] == 1
    assert votes(worked) == {lost: "A", other: "B"}
    assert reconcile(worked.runtime, worked.project)["annotations_gone"] == 0
    assert votes(worked) == {lost: "A", other: "B"}


def test_an_answer_that_label_studio_died_of_is_found_by_reconciling(worked: WorkedProject) -> None:
    lost = worked.tasks[0].id
    worked.server.submit(worked.people["ann"], lost, "A")
    worked.server.miscounted.add(lost)  # no count, no time, no webhook
    assert sync(worked)["answers"] == 0
    assert votes(worked) == {}
    assert reconcile(worked.runtime, worked.project) == {"tasks_gone": 0, "annotations_gone": 0}
    assert votes(worked) == {lost: "A"}


def test_a_training_asked_for_in_label_studio_is_queued_once(worked: WorkedProject) -> None:
    worked.connect(worked_policy(retrain={"minimum_labels": 5}))
    for task in worked.tasks:
        worked.server.submit(worked.people["ann"], task.id, "A")
    for _ in range(3):
        event(worked, "START_TRAINING")
    sync(worked)
    event(worked, "START_TRAINING")
    sync(worked)
    with worked.runtime.reads() as session:
        (request,) = open_requests(session, worked.project_id)
    assert request.reason == "asked for in Label Studio"


def test_a_training_that_cannot_be_is_refused_once_and_says_why(worked: WorkedProject) -> None:
    for _ in range(2):
        event(worked, "START_TRAINING")
        sync(worked)
    with worked.runtime.reads() as session:
        assert open_requests(session, worked.project_id) == []
        (refused,) = recent_requests(session, worked.project_id, 5)
    assert (refused.state, refused.reason) == ("refused", "asked for in Label Studio")
    assert (refused.outcome or "").startswith("50 more labels are needed to train")


def test_a_changed_title_and_config_are_taken_over(worked: WorkedProject) -> None:
    sync(worked)
    project = worked.server.projects[worked.project_id]
    changed = project.label_config.replace('value="B"', 'value="C"')
    worked.server.projects[project.id] = replace(project, title="new", label_config=changed)
    sync(worked)
    assert (worked.project.title, worked.project.label_config) == ("new", changed)
