"""The policy page: its text and checks, the what-if, drafts, and applying one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from backend.app import create_app
from backend.policy_remarks import remarks_of
from backend.store.acts import newest_acts
from backend.store.policies_in_force import policies_in_force
from backend.web.policy_text import code_lines
from connectors.annotation_tool import AnnotationToolUnavailableError
from connectors.label_studio import provisioning
from policies.drafting import changed_policy
from policies.loading import parse_policy
from policies.promises import AutoAccept
from tests.fakes.visitors import HTML
from tests.fakes.web_project import CONFIG, POLICY, WebProject, web_project
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

HEAD = POLICY.replace("auto_accept: never\n", "")
PROMISING = f"""# <script>alert(1)</script> our rules
{HEAD}auto_accept:
  max_error_rate: 0.03   # three & no more
  confidence: 0.95
routes:
  - kind: predicted_label
    in: [A, Z]
    tier: senior
tests:
  - name: <b>good</b>
    prediction: {{label: B, score: 0.99}}
    expect: {{outcome: accept}}
  - name: bad
    prediction: {{label: A, score: 0.99}}
    expect: {{outcome: accept}}
"""
URL = "/projects/1/policy"


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    return web_project(tmp_path)


def client_of(project: WebProject, policy: str = PROMISING) -> FlaskClient:
    project.connect(policy=policy)
    return project.client()


def html(client: FlaskClient, path: str = URL, status: int = 200) -> str:
    response = client.get(path, headers=HTML)
    assert response.status_code == status, response.text
    assert response.mimetype == "text/html"
    return " ".join(response.text.split())


def test_every_line_has_an_anchor_and_is_escaped(project: WebProject) -> None:
    page = html(client_of(project))
    lines = PROMISING.count("\n")
    assert [int(each) for each in re.findall(r'<li id="L(\d+)"', page)] == list(range(1, lines + 1))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; our rules" in page
    assert '<span class="nt">stakes</span>' in page
    assert "<b>good" not in page
    assert "style=" not in page


def test_remarks_stand_at_their_lines(project: WebProject) -> None:
    page = html(client_of(project))
    lines = PROMISING.splitlines()
    route = next(n for n, line in enumerate(lines, 1) if "predicted_label" in line)
    bad = next(n for n, line in enumerate(lines, 1) if "name: bad" in line)
    unknown = rf'warning</span> <a href="#L{route + 1}">line {route + 1}</a> <span>routes\[0\].in'
    assert re.search(unknown, page)
    assert re.search(rf'error</span> <a href="#L{bad}">line {bad}</a> <span>test .{{0,9}}bad', page)
    assert "1 errors, 1 warnings, 1 notes" in page
    assert f'<li id="L{bad}" class="error">' in page


def test_a_policy_that_no_longer_loads_is_shown_with_what_is_wrong(project: WebProject) -> None:
    project.connect()
    broken = POLICY.replace("stakes: low", "stakes: lowest")
    with project.runtime.sessions.begin() as session:
        session.connection().exec_driver_sql("UPDATE policies SET text = ?", (broken,))
    client = project.client()
    page = html(client)
    assert "does not load" in page
    assert "stakes" in page
    assert 'class="badge bad">error</span> <a href="#L3">line 3</a>' in page
    for path in (f"{URL}/what-if", f"{URL}/draft.yaml"):
        response = client.get(path)
        assert response.status_code == 409
        assert response.json is not None
        assert response.json["error"]["code"] == "policy_does_not_load"


def test_a_policy_that_no_longer_loads_leaves_the_other_pages_and_projects_readable(
    project: WebProject,
) -> None:
    """After an upgrade one old policy must not take the start page and the metrics away."""
    project.connect()
    project.connect(2, policy=POLICY.replace("stakes: low", "stakes: sensitive"))
    with project.runtime.sessions.begin() as session:
        session.connection().exec_driver_sql(
            "UPDATE policies SET text = ? WHERE text LIKE '%stakes: sensitive%'", ("stakes: dear",)
        )
    client = project.client()
    page = html(client, "/")
    assert "The policy in force does not load in this version of Labelgate" in page
    assert page.count("does not load") == 1
    assert client.get("/metrics").status_code == 200
    assert "Decisions" in html(client, "/projects/2/decisions")
    assert "run <code>labelgate policy apply</code>" in html(client, "/projects/2", 409)
    html(client, "/projects/1")


def test_earlier_policies_are_listed_and_compared(project: WebProject) -> None:
    project.connect(policy=POLICY)
    project.clock.forward(3600)
    client = client_of(project, PROMISING)
    with project.runtime.reads() as session:
        periods = policies_in_force(session, 1, 9)
    assert [each.text for each in periods] == [PROMISING, POLICY]
    assert (periods[0].since - periods[1].since).total_seconds() == 3600
    page = html(client)
    assert "2026-03-01 13:00 UTC" in page
    earlier = html(client, f"{URL}/earlier/{periods[1].policy_hash}")
    assert re.search(
        r'"mark"><span aria-hidden="true">-</span><span class="unseen">removed', earlier
    )
    assert "<code>auto_accept: never</code>" in earlier
    assert "<script>alert" not in earlier
    response = client.get(f"{URL}/earlier/{'0' * 64}")
    assert response.status_code == 404
    # The same policy once more is no change, another back again is.
    project.connect(policy=PROMISING)
    project.connect(policy=POLICY)
    with project.runtime.reads() as session:
        assert [e.text for e in policies_in_force(session, 1, 9)] == [POLICY, PROMISING, POLICY]


def test_a_policy_that_accepts_nothing_offers_a_promise(project: WebProject) -> None:
    client = client_of(project, POLICY)
    page = html(client)
    assert "auto_accept: never" in page
    assert "value-max_error_percent" not in page
    assert "accept=on" in page
    tried = html(client, f"{URL}?accept=on")
    assert 'name="max_error_percent" value="2"' in tried
    assert 'name="accept" value="on"' in tried
    text = client.get(f"{URL}/draft.yaml?accept=on&max_error_percent=1").text
    assert "auto_accept: {max_error_rate: 0.01, confidence: 0.95}" in text


def test_without_scripts_the_form_gives_the_figures(project: WebProject) -> None:
    client = client_of(project)
    assert "Press Replay" in html(client)
    page = html(client, f"{URL}?max_error_percent=2&capacity_0=50")
    assert "Press Replay" not in page
    assert "what-if-summary" in page
    assert 'name="max_error_percent" value="2"' in page
    assert "draft.yaml?max_error_percent=2&amp;capacity_0=50" in page


def test_wrong_values_are_told_on_the_page_and_in_its_part(project: WebProject) -> None:
    client = client_of(project)
    for path in (URL, f"{URL}/what-if"):
        page = html(client, f"{path}?max_error_percent=<i>&audit_percent=0&x=1", 422)
        assert "is &#39;&lt;i&gt;&#39;, which is not a number of percent" in page
        assert "no value of this page" in page
        assert 'href="#value-max_error_percent"' in page
    assert 'aria-invalid="true"' in html(client, f"{URL}?max_error_percent=z", 422)
    response = client.get(f"{URL}/draft.yaml?max_error_percent=z")
    assert response.status_code == 422
    assert response.json is not None
    assert "max_error_percent is 'z'" in response.json["error"]["message"]


def test_a_draft_says_where_it_comes_from_and_changes_nothing_else(project: WebProject) -> None:
    client = client_of(project)
    response = client.get(f"{URL}/draft.yaml?max_error_percent=2")
    assert response.headers["Content-Disposition"] == 'attachment; filename="policy-1-draft.yaml"'
    assert response.mimetype == "application/yaml"
    comment, _, rest = response.text.partition("# <script>")
    assert "# <script>" + rest == PROMISING.replace("0.03 ", "0.02 ")
    assert all(line.startswith("# ") for line in comment.splitlines())
    assert "project 1 (web)" in comment
    assert "auto_accept.max_error_rate: 0.03 -> 0.02" in comment
    rate: dict[Any, float] = {("auto_accept", "max_error_rate"): 0.02}
    assert parse_policy(response.text) == changed_policy(parse_policy(PROMISING), rate)


def test_a_title_cannot_leave_the_comment(project: WebProject) -> None:
    project.connect(policy=PROMISING)
    with project.runtime.sessions.begin() as session:
        session.connection().exec_driver_sql(
            "UPDATE projects SET title = ?", ("a\nstakes: x\u2028",)
        )
    text = project.client().get(f"{URL}/draft.yaml?max_error_percent=2").text
    assert parse_policy(text).stakes == "low"


def test_ten_thousand_lines_stay_fast_and_whole(project: WebProject) -> None:
    routes = "".join(
        f"  - kind: predicted_label\n    in: [label {number}]\n    tier: senior\n"
        for number in range(3_300)
    )
    client = client_of(project, PROMISING.replace("routes:\n", f"routes:\n{routes}"))
    page = html(client)
    assert 'id="L9900"' in page
    # What takes long is done once a text: reading it, its checks, its colours.
    before = [each.cache_info().hits for each in (parse_policy, remarks_of, code_lines)]
    assert html(client) == page
    after = [each.cache_info().hits for each in (parse_policy, remarks_of, code_lines)]
    assert all(later > hits for hits, later in zip(before, after, strict=True))
    assert all(each.cache_info().currsize <= 16 for each in (remarks_of, code_lines))


def test_other_projects_and_unknown_ones(project: WebProject) -> None:
    client = client_of(project)
    for path in ("", "/what-if", "/draft.yaml", "/draft", "/earlier/x"):
        response = client.get(f"/projects/7/policy{path}")
        assert response.status_code == 404
        assert response.json is not None
        assert response.json["error"]["code"] == "no_such_project"


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    promise = {"max_error_rate": 0.2, "confidence": 0.8, "floor": 0.7}
    made = worked_project(tmp_path, worked_policy(auto_accept=promise))
    made.add(["fruit", "motor"] * 10)
    made.promote(certified=False)
    made.settle()
    return made


def app_of(
    worked: WorkedProject,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[], None] = lambda: None,
) -> Flask:
    """The app with Label Studio's side played: what is wired there is no matter of this page."""

    def connect(_admin: Any, _project: int, _wiring: Any, names: list[str], _before: Any) -> Any:
        meanwhile()
        views = {name: place for place, name in enumerate(names, 1)}
        return provisioning.Connected(ml_backend_id=1, webhook_id=2, views=views, previous={})

    monkeypatch.setattr(provisioning, "connect", connect)
    settings = worked.runtime.settings
    values = settings.model_dump() | {"label_studio_token": "a" * 40, "robot_token": "b" * 40}
    chosen = type(settings).model_validate(values)
    app = create_app(replace(worked.runtime, settings=chosen))
    app.testing = True
    return app


def form_of(worked: WorkedProject, **changed: str) -> dict[str, str]:
    return {
        "instead_of": worked.project.policy_hash,
        "reason": "the claim is proved",
        "confirmed": "yes",
        "max_error_percent": "10",
    } | changed


def test_an_admin_applies_a_draft_with_a_reason(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = app_of(worked, monkeypatch).test_client()
    before = worked.project
    page = html(client, f"{URL}/draft?max_error_percent=10")
    assert f'name="instead_of" value="{before.policy_hash}"' in page
    assert 'name="max_error_percent" value="10"' in page
    response = client.post(f"{URL}/draft", data=form_of(worked))
    assert response.status_code == 303, response.text
    after = worked.project
    rule = parse_policy(after.policy_text).auto_accept
    assert isinstance(rule, AutoAccept)
    assert (rule.max_error_rate, rule.confidence) == (0.1, 0.8)
    with worked.runtime.reads() as session:
        (act,) = newest_acts(session, 1, 9)
        assert policies_in_force(session, 1, 9)[0].policy_hash == after.policy_hash
    assert (act.what, act.who) == ("policy.applied", "this machine")
    assert act.detail == {
        "reason": "the claim is proved",
        "before": before.policy_hash,
        "changed": ["auto_accept.max_error_rate: 0.2 -> 0.1"],
    }


@pytest.mark.parametrize(
    ("changed", "status", "told"),
    [
        ({"reason": "  "}, 422, "say why"),
        ({"reason": "x" * 1_001}, 422, "1,000 at most"),
        ({"confirmed": ""}, 422, "tick the box"),
        ({"max_error_percent": "20"}, 422, "changes nothing"),
        ({"instead_of": "0" * 64}, 409, "another policy came into force"),
        ({"instead_of": ""}, 409, "another policy came into force"),
        ({"max_error_percent": "x"}, 422, "not a number"),
    ],
)
def test_what_is_not_confirmed_or_out_of_date_is_refused(
    worked: WorkedProject,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str],
    status: int,
    told: str,
) -> None:
    client = app_of(worked, monkeypatch).test_client()
    before = worked.project
    response = client.post(f"{URL}/draft", data=form_of(worked, **changed))
    assert response.status_code == status
    assert told in response.text
    assert worked.project == before
    with worked.runtime.reads() as session:
        assert newest_acts(session, 1, 9) == []


def test_of_two_who_apply_at_once_the_second_is_refused(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another policy comes into force after the form was checked and before it is stored."""
    app = app_of(worked, monkeypatch)
    form = form_of(worked)
    inner, other = worked.runtime.tool, worked_policy(auto_accept="never")
    runtime = app.extensions["labelgate"].runtime

    def tool() -> Any:
        if worked.project.policy_hash == form["instead_of"]:
            worked.connect(other)
        return inner()

    object.__setattr__(runtime, "tool", tool)
    response = app.test_client().post(f"{URL}/draft", data=form)
    assert response.status_code == 409
    assert "not in force any more" in response.text
    assert parse_policy(worked.project.policy_text).auto_accept == "never"
    with worked.runtime.reads() as session:
        assert newest_acts(session, 1, 9) == []


@pytest.mark.parametrize("fails", [False, True])
def test_what_came_into_force_while_label_studio_was_set_up_stays(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    """Who was slower to set up does not put the policy back that was replaced meanwhile."""

    def meanwhile() -> None:
        worked.connect(worked_policy(auto_accept="never"))
        if fails:
            raise AnnotationToolUnavailableError("Label Studio went down")

    app = app_of(worked, monkeypatch, meanwhile)
    response = app.test_client().post(f"{URL}/draft", data=form_of(worked))
    assert response.status_code == (503 if fails else 409)
    assert parse_policy(worked.project.policy_text).auto_accept == "never"
    with worked.runtime.reads() as session:
        assert [each.what for each in newest_acts(session, 1, 9)] == ["policy.applied"]


def test_a_draft_that_fails_its_own_tests_is_not_applied(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = {
        "name": "sure ones pass",
        "prediction": {"label": "A", "score": 0.1},
        "expect": {"outcome": "accept"},
    }
    promise = {"max_error_rate": 0.2, "confidence": 0.8, "floor": 0.75}
    worked.connect(worked_policy(auto_accept=promise, tests=[test]))
    client = app_of(worked, monkeypatch).test_client()
    page = html(client, f"{URL}/draft?max_error_percent=10")
    assert "sure ones pass: outcome is review, not accept" in page
    assert "Put this draft in force" not in page
    response = client.post(f"{URL}/draft", data=form_of(worked))
    assert response.status_code == 422
    assert "1 of 1 tests of the policy fail, nothing is applied" in response.text


def test_where_label_studio_is_down_the_policy_before_stays(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_of(worked, monkeypatch)
    monkeypatch.undo()
    runtime = app.extensions["labelgate"].runtime
    nowhere = runtime.settings.model_copy(update={"label_studio_url": "http://127.0.0.1:1"})
    object.__setattr__(runtime, "settings", nowhere)
    before = worked.project
    response = app.test_client().post(f"{URL}/draft", data=form_of(worked))
    assert response.status_code == 503
    assert "nothing is applied" in response.text
    assert worked.project == before
    with worked.runtime.reads() as session:
        acts = [each.what for each in newest_acts(session, 1, 9)]
    assert acts == ["policy.applied.taken_back", "policy.applied"]


def test_the_sample_is_gathered_once_for_all_moves(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = app_of(worked, monkeypatch).test_client()
    kept = client.application.extensions["labelgate.what_if"]
    for value in ("5", "10", "15"):
        page = html(client, f"{URL}/what-if?max_error_percent={value}")
        assert "<html" not in page
        assert "all 20 tasks" in page
    assert len(kept) == 1
    worked.connect(worked_policy(auto_accept="never"))
    html(client, f"{URL}/what-if")
    assert len(kept) == 2


def test_the_labelling_config_is_named_where_it_cannot_be_read(project: WebProject) -> None:
    project.connect(policy=POLICY, config=CONFIG.replace("Choices", "Chooses"))
    assert "the labelling config" in html(project.client())
