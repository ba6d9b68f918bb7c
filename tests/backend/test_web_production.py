"""Deployed models on the page and in the metrics: the curve, the alarm, the counts."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from backend.store.reports import MONITORING, Report, store_report
from tests.backend.charts.drawn import with_class
from tests.fakes.web_project import PROJECT_ID, WebProject, web_project

UNKNOWN = {"value": None, "low": None, "high": None, "n": 0}


def share(value: float, half: float = 0.03, n: int = 200) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": min(value + half, 1.0), "n": n}


def figure(accuracy: dict[str, Any], answers: int = 9_000) -> dict[str, Any]:
    return {
        "accuracy": accuracy,
        "answers": answers,
        "drawn": 210,
        "verified": accuracy["n"],
        "unanswered": 210 - accuracy["n"],
    }


def body(*, alarm: bool = True) -> dict[str, Any]:
    months = {"2026-01": share(0.95), "2026-02": UNKNOWN, "2026-03": share(0.9)}
    return {
        **figure(share(0.93, n=400), 27_000),
        "period": "month",
        "curve": [
            {"period": name, "model_version": version, **figure(each)}
            for name, each in months.items()
            for version in (None, "<v1>")
        ],
        "by_version": {"<v1>": figure(share(0.93, n=400)), "v2": figure(UNKNOWN)},
        "by_class": {},
        "by_slice": {},
        "truth": {},
        "states": {"waiting": 3, "passed": 26_000, "drawn": 5, "placed": 200, "lost": 2},
        "shown": False,
        "decay": {
            "<v1>": {
                "alarm": alarm,
                "baseline": {"accuracy": 0.95, "held": 0.95, "n": 0},
                "statistic": 2_345.6,
                "threshold": 2_000,
                "says": "decayed, most likely since 2026-02-11",
            }
        },
        "drift": {"drifted": False, "says": "no drift found: <v1> from", "features": []},
        "raised": [],
    }


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    project = web_project(tmp_path)
    project.connect()
    return project


def page_of(project: WebProject) -> str:
    return " ".join(project.client().get("/projects/1").text.split())


def report(project: WebProject, found: dict[str, Any]) -> None:
    with project.runtime.sessions.begin() as session:
        store_report(
            session,
            PROJECT_ID,
            Report(kind=MONITORING, model_version="<v1>", made_at=project.clock(), body=found),
        )


def drawn(page: str) -> ET.Element:
    figure = page[page.rindex("<figure", 0, page.index('id="production-1"')) :]
    return ET.fromstring(figure[: figure.index("</figure>") + len("</figure>")])  # noqa: S314 - the page is our own


def test_without_a_deployed_model_the_page_says_nothing_of_it(project: WebProject) -> None:
    assert "in production" not in page_of(project)
    metrics = project.client().get("/metrics").text
    assert "labelgate_production_accuracy{" not in metrics


def test_the_page_draws_the_curve_with_a_table_beside_it(project: WebProject) -> None:
    report(project, body())
    page = page_of(project)
    assert "93.0 % (90.0 to 96.0, n = 400) of 27,000 answers" in page
    assert "of 2 the data cannot be had" in page
    chart = drawn(page)
    points = [title.text for mark in with_class(chart, "point") for title in mark]
    assert points == [
        "right, 2026-01: 95 % (92 % to 98 %, n = 200)",
        "right, 2026-03: 90 % (87 % to 93 %, n = 200)",
    ]
    assert len(with_class(chart, "threshold")) == 2  # the line, and its name in the legend
    assert not list(chart.iter("polyline"))  # February has no value
    assert "<td>&lt;v1&gt;</td><td>90.0 % (87.0 to 93.0, n = 200)</td>" in page
    assert '<td class="failed">yes</td> <td>2,345.6 (2,000)</td>' in page
    assert "decayed, most likely since 2026-02-11" in page
    assert "no drift found: &lt;v1&gt;" in page
    for forbidden in ("<script>", "<style", "style=", "<v1>"):
        assert forbidden not in page


def test_a_version_without_a_baseline_or_any_answer_is_no_trouble(project: WebProject) -> None:
    found = body(alarm=False)
    found["decay"]["<v1>"]["baseline"] = None
    for point in found["curve"]:
        point["accuracy"] = UNKNOWN
    report(project, found | {"accuracy": UNKNOWN, "drift": None})
    page = page_of(project)
    assert "No answer of a deployed model is verified yet" in page
    assert not list(drawn(page).iter("svg"))
    assert "too few days to compare" in page


def test_metrics_tell_accuracy_decay_and_counts(project: WebProject) -> None:
    report(project, body())
    metrics = project.client().get("/metrics").text
    for line in (
        'labelgate_production_accuracy{bound="value",project="1",version="<v1>"} 0.93',
        'labelgate_production_accuracy{bound="n",project="1",version="<v1>"} 400.0',
        'labelgate_production_decay{project="1",version="<v1>"} 1.0',
        'labelgate_production_decay_statistic{project="1",version="<v1>"} 2345.6',
        'labelgate_production_drifted{project="1"} 0.0',
        'labelgate_production_answers{project="1",state="waiting"} 3.0',
    ):
        assert line in metrics
    assert 'bound="value",project="1",version="v2"' not in metrics
