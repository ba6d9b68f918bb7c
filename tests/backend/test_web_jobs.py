"""The pages of jobs: every outcome in words, filters, one run, and asking for another."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g
from flask.testing import FlaskClient

from backend.store.acts import newest_acts
from backend.store.job_requests import JobRequest, link_run, open_job_requests
from backend.store.job_runs import close_run, lease_of, open_run, tell_of_run
from backend.store.leases import take_lease
from backend.store.training import report_progress, request_training, start_training
from backend.web.access import Role, Visitor
from tests.fakes.shown_loops import ShownLoops
from tests.fakes.web_project import WebProject, web_project


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    return web_project(tmp_path)


@pytest.fixture
def loops(project: WebProject) -> ShownLoops:
    made = ShownLoops(project)
    for number, title in ((1, "Mails"), (2, "<i>Bills</i>")):
        made.add(number, title)
    return made


@pytest.fixture
def client(project: WebProject) -> FlaskClient:
    return project.client()


def page_of(client: FlaskClient, path: str = "/jobs") -> str:
    response = client.get(path)
    assert response.status_code == 200
    return " ".join(response.text.split())


def numbers(page: str) -> list[int]:
    """The runs that a page lists."""
    return [int(each) for each in re.findall(r'<a href="/jobs/(\d+)">', page)]


def seen_by(app: Flask, visitor: Visitor) -> FlaskClient:
    def look() -> None:
        g.visitor = visitor

    app.before_request(look)
    return app.test_client()


def begin(loops: ShownLoops, job: str, project_id: int = 1, *, alive: bool = True) -> int:
    with loops.runtime.sessions.begin() as session:
        run_id = open_run(session, job, project_id, loops.clock())
        if alive:
            far = datetime.now(UTC)
            assert take_lease(session, lease_of(job, project_id), "somebody", far, 600)
    return run_id


def waiting(loops: ShownLoops) -> list[JobRequest]:
    with loops.runtime.reads() as session:
        return open_job_requests(session)


def test_every_outcome_is_said_in_words(loops: ShownLoops, client: FlaskClient) -> None:
    loops.run(1, "sync")
    loops.run(2, "deliver", "Label Studio <b>is down</b>")
    begin(loops, "audit", alive=False)
    running = begin(loops, "route")
    with loops.runtime.sessions.begin() as session:
        tell_of_run(session, running, ("asking the model", 0.42), "a line")
    page = page_of(client)
    for words in ("done", "failed", "running", "ended without a word"):
        assert page.count(f"</svg>{words}</span>") == 1
    assert "Label Studio &lt;b&gt;is down&lt;/b&gt;" in page
    assert '<progress max="1" value="0.42" aria-label="asking the model">' in page
    assert "&lt;i&gt;Bills&lt;/i&gt;" in page
    assert "<i>Bills" not in page


def test_runs_are_filtered_and_the_filter_is_kept(loops: ShownLoops, client: FlaskClient) -> None:
    first = loops.run(1, "sync")
    second = loops.run(2, "sync", "down")
    third = loops.run(1, "route")
    cut_off = begin(loops, "audit", 2, alive=False)
    for asked, found in {
        "": [cut_off, third, second, first],
        "?job=sync": [second, first],
        "?project=1": [third, first],
        "?outcome=failed": [second],
        "?outcome=open": [cut_off],
        "?outcome=nonsense&project=x": [cut_off, third, second, first],
        "?job=sync&project=2": [second],
        "?before=3": [second, first],
        "?job=%3Cscript%3E": [],
    }.items():
        assert numbers(page_of(client, f"/jobs{asked}")) == found, asked
    assert "<option selected>sync</option>" in page_of(client, "/jobs?job=sync")
    assert "No run is like that" in page_of(client, "/jobs?outcome=failed&job=route")


def test_many_runs_come_page_by_page(loops: ShownLoops, client: FlaskClient) -> None:
    made = [loops.run(1, "sync") for _ in range(120)]
    seen: list[int] = []
    path = "/jobs?job=sync"
    while True:
        page = page_of(client, path)
        seen += numbers(page)
        older = re.search(r'href="([^"]*)" rel="next"', page)
        if older is None:
            break
        path = older[1].replace("&amp;", "&")
        assert "job=sync" in path
    assert seen == made[::-1]
    assert ">Newest</a>" in page


def test_a_run_shows_its_report_its_log_and_who_asked(
    loops: ShownLoops, client: FlaskClient
) -> None:
    client.post("/jobs/run", data={"job": "audit", "project": "1"})
    (asked,) = waiting(loops)
    rate = {"value": 0.98, "low": 0.967, "high": 0.989, "n": 564}
    report: dict[str, Any] = {
        "audited": 12_345,
        "pass_rate": rate,
        "failed": list(range(100)),
        "claim": None,
        "by_label": {str(label): 1 for label in range(100)},
        "deep": {"a": {"b": {"c": {"d": {"e": 1}}}}},
        "says": "<b>well</b>",
        "drifted": False,
        "nothing": {},
        "none": [],
    }
    with loops.runtime.sessions.begin() as session:
        run_id = open_run(session, "audit", 1, loops.clock())
        link_run(session, asked.id, run_id)
        close_run(session, run_id, report, loops.clock(), "one line\n<i>another</i>")
    page = page_of(client, f"/jobs/{run_id}")
    for words in (
        "audit of Mails",
        "12,345",
        "0.980 (0.967 to 0.989, n = 564)",
        "28, 29 and 70 more",
        "and 40 more",
        "<dt>pass rate</dt>",
        "<dt>drifted</dt><dd>no </dd>",
        "&lt;b&gt;well&lt;/b&gt;",
        "&lt;i&gt;another&lt;/i&gt;",
        "this machine asked for it: asked for on the page of jobs",
        '<code>{"d":{"e":1}}</code>',
    ):
        assert words in page, words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("Label Studio does not answer", "Mend what the message names"),
        ("KeyError: 'x'", "Nobody foresaw this error"),
    ],
)
def test_a_failed_run_says_what_to_do(
    loops: ShownLoops, client: FlaskClient, error: str, words: str
) -> None:
    run_id = loops.run(1, "sync", error)
    page = page_of(client, f"/jobs/{run_id}")
    assert words in page
    assert "Run it again" in page


def test_a_run_whose_process_is_gone_does_not_look_as_running(
    loops: ShownLoops, client: FlaskClient
) -> None:
    run_id = begin(loops, "sync", alive=False)
    page = page_of(client, f"/jobs/{run_id}")
    assert "It ended without a word:" in page
    assert "live.js" not in page
    assert "Run it again" in page


def test_a_running_one_shows_how_far_it_is_and_is_not_run_again(
    loops: ShownLoops, client: FlaskClient
) -> None:
    run_id = begin(loops, "deliver")
    assert "At work" in page_of(client, f"/jobs/{run_id}")
    with loops.runtime.sessions.begin() as session:
        tell_of_run(session, run_id, ("writing into Label Studio", 0.5), "")
    page = page_of(client, f"/jobs/{run_id}")
    assert "Writing into Label Studio, 50%" in page
    assert "live.js" in page
    assert "Run it again" not in page
    answer = client.post(f"/jobs/{run_id}/retry")
    assert answer.status_code == 409
    assert "is not over" in answer.text
    assert waiting(loops) == []


def test_a_training_is_shown_as_its_trainer_tells_it(
    loops: ShownLoops, client: FlaskClient
) -> None:
    run_id = begin(loops, "retrain")
    with loops.runtime.sessions.begin() as session:
        request_training(session, 1, "enough labels", 40, loops.clock())
        request = start_training(session, 1, 40, loops.clock())
        assert request is not None
        report_progress(session, request.id, "training", 0.3)
        take_lease(session, "training/1", "a trainer", datetime.now(UTC), 600)
    assert "Training 30 %" in page_of(client, f"/jobs/{run_id}")


def test_a_run_is_asked_for_again_once_and_the_trail_says_by_whom(
    loops: ShownLoops, client: FlaskClient
) -> None:
    run_id = loops.run(2, "deliver", "down")
    for _ in range(2):  # a double click
        answer = client.post(f"/jobs/{run_id}/retry")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/jobs")
    (asked,) = waiting(loops)
    assert (asked.job, asked.project_id, asked.why) == ("deliver", 2, f"run {run_id} again")
    with loops.runtime.reads() as session:
        act = newest_acts(session, 2, 1)[0]
    assert (act.who, act.what) == ("this machine", "job.asked")
    assert act.detail["request"] == asked.id
    page = page_of(client)
    assert "waits for the scheduler" in page
    loops.clock.forward(600)
    assert "is the scheduler running" in page_of(client)


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"job": "rm -rf", "project": "1"}, 400, "there are sync, gold"),
        ({"job": "sync", "project": "77"}, 404, "no project 77"),
        ({"job": "sync", "project": "x"}, 400, "say which project"),
        ({"job": "sync"}, 400, "say which project"),
        ({"project": "1"}, 400, "no job is called"),
    ],
)
@pytest.mark.usefixtures("loops")
def test_a_wrong_wish_is_refused_with_the_way_out(
    client: FlaskClient, loops: ShownLoops, form: dict[str, str], status: int, words: str
) -> None:
    answer = client.post("/jobs/run", data=form)
    assert answer.status_code == status
    assert words in answer.text
    assert waiting(loops) == []


@pytest.mark.usefixtures("loops")
def test_a_run_that_is_not_kept_is_said_so(client: FlaskClient) -> None:
    for method in (client.get, client.post):
        path = "/jobs/999/retry" if method == client.post else "/jobs/999"
        answer = method(path)
        assert answer.status_code == 404
        assert "forgotten after 30 days" in answer.text


def test_a_run_of_no_project_cannot_be_repeated(loops: ShownLoops, client: FlaskClient) -> None:
    run_id = loops.run(None, "sync", "down")
    assert "Run it again" not in page_of(client, f"/jobs/{run_id}")
    assert client.post(f"/jobs/{run_id}/retry").status_code == 409


def test_who_may_not_see_a_project_sees_none_of_its_runs(
    project: WebProject, loops: ShownLoops, client: FlaskClient
) -> None:
    own, other, nobodys = loops.run(1, "sync"), loops.run(2, "sync"), loops.run(None, "sync")
    client.post("/jobs/run", data={"job": "audit", "project": "2"})
    guest = Visitor(name="guest", role=Role.VIEWER, projects=frozenset({1}))
    looks = seen_by(project.app(), guest)
    page = page_of(looks)
    assert numbers(page) == [own]
    assert "Bills" not in page
    assert "Asked for" not in page
    assert numbers(page_of(looks, "/jobs?project=2")) == []
    for hidden in (other, nobodys):
        assert looks.get(f"/jobs/{hidden}").status_code == 404
    assert "Run a job" not in page  # a viewer is not offered it
    assert "Run it again" not in page_of(looks, f"/jobs/{own}")


def test_without_any_run_the_page_says_what_to_do(client: FlaskClient) -> None:
    assert "No job has run yet" in page_of(client)
