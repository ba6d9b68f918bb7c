"""`labelgate train`: asks, shows, waits, cancels; carries out what nobody else does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from audit_jobs.train_command import train
from backend.leasing import holding
from backend.retraining import lease_name
from backend.store.models import all_versions
from backend.store.training import open_requests
from backend.synchronisation import synchronise
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project


@pytest.fixture
def worked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkedProject:
    made = worked_project(tmp_path, worked_policy(retrain={"minimum_labels": 10}))
    made.add(["fruit", "motor"] * 20)
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "ann")
    return made


def label(worked: WorkedProject) -> None:
    for task in worked.tasks:
        answer = "A" if "apples" in task.data["text"] else "B"
        worked.server.submit(worked.people["ann"], task.id, answer)
    synchronise(worked.runtime, worked.project)


def run(*words: str) -> Result:
    return CliRunner().invoke(train, ["--project", "worked", *words])


def queued(worked: WorkedProject) -> int:
    with worked.runtime.reads() as session:
        return len(open_requests(session, worked.project_id))


def test_it_waits_until_the_version_serves(worked: WorkedProject) -> None:
    label(worked)
    result = run()
    assert result.exit_code == 0, result.output
    assert "request 1: v1 promoted: the first model" in result.output
    with worked.runtime.reads() as session:
        assert [each.version for each in all_versions(session, worked.project_id)] == ["v1"]


def test_without_waiting_it_only_asks_and_status_shows_it(worked: WorkedProject) -> None:
    assert "no training was ever asked for" in run("--status").output
    label(worked)
    result = run("--no-wait")
    assert (result.exit_code, result.output) == (0, "request 1: queued\n")
    assert run("--no-wait", "--json").exit_code == 0
    assert queued(worked) == 1
    (shown,) = json.loads(run("--status", "--json").output)
    assert shown["state"] == "queued"
    assert shown["reasons"] == ["asked for by command (ann)"]
    assert "queued" in run("--status").output


def test_cancelling_says_what_and_by_whom(worked: WorkedProject) -> None:
    label(worked)
    assert run("--cancel").output == "nothing is queued or running\n"
    run("--no-wait")
    assert "request 1 (asked for by command (ann)) is cancelled" in run("--cancel").output
    assert queued(worked) == 0
    (shown,) = json.loads(run("--status", "--json").output)
    assert shown["says"] == "cancelled by ann by command"
    assert json.loads(run("--cancel", "--json").output) == {"cancelled": []}


def test_too_few_labels_are_said_at_once(worked: WorkedProject) -> None:
    result = run()
    assert result.exit_code == 1
    assert "refused: 10 more labels are needed to train: 0 can be learned from" in result.output
    assert queued(worked) == 0


def test_two_wishes_at_once_are_a_mistake(worked: WorkedProject) -> None:
    result = run("--status", "--cancel")
    assert result.exit_code == 2
    assert "one of --no-wait, --status and --cancel" in result.output
    assert queued(worked) == 0


def test_an_unknown_project_lists_what_is_connected(worked: WorkedProject) -> None:
    result = CliRunner().invoke(train, ["--project", "other"])
    assert result.exit_code == 1
    assert f"connected: {worked.project_id} 'worked'" in result.output


def test_the_trainer_itself_leaves_a_training_elsewhere_alone(worked: WorkedProject) -> None:
    label(worked)
    run("--no-wait")
    with holding(worked.runtime, lease_name(worked.project_id)):
        result = run("--queued")
    assert json.loads(result.output) == {"state": "running elsewhere"}
    assert queued(worked) == 1
