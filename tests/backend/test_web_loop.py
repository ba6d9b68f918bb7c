"""The top of a project's page: its promise, its loop with counts and links, what to do now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from policies.stages import Stage
from tests.fakes.shown_loops import ShownLoops
from tests.fakes.web_project import WebProject, web_project


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    return web_project(tmp_path)


@pytest.fixture
def loops(project: WebProject) -> ShownLoops:
    made = ShownLoops(project)
    made.add(1, "Mails")
    made.run(1)
    return made


def page_of(client: FlaskClient, path: str = "/projects/1") -> str:
    response = client.get(path)
    assert response.status_code == 200
    return " ".join(response.text.split())


def stations_of(page: str) -> dict[str, str]:
    """Name -> station, in their order."""
    parts = page.split('<li class="station')[1:]
    return {re.findall(r"<h3><a [^>]*>(.*?)</a>", part)[0]: part for part in parts}


@pytest.mark.parametrize(
    ("stage", "station"),
    [
        (Stage.NO_MODEL, "label"),
        (Stage.FIRST_TRAINING, "retrain"),
        (Stage.ASSISTING, "label"),
        (Stage.COLLECTING_CONTROL, "label"),
        (Stage.ACCEPTING, "route"),
        (Stage.RETRAINING, "retrain"),
        (Stage.DRIFTED, "predict"),
        (Stage.SUSPENDED, "audit"),
    ],
)
def test_the_stage_is_said_and_its_station_marked(
    project: WebProject, loops: ShownLoops, stage: Stage, station: str
) -> None:
    loops.count(1, stage)
    page = page_of(project.client())
    assert f"</svg>{stage.words}</span>" in page
    stations = stations_of(page)
    assert list(stations) == ["predict", "route", "label", "audit", "retrain"]
    marked = [name for name, part in stations.items() if 'aria-current="step"' in part]
    assert marked == [station]


def test_each_station_has_its_counts_and_leads_to_its_work(
    project: WebProject, loops: ShownLoops
) -> None:
    loops.count(1, Stage.ACCEPTING)
    loops.audits(1, audits=564, errors=11, bounds=(0.011, 0.033))
    stations = stations_of(page_of(project.client()))
    for name, link, words in (
        ("predict", "/projects/1/models", ("48,210</strong> tasks", "by v7")),
        ("route", "/projects/1/decisions", ("31,004</strong> accepted", "16,621 to people")),
        ("label", "/projects/1/data", ("540</strong> open", "9,432 human labels")),
        ("audit", "/projects/1/data?tab=15", ("564</strong> audited", "2.0 % wrong (1.1 to 3.3)")),
        ("retrain", "/jobs?job=retrain&amp;project=1", ("1</strong> version", "none asked for")),
    ):
        assert f'{link}">{name}</a>' in stations[name]
        for each in words:
            assert each in stations[name], (name, each)


def test_queues_stand_beside_what_a_day_can_take(project: WebProject, loops: ShownLoops) -> None:
    loops.count(1, Stage.ACCEPTING)
    page = page_of(project.client())
    assert "senior: 52 open of 40 a day" in page
    assert "40, over a day" in page
    assert "500</span>" in page


def test_an_alert_says_what_to_do_and_goes_when_it_is_over(
    project: WebProject, loops: ShownLoops
) -> None:
    loops.alert(1, "breaker", "the breaker of <v7> tripped")
    page = page_of(project.client())
    assert "The breaker of &lt;v7&gt; tripped" in page
    assert "the tasks go to people" in page
    assert "<code>labelgate breaker status --project 1</code>" in page
    loops.alert(1, "breaker", "it holds again", opened=False)
    assert "tripped" not in page_of(project.client())


def test_a_project_that_no_job_looks_at_is_said_loudly(
    project: WebProject, loops: ShownLoops
) -> None:
    assert "No job runs for this project" not in page_of(project.client())
    project.clock.forward(3600)
    page = page_of(project.client())
    assert "No job runs for this project" in page
    assert "The last one, alerts, began at 2026-03-01 12:00 UTC" in page
    loops.add(2, "New", model=None)
    assert "None has ever run" in page_of(project.client(), "/projects/2")


def test_money_that_acceptance_has_cost_is_said(project: WebProject, loops: ShownLoops) -> None:
    counts = loops.count(1, Stage.ACCEPTING)
    assert counts.saved is not None
    page = page_of(project.client())
    assert "350.80" in page
    assert "2,636.90" in page
    loops.count(1, Stage.ACCEPTING, saved=None, saved_this_week=None)
    assert "350.80" not in page_of(project.client())
