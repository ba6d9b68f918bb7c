"""Training: on what it may, at most as often as asked, and never to the champion's harm."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from audit_jobs.running import run_job
from backend import training
from backend.champion import load_champion
from backend.leasing import holding
from backend.retraining import lease_name
from backend.slices import labelled_slices
from backend.store.events import add_event
from backend.store.models import CHAMPION, KEPT, all_versions
from backend.store.tables import TrainingRequestRow
from backend.store.training import open_requests, request_training
from backend.store.votes import count_human_labels
from backend.synchronisation import synchronise
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


@pytest.mark.parametrize("seed", range(2))
def test_however_webhooks_come_trainings_are_asked_for_as_the_policy_says(
    tmp_path: Path, seed: int
) -> None:
    """A thousand events, a third lost or doubled: requests follow the labels, not the events."""
    random = Random(seed)  # noqa: S311  # a test's dice
    every, least = 50, 80
    policy = worked_policy(
        control={"share": 0.05},
        holdout={"share": 0.05},
        retrain={"after_annotations": every, "minimum_labels": least},
    )
    worked = worked_project(tmp_path, policy)
    worked.tool.page_size = 1_000
    ids = worked.add(["fruit", "motor"] * 500)
    expected: list[int] = []
    hints = 0
    for number, task_id in enumerate(ids, start=1):
        worked.server.submit(worked.people["ann"], task_id, "A")
        hints += random.choice([1, 1, 1, 1, 0, 2])
        if random.random() < 0.04 or number == len(ids):
            with worked.runtime.sessions.begin() as session:
                for _ in range(hints):
                    add_event(session, worked.project_id, "ANNOTATION_CREATED", {}, worked.clock())
            hints = 0
            run_job(worked.runtime, "sync", worked.project)
            with worked.runtime.reads() as session:
                usable = len(labelled_slices(session, worked.project, policy).training)
            due = number - expected[-1] >= every if expected else usable >= least
            with worked.runtime.reads() as session:
                waiting = [each.human_labels for each in open_requests(session, worked.project_id)]
            assert waiting == ([number] if due else [])
            if due:
                expected.append(number)
                training.train(worked.runtime, worked.project)  # one label alone: it fails
    assert len(expected) > 10
