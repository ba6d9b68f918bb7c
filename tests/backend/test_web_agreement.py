"""Agreement on the page and in the metrics: routed and random apart, alerts while they stand."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from audit_jobs.rounds import run_round
from audit_jobs.running import run_job
from backend.app import create_app
from backend.store.reports import AGREEMENT, Report, store_report
from policies.domain import Purpose
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

OTHER = {"A": "B", "B": "A"}


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Nobody agrees in the routed queue, everybody in the slices; one alert stands."""
    policy = worked_policy(
        auto_accept="never", agreement={"share": 1.0, "overlap": 2, "minimum_alpha": 0.5}
    )
    made = worked_project(tmp_path, policy)
    made.add(["fruit", "motor"] * 40)
    run_round(made.runtime, made.project)
    for place, task in enumerate(made.tasks):
        routed = task.id in made.with_purpose(Purpose.AGREEMENT)
        label = "AB"[place % 2]
        made.server.submit(made.people["ann"], task.id, label)
        made.server.submit(made.people["bob"], task.id, OTHER[label] if routed else label)
    for job in ("sync", "agreement"):
        run_job(made.runtime, job, made.project)
    return made


@pytest.fixture
def client(worked: WorkedProject) -> FlaskClient:
    return create_app(worked.runtime).test_client()


def page_of(client: FlaskClient) -> str:
    response = client.get("/projects/1")
    assert response.status_code == 200
    return " ".join(response.text.split())


def metrics_of(client: FlaskClient) -> dict[str, float]:
    lines = client.get("/metrics").text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_the_page_has_a_row_for_each_control_and_says_what_is_wrong(client: FlaskClient) -> None:
    page = page_of(client)
    routed, drawn, random, *rest = (
        page.split("label (choices)</th>")[1].split("</tr>")[0].split("</td>")
    )
    assert 'class="heat-0">-0.' in routed
    assert drawn == routed
    assert ">1.000<small>" in random
    assert "n = " in random
    assert len(rest) == 5
    assert "Too low: label. The policy wants 0.5 at least." in page
    assert "since 2026-03-01" in page
    assert "write it into the guideline" in page
    assert "certainly under the policy&#39;s minimum of 0.5" in page
    assert "labelgate agreement --project 1 --html FILE" in page


def test_the_metrics_have_alpha_by_slice_and_the_alert(
    worked: WorkedProject, client: FlaskClient
) -> None:
    found = metrics_of(client)

    def alpha(part: str) -> float | None:
        name = f'labelgate_agreement_alpha{{control="label",project="1",slice="{part}"}}'
        return found.get(name)

    assert alpha("random") == 1
    routed, whole, pooled = alpha("routed"), alpha("whole"), alpha("all")
    assert routed is not None
    assert whole is not None
    assert routed < 0
    assert routed < whole < 1
    assert pooled == pytest.approx(whole, abs=0.02)  # all was read: the sample is the whole
    assert alpha("audit") is None  # undefined is left out, not 0
    event = 'labelgate_alert_open{about="label",alert="agreement",project="1"}'
    assert found[event] == 1

    worked.connect(worked_policy(auto_accept="never", agreement={"share": 1.0}))
    run_job(worked.runtime, "agreement", worked.project)
    assert metrics_of(client)[event] == 0
    assert "write it into the guideline" not in page_of(client)


def test_a_report_of_an_older_version_is_shown_by_its_alpha(tmp_path: Path) -> None:
    worked = worked_project(tmp_path)
    figure = {"value": 0.8, "low": None, "high": None, "n": 4}
    with worked.runtime.sessions.begin() as session:
        report = Report(
            kind=AGREEMENT,
            model_version=None,
            made_at=worked.clock(),
            body={"votes": 8, "units": 4, "raw_agreement": figure, "krippendorff_alpha": figure},
        )
        store_report(session, worked.project_id, report)
    client = create_app(worked.runtime).test_client()
    page = page_of(client)
    assert '<dd class="words">0.800 (n = 4)</dd>' in page
    assert "No task has been labelled by two people yet" in page
    assert not [name for name in metrics_of(client) if name.startswith("labelgate_agreement")]
