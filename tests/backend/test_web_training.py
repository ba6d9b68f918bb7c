"""Trainings over HTTP: asked for, looked at, cancelled, by whom the rest may be asked by."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from backend.app import create_app
from backend.store.training import open_requests, report_progress, start_training
from backend.synchronisation import synchronise
from tests.fakes.web_project import web_project
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

URL = "/v1/projects/1/training"


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    made = worked_project(tmp_path, worked_policy(retrain={"minimum_labels": 10}))
    made.add(["fruit", "motor"] * 20)
    for task in made.tasks:
        made.server.submit(made.people["ann"], task.id, "AB"[task.id % 2])
    synchronise(made.runtime, made.project)
    return made


@pytest.fixture
def client(worked: WorkedProject) -> FlaskClient:
    return create_app(worked.runtime).test_client()


def test_a_training_is_asked_for_once_however_often(
    worked: WorkedProject, client: FlaskClient
) -> None:
    answers = [client.post(URL) for _ in range(3)]
    assert [each.status_code for each in answers] == [202] * 3
    assert len({each.json["id"] for each in answers if each.json}) == 1
    with worked.runtime.reads() as session:
        assert len(open_requests(session, worked.project_id)) == 1
    shown = client.get(URL).json
    assert shown is not None
    (request,) = shown["requests"]
    assert (request["state"], request["says"]) == ("queued", "queued")
    assert request["reasons"] == ["asked for by a program"]


def test_it_is_cancelled_by_who_asks_and_twice_is_no_error(client: FlaskClient) -> None:
    client.post(URL)
    answer = client.delete(URL, auth=("gate", "any"))
    assert answer.status_code == 200
    assert [each["says"] for each in (answer.json or {})["cancelled"]] == ["cancelled by gate"]
    again = client.delete(URL)
    assert (again.status_code, (again.json or {})["cancelled"]) == (200, [])


def test_too_few_labels_are_a_conflict_that_says_how_many_more(tmp_path: Path) -> None:
    worked = worked_project(tmp_path, worked_policy(retrain={"minimum_labels": 10}))
    client = create_app(worked.runtime).test_client()
    answer = client.post(URL)
    assert answer.status_code == 409
    error = (answer.json or {})["error"]
    assert error["code"] == "too_few_labels"
    assert error["message"].startswith("10 more labels are needed to train")
    shown = client.get(URL).json
    assert shown is not None
    assert shown["requests"][0]["state"] == "refused"


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_unknown_project_is_told_how_to_connect(client: FlaskClient, method: str) -> None:
    answer = getattr(client, method)("/v1/projects/7/training")
    assert answer.status_code == 404
    assert "labelgate connect --project 7" in answer.json["error"]["message"]


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_without_the_password_nothing_is_said_or_done(tmp_path: Path, method: str) -> None:
    project = web_project(tmp_path, username="gate", password="correct horse")
    project.connect()
    client = project.client()
    assert getattr(client, method)(URL).status_code == 401
    answer = getattr(client, method)(URL, auth=("gate", "correct horse"))
    assert answer.status_code in (200, 409)


@pytest.mark.parametrize("method", ["post", "delete"])
def test_another_sites_page_can_neither_ask_nor_cancel(client: FlaskClient, method: str) -> None:
    answer = getattr(client, method)(URL, headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 403


def test_the_page_shows_what_is_queued_how_far_it_is_and_how_it_ended(
    worked: WorkedProject, client: FlaskClient
) -> None:
    assert "none asked for" in client.get("/projects/1").text
    client.post(URL)
    assert '<p class="small quiet">queued</p>' in client.get("/projects/1").text
    with worked.runtime.sessions.begin() as session:
        request = start_training(session, worked.project_id, 40, worked.clock())
        assert request is not None
        assert report_progress(session, request.id, "training", 0.4)
    assert "waits to be taken up again, 1 of 3 attempts" in client.get("/projects/1").text
    client.delete(URL, auth=("<b>ann</b>", "any"))
    page = client.get("/projects/1").text
    assert "cancelled by &lt;b&gt;ann&lt;/b&gt;" in page
    assert '<h2 id="trainings">Trainings</h2>' in page
