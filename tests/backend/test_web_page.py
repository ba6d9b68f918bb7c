"""The page and the metrics: what stands in the store is what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from backend import counting
from backend.store.certificates import store_certification
from backend.store.job_runs import close_run, open_run
from backend.store.projects import active_project
from backend.store.reports import (
    AUDIT,
    CORRECTIONS,
    CYCLE,
    DRIFT,
    FIGURES,
    GOLD,
    RECALL,
    THRESHOLD,
    Report,
    store_report,
)
from backend.web.figure_words import estimate
from policies.answer_texts import controls_text, set_text
from policies.domain import Certificate, Certification, Estimate
from tests.fakes.web_project import POLICY, PROJECT, PROJECT_ID, WebProject, task, web_project


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    project = web_project(tmp_path)
    project.connect()
    return project


@pytest.fixture
def client(project: WebProject) -> FlaskClient:
    return project.client()


def page_of(client: FlaskClient, path: str = "/projects/1") -> str:
    response = client.get(path)
    assert response.status_code == 200
    assert response.mimetype == "text/html"
    return " ".join(response.text.split())


def add_history(project: WebProject) -> None:
    body = {
        "cycle": 1,
        "human_labels": 321,
        "accepted": 45,
        "holdout_accuracy": {"value": 0.934, "low": 0.9, "high": 0.961, "n": 200},
        "agreement": None,
        "audit_pass_rate": {"value": None, "low": None, "high": None, "n": 0},
        "model_version": "v1",
        "cost": 1234.5,
        "cost_all_manual": 2000.0,
    }
    now = project.clock()
    with project.runtime.sessions.begin() as session:
        store_report(session, 1, Report(kind=CYCLE, model_version="v1", made_at=now, body=body))
        close_run(session, open_run(session, "sync", 1, now), {"tasks": 3}, now)
        close_run(session, open_run(session, "deliver", 1, now), "<b>down</b>", now)
        open_run(session, "retrain", None, now)


def test_an_empty_server_says_what_to_do(tmp_path: Path) -> None:
    client = web_project(tmp_path).client()
    assert "labelgate connect" in page_of(client, "/")
    assert "No job has run yet" in page_of(client, "/jobs")


def test_a_new_project_stands_there_with_its_queues(client: FlaskClient) -> None:
    page = page_of(client)
    assert "no model yet" in page
    for tier, view, capacity in (("general", 11, 100), ("senior", 12, 20)):
        assert f"/projects/1/data?tab={view}" in page
        assert f"{tier}: 0 open of {capacity} a day" in page


def test_a_large_project_before_its_first_round_is_not_counted_by_the_page(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Not counted yet" not in page_of(client)
    assert 'labelgate_tasks{project="1",state="all"} 0.0' in client.get("/metrics").text
    monkeypatch.setattr(counting, "_COUNTED_AT_ONCE", -1)  # from no task on
    page = page_of(client)
    assert "Not counted yet: the next round counts." in page
    assert "labelgate jobs run counts --project 1" in page
    assert "Promise" in page
    assert "Table of queues" not in page
    metrics = client.get("/metrics").text
    assert 'labelgate_tasks{project="1"' not in metrics
    assert "labelgate_open_events 0.0" in metrics


def test_cycles_versions_and_runs_are_shown(project: WebProject, client: FlaskClient) -> None:
    project.promote("v1")
    add_history(project)
    page = page_of(client)
    assert "<td>321</td> <td>45</td> <td>93.4 % (90.0 to 96.1, n = 200)</td>" in page
    assert "<td>1,234.50 (2,000.00)</td> <td>v1</td>" in page
    assert "v1 serves, holdout accuracy -" in page
    assert "the first model" in page_of(client, "/projects/1/models")
    runs = page_of(client, "/jobs")
    assert "ended without a word" in runs
    assert runs.count("</svg>failed</span>") == 1


def test_text_from_outside_is_escaped(project: WebProject, client: FlaskClient) -> None:
    add_history(project)
    page = page_of(client, "/jobs")
    assert "<b>down</b>" not in page
    assert "&lt;b&gt;down&lt;/b&gt;" in page


def test_the_page_fetches_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = page_of(client)
    fetched = re.findall(r'<(?:link|script|img|source|iframe)\b[^>]*?(?:href|src)="([^"]*)"', page)
    assert "/static/labelgate.css" in fetched
    assert all(each.startswith("/static/") for each in fetched)
    for inline in ("<style", "style=", "<script>", "onclick="):
        assert inline not in page
    style = client.get("/static/labelgate.css")
    assert style.mimetype == "text/css"
    assert "prefers-color-scheme: dark" in style.text
    style.close()


def test_metrics_count_what_was_answered(project: WebProject, client: FlaskClient) -> None:
    project.promote("v1")
    add_history(project)
    client.post("/predict", json={"project": PROJECT, "tasks": [*map(task, range(1, 101)), None]})
    client.post("/webhook", json={"action": "START_TRAINING", "project": {"id": 1}})
    client.get("/nowhere/at/all")
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.mimetype == "text/plain"
    lines = dict(
        line.rsplit(" ", 1) for line in response.text.splitlines() if not line.startswith("#")
    )
    predicted = float(lines['labelgate_predict_tasks_total{answer="predicted"}'])
    blind = float(lines['labelgate_predict_tasks_total{answer="blind"}'])
    assert predicted > blind > 0
    assert predicted + blind == 100
    assert lines['labelgate_predict_tasks_total{answer="problem"}'] == "1.0"
    assert lines['labelgate_webhook_events_total{action="START_TRAINING"}'] == "1.0"
    assert lines["labelgate_open_events"] == "1.0"
    assert lines['labelgate_human_labels{project="1"}'] == "0.0"
    assert lines['labelgate_escalated_tasks{project="1",tier="senior"}'] == "0.0"
    assert lines['labelgate_model_info{project="1",version="v1"}'] == "1.0"
    assert lines['labelgate_job_success{job="sync"}'] == "1.0"
    assert lines['labelgate_job_success{job="deliver"}'] == "0.0"
    assert 'labelgate_job_success{job="retrain"}' not in lines
    name = 'labelgate_http_request_seconds_count{method="GET",route="(none)",status="404"}'
    assert lines[name] == "1.0"


def test_two_apps_in_one_process_count_apart(project: WebProject) -> None:
    one, other = project.client(), project.client()
    one.get("/health")
    assert 'route="/health"' in one.get("/metrics").text
    assert 'route="/health"' not in other.get("/metrics").text


def test_a_share_without_an_interval_is_shown_alone() -> None:
    assert estimate({"value": 0.5, "low": None, "high": None, "n": 2}) == "50.0 % (n = 2)"


@pytest.mark.parametrize(
    ("threshold", "needed", "said"),
    [
        (0.8125, None, "scores from 0.812: 1 errors in 90 of 120 control answers, so at most 5.0%"),
        (None, 40, "no threshold could be certified on 120 control answers; about 40 more"),
        (None, None, "no threshold could be certified on 120 control answers</p>"),
    ],
)
def test_the_page_says_what_is_accepted_and_on_which_evidence(
    project: WebProject, threshold: float | None, needed: int | None, said: str
) -> None:
    assert "a person confirms every label" in page_of(project.client())
    rule = "auto_accept: {max_error_rate: 0.05, confidence: 0.95}"
    project.connect(policy=POLICY.replace("auto_accept: never", rule))
    assert "nothing: there is no model yet" in page_of(project.client())
    model = project.promote("v1")
    assert "a threshold needs at least" in page_of(project.client())
    certificate = Certificate(
        model_version=model.version,
        max_error_rate=0.05,
        confidence=0.95,
        threshold=threshold,
        accepted_share=0.75,
        error=Estimate(value=1 / 90, low=0.0, high=0.049, n=90),
        errors=1,
        control_answers=120,
        grid=(0.9, 0.8125),
        labels_needed=needed,
    )
    found = Certification(model_version=model.version, certificates=(certificate,))
    with project.runtime.sessions.begin() as session:
        connected = active_project(session, PROJECT_ID)
        assert connected is not None
        store_certification(session, PROJECT_ID, found, connected.policy_hash, project.clock())
    assert said in page_of(project.client())


def test_the_page_and_the_metrics_say_who_passes_gold(
    project: WebProject, client: FlaskClient
) -> None:
    assert '<h2 id="gold">Gold</h2>' not in page_of(client)
    good = {"value": 0.95, "low": 0.764, "high": 0.991, "n": 20}
    bad = {"value": 0.25, "low": 0.112, "high": 0.469, "n": 20}
    people = [
        {"user_id": 7, "score": good, "counts": True},
        {"user_id": 8, "score": bad, "counts": False},
    ]
    body = {"tasks": 30, "annotators": people}
    now = project.clock()
    with project.runtime.sessions.begin() as session:
        store_report(session, 1, Report(kind=GOLD, model_version=None, made_at=now, body=body))
    page = page_of(client)
    bad_row, good_row = (page.split(f'row">{user}</th>')[1].split("</tr>")[0] for user in "87")
    assert "25.0 % (11.2 to 46.9, n = 20)" in bad_row
    assert "</svg>no</span>" in bad_row
    assert "95.0 % (76.4 to 99.1, n = 20)" in good_row
    assert "</svg>yes</span>" in good_row
    metrics = client.get("/metrics").text
    assert 'labelgate_gold_score{project="1",user="8"} 0.25' in metrics
    assert 'labelgate_annotator_counts{project="1",user="8"} 0.0' in metrics
    assert 'labelgate_annotator_counts{project="1",user="7"} 1.0' in metrics


@pytest.mark.parametrize(("band", "marked"), [("over", True), ("under", True), ("within", False)])
def test_a_correction_rate_outside_its_band_is_marked(
    project: WebProject, client: FlaskClient, band: str, *, marked: bool
) -> None:
    rate = {"value": 0.4, "low": 0.35, "high": 0.45, "n": 300}
    part = {
        "gain_per_label": None,
        "correction_rate": rate,
        "correction_band": band,
        "blind_error": None,
        "audit_pass_rate": None,
        "corrected_pass_rate": None,
        "loop_seconds": None,
        "agreement": None,
        "drift": None,
    }
    unknown = {"value": None, "low": None, "high": None, "n": 0}
    cost = {
        "cost": 12.0,
        "cost_all_manual": 20.0,
        "cost_items": {"labour": 12.0},
        "cost_per_label": 0.12,
        "avoided_errors": unknown,
        "cost_per_avoided_error": unknown,
    }
    body = {"now": part, "weeks": {}, "versions": {}, "cost": cost}
    report = Report(kind=FIGURES, model_version="v1", made_at=project.clock(), body=body)
    with project.runtime.sessions.begin() as session:
        store_report(session, 1, report)
    page = page_of(client)
    assert ('<td class="failed">40 % (35 % to 45 %, n = 300)</td>' in page) == marked
    assert "12.00 spent, all by hand 20.00, 0.120 for each label" in page
    lines = client.get("/metrics").get_data(as_text=True).splitlines()
    figure = 'labelgate_figure{bound="low",figure="correction_rate",part="",project="1"} 0.35'
    assert figure in lines
    assert 'labelgate_cost{item="all_manual",project="1"} 20.0' in lines


def test_what_drift_raised_and_what_audits_moved_is_shown(
    project: WebProject, client: FlaskClient
) -> None:
    slices = {"label": "A", "field": None, "value": None, "factor": 3.0, "most": 0.5}
    drift = {"drifted": True, "features": [], "raised": [slices | {"factor_now": 2.2}]}
    moved = {
        "group": {"predictor": "model", "label": "A"},
        "from": 0.8,
        "to": 0.82,
        "proved": 0.8,
        "bound": 0.061,
        "evidence": {"audits": 90, "errors": 9},
    }
    recall = {"tasks": 12, "why": "6 of 131 audits wrong"}
    with project.runtime.sessions.begin() as session:
        for kind, body in (
            (DRIFT, drift),
            (THRESHOLD, moved),
            (RECALL, recall | {"state": "begun"}),
            (RECALL, recall | {"state": "done"}),
        ):
            made_at = project.clock()
            project.clock.forward(1)
            made = Report(kind=kind, model_version="v1", made_at=made_at, body=body)
            store_report(session, 1, made)
    page = page_of(client)
    assert "predicted A</th><td>2.2, at most 50%" in page
    assert "threshold 0.800 to 0.820" in page
    assert "9 of 90 audits wrong, accepted as A; the error rate is at least 6.1%" in page
    assert page.count("12 accepts taken back") == 1
    assert "going on" not in page


def test_answers_of_several_controls_are_shown_in_words(
    project: WebProject, client: FlaskClient
) -> None:
    moods = '<Choices name="moods" toName="text" choice="multiple"><Choice value="joy"/></Choices>'
    stars = '<Rating name="stars" toName="text"/>'
    shown = f'<View><Text name="text" value="$text"/>{moods}{stars}</View>'
    project.connect(config=shown)
    good, bad = (controls_text({"moods": set_text(["joy"]), "stars": each}) for each in "42")
    rate = {"value": 0.95, "low": 0.764, "high": 0.991, "n": 20}
    audit = {"pass_rate": rate, "corrected_pass_rate": None, "by_label": {good: rate}}
    confusions = [{"from": good, "to": bad, "count": 3, "lift": 2.0}]
    now = project.clock()
    with project.runtime.sessions.begin() as session:
        for kind, body in ((AUDIT, audit), (CORRECTIONS, {"confusions": confusions})):
            store_report(session, 1, Report(kind=kind, model_version="v1", made_at=now, body=body))
    page = page_of(client)
    assert page.count('<th scope="row">moods: joy; stars: 4</th>') == 1  # audits by label
    assert "moods: joy; stars: 2" in page
    project.connect(config="<View/>")
    assert "moods" in page_of(client)


def test_versions_have_one_table(project: WebProject, client: FlaskClient) -> None:
    project.promote("v1")
    assert page_of(client).count("<h3>Model versions</h3>") == 1
