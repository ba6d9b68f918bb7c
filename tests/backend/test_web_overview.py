"""The start page: every state in words, trouble first, nothing from outside unescaped."""

from __future__ import annotations

import itertools
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from sqlalchemy import delete, event

from backend.store.alerts import all_open_alerts, open_alerts
from backend.store.job_runs import lease_of, open_run
from backend.store.leases import take_lease
from backend.store.page_tables import RollupRow
from backend.web.access import Role, Visitor
from policies.stages import Stage
from tests.fakes.shown_loops import ShownLoops, every_state
from tests.fakes.web_project import WebProject, web_project


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    return web_project(tmp_path)


@pytest.fixture
def loops(project: WebProject) -> ShownLoops:
    return every_state(project)


def page_of(client: FlaskClient, path: str = "/") -> str:
    response = client.get(path)
    assert response.status_code == 200
    return " ".join(response.text.split())


def cards_of(page: str) -> dict[str, str]:
    """Title -> card, in the order in which they are shown."""
    cards = page.split('<li class="card')[1:]
    return {re.findall(r'<h2><a href="[^"]*">(.*?)</a>', card)[0]: card for card in cards}


def seeing(app: Flask, *projects: int) -> FlaskClient:
    """A client of somebody who may see these projects only."""

    def look() -> None:
        g.visitor = Visitor(name="guest", role=Role.VIEWER, projects=frozenset(projects))

    app.before_request(look)
    return app.test_client()


@pytest.mark.usefixtures("loops")
def test_every_state_is_said_in_words_and_trouble_comes_first(project: WebProject) -> None:
    page = page_of(project.client())
    cards = cards_of(page)
    assert list(cards)[:3] == [
        "Invoices",  # its promise is broken
        "Product reviews in eleven languages, second wave",  # an alert
        "&lt;b&gt;New&lt;/b&gt; &amp; empty",  # no job has ever run
    ]
    assert "3 need somebody now" in page
    for title, words in {
        "Invoices": ("suspended", "promise broken", "13.0 % wrong (8.3 to 18.7), 17 of 131"),
        "Support mails": ("accepting", "promise held", "4,211", "350.80", "v7"),
        "Chest x-rays": ("collecting control answers", "promise not yet known", "129 more"),
        "Street signs": ("retraining", "promise held"),
        "Contracts": ("people confirm every label", "nothing promised"),
        "Call transcripts": ("no model yet", "none yet", "no audit has been answered yet"),
        "Product reviews in eleven languages, second wave": ("drifted", "1 alert:"),
        "&lt;b&gt;New&lt;/b&gt; &amp; empty": ("not counted yet", "never"),
    }.items():
        for each in words:
            assert each in cards[title], (title, each)
    assert "2 alerts:" in cards["Invoices"]
    assert "alert" not in cards["Support mails"].replace('class="alert"', "")


@pytest.mark.usefixtures("loops")
def test_the_stage_stands_in_the_loop_and_is_said_to_who_cannot_see_it(
    project: WebProject,
) -> None:
    cards = cards_of(page_of(project.client()))
    for title, station, at in (("Invoices", "audit", 216), ("Street signs", "retrain", 278)):
        assert f"Now at {station}." in cards[title]
        assert f'<circle class="here" cx="{at}"' in cards[title]


@pytest.mark.usefixtures("loops")
def test_queues_stand_against_the_capacity_of_a_day(project: WebProject) -> None:
    card = cards_of(page_of(project.client()))["Support mails"]
    assert "412 wait, 206 of 500 answered today" in card
    assert 'aria-label="senior: 52 wait, 40 a day can be answered"' in card


@pytest.mark.usefixtures("loops")
def test_a_project_is_found_by_its_title_without_a_script(project: WebProject) -> None:
    client = project.client()
    assert list(cards_of(page_of(client, "/?find=X-RAY"))) == ["Chest x-rays"]
    page = page_of(client, "/?find=%3Cscript%3E")
    assert "No title holds “&lt;script&gt;”" in page
    assert "labelgate connect" not in page


@pytest.mark.usefixtures("loops")
def test_who_may_see_some_projects_sees_those(project: WebProject) -> None:
    client = seeing(project.app(), 1, 3)
    page = page_of(client)
    assert sorted(cards_of(page)) == ["Chest x-rays", "Support mails"]
    assert "Invoices" not in page
    assert client.get("/projects?project=2").status_code == 404
    assert "Invoices" not in page_of(client, "/projects/1")


def test_a_scheduler_that_does_not_run_is_said_loudly(
    project: WebProject, loops: ShownLoops
) -> None:
    client = project.client()
    assert "The scheduler is not running" not in page_of(client)
    project.clock.forward(3 * 3600)
    page = page_of(client)
    assert "The scheduler is not running" in page
    assert "The last job began at 2026-03-01 12:00 UTC" in page
    assert "3 h ago" in cards_of(page)["Support mails"]
    with loops.runtime.sessions.begin() as session:  # a long job is at work
        open_run(session, "deliver", 1, project.clock())
        take_lease(session, lease_of("deliver", 1), "somebody", datetime.now(UTC), 600)
    project.clock.forward(3600)
    page = page_of(client)
    assert "The scheduler is not running" not in page
    assert "now: deliver" in cards_of(page)["Support mails"]


@pytest.mark.usefixtures("loops")
def test_whoever_sees_one_project_is_not_told_when_others_ran(project: WebProject) -> None:
    project.clock.forward(3 * 3600)
    with project.runtime.sessions.begin() as session:
        open_run(session, "deliver", 2, project.clock())
    project.clock.forward(3 * 3600)
    page = page_of(seeing(project.app(), 1))
    assert "The last job began at 2026-03-01 12:00 UTC" in page
    assert "15:00" not in page


def test_three_hundred_projects_are_one_quick_page(project: WebProject) -> None:
    loops = ShownLoops(project)
    for number in range(1, 301):
        loops.add(number, f"Project {number:03}")
        loops.count(number, Stage.ACCEPTING)
        loops.audits(number, audits=564, errors=11, bounds=(0.011, 0.033))
        loops.run(number)
    loops.alert(250, "drift", "drifted")
    client = project.client()
    page_of(client)  # the policies are read once
    asked: list[str] = []
    engine = project.runtime.reads.kw["bind"]
    event.listen(engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    began = time.perf_counter()
    page = page_of(client)
    seconds = time.perf_counter() - began
    assert next(iter(cards_of(page))) == "Project 250"
    assert len(cards_of(page)) == 60
    assert page.count("data-title=") == 300
    assert len(asked) < 25  # a few for all together, none for each
    assert seconds < 3  # 0.3 is wished for; the machine that tests may be busy


def test_open_alerts_are_kept_with_each_alert_and_read_from_history_before(
    project: WebProject, loops: ShownLoops
) -> None:
    def both(projects: list[int]) -> tuple[object, object]:
        with project.runtime.reads() as session:
            kept = all_open_alerts(session, projects)
            told = {each: list(open_alerts(session, each).values()) for each in projects}
        return {each: set(map(repr, kept.get(each, ()))) for each in projects}, {
            each: set(map(repr, alerts)) for each, alerts in told.items()
        }

    every = list(range(1, 9))
    kept, told = both(every)
    assert kept == told
    loops.alert(2, "job_failed", "it is over", opened=False)
    kept, told = both(every)
    assert kept == told
    with project.runtime.sessions.begin() as session:  # as before this was kept
        session.execute(delete(RollupRow).where(RollupRow.kind == "open_alerts"))
    kept, told = both(every)
    assert kept == told
    loops.alert(4, "gold", "somebody fails gold")
    kept, told = both(every)
    assert kept == told
    with project.runtime.reads() as session:
        assert [each.name for each in all_open_alerts(session, [4])[4]] == ["drift", "gold"]


def test_the_header_leads_from_one_project_to_another(
    project: WebProject, loops: ShownLoops
) -> None:
    del loops
    client = project.client()
    page = page_of(client, "/projects/1")
    assert '<option value="1" selected>Support mails</option>' in page
    assert '<option value="8">&lt;b&gt;New&lt;/b&gt; &amp; empty</option>' in page
    assert client.get("/projects?project=3").headers["Location"] == "/projects/3"
    assert client.get("/projects").headers["Location"] == "/"
    assert client.get("/projects?project=99").status_code == 404
    assert 'class="switcher"' not in page_of(client, "/jobs")


@pytest.mark.parametrize(
    ("path", "words"), [("/", "Overview"), ("/jobs", "Jobs"), ("/projects/1", "Project")]
)
@pytest.mark.usefixtures("loops")
def test_the_place_where_one_is_is_marked(project: WebProject, path: str, words: str) -> None:
    page = page_of(project.client(), path)
    assert re.findall(r'aria-current="page">([^<]*)<', page) == [words]
    assert page.count("<h1") == 1
    assert 'class="skip" href="#main"' in page
    assert "As of" in page


@pytest.mark.usefixtures("loops")
def test_headings_are_in_order(project: WebProject) -> None:
    for path in ("/", "/projects/2", "/projects/8", "/jobs", "/jobs/1"):
        levels = [int(each) for each in re.findall(r"<h([1-6])", page_of(project.client(), path))]
        steps = itertools.pairwise(levels)
        assert levels[0] == 1, path
        assert all(after <= before + 1 for before, after in steps), (path, levels)


def test_the_icon_and_the_scripts_come_from_here(project: WebProject) -> None:
    client = project.client()
    for name, kind in (
        ("mark.svg", "image/svg+xml"),
        ("live.js", "text/javascript"),
        ("overview.js", "text/javascript"),
    ):
        response = client.get(f"/static/{name}")
        assert response.status_code == 200
        assert response.mimetype == kind
        response.close()
