"""The page's part on model versions: accuracy in words, checks, shadow, learning curve, damage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from backend.store.lineages import Lineage, store_lineage
from backend.store.model_tables import ModelRow
from backend.store.models import KEPT, ModelVersion, store_version
from backend.store.reports import SHADOW, Report, store_report
from backend.store.shadows import start_shadow
from tests.fakes.web_project import WebProject, web_project

GAIN = {"value": 0.01, "low": -0.02, "high": 0.04, "n": 80}


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    made = web_project(tmp_path)
    made.connect()
    return made


def page_of(client: FlaskClient) -> str:
    response = client.get("/projects/1")
    assert response.status_code == 200
    return " ".join(response.text.split())


def add_version(project: WebProject, model: ModelVersion, right: int) -> None:
    """A kept version that got so many of 200 holdout tasks right."""
    holdout = {task: task < right for task in range(200)}
    lineage = Lineage(policy_hash="p", label_config="<View/>", examples=(), holdout=holdout)
    with project.runtime.sessions.begin() as session:
        store_version(session, 1, model, project.clock())
        store_lineage(session, 1, model.version, lineage)


def test_getting_worse_is_said_in_words_and_marked(project: WebProject) -> None:
    first = project.promote("v1")
    assert "Accuracy over versions: cannot be said yet" in page_of(project.client())
    for number, right in ((2, 190), (3, 160), (4, 130)):
        model = replace(first, version=f"v{number}", number=number, state=KEPT, promoted_at=None)
        add_version(project, model, right)
    page = page_of(project.client())
    assert page.count("<h3>Model versions</h3>") == 1
    assert '<span class="failed">Accuracy over versions: getting worse: -2' in page
    assert "over the last 3 versions, 200 holdout tasks" in page


def test_gate_shadow_and_learning_curve_are_shown(project: WebProject) -> None:
    first = project.promote("v1")
    verdict = {
        "reason": "not worse than the champion",
        "difference": GAIN,
        "checks": [{"check": "calibration", "passed": True, "says": "scores: <not> worse"}],
    }
    curve = {
        "points": [{"labels": 100, "accuracy": {"value": 0.8, "low": 0.7, "high": 0.9, "n": 50}}],
        "advice": "about 300 more labels for 90 %",
    }
    model = replace(
        first,
        version="v2",
        number=2,
        state=KEPT,
        verdict=verdict,
        lineage={"examples": 123, "learning_curve": curve},
    )
    now = project.clock()
    body = {"says": "12 tasks in shadow", "of": 500, "disagreement": None, "gain": GAIN}
    with project.runtime.sessions.begin() as session:
        store_version(session, 1, model, now)
        start_shadow(session, 1, "v2", now, tasks=500, days=None, promotes=True)
        report = Report(kind=SHADOW, model_version="v2", made_at=now, body=body)
        store_report(session, 1, report)
    page = page_of(project.client())
    for part in (
        '<a href="/projects/1/models">All versions</a>',
        "v2 is in shadow: 12 tasks in shadow (of 500 wanted)",
        "gained where people answered: +1.0 points (-2.0 to +4.0, n = 80)",
        "about 300 more labels for 90 %",
    ):
        assert part in page
    versions = " ".join(project.client().get("/projects/1/models").text.split())
    for part in (
        '<span class="tag">in shadow, 0 of 500</span>',
        '<td class="number">123</td>',
        "<td>+1.0 points (-2.0 to +4.0, n = 80)</td>",
        "not worse than the champion <ul",
        "passed: scores: &lt;not&gt; worse",
    ):
        assert part in versions
    one = " ".join(project.client().get("/projects/1/models/v2").text.split())
    assert '<th scope="col" class="number">100</th>' in one
    assert '<td class="number">80.0 % (70.0 to 90.0, n = 50)</td>' in one


def test_a_damaged_file_is_said(project: WebProject) -> None:
    project.promote("v1")
    client = project.client()
    assert "cannot be read" not in page_of(client)
    with project.runtime.sessions.begin() as session:
        session.execute(update(ModelRow).values(sha256="0" * 64))
    page = page_of(client)
    assert "The version that serves cannot be read, so new tasks go to people: model file" in page
    assert str(project.runtime.settings.models_dir) not in page
