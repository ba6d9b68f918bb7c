"""``labelgate models``: what it prints, writes, refuses and changes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from backend import training
from backend.shadowing import shadow
from backend.store.models import all_versions
from backend.store.training import request_training
from backend.synchronisation import synchronise
from labelgate import main
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project


@pytest.fixture
def worked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkedProject:
    """v1 and v2 were trained: the second on more labels, and it serves."""
    policy = worked_policy(
        control={"share": 0.1}, holdout={"share": 0.3}, retrain={"minimum_labels": 10}
    )
    made = worked_project(tmp_path, policy)
    for count in (30, 50):
        label(made, made.add(["fruit", "motor"] * count))
        train(made)
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(made.runtime.settings.data_dir))
    monkeypatch.setenv("LABELGATE_WEBHOOK_SECRET", "the secret")
    return made


def label(worked: WorkedProject, ids: list[int]) -> None:
    for task_id in ids:
        fruit = "apples" in worked.server.tasks[task_id].data["text"]
        worked.server.submit(worked.people["ann"], task_id, "A" if fruit else "B")
    synchronise(worked.runtime, worked.project)


def train(worked: WorkedProject) -> None:
    with worked.runtime.sessions.begin() as session:
        request_training(session, worked.project_id, "asked", 1, worked.clock())
    assert training.train(worked.runtime, worked.project)["state"] == "promoted"


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["models", *map(str, words), "--project", "worked"])


def said(*words: object, exit_code: int = 0) -> str:
    result = run(*words)
    assert result.exit_code == exit_code, result.output
    return result.output


def told(*words: object, exit_code: int = 0) -> Any:
    return json.loads(said(*words, "--json", exit_code=exit_code))


def path_of(worked: WorkedProject, version: str) -> Path:
    with worked.runtime.reads() as session:
        (found,) = (
            each for each in all_versions(session, worked.project_id) if each.version == version
        )
    return worked.runtime.settings.models_dir / found.path


@pytest.mark.usefixtures("worked")
def test_the_list_says_each_version_and_the_trend() -> None:
    words = said("list")
    assert words.startswith("project 1 'worked': 2 versions\n  v1  retired, trained 2026-03-01")
    assert "v2  champion" in words
    assert "not worse than the champion: 0 holdout answers better, 0 worse" in words
    assert "accuracy over versions: cannot be said yet: it takes three versions" in words
    listed = told("list")
    assert [each["state"] for each in listed["versions"]] == ["retired", "champion"]
    assert listed["versions"][1]["holdout_accuracy"]["value"] == 1
    assert listed["trend"]["standing"] == "cannot be said yet"
    assert not any(each["problem"] for each in listed["versions"])


def test_a_damaged_file_is_said_and_not_promoted(worked: WorkedProject, tmp_path: Path) -> None:
    path_of(worked, "v1").write_bytes(b"exchanged")
    assert "cannot serve: model file 1/v1-" in said("list")
    assert "damaged or was exchanged" in told("show", "v1")["problem"]
    for words in (
        ("promote", "v1", "--why", "back"),
        ("rollback", "--why", "back"),
        ("export", "v1", "--out", tmp_path / "out"),
        ("shadow", "v1"),
        ("reproduce", "v1"),
    ):
        assert "damaged or was exchanged" in said(*words, exit_code=1)
    assert [each["state"] for each in told("list")["versions"]] == ["retired", "champion"]
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("worked")
def test_show_says_what_it_is_made_of_and_what_the_gate_found() -> None:
    words = said("show", "v2")
    for part in (
        "v2: champion",
        "as it was written",
        "gained on the champion 0.0% (",
        "passed: scores: ",
        "passed: accepted share: ",
        "parent: v1",
        "seed: 2",
        "libraries: labelgate ",
        "(gate): not worse than the champion",
    ):
        assert part in words
    shown = told("show", "v2", "--verify")
    assert shown["lineage"]["parent"] == "v1"
    assert shown["reproduction"]["same"]
    assert shown["served"][0]["replaced"] == "v1"


@pytest.mark.usefixtures("worked")
def test_two_versions_are_compared() -> None:
    found = told("diff", "v1", "v2")
    assert (found["removed"], found["changed"]) == ([], [])
    assert len(found["added"]) == (
        found["lineage"]["examples"][1] - found["lineage"]["examples"][0]
    )
    assert found["lineage"]["seed"] == [1, 2]
    assert (found["holdout"]["wins"], found["holdout"]["losses"]) == (0, 0)
    assert found["holdout"]["tasks"] > 0
    words = said("diff", "v1", "v2")
    assert "seed: 1 -> 2" in words
    assert "0 removed, 0 answered otherwise" in words
    assert "holdout: 0 better, 0 worse of" in words


@pytest.mark.usefixtures("worked")
def test_promoting_and_going_back() -> None:
    assert "v1 serves in place of v2" in said("rollback", "--why", "v2 talks nonsense")
    assert "v1 serves already" in said("promote", "v1", "--why", "on", exit_code=1)
    made = told("promote", "v2", "--why", " it was right after all ")
    assert (made["version"], made["replaced"], made["kind"]) == ("v2", "v1", "promote")
    assert made["why"] == "it was right after all"
    served = told("show", "v2")["served"]
    assert [each["kind"] for each in served] == ["gate", "promote"]
    assert "say why" in said("rollback", "--why", "  ", exit_code=2)
    assert "has no version 'v7'; it has v1, v2" in said("promote", "v7", "--why", "on", exit_code=1)


def test_an_export_holds_all_that_it_takes(worked: WorkedProject, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "v2"
    names = told("export", "v2", "--out", folder)["files"]
    assert sorted(names) == sorted(each.name for each in folder.iterdir())
    described = json.loads((folder / "version.json").read_text())
    content = (folder / "model.skops").read_bytes()
    assert hashlib.sha256(content).hexdigest() == described["sha256"]
    lines = (folder / "examples.jsonl").read_text().splitlines()
    assert len(lines) == described["lineage"]["examples"]
    assert set(json.loads(lines[0])) == {
        "task",
        "answer",
        "weight",
        "annotations",
        "data_sha256_12",
    }
    assert (folder / "label_config.xml").read_text() == worked.project.label_config
    assert (folder / "policy.yaml").read_text() == worked.project.policy_text
    assert "is not empty: name a new folder" in said("export", "v2", "--out", folder, exit_code=1)


def test_a_version_is_made_again(worked: WorkedProject) -> None:
    words = said("reproduce", "v1")
    assert words.startswith("v1 made again: the same model, ")
    task = min(json.loads(run_examples(worked)))
    worked.server.tasks[task].data = {"text": "whales"}
    worked.server.tasks[task].updated_at = worked.clock()
    synchronise(worked.runtime, worked.project)
    words = said("reproduce", "v1", exit_code=1)
    assert "another model" in words
    assert f"not as it was: 1 tasks were edited or are gone: {task}" in words
    assert not told("reproduce", "v1", exit_code=1)["same"]


def run_examples(worked: WorkedProject) -> str:
    """The tasks that v1 learned from, as JSON."""
    folder = worked.runtime.settings.data_dir / "v1"
    told("export", "v1", "--out", folder)
    lines = (folder / "examples.jsonl").read_text().splitlines()
    return json.dumps([json.loads(line)["task"] for line in lines])


def test_a_version_answers_in_shadow_by_hand(worked: WorkedProject) -> None:
    assert "v2 serves: it has no shadow" in said("shadow", "v2", exit_code=1)
    assert "v1: answers the next 20 tasks unseen" in said("shadow", "v1", "--tasks", 20)
    worked.clock.forward(10 * 365 * 86_400)  # the command goes by the wall's clock
    label(worked, worked.add(["fruit", "motor"] * 5))
    shadow(worked.runtime, worked.project)
    assert "in shadow (10 of 20)" in said("list")
    shown = told("show", "v1")["shadow"]
    assert (shown["tasks"], shown["tasks_wanted"], shown["outcome"]) == (10, 20, None)
    assert shown["disagreement"]["value"] == 0
    assert "another answer to 0.0%" in said("show", "v1")
    assert told("shadow", "v1", "--stop") == {"version": "v1", "state": "ended"}
    assert "v1 is not in shadow" in said("shadow", "v1", "--stop", exit_code=1)
    assert told("show", "v1")["shadow"]["outcome"] == "stopped by command"


def test_a_project_without_versions_has_an_empty_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = worked_project(tmp_path)
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(made.runtime.settings.data_dir))
    monkeypatch.setenv("LABELGATE_WEBHOOK_SECRET", "the secret")
    assert "0 versions" in said("list")
    assert told("list")["versions"] == []
    assert "no version serves" in said("rollback", "--why", "back", exit_code=1)
    assert "it has none: labelgate train" in said("show", "v1", exit_code=1)
