"""A hosted class as the model of a project: registered, asked, trained in the trainer's process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backend.foreign import foreign_predictor, forward_training, source_of, untrained_here
from backend.foreign_versions import register_foreign
from backend.hosting.hosts import end_hosts
from backend.predictors.errors import TrainingError
from backend.slices import labelled_slices
from backend.store.models import champion
from backend.store.training import FORWARDED, request_training
from backend.synchronisation import synchronise
from backend.training import train
from policies.loading import parse_policy
from policies.models import Foreign
from policies.schema import Policy
from tests.fakes.foreign_questions import asked
from tests.fakes.hosted import PATH
from tests.fakes.worked_project import CONFIG, WorkedProject, worked_policy, worked_project


@pytest.fixture(autouse=True)
def hosts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PYTHONPATH", PATH)
    yield
    end_hosts()


def kept(folder: Path, name: str) -> str:
    """A value that a class has set."""
    with closing(sqlite3.connect(next(folder.rglob("cache.db")))) as cache:
        found = cache.execute("select value from kept where name = ?", (name,)).fetchone()
    return str(found[0])


def policy(name: str = "Letters", **model: Any) -> Policy:
    hosted = {"kind": "label-studio-ml", "class": f"hosted_classes:{name}"}
    return worked_policy(model=hosted | model, control={"share": 0.35}, holdout={"share": 0.2})


def project_with(folder: Path, made: Policy) -> WorkedProject:
    worked = worked_project(folder, made)
    worked.add(["fruit", "motor"] * 5)
    synchronise(worked.runtime, worked.project)
    return worked


def register(worked: WorkedProject) -> dict[str, Any]:
    made = parse_policy(worked.project.policy_text)
    return register_foreign(worked.runtime, worked.project, made)


def said(worked: WorkedProject, texts: list[str]) -> list[tuple[str | None, str | None]]:
    """What the serving version says, or why it does not."""
    made = parse_policy(worked.project.policy_text)
    with worked.runtime.reads() as session:
        serving = champion(session, worked.project_id)
    assert serving is not None
    predictor = foreign_predictor(worked.runtime, worked.project, made, serving)
    found = predictor.predict(asked(texts, worked.project.label_config))
    return list(zip(found.texts.tolist(), found.problems.tolist(), strict=True))


def test_a_class_serves_and_a_training_makes_its_next_version(tmp_path: Path) -> None:
    worked = project_with(tmp_path, policy(train=True))
    assert register(worked) == {
        "state": "registered",
        "version": "v1-Letters-Letters-v0.0.1",
        "why": "the model Letters answers as version Letters-v0.0.1",
    }
    assert said(worked, ["an a", "bee"]) == [("A", None), ("B", None)]

    for task in worked.tasks:
        worked.server.submit(worked.people["sue"], task.id, "A")
    synchronise(worked.runtime, worked.project)
    with worked.runtime.sessions.begin() as session:
        request_training(session, worked.project_id, "asked for", 0, worked.runtime.now())
    assert train(worked.runtime, worked.project) == {
        "state": FORWARDED,
        "why": "the model Letters was trained",
    }
    made = parse_policy(worked.project.policy_text)
    with worked.runtime.reads() as session:
        slices = labelled_slices(session, worked.project, made)
    held_out = sorted([*slices.control, *slices.holdout])
    assert held_out
    assert kept(tmp_path, "held_out") == str(held_out)
    assert said(worked, ["an a"]) == [
        (
            None,
            (
                "the model Letters answers as version 'Letters-v0.0.1+1' now, and "
                "v1-Letters-Letters-v0.0.1 stands for 'Letters-v0.0.1': the next round takes the "
                "new one up"
            ),
        )
    ]
    assert register(worked)["version"] == "v2-Letters-Letters-v0.0.1-1"
    assert said(worked, ["an a"]) == [("B", None)]


def test_a_class_that_is_not_to_be_trained_is_not(tmp_path: Path) -> None:
    told = "a model of kind label-studio-ml is not trained by Labelgate: set model.train: true if"
    assert str(untrained_here(policy())).startswith(told)
    assert untrained_here(policy(train=True)) is None
    worked = project_with(tmp_path, policy("Untrainable", train=True))
    with pytest.raises(TrainingError, match=r"failed to train: NotImplementedError"):
        forward_training(worked.runtime, worked.project, parse_policy(worked.project.policy_text))


def test_a_class_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    worked = project_with(tmp_path, policy("Leters"))
    assert register(worked) == {
        "state": "unavailable",
        "why": "the class hosted_classes:Leters is not there: hosted_classes has no class Leters "
        "on LabelStudioMLBase (it has Hungry, Letters, OneDict, Regions, Slow, Unmade, "
        "Untrainable)",
    }


def test_two_projects_of_one_process_have_a_class_each(tmp_path: Path) -> None:
    worked = project_with(tmp_path, policy("Letters"))
    models = [policy("Letters").model, policy("Regions").model]
    sources = []
    for number, model in enumerate(models):
        assert isinstance(model, Foreign)
        sources.append(source_of(worked.runtime, number, model))
    assert [each.reported(CONFIG) for each in sources] == ["Letters-v0.0.1", "0.0.1"]
    texts = [each.answers(asked(["an a", "bee"])).texts.tolist() for each in sources]
    assert texts == [["A", "B"], ["B", "B"]]
