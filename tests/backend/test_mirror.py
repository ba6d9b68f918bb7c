"""The mirror project: audited tasks are copied once, bare, and answers there are the originals'."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit_jobs.audits import job as audit
from backend.delivery import deliver
from backend.mirrors import copies as mirror
from backend.mirrors.copies import MirrorError
from backend.mirrors.keys import KEY, key_of
from backend.mirrors.projects import find_mirror
from backend.store.deliveries import Wish, store_wishes
from backend.store.events import add_event
from backend.store.figures import project_figures
from backend.store.mirrors import copies, mirror_of, store_mirror
from backend.store.tables import AnnotationRow, DeliveryRow
from backend.store.tasks import unlabelled_task_ids
from backend.store.votes import human_votes
from backend.synchronisation import reconcile, synchronise
from connectors.annotation_tool import (
    AnnotationToolRefusedError,
    AnnotationToolUnavailableError,
)
from policies.domain import Purpose
from tests.fakes.label_studio_server import ROBOT_ID
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

DOWN = AnnotationToolUnavailableError("Label Studio is down")
TITLE = "worked: second look"
SECRET = {"share": 0.5, "mirror": TITLE}


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Forty tasks that a certified model is sure of; about half of its accepts are audited."""
    made = worked_project(tmp_path, worked_policy(audit=SECRET))
    made.add(["fruit"] * 20 + ["motor"] * 20)
    made.promote()
    mirror_id = made.tool.create_project(TITLE, made.project.label_config).id
    with made.runtime.sessions.begin() as session:
        store_mirror(session, made.project_id, mirror_id)
    made.settle()
    return made


def run(worked: WorkedProject) -> dict[str, int]:
    return mirror.run(worked.runtime, worked.project)


def mirror_id_of(worked: WorkedProject) -> int:
    with worked.runtime.reads() as session:
        found = mirror_of(session, worked.project_id)
    assert found is not None
    return found.id


def copied(worked: WorkedProject) -> dict[int, int]:
    """Original -> copy, as noted."""
    with worked.runtime.reads() as session:
        return {task_id: each for each, task_id in copies(session, worked.project_id).items()}


def keys(worked: WorkedProject) -> list[str]:
    return [each.data[KEY] for each in worked.server.of_project(mirror_id_of(worked))]


def votes(worked: WorkedProject) -> set[tuple[int, int, str]]:
    with worked.runtime.reads() as session:
        found = human_votes(session, worked.project_id)
    return {(each.task_id, each.user_id, each.label) for each in found}


def wish_again(worked: WorkedProject, task_id: int, *, marker: str | None, accepts: bool) -> None:
    """What is decided anew of one task."""
    wish = Wish(
        task_id=task_id,
        decision_seq=1,
        marker=marker,
        label="A" if accepts else None,
        score=0.99 if accepts else None,
        model_version="v1" if accepts else None,
        accepts=accepts,
        overlap=1,
    )
    with worked.runtime.sessions.begin() as session:
        store_wishes(session, worked.project_id, [wish], worked.clock())


def test_audits_are_copied_bare_and_stay_bare_in_their_own_project(worked: WorkedProject) -> None:
    audits = worked.with_purpose(Purpose.AUDIT)
    assert 5 < len(audits) < 35
    assert run(worked)["copied"] == len(audits)
    assert run(worked) == {"answers": 0, "copied": 0, "removed": 0, "asked_again": 0}
    assert sorted(copied(worked)) == audits
    for task_id, copy_id in copied(worked).items():
        original, copy = worked.server.tasks[task_id], worked.server.tasks[copy_id]
        assert copy.data == original.data | {KEY: key_of(worked.project_id, task_id)}
        assert (original.annotations, original.predictions) == ([], [])
        assert (copy.annotations, copy.predictions) == ([], [])
    accepted = {task.id for task in worked.tasks if task.annotations}
    assert accepted
    assert not accepted & set(audits)


def test_what_a_copy_says_tells_nothing_of_its_decision(worked: WorkedProject) -> None:
    run(worked)
    for copy in worked.server.of_project(mirror_id_of(worked)):
        assert set(copy.data) == {"text", KEY}
        assert not {"A", "B", "v1"} & {copy.data[KEY]}
    assert len(set(keys(worked))) == len(keys(worked))


def test_an_auditors_answer_counts_for_the_original_and_in_the_report(
    worked: WorkedProject,
) -> None:
    run(worked)
    (right, right_copy), (wrong, wrong_copy), *_ = copied(worked).items()
    sue = worked.people["sue"]
    said = worked.decisions()
    other = {"A": "B", "B": "A"}
    labels = {right: str(said[right].label), wrong: other[str(said[wrong].label)]}
    worked.server.submit(sue, right_copy, labels[right])
    worked.server.submit(sue, wrong_copy, labels[wrong])
    assert run(worked)["answers"] == 2
    assert run(worked)["answers"] == 0
    assert votes(worked) == {(task_id, sue, label) for task_id, label in labels.items()}
    with worked.runtime.reads() as session:
        rows = session.query(AnnotationRow).filter_by(mirrored=True).all()
        assert {row.task_id for row in rows} == {right, wrong}
        assert right not in unlabelled_task_ids(session, worked.project_id)
    worked.settle()
    # Nothing of it is written into the project of the original.
    assert worked.server.tasks[right].annotations == []
    assert worked.server.tasks[right].predictions == []
    assert audit.run(worked.runtime, worked.project)["audited"] == 2


def test_the_pages_queue_of_audits_counts_those_in_the_mirror(worked: WorkedProject) -> None:
    run(worked)
    first, *_ = copied(worked).values()
    worked.server.submit(worked.people["sue"], first, "A")
    run(worked)
    with worked.runtime.reads() as session:
        figures = project_figures(session, worked.project)
    queue = next(each for each in figures.queues if each.name == "Audit")
    assert (queue.open, queue.answered) == (len(copied(worked)) - 1, 1)


def test_changed_and_deleted_answers_follow(worked: WorkedProject) -> None:
    run(worked)
    (one, one_copy), (two, two_copy), *_ = copied(worked).items()
    sue = worked.people["sue"]
    changed = worked.server.submit(sue, one_copy, "A")
    taken_back = worked.server.submit(sue, two_copy, "A")
    run(worked)
    worked.server.edit(sue, changed, "B")
    worked.server.delete_annotation(taken_back)
    with worked.runtime.sessions.begin() as session:
        detail = {"annotation_ids": [taken_back]}
        add_event(session, worked.project_id, "ANNOTATIONS_DELETED", detail, worked.clock())
    synchronise(worked.runtime, worked.project)
    run(worked)
    assert votes(worked) == {(one, sue, "B")}
    with worked.runtime.reads() as session:
        assert two in unlabelled_task_ids(session, worked.project_id)
    assert copied(worked)[two] == two_copy


def test_reading_the_original_again_takes_no_mirrored_answer_for_deleted(
    worked: WorkedProject,
) -> None:
    run(worked)
    (task_id, copy_id), *_ = copied(worked).items()
    sue, ann = worked.people["sue"], worked.people["ann"]
    worked.server.submit(sue, copy_id, "A")
    run(worked)
    worked.server.submit(ann, task_id, "B")  # a person answers the original as well
    synchronise(worked.runtime, worked.project)
    assert reconcile(worked.runtime, worked.project) == {"tasks_gone": 0, "annotations_gone": 0}
    run(worked)
    assert votes(worked) == {(task_id, sue, "A"), (task_id, ann, "B")}
    quiet = {"copies_gone": 0, "mirrored_answers_gone": 0}
    assert mirror.reconcile(worked.runtime, worked.project) == quiet


def test_what_was_deleted_in_the_mirror_without_a_word_is_noticed(worked: WorkedProject) -> None:
    run(worked)
    (one, one_copy), (two, two_copy), (three, three_copy), *_ = copied(worked).items()
    sue = worked.people["sue"]
    answer = worked.server.submit(sue, one_copy, "A")
    worked.server.submit(sue, two_copy, "A")
    run(worked)
    worked.server.delete_annotation(answer)
    worked.server.delete_task(two_copy)
    worked.server.delete_task(three_copy)
    gone = mirror.reconcile(worked.runtime, worked.project)
    assert gone == {"copies_gone": 2, "mirrored_answers_gone": 2}
    assert votes(worked) == set()
    assert run(worked)["copied"] == 2  # they still have to be audited
    assert {one, two, three} <= set(copied(worked))


def test_a_copy_that_somebody_deleted_is_made_anew(worked: WorkedProject) -> None:
    run(worked)
    (task_id, copy_id), *_ = copied(worked).items()
    worked.server.delete_task(copy_id)
    with worked.runtime.sessions.begin() as session:
        detail = {"task_ids": [copy_id]}
        add_event(session, worked.project_id, "TASKS_DELETED", detail, worked.clock())
    synchronise(worked.runtime, worked.project)
    assert run(worked)["copied"] == 1
    assert copied(worked)[task_id] != copy_id


@pytest.mark.parametrize("afterwards", [True, False])
@pytest.mark.parametrize("method", ["import_tasks", "tasks_after", "annotated_since", "project"])
def test_a_crash_between_copying_and_noting_it_doubles_nothing(
    worked: WorkedProject, method: str, *, afterwards: bool
) -> None:
    audits = worked.with_purpose(Purpose.AUDIT)
    worked.tool.fail_next(method, DOWN, afterwards=afterwards)
    with pytest.raises(AnnotationToolUnavailableError):
        run(worked)
    run(worked)
    assert sorted(copied(worked)) == audits
    assert sorted(keys(worked)) == sorted(key_of(worked.project_id, each) for each in audits)


def test_a_copy_that_came_late_from_a_lost_request_is_taken_away(worked: WorkedProject) -> None:
    run(worked)
    (task_id, _), *_ = copied(worked).items()
    late = worked.server.tasks[task_id].data | {KEY: key_of(worked.project_id, task_id)}
    worked.tool.import_tasks(mirror_id_of(worked), [late])
    worked.add(["fruit"] * 20)
    worked.settle()
    assert run(worked)["copied"] > 0
    assert len(keys(worked)) == len(set(keys(worked))) == len(copied(worked))


def test_an_answer_to_a_copy_that_was_never_noted_is_matched_by_its_key(
    worked: WorkedProject,
) -> None:
    task_id = worked.with_purpose(Purpose.AUDIT)[0]
    data = worked.server.tasks[task_id].data | {KEY: key_of(worked.project_id, task_id)}
    (copy_id,) = worked.tool.import_tasks(mirror_id_of(worked), [data])
    worked.server.submit(worked.people["sue"], copy_id, "B")
    run(worked)
    assert votes(worked) == {(task_id, worked.people["sue"], "B")}
    assert copied(worked)[task_id] == copy_id
    assert len(keys(worked)) == len(set(keys(worked)))


def test_an_answer_between_a_crash_and_the_next_run_doubles_nothing(worked: WorkedProject) -> None:
    worked.tool.fail_next("import_tasks", DOWN, afterwards=True)
    with pytest.raises(AnnotationToolUnavailableError):
        run(worked)
    last = max(each.id for each in worked.server.of_project(mirror_id_of(worked)))
    worked.server.submit(worked.people["sue"], last, "A")
    before = sorted(keys(worked))
    run(worked)
    assert sorted(keys(worked)) == before
    assert len(copied(worked)) == len(before)
    assert len(votes(worked)) == 1


def test_a_task_of_somebody_else_in_the_mirror_is_let_alone(worked: WorkedProject) -> None:
    mirror_id = mirror_id_of(worked)
    (foreign,) = worked.server.add_tasks(mirror_id, [{"text": "mine"}])
    worked.server.submit(worked.people["ann"], foreign, "A")
    assert run(worked)["answers"] == 0
    assert foreign in worked.server.tasks


def test_an_audit_that_is_not_wanted_any_more_is_taken_away_but_never_anybodys_work(
    worked: WorkedProject,
) -> None:
    run(worked)
    (bare, bare_copy), (begun, begun_copy), (skipped, skipped_copy), *_ = copied(worked).items()
    worked.server.drafts.add(begun_copy)
    worked.server.skip(worked.people["sue"], skipped_copy)
    run(worked)
    for task_id in (bare, begun, skipped):
        wish_again(worked, task_id, marker="senior", accepts=False)
    assert run(worked)["removed"] == 1
    assert bare_copy not in worked.server.tasks
    assert {begun_copy, skipped_copy} <= set(worked.server.tasks)
    assert bare not in copied(worked)


def test_without_a_mirror_in_the_policy_audits_go_into_their_view(worked: WorkedProject) -> None:
    run(worked)
    answered, *others = copied(worked)
    worked.server.submit(worked.people["sue"], copied(worked)[answered], "A")
    run(worked)
    worked.connect(worked_policy(audit={"share": 0.5}))
    worked.certify("v1")
    worked.settle()
    assert run(worked)["removed"] == len(others)
    assert list(copied(worked)) == [answered]
    assert all(worked.shown(task_id) == [("labelgate: Audit", False)] for task_id in others)
    assert votes(worked) == {(answered, worked.people["sue"], "A")}


def test_a_late_answer_to_a_task_that_was_accepted_meanwhile_takes_the_robots_back(
    worked: WorkedProject,
) -> None:
    run(worked)
    (task_id, copy_id), *_ = copied(worked).items()
    worked.server.drafts.add(copy_id)
    wish_again(worked, task_id, marker=None, accepts=True)
    deliver(worked.runtime, worked.project)
    assert worked.said(task_id, ROBOT_ID) == ["A"]
    assert run(worked)["removed"] == 0
    worked.server.submit(worked.people["sue"], copy_id, "B")
    run(worked)
    worked.settle()
    assert worked.said(task_id, ROBOT_ID) == []
    assert worked.deliveries()[task_id].state == "left_to_people"
    worked.settle()
    assert worked.deliveries()[task_id].state == "left_to_people"


def test_a_second_auditor_is_asked_in_the_mirror(worked: WorkedProject) -> None:
    run(worked)
    (task_id, copy_id), *_ = copied(worked).items()
    worked.server.submit(worked.people["ann"], copy_id, "A")
    worked.server.submit(worked.people["bob"], copy_id, "B")
    run(worked)
    worked.settle()
    assert worked.decisions()[task_id].escalated
    assert worked.server.tasks[task_id].predictions == []
    assert worked.server.tasks[task_id].overlap == 1
    assert run(worked)["asked_again"] == 1
    assert not worked.server.tasks[copy_id].is_labeled
    assert run(worked)["asked_again"] == 0
    worked.server.submit(worked.people["sue"], copy_id, "B")
    run(worked)
    worked.settle()
    assert task_id not in worked.decisions()
    assert run(worked)["asked_again"] == 0


def test_the_mirror_asks_what_its_project_asks(worked: WorkedProject) -> None:
    run(worked)
    more = worked.project.label_config.replace('"B"/>', '"B"/><Choice value="C"/>')
    worked.tool.set_label_config(worked.project_id, more)
    worked.settle()
    run(worked)
    assert worked.server.projects[mirror_id_of(worked)].label_config == more
    worked.server.submit(worked.people["sue"], next(iter(copied(worked).values())), "C")
    run(worked)
    less = more.replace('"C"', '"D"')
    worked.tool.set_label_config(worked.project_id, less)
    synchronise(worked.runtime, worked.project)
    refusal = AnnotationToolRefusedError("there are annotations with tag 'label'")
    worked.tool.fail_next("set_label_config", refusal)
    with pytest.raises(MirrorError, match=r"delete or change the answers there"):
        run(worked)


def test_a_policy_whose_mirror_was_never_set_up_says_what_to_run(tmp_path: Path) -> None:
    made = worked_project(tmp_path, worked_policy(audit=SECRET))
    with pytest.raises(MirrorError, match=r"labelgate connect --project 1"):
        run(made)
    made.connect(worked_policy())
    assert run(made)["copied"] == 0


def test_a_project_without_a_mirror_is_asked_nothing(tmp_path: Path) -> None:
    made = worked_project(tmp_path)
    run(made)
    mirror.reconcile(made.runtime, made.project)
    assert made.tool.calls == []


def test_a_mirror_that_was_deleted_is_an_error_of_its_own_job(worked: WorkedProject) -> None:
    del worked.server.projects[mirror_id_of(worked)]
    with pytest.raises(AnnotationToolRefusedError):
        run(worked)
    worked.settle()  # everything else goes on


def test_many_audits_are_copied_a_thousand_at_a_time(tmp_path: Path) -> None:
    made = worked_project(tmp_path, worked_policy(audit={"share": 1.0, "most": 1.0, **SECRET}))
    made.tool.page_size = 1000
    ids = made.add(["fruit"] * 2_500)
    mirror_id = made.tool.create_project(TITLE, made.project.label_config).id
    synchronise(made.runtime, made.project)
    with made.runtime.sessions.begin() as session:
        store_mirror(session, made.project_id, mirror_id)
    for start in range(0, len(ids), 500):
        with made.runtime.sessions.begin() as session:
            session.add_all(_waiting(made, task_id) for task_id in ids[start : start + 500])
    made.tool.calls.clear()
    assert run(made)["copied"] == 2_500
    assert made.tool.calls.count("import_tasks") == 3


def _waiting(made: WorkedProject, task_id: int) -> DeliveryRow:
    return DeliveryRow(
        project_id=made.project_id,
        task_id=task_id,
        decision_seq=1,
        marker=" mirror",
        accepts=False,
        state="delivered",
        next_attempt_at=made.clock(),
    )


def test_the_project_is_found_by_its_exact_title_or_made(tmp_path: Path) -> None:
    made = worked_project(tmp_path)
    assert find_mirror(made.runtime, made.project_id, TITLE) is None
    empty = made.tool.create_project(TITLE, made.project.label_config)
    assert find_mirror(made.runtime, made.project_id, TITLE) == empty
    copy = {"text": "a", KEY: key_of(made.project_id, 77)}
    made.server.add_tasks(empty.id, [copy])
    assert find_mirror(made.runtime, made.project_id, TITLE) == empty


def test_a_project_that_is_something_else_is_no_mirror(tmp_path: Path) -> None:
    made = worked_project(tmp_path)
    config = made.project.label_config

    def refused(title: str, project_id: int = made.project_id) -> str:
        with pytest.raises(MirrorError) as caught:
            find_mirror(made.runtime, project_id, title)
        return str(caught.value)

    assert "is itself connected" in refused("worked")
    assert "is itself connected" in refused("worked", 77)
    used = made.tool.create_project("used", config)
    (task_id,) = made.server.add_tasks(used.id, [{"text": "a"}])
    assert f"did not copy there, such as task {task_id}" in refused("used")
    twins = [made.tool.create_project("twin", config).id for _ in range(2)]
    assert f"2 projects have this title ({twins[0]}, {twins[1]})" in refused("twin")
    own = made.tool.create_project(TITLE, config)
    with made.runtime.sessions.begin() as session:
        store_mirror(session, made.project_id, own.id)
    assert f"mirror of project {made.project_id} already" in refused(TITLE, 77)


def test_another_mirror_starts_without_copies_and_the_answers_of_the_former_one_stay(
    worked: WorkedProject,
) -> None:
    run(worked)
    first, former = mirror_id_of(worked), copied(worked)
    (answered, copy_id), *_ = former.items()
    worked.server.submit(worked.people["sue"], copy_id, "A")
    run(worked)
    second = worked.tool.create_project("another mirror", worked.project.label_config).id
    with worked.runtime.sessions.begin() as session:
        store_mirror(session, worked.project_id, second)
    assert run(worked)["copied"] == len(former) - 1
    mirror.reconcile(worked.runtime, worked.project)
    assert votes(worked) == {(answered, worked.people["sue"], "A")}
    with worked.runtime.sessions.begin() as session:  # and back: found again by their keys
        store_mirror(session, worked.project_id, first)
    run(worked)
    assert copied(worked) == former
    assert votes(worked) == {(answered, worked.people["sue"], "A")}
