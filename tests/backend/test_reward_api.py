"""``/v1/reward`` and ``/predict`` of a project that asks which answers people prefer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from backend.predictors import artifacts
from backend.predictors.embedded import EmbeddedPredictor, TrainedControl
from backend.predictors.protocol import Examples, ModelInput
from backend.predictors.rewards.fitting import fit_pairs
from backend.reward_scores import MOST_ITEMS
from backend.store.models import CHAMPION, ModelVersion, store_version
from connectors.label_studio.labeling import ControlKind, InputKind
from tests.fakes.web_project import PROJECT, PROJECT_ID, WebProject, web_project

CONFIG = (
    '<View><Text name="q" value="$prompt"/><Text name="l" value="$left"/>'
    '<Text name="r" value="$right"/><Pairwise name="better" toName="l,r"/></View>'
)
POLICY = """
project: web
stakes: sensitive
tiers:
  - name: specialist
    reviewers: [a@example.com, b@example.com]
    cost_per_label: 1
    daily_capacity: 100
  - name: senior
    reviewers: [s@example.com]
    cost_per_label: 2
    daily_capacity: 20
auto_accept: never
agreement:
  share: 0.5
  overlap: 2
preferences:
  prerank: {prerank}
"""
WORDS = ("clear", "kind", "correct"), ("rude", "wrong", "vague")


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    project = web_project(tmp_path)
    project.connect(config=CONFIG, policy=POLICY.format(prerank="false"))
    return project


def serve(project: WebProject) -> FlaskClient:
    """Let a reward model of good and bad words serve."""
    rng = np.random.default_rng(0)
    pairs: list[ModelInput] = []
    answers = []
    for number in range(80):
        texts = [" ".join(rng.choice(words, 4)) for words in WORDS]
        right = number % 2
        pairs.append((texts[right], texts[1 - right], f"Say {number}"))
        answers.append("right" if right else "left")
    trained = TrainedControl(
        kind=ControlKind.PAIRWISE,
        input_kind=InputKind.PAIR,
        model=fit_pairs(Examples.alike(pairs, answers), seed=0),
    )
    predictor = EmbeddedPredictor(version="v1", controls={"better": trained}, prompt="prompt")
    artifact = artifacts.save(project.runtime.settings.models_dir, PROJECT_ID, predictor)
    with project.runtime.sessions.begin() as session:
        store_version(
            session,
            PROJECT_ID,
            ModelVersion(
                version="v1",
                number=1,
                path=artifact.path,
                sha256=artifact.sha256,
                labels=predictor.labels,
                state=CHAMPION,
                verdict={},
                lineage={},
                trained_at=project.clock(),
                promoted_at=project.clock(),
            ),
            project.clock(),
        )
    return project.client()


def ask(client: FlaskClient, items: Any, **more: Any) -> TestResponse:
    return client.post("/v1/reward", json={"project": PROJECT, "items": items, **more})


def pair_task(number: int, left: str = "clear words", right: str = "rude words") -> dict[str, Any]:
    return {"id": number, "data": {"prompt": "Say it", "left": left, "right": right}}


def predicted(client: FlaskClient, tasks: list[dict[str, Any]]) -> dict[str, Any]:
    response = client.post("/predict", json={"project": PROJECT, "tasks": tasks})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = orjson.loads(response.data)
    return body


def test_answers_get_rewards_in_their_order_and_the_better_one_more(project: WebProject) -> None:
    items = [
        {"prompt": "Say it", "response": "clear and kind"},
        {"prompt": "Say it", "response": "rude and wrong"},
        {"response": "nothing that was seen"},
        {"prompt": None, "response": ""},
    ]
    response = ask(serve(project), items)
    assert response.status_code == 200, response.text
    body = orjson.loads(response.data)
    assert set(body) == {"rewards", "model_version"}
    assert body["model_version"] == "v1"
    assert len(body["rewards"]) == 4
    assert body["rewards"][0] > body["rewards"][2] > body["rewards"][1]


def test_an_answer_has_the_same_reward_in_any_company(project: WebProject) -> None:
    client = serve(project)
    items = [{"prompt": "Say it", "response": f"clear {number}"} for number in range(1_000)]
    together = orjson.loads(ask(client, items).data)["rewards"]
    alone = orjson.loads(ask(client, items[500:501]).data)["rewards"]
    assert together[500] == pytest.approx(alone[0])
    assert orjson.loads(ask(client, []).data)["rewards"] == []


@pytest.mark.parametrize(
    ("items", "status", "code", "message"),
    [
        (None, 400, "missing_field", "items is missing"),
        ("text", 400, "wrong_type", "items must be a list, not str"),
        ([1], 400, "wrong_item", "items[0] is int, not an object"),
        ([{"response": "x"}, {"prompt": "x"}], 400, "wrong_item", "items[1].response is missing"),
        ([{"response": 3}], 400, "wrong_item", "items[0].response is int, not a text"),
        ([{"response": None}], 400, "wrong_item", "items[0].response is NoneType, not a text"),
        ([{"response": "x", "prompt": []}], 400, "wrong_item", "items[0].prompt is list"),
        ([{"response": "x" * 1_000_001}], 400, "wrong_item", "at most 1,000,000 are read"),
        ([{}] * (MOST_ITEMS + 1), 413, "too_many_items", "send at most 5,000 at once"),
        ([{}] * 12, 400, "wrong_item", "and 2 more"),
    ],
)
def test_what_cannot_be_scored_is_named(
    project: WebProject, items: Any, status: int, code: str, message: str
) -> None:
    response = ask(serve(project), items)
    error = orjson.loads(response.data)["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert message in error["message"]


def test_without_a_reward_model_it_is_said_what_to_do(project: WebProject) -> None:
    response = ask(project.client(), [{"response": "x"}])
    assert response.status_code == 409
    assert "labelgate train --project 1" in response.text
    assert project.client().post("/v1/reward", json={"items": []}).status_code == 400
    unknown = project.client().post("/v1/reward", json={"project": 77, "items": []})
    assert unknown.status_code == 404


def test_a_model_of_another_kind_scores_nothing(tmp_path: Path) -> None:
    other = web_project(tmp_path)
    other.connect()
    other.promote("v1")
    response = ask(other.client(), [{"response": "x"}])
    assert response.status_code == 409
    assert "no reward model" in response.text


def test_people_see_no_order_before_the_policy_allows_it(project: WebProject) -> None:
    tasks = [pair_task(number) for number in range(1, 60)]
    silent = predicted(serve(project), tasks)
    assert silent["results"] == [[]] * 59
    assert "problems" not in silent
    project.connect(config=CONFIG, policy=POLICY.format(prerank="true"))
    shown = [each for each in predicted(project.client(), tasks)["results"] if each]
    assert shown
    assert all(each["result"][0]["value"] == {"selected": "left"} for each in shown)
    assert all(0.5 < each["score"] < 1 for each in shown)


def test_a_pair_without_its_prompt_is_a_problem_of_its_own(project: WebProject) -> None:
    project.connect(config=CONFIG, policy=POLICY.format(prerank="true"))
    tasks = [{"id": 5, "data": {"left": "clear", "right": "rude"}}, pair_task(6)]
    problems = predicted(serve(project), tasks)["problems"]
    assert [each["task"] for each in problems] == [5]
    assert "no key 'prompt'" in problems[0]["message"]
