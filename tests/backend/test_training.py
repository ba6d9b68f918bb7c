"""Training: on what it may, at most as often as asked, and never to the champion's harm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, update
from sqlalchemy.orm import Session

from backend import training
from backend.champion import load_champion
from backend.leasing import holding
from backend.retraining import lease_name
from backend.slices import labelled_slices
from backend.store.job_tables import LeaseRow
from backend.store.model_tables import TrainingRequestRow
from backend.store.models import CHAMPION, KEPT, all_versions
from backend.store.training import cancel_training, request_training, start_training
from backend.store.votes import count_human_labels
from backend.synchronisation import synchronise
from backend.training_progress import GATING, READING, RECORDING, TRAINING, Telling
from connectors.annotation_tool import AnnotationToolUnavailableError
from policies.loading import parse_policy
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

IMAGES = (
    '<View><Image name="image" value="$image"/><Choices name="label" toName="image">'
    '<Choice value="A"/><Choice value="B"/></Choices></View>'
)


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Sixty tasks with everybody's answers: twenty are kept from training."""
    policy = worked_policy(
        control={"share": 0.2},
        holdout={"share": 0.2},
        retrain={"after_annotations": 10, "minimum_labels": 20},
    )
    made = worked_project(tmp_path, policy)
    made.add(["fruit", "motor"] * 40)
    for task in made.tasks:
        made.server.submit(made.people["ann"], task.id, truth(task.data))
    synchronise(made.runtime, made.project)
    return made


def truth(data: dict[str, Any]) -> str:
    return "A" if "apples" in data["text"] else "B"


def ask(worked: WorkedProject) -> bool:
    with worked.runtime.sessions.begin() as session:
        labels = count_human_labels(session, worked.project_id)
        return request_training(session, worked.project_id, "asked", labels, worked.clock())


def train(worked: WorkedProject) -> dict[str, Any]:
    ask(worked)
    return training.train(worked.runtime, worked.project)


def newest_request(worked: WorkedProject) -> TrainingRequestRow:
    with worked.runtime.reads() as session:
        row = session.query(TrainingRequestRow).order_by(TrainingRequestRow.id.desc()).first()
        assert row is not None
        return row


def versions(worked: WorkedProject) -> list[tuple[str, str]]:
    with worked.runtime.reads() as session:
        return [(each.version, each.state) for each in all_versions(session, worked.project_id)]


def test_only_training_answers_are_learned(worked: WorkedProject) -> None:
    """Holdout and control answers say the contrary; a model that had seen them would know."""
    with worked.runtime.reads() as session:
        policy = parse_policy(worked.project.policy_text)
        slices = labelled_slices(session, worked.project, policy)
    for task_id in [*slices.control, *slices.holdout]:
        task = worked.server.tasks[task_id]
        (answer,) = task.annotations
        flipped = {"A": "B", "B": "A"}[truth(task.data)]
        worked.server.edit(worked.people["ann"], answer.id, flipped)
    synchronise(worked.runtime, worked.project)
    assert train(worked)["state"] == "promoted"
    with worked.runtime.reads() as session:
        (model,) = all_versions(session, worked.project_id)
    assert model.lineage["examples"] == len(slices.training)
    assert model.lineage["policy_hash"] == worked.project.policy_hash
    assert model.verdict["holdout_accuracy"]["value"] == 0  # sure of the contrary of the contrary
    assert model.verdict["holdout_accuracy"]["n"] == len(slices.holdout)


def test_the_first_is_promoted_and_a_worse_one_kept(worked: WorkedProject) -> None:
    assert train(worked)["version"] == "v1"
    for task in worked.tasks:  # people change their minds, but not on the holdout
        if task.id not in holdout(worked):
            (answer,) = task.annotations
            worked.server.edit(
                worked.people["ann"], answer.id, {"A": "B", "B": "A"}[truth(task.data)]
            )
    synchronise(worked.runtime, worked.project)
    report = train(worked)
    assert (report["state"], report["version"]) == ("kept", "v2")
    assert report["why"].startswith("kept: worse than the champion: 0 holdout answers better")
    assert versions(worked) == [("v1", CHAMPION), ("v2", KEPT)]
    champion = load_champion(worked.runtime, worked.project_id)
    assert champion is not None
    assert champion.model.version == "v1"
    assert (newest_request(worked).state, newest_request(worked).model_version) == ("kept", "v2")


def holdout(worked: WorkedProject) -> dict[int, str]:
    with worked.runtime.reads() as session:
        policy = parse_policy(worked.project.policy_text)
        return labelled_slices(session, worked.project, policy).holdout


def test_an_equal_one_is_promoted_and_the_old_one_retired(worked: WorkedProject) -> None:
    train(worked)
    assert train(worked)["state"] == "promoted"
    assert versions(worked) == [("v1", "retired"), ("v2", CHAMPION)]
    with worked.runtime.reads() as session:
        assert all_versions(session, worked.project_id)[1].lineage["parent"] == "v1"


def test_nothing_to_do_and_running_elsewhere_are_said(worked: WorkedProject) -> None:
    assert training.train(worked.runtime, worked.project) == {"state": "nothing to do"}
    with holding(worked.runtime, lease_name(worked.project_id)):
        assert train(worked) == {"state": "running elsewhere"}
    assert newest_request(worked).state == "queued"


def test_labels_that_teach_nothing_close_the_request_with_words(tmp_path: Path) -> None:
    worked = worked_project(tmp_path)
    worked.add(["fruit"] * 30)
    for task in worked.tasks:
        worked.server.submit(worked.people["ann"], task.id, "A")
    synchronise(worked.runtime, worked.project)
    report = train(worked)
    assert report["state"] == "failed"
    assert "at least two different labels" in report["why"]
    assert (newest_request(worked).state, newest_request(worked).outcome) == (
        "failed",
        report["why"],
    )
    assert versions(worked) == []


def image_project(folder: Path) -> WorkedProject:
    """Tasks whose images must be fetched: the one call to the tool that a training makes."""
    worked = worked_project(folder)
    project = worked.server.projects[worked.project_id]
    worked.server.projects[worked.project_id] = type(project)(
        id=project.id, title=project.title, label_config=IMAGES, model_version=""
    )
    data = [{"image": f"/data/upload/1/{number}.png"} for number in range(40)]
    for task_id in worked.server.add_tasks(worked.project_id, data):
        worked.server.submit(worked.people["ann"], task_id, "AB"[task_id % 2])
    synchronise(worked.runtime, worked.project)
    return worked


def test_label_studio_down_closes_the_request_with_words(tmp_path: Path) -> None:
    worked = image_project(tmp_path)
    worked.tool.fail_next("download", AnnotationToolUnavailableError("Label Studio is down"))
    assert train(worked) == {"state": "failed", "why": "Label Studio is down"}
    assert newest_request(worked).outcome == "Label Studio is down"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_trainer_that_is_told_to_stop_leaves_everything_as_it_was(
    tmp_path: Path, stop: type[BaseException]
) -> None:
    worked = image_project(tmp_path)
    ask(worked)
    for _ in range(5):  # more often than a request may die
        worked.tool.fail_next("download", stop())  # type: ignore[arg-type]  # no Exception
        with pytest.raises(stop):
            training.train(worked.runtime, worked.project)
        assert (newest_request(worked).state, newest_request(worked).attempts) == ("running", 0)
    worked.tool.fail_next("download", AnnotationToolUnavailableError("down"))
    assert training.train(worked.runtime, worked.project)["state"] == "failed"


def test_a_trainer_that_dies_leaves_the_request_to_the_next_three_times(tmp_path: Path) -> None:
    worked = image_project(tmp_path)
    ask(worked)
    for attempt in range(1, 4):
        worked.tool.fail_next("download", MemoryError())
        with pytest.raises(MemoryError):
            training.train(worked.runtime, worked.project)
        assert (newest_request(worked).state, newest_request(worked).attempts) == (
            "running",
            attempt,
        )
    assert training.train(worked.runtime, worked.project) == {"state": "nothing to do"}
    assert newest_request(worked).outcome == "the trainer died 3 times"
    assert versions(worked) == []


def cancel(worked: WorkedProject) -> None:
    with worked.runtime.sessions.begin() as session:
        assert cancel_training(session, worked.project_id, "ann", worked.clock())


def once_at(worked: WorkedProject, stage: str, happens: Callable[[], None]) -> None:
    """Let something happen as soon as the trainer has said that it is at this stage."""
    pending = [happens]

    def look(_session: Session) -> None:
        if pending and newest_request(worked).stage == stage:
            pending.pop()()

    event.listen(worked.runtime.sessions, "after_commit", look)


@pytest.mark.parametrize("stage", [READING, TRAINING, GATING, RECORDING])
def test_a_training_that_is_cancelled_at_any_stage_records_nothing(
    worked: WorkedProject, stage: str
) -> None:
    train(worked)
    once_at(worked, stage, lambda: cancel(worked))
    assert train(worked) == {"state": "cancelled", "why": "the training was cancelled"}
    assert newest_request(worked).outcome == "cancelled by ann"
    assert versions(worked) == [("v1", CHAMPION)]
    assert train(worked)["version"] == "v2"
    assert versions(worked) == [("v1", "retired"), ("v2", CHAMPION)]
    files = list(worked.runtime.settings.models_dir.rglob("*.skops"))
    assert len(files) == 2, "what the cancelled one had written is gone"


def test_a_training_whose_lease_went_to_another_one_leaves_the_request_alone(
    worked: WorkedProject,
) -> None:
    def lose() -> None:
        with worked.runtime.sessions.begin() as session:
            session.execute(update(LeaseRow).values(holder="another"))

    once_at(worked, TRAINING, lose)
    assert train(worked)["state"] == "running elsewhere"
    assert versions(worked) == []
    assert (newest_request(worked).state, newest_request(worked).attempts) == ("running", 1)


def test_how_far_a_training_is_can_be_seen_but_is_not_said_all_the_time(
    worked: WorkedProject,
) -> None:
    ask(worked)
    with holding(worked.runtime, lease_name(worked.project_id)) as lease:
        assert lease is not None
        with worked.runtime.sessions.begin() as session:
            request = start_training(session, worked.project_id, 80, worked.clock())
        assert request is not None
        clock = iter([0.0, 0.4, 0.9, 1.1, 1.1, 2.2, 2.2, 3.3, 3.3])
        telling = Telling(worked.runtime, lease, request.id, lambda: next(clock))
        telling.stage(TRAINING)
        assert (newest_request(worked).stage, newest_request(worked).progress) == (TRAINING, None)
        for share, seen in [(0.1, None), (0.2, None), (0.3, 0.3), (1.5, 1.0), (-1.0, 0.0)]:
            telling.share(share)
            assert newest_request(worked).progress == seen
