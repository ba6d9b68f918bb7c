"""The model pages: versions with their trail, and rollbacks that happen once, as confirmed."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import g
from flask.testing import FlaskClient
from sqlalchemy import update

from backend.app import create_app
from backend.store.acts import newest_acts
from backend.store.certificates import valid_certification
from backend.store.lineages import Example, Lineage, store_lineage
from backend.store.model_tables import LineageRow, ModelRow
from backend.store.models import champion, note_lineage
from backend.store.promotions import Kind, Promotion, promotions
from backend.store.rollups import COUNTS, Rollup, store_rollup
from backend.version_histories import Served, serving_times
from backend.web.access import Role, Visitor
from tests.fakes.accepting_project import accepting_project, accepts
from tests.fakes.web_project import web_project
from tests.fakes.worked_project import WorkedProject

MODELS = "/projects/1/models"
ROLLBACK = "/projects/1/rollback"


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """v2 serves in the place of v1, which was certified."""
    made = accepting_project(tmp_path)
    assert accepts(made)
    made.clock.forward(3600)
    made.promote(certified=False)
    return made


@pytest.fixture
def client(worked: WorkedProject) -> FlaskClient:
    return create_app(worked.runtime).test_client()


def page_of(client: FlaskClient, path: str = MODELS) -> str:
    response = client.get(path)
    assert response.status_code == 200, response.text
    return " ".join(response.text.split())


def serving(worked: WorkedProject) -> str | None:
    with worked.runtime.reads() as session:
        found = champion(session, worked.project_id)
    return None if found is None else found.version


def test_every_view_says_who_may_see_it_and_who_may_change(worked: WorkedProject) -> None:
    views = create_app(worked.runtime).view_functions
    expected = {
        "page": Role.VIEWER,
        "one": Role.VIEWER,
        "ask_to_promote": Role.ADMIN,
        "promoted": Role.ADMIN,
        "ask_to_roll_back": Role.ADMIN,
        "rolled_back": Role.ADMIN,
    }
    found = {
        name.removeprefix("models_page."): view.__dict__["need"].role
        for name, view in views.items()
        if name.startswith("models_page.")
    }
    assert found == expected


def test_without_any_model_it_says_what_comes(tmp_path: Path) -> None:
    project = web_project(tmp_path)
    project.connect()
    client = project.client()
    page = page_of(client)
    assert "No version serves: every task goes to people." in page
    assert "<code>labelgate train</code>" in page
    response = client.get(ROLLBACK)
    assert response.status_code == 409
    assert "there is no way back" in response.text
    assert client.get(f"{MODELS}/v9").status_code == 404
    assert client.get("/projects/9/models").status_code == 404


def test_versions_stand_newest_first_with_when_they_served(client: FlaskClient) -> None:
    page = page_of(client)
    _, *versions = page.split('<tbody class="version">')
    newer, older = versions
    assert f'href="{MODELS}/v2"' in newer
    assert f'href="{MODELS}/v1"' in older
    assert f'href="{MODELS}/v1/promote"' in page
    assert f'href="{MODELS}/v2/promote"' not in page
    assert "Roll back to v1 …" in page
    assert "2026-03-01 09:00 UTC<br>to 2026-03-01 10:00 UTC" in page
    assert "to now" in page


def test_times_of_service_follow_from_the_promotions() -> None:
    first = datetime(2026, 3, 1, tzinfo=UTC)
    later = [first + timedelta(days=each) for each in range(3)]
    made = [
        Promotion(version=version, replaced=None, kind=Kind.PROMOTE, why="", at=at)
        for version, at in zip(("v1", "v2", "v1"), later, strict=True)
    ]
    assert serving_times([], made) == {
        "v1": (Served(since=later[0], until=later[1]), Served(since=later[2], until=None)),
        "v2": (Served(since=later[1], until=later[2]),),
    }


def test_a_version_tells_what_it_was_made_of(worked: WorkedProject, client: FlaskClient) -> None:
    with worked.runtime.sessions.begin() as session:
        for version, tasks in (("v1", (1, 2)), ("v2", (2, 3))):
            examples = tuple(
                Example(task_id=t, answer="A", weight=1.0, data="x", annotation_ids=(t,))
                for t in tasks
            )
            lineage = Lineage(
                policy_hash="p", label_config="<View/>", examples=examples, holdout={1: True}
            )
            store_lineage(session, 1, version, lineage)
            notes = {
                "examples": 2,
                "seed": len(version + version),
                "code_sha256": version * 8,
                "libraries": {"numpy": "2.2"},
                "learning_curve": {"points": [], "advice": "about 300 more labels"},
            }
            note_lineage(session, 1, version, notes)
        verdict = {
            "reason": "not worse <b>",
            "checks": [{"check": "x", "passed": False, "says": "scores: <i>worse</i>"}],
            "p_value": 0.25,
        }
        session.execute(update(ModelRow).where(ModelRow.version == "v2").values(verdict=verdict))
    page = page_of(client, f"{MODELS}/v2")
    for part in (
        "Not worse &lt;b&gt;",
        "scores: &lt;i&gt;worse&lt;/i&gt;",
        '<span class="tag">failed</span>',
        "The file is as it was written",
        "<dt>libraries</dt><dd>numpy 2.2</dd>",
        "How it differs from v1",
        "<dt>Examples added</dt><dd>1</dd>",
        "<dt>Left out</dt><dd>1</dd>",
        "v1v1v1v1v1v1v1v1</td>",
        "about 300 more labels",
        "0 better, 0 worse of 1",
    ):
        assert part in page, part
    assert "control answers</td>" in page_of(client, f"{MODELS}/v1")
    with worked.runtime.sessions.begin() as session:
        session.execute(update(LineageRow).values(examples_sha256="0"))
        session.execute(update(ModelRow).values(sha256="0" * 64))
    page = page_of(client, f"{MODELS}/v2")
    assert "They cannot be compared" in page
    assert "The file is not what was written" in page
    assert "The version that serves cannot be read" in page_of(client)


def test_a_viewer_is_offered_no_change(worked: WorkedProject) -> None:
    app = create_app(worked.runtime)

    def as_viewer() -> None:
        g.visitor = Visitor(name="vera", role=Role.VIEWER)

    app.before_request(as_viewer)
    for path in (MODELS, f"{MODELS}/v1"):
        page = page_of(app.test_client(), path)
        assert "Roll back" not in page
        assert "Let it serve" not in page
        assert "<form" not in page


def test_the_question_says_what_will_happen(worked: WorkedProject, client: FlaskClient) -> None:
    page = page_of(client, ROLLBACK)
    assert "Roll back to v1?" in page
    assert "in place of v2" in page
    assert "What v1 was certified for on 2026-03-01" in page
    assert "Every task that nobody has labelled is decided anew" in page
    body = {"tasks": 2_000, "labelled_tasks": 500, "accepted": 1_234}
    with worked.runtime.sessions.begin() as session:
        store_rollup(session, 1, COUNTS, Rollup(body=body, made_at=worked.clock()))
    page = page_of(client, ROLLBACK)
    assert "1,500 tasks that nobody has labelled are decided anew" in page
    assert "1,234 accepts stand now (counted 2026-03-01" in page
    assert '<input type="hidden" name="serving" value="v2">' in page
    already = client.get(f"{MODELS}/v2/promote")
    assert already.status_code == 409
    assert "v2 serves already" in already.text


@pytest.mark.parametrize("why", ["", "   ", "x" * 2_001])
def test_a_reason_is_required(worked: WorkedProject, client: FlaskClient, why: str) -> None:
    form = {"version": "v1", "serving": "v2", "why": why}
    response = client.post(ROLLBACK, data=form)
    assert response.status_code == 422
    assert "Say why" in response.text
    assert serving(worked) == "v2"


def test_a_rollback_is_done_and_kept_in_the_trail(
    worked: WorkedProject, client: FlaskClient
) -> None:
    form = {"version": "v1", "serving": "v2", "why": "worse on <Mondays>"}
    response = client.post(ROLLBACK, data=form)
    assert (response.status_code, response.headers["Location"]) == (303, MODELS)
    assert serving(worked) == "v1"
    with worked.runtime.reads() as session:
        (act,) = newest_acts(session, 1, 10)
        (made,) = promotions(session, 1)
        digest = worked.project.policy_hash
        assert valid_certification(session, 1, "v1", digest) is not None
    assert (act.who, act.what) == ("this machine", "model.rolled_back")
    assert act.detail == {"version": "v1", "replaced": "v2", "why": "worse on <Mondays>"}
    assert (made.kind, made.why) == (Kind.ROLLBACK, "worse on <Mondays>")
    page = page_of(client)
    assert "worse on &lt;Mondays&gt;" in page
    assert "rolled back by this machine" in page


def test_a_version_is_promoted_by_hand(worked: WorkedProject, client: FlaskClient) -> None:
    form = {"serving": "v2", "why": "it was better"}
    assert client.post(f"{MODELS}/v1/promote", data=form).status_code == 303
    assert serving(worked) == "v1"
    with worked.runtime.reads() as session:
        (act,) = newest_acts(session, 1, 10)
    assert act.what == "model.promoted"


@pytest.mark.parametrize(
    ("path", "form"),
    [
        (ROLLBACK, {"version": "v1", "serving": "v1"}),
        (ROLLBACK, {"version": "v2", "serving": "v2"}),
        (ROLLBACK, {"version": "v1", "serving": ""}),
        (f"{MODELS}/v1/promote", {"serving": "v0"}),
        (f"{MODELS}/v2/promote", {"serving": "v2"}),
    ],
)
def test_what_changed_meanwhile_is_refused_and_told(
    worked: WorkedProject, client: FlaskClient, path: str, form: dict[str, str]
) -> None:
    response = client.post(path, data={**form, "why": "because"})
    assert response.status_code == 409
    assert "Nothing was changed" in response.text
    assert serving(worked) == "v2"
    with worked.runtime.reads() as session:
        assert newest_acts(session, 1, 10) == []


def test_of_two_rollbacks_at_once_one_happens(worked: WorkedProject) -> None:
    worked.promote(certified=False)  # v3: two rollbacks would go back to v1
    app = create_app(worked.runtime)
    together = threading.Barrier(2)
    codes: list[int] = []

    def roll_back() -> None:
        client = app.test_client()
        assert "Roll back to v2?" in client.get(ROLLBACK).text
        together.wait()
        form = {"version": "v2", "serving": "v3", "why": "because"}
        codes.append(client.post(ROLLBACK, data=form).status_code)

    admins = [threading.Thread(target=roll_back) for _ in range(2)]
    for admin in admins:
        admin.start()
    for admin in admins:
        admin.join()
    assert sorted(codes) == [303, 409]
    assert serving(worked) == "v2"
    with worked.runtime.reads() as session:
        assert len(newest_acts(session, 1, 10)) == 1
        assert [each.kind for each in promotions(session, 1)] == [Kind.ROLLBACK]


def test_a_version_whose_file_is_damaged_is_not_let_serve(
    worked: WorkedProject, client: FlaskClient
) -> None:
    with worked.runtime.sessions.begin() as session:
        session.execute(update(ModelRow).where(ModelRow.version == "v1").values(sha256="0" * 64))
    page = page_of(client, ROLLBACK)
    assert "v1 cannot serve: model file" in page
    assert "<form" not in page
    form = {"version": "v1", "serving": "v2", "why": "because"}
    response = client.post(ROLLBACK, data=form)
    assert response.status_code == 409
    assert serving(worked) == "v2"
