"""Lineage: what a version learned from is pinned, whole, and makes the same version again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from backend import training
from backend.lineage import code_hash, differences
from backend.predictors.errors import ArtifactError
from backend.predictors.fingerprints import fingerprint
from backend.reproduction import ReproductionError, reproduce
from backend.slices import labelled_slices
from backend.store.annotators import store_stopped
from backend.store.consensus import Consensus, store_consensus
from backend.store.lineages import (
    Example,
    LineageError,
    holdout_answers,
    learned_of,
    lineage_of,
)
from backend.store.model_tables import LineageRow
from backend.store.models import ModelVersion, all_versions
from backend.store.training import request_training
from backend.synchronisation import synchronise
from policies.loading import parse_policy
from policies.sampling import SLICE, draws
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project


def truth(data: dict[str, Any]) -> str:
    return "A" if "apples" in data["text"] else "B"


def labelled(folder: Path, kinds: int = 30, **policy: object) -> WorkedProject:
    rules: dict[str, Any] = {
        "control": {"share": 0.2},
        "holdout": {"share": 0.2},
        "retrain": {"after_annotations": 10, "minimum_labels": 10},
    }
    made = worked_project(folder, worked_policy(**(rules | policy)))
    made.add(["fruit", "motor"] * kinds)
    for task in made.tasks:
        made.server.submit(made.people["ann"], task.id, truth(task.data))
    synchronise(made.runtime, made.project)
    return made


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    return labelled(tmp_path)


def train(worked: WorkedProject) -> ModelVersion:
    with worked.runtime.sessions.begin() as session:
        request_training(session, worked.project_id, "asked", 1, worked.clock())
    report = training.train(worked.runtime, worked.project)
    with worked.runtime.reads() as session:
        newest = all_versions(session, worked.project_id)[-1]
    assert newest.version == report["version"], report
    return newest


def examples(worked: WorkedProject, version: str) -> dict[int, Example]:
    with worked.runtime.reads() as session:
        lineage = lineage_of(session, worked.project_id, version)
    assert lineage is not None
    return {each.task_id: each for each in lineage.examples}


def test_the_lineage_names_everything_that_a_version_is_made_of(worked: WorkedProject) -> None:
    model = train(worked)
    with worked.runtime.reads() as session:
        lineage = lineage_of(session, worked.project_id, "v1")
        slices = labelled_slices(session, worked.project, parse_policy(worked.project.policy_text))
        measured = holdout_answers(session, worked.project_id)
    assert lineage is not None
    assert {each.task_id: each.answer for each in lineage.examples} == slices.training
    by_id = {task.id: task for task in worked.tasks}
    for each in lineage.examples:
        assert each.annotation_ids == tuple(a.id for a in by_id[each.task_id].annotations)
        assert each.weight == 1
    says = model.lineage
    assert says["data_sha256"] == lineage.sha256
    assert says["annotations"] == says["examples"] == len(slices.training)
    assert (says["seed"], says["parent"], says["reason"]) == (1, None, "asked")
    assert says["policy_hash"] == lineage.policy_hash == worked.project.policy_hash
    assert lineage.label_config == worked.project.label_config
    assert says["code_sha256"] == code_hash()
    assert {"numpy", "scikit-learn", "skops"} <= says["libraries"].keys()
    assert set(measured["v1"]) == set(slices.holdout)


def test_retraining_from_the_same_lineage_gives_the_same_model(worked: WorkedProject) -> None:
    model = train(worked)
    found = reproduce(worked.runtime, worked.project, model)
    assert found.same
    assert (found.same_model, found.why) == (True, ())
    assert found.same_answers == found.compared == model.lineage["examples"]


def test_it_is_made_of_what_people_said_then_not_of_what_they_say_now(
    worked: WorkedProject,
) -> None:
    model = train(worked)
    for task in worked.tasks:
        flipped = {"A": "B", "B": "A"}[truth(task.data)]
        worked.server.edit(worked.people["ann"], task.annotations[0].id, flipped)
    synchronise(worked.runtime, worked.project)
    worked.connect(worked_policy(control={"share": 0.3}, holdout={"share": 0.1}))
    assert reproduce(worked.runtime, worked.project, model).same
    later = train(worked)
    assert later.lineage["data_sha256"] != model.lineage["data_sha256"]
    assert reproduce(worked.runtime, worked.project, later).same


def test_a_task_that_was_edited_since_is_named(worked: WorkedProject) -> None:
    model = train(worked)
    task_id = min(examples(worked, "v1"))
    worked.server.tasks[task_id].data = {"text": "something else entirely, about whales"}
    worked.server.tasks[task_id].updated_at = worked.clock()
    synchronise(worked.runtime, worked.project)
    found = reproduce(worked.runtime, worked.project, model)
    assert not found.same_model
    assert found.why == (f"1 tasks were edited or are gone: {task_id}",)


def test_a_version_from_before_lineages_cannot_be_made_again(worked: WorkedProject) -> None:
    model = train(worked)
    with worked.runtime.sessions.begin() as session:
        session.query(LineageRow).delete()
    with pytest.raises(ReproductionError, match="v1 was trained before lineages were kept"):
        reproduce(worked.runtime, worked.project, model)


@pytest.mark.parametrize("damage", [b"nothing", None])
def test_a_damaged_lineage_is_refused(worked: WorkedProject, damage: bytes | None) -> None:
    train(worked)
    values = {"examples": damage} if damage else {"examples_sha256": "0" * 64}
    with worked.runtime.sessions.begin() as session:
        session.execute(update(LineageRow).values(**values))
    with (
        worked.runtime.reads() as session,
        pytest.raises(LineageError, match="the examples of v1"),
    ):
        lineage_of(session, worked.project_id, "v1")
    with (
        worked.runtime.reads() as session,
        pytest.raises(LineageError, match="the examples of v1"),
    ):
        learned_of(session, worked.project_id, "v1")


def test_versions_are_compared_by_what_their_lineage_says(worked: WorkedProject) -> None:
    train(worked)
    with worked.runtime.reads() as session:
        lineage = lineage_of(session, worked.project_id, "v1")
        learned = learned_of(session, worked.project_id, "v1")
        assert learned_of(session, worked.project_id, "v2") is None
    assert lineage is not None
    assert learned is not None
    assert learned.answers == {e.task_id: (e.answer, e.weight) for e in lineage.examples}
    assert learned.answers
    assert learned.holdout == lineage.holdout


def test_an_exchanged_artifact_is_not_compared(worked: WorkedProject) -> None:
    model = train(worked)
    path = worked.runtime.settings.models_dir / model.path
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ArtifactError, match="damaged or was exchanged"):
        reproduce(worked.runtime, worked.project, model)


def test_the_fingerprint_is_the_same_in_every_process(worked: WorkedProject) -> None:
    """Addresses, times and the order of sets differ from one process to the next."""
    program = (
        "import sys, tempfile; from pathlib import Path\n"
        "from backend.predictors import artifacts\n"
        "from backend.predictors.fingerprints import fingerprint\n"
        "from tests.fakes.predictors import predictor_of\n"
        "texts = [f'{word} {n}' for word in ('apples', 'engines') for n in range(20)]\n"
        "model = predictor_of(texts, ['A'] * 20 + ['B'] * 20)\n"
        "folder = Path(tempfile.mkdtemp())\n"
        "made = artifacts.save(folder, 1, model)\n"
        "print(fingerprint((folder / made.path).read_bytes()), made.sha256)"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert said[0][0] == said[1][0]
    assert said[0][1] != said[1][1]
    path = worked.runtime.settings.models_dir / train(worked).path
    assert fingerprint(path.read_bytes()) != said[0][0]
    with pytest.raises(ValueError, match="no skops file"):
        fingerprint(b"PK nothing")


def test_differences_are_told_by_name() -> None:
    assert differences({"a": 1, "b": 2}, {"b": 3, "c": 4}) == {
        "a": (1, None),
        "b": (2, 3),
        "c": (None, 4),
    }


# What may be learned from, and how much it counts.


def slices_of(worked: WorkedProject) -> Any:
    with worked.runtime.reads() as session:
        return labelled_slices(session, worked.project, parse_policy(worked.project.policy_text))


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    salt=st.text("abc", min_size=1, max_size=4),
    control=st.sampled_from([0.05, 0.1, 0.3]),
    holdout=st.sampled_from([0.05, 0.1, 0.3]),
)
def test_control_and_holdout_never_enter_whatever_the_policy(
    tmp_path_factory: pytest.TempPathFactory, salt: str, control: float, holdout: float
) -> None:
    """Through the whole path: what the stored version learned from, against the draw itself."""
    worked = labelled(
        tmp_path_factory.mktemp("project"),
        kinds=20,
        salt=salt,
        control={"share": control},
        holdout={"share": holdout},
    )
    train(worked)
    learned = sorted(examples(worked, "v1"))
    drawn = draws(salt, SLICE, np.array(learned, np.int64)).tolist()
    assert learned
    assert all(control <= draw < 1 - holdout for draw in drawn)
    with worked.runtime.reads() as session:
        measured = holdout_answers(session, worked.project_id)["v1"]
    assert not set(measured) & set(learned)


def answer_again(worked: WorkedProject, who: str, label: str, task_ids: list[int]) -> None:
    for task_id in task_ids:
        worked.server.submit(worked.people[who], task_id, label)
    synchronise(worked.runtime, worked.project)


def test_a_label_that_people_differ_on_weighs_what_they_agree(worked: WorkedProject) -> None:
    task_id = next(i for i in slices_of(worked).training if truth_of(worked, i) == "A")
    answer_again(worked, "bob", "B", [task_id])
    assert slices_of(worked).weights == {task_id: 0.5}
    answer_again(worked, "sue", "A", [task_id])
    assert slices_of(worked).weights == {task_id: pytest.approx(2 / 3)}
    train(worked)
    found = examples(worked, "v1")[task_id]
    assert found.answer == "A"
    assert found.weight == pytest.approx(2 / 3)
    assert len(found.annotation_ids) == 3


def truth_of(worked: WorkedProject, task_id: int) -> str:
    return truth(worked.server.tasks[task_id].data)


def consensus(task_id: int, label: str, confidence: float, answers: int) -> Consensus:
    return Consensus(
        task_id=task_id, label=label, confidence=confidence, answers=answers, fingerprint="f"
    )


def test_a_consensus_says_how_much_its_label_weighs(worked: WorkedProject) -> None:
    first, second, third = [i for i in slices_of(worked).training if truth_of(worked, i) == "A"][:3]
    answer_again(worked, "bob", "A", [first, second, third])
    with worked.runtime.sessions.begin() as session:
        store_consensus(
            session,
            worked.project_id,
            [
                consensus(first, "A", 0.8, 2),
                consensus(second, "B", 0.9, 2),  # it is about another label than what stands
                consensus(third, "A", 0.7, 3),  # an answer is gone since
            ],
        )
    assert slices_of(worked).weights == {first: 0.8}


def test_weights_reach_the_model(worked: WorkedProject) -> None:
    """More than half of the fruit is called B by a consensus that is hardly sure of it."""
    fruit = [i for i in slices_of(worked).training if truth_of(worked, i) == "A"]
    doubtful = fruit[: len(fruit) // 2 + 1]
    for task_id in doubtful:
        (answer,) = worked.server.tasks[task_id].annotations
        worked.server.edit(worked.people["ann"], answer.id, "B")
    synchronise(worked.runtime, worked.project)
    alike = train(worked)
    with worked.runtime.sessions.begin() as session:
        found = [consensus(task_id, "B", 0.05, 1) for task_id in doubtful]
        store_consensus(session, worked.project_id, found)
    weighed = train(worked)
    assert weighed.lineage["weighted"] == len(doubtful)
    assert weighed.lineage["data_sha256"] != alike.lineage["data_sha256"]
    accuracies = [each.verdict["holdout_accuracy"]["value"] for each in (alike, weighed)]
    assert accuracies[1] > accuracies[0]
    assert reproduce(worked.runtime, worked.project, weighed).same


def test_answers_of_people_under_the_gold_bar_are_left_out(worked: WorkedProject) -> None:
    ids = sorted(slices_of(worked).training)
    answer_again(worked, "bob", "B", ids)
    with worked.runtime.sessions.begin() as session:
        store_stopped(
            session, worked.project_id, {worked.people["bob"]: "under the bar"}, worked.clock()
        )
    train(worked)
    by_bob = {
        each.id
        for task in worked.tasks
        for each in task.annotations
        if each.user_id == worked.people["bob"]
    }
    for each in examples(worked, "v1").values():
        assert each.answer == truth_of(worked, each.task_id)
        assert each.weight == 1
        assert not by_bob & set(each.annotation_ids)
