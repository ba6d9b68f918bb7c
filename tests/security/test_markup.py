"""Cross-site scripting: whatever others name stays text, on every page and in every report."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

from backend.app import create_app
from backend.store.models import all_versions
from labelgate import main
from tests.fakes.hostile_project import ELEMENT, MARKUP, PASSWORD, hostile_project
from tests.fakes.visitors import HTML, signed_in
from tests.fakes.worked_project import WorkedProject

_LINKS = ("href", "src", "action", "formaction", "xlink:href")
_FOREIGN = frozenset({"iframe", "object", "embed", "base", "applet", "meta-refresh"})


class _Markup(HTMLParser):
    """What runs in a page, and whether hostile text is in it as text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.texts: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        given = {name: value or "" for name, value in attrs}
        self.texts += given.values()
        if tag == ELEMENT or tag in _FOREIGN:
            self.found.append(f"<{tag}>")
        self.found += [f"<{tag} {name}>" for name in given if name.startswith("on")]
        for name in _LINKS:
            if given.get(name, "").strip().lower().startswith(("javascript:", "data:", "//")):
                self.found.append(f"<{tag} {name}={given[name]}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._inside = ""

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._inside = ""

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._inside == "script" and data.strip():
            self.found.append(f"<script> with {data[:40]!r}")


def read(page: str) -> _Markup:
    markup = _Markup()
    markup.feed(page)
    markup.close()
    return markup


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> WorkedProject:
    return hostile_project(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def app(hostile: WorkedProject) -> Flask:
    return create_app(hostile.runtime)


@pytest.fixture(scope="module")
def client(app: Flask) -> FlaskClient:
    return signed_in(app, "ann", PASSWORD)


def paths(app: Flask, hostile: WorkedProject) -> list[str]:
    """Every path that can be opened, with all versions, a decision, a run and a policy."""
    with hostile.runtime.reads() as session:
        versions = [each.version for each in all_versions(session, hostile.project_id)]
    values = {
        "project_id": [str(hostile.project_id)],
        "version": [quote(each, safe="") for each in versions],
        "seq": ["1", "20", "80"],
        "run_id": ["1", "10", "20"],
        "digest": [hostile.project.policy_hash],
        "link_id": ["1"],
        "token": ["x"],
        "filename": ["labelgate.css"],
        "request_id": ["1"],
    }
    found = []
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()):
            continue
        filled = [""]
        for is_dynamic, part in rule._trace:
            options = values[part] if is_dynamic else [part]
            filled = [f"{start}{option}" for start in filled for option in options]
        found += [each.removeprefix("|") for each in filled]
    return found


def test_every_page_shows_it_as_text(
    app: Flask, client: FlaskClient, hostile: WorkedProject
) -> None:
    shown, told = 0, []
    for path in paths(app, hostile):
        answer = client.get(path, headers=HTML)
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe" not in policy, path
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert answer.status_code < 500, (path, answer.text[:300])
        if answer.mimetype == "text/html":
            markup = read(answer.text)
            told += [(path, each) for each in markup.found]
            assert "style=" not in answer.text, path
            shown += any(ELEMENT in each for each in markup.texts)
        answer.close()
    assert told == []
    assert shown >= 20, "hardly a page shows anything hostile: what is tested?"


ASKED = [
    "/nowhere/{0}",
    "/projects?project={0}",
    "/projects/1/decisions?label={0}&task={0}&rule={0}&human={0}&model={0}&tier={0}&since={0}",
    "/projects/1/decisions?sort={0}&after={0}&outcome={0}&purpose={0}",
    "/projects/1/what-if?max_error_percent={0}&capacity_0={0}",
    "/projects/1/policy?max_error_percent={0}&confidence_percent={0}",
    "/projects/1/models/{0}",
    "/jobs?job={0}&outcome={0}&project={0}&before={0}",
    "/sign-in?next={0}",
    "/sign-in?next=javascript:a()",
    "/sign-in?next=//evil.example",
    "/share/{0}",
    "/account/share?project={0}",
]


@pytest.mark.parametrize("path", ASKED)
def test_what_an_address_says_comes_back_as_text(client: FlaskClient, path: str) -> None:
    for anonymous in (False, True):
        asking = client.application.test_client() if anonymous else client
        answer = asking.get(path.format(quote(MARKUP, safe="")), headers=HTML)
        assert answer.status_code < 500
        assert read(answer.text).found == []
        assert "evil.example" not in answer.headers.get("Location", "")


def test_what_a_form_says_comes_back_as_text(client: FlaskClient) -> None:
    page = client.get("/sign-in").text
    secret = page.rsplit('name="csrf" value="', 1)[1].split('"')[0]
    form = {"csrf": secret, "name": MARKUP, "password": MARKUP, "next": MARKUP}
    answer = client.post("/sign-in", data=form, headers=HTML)
    assert answer.status_code == 403
    assert any(ELEMENT in each for each in read(answer.text).texts)
    assert read(answer.text).found == []


def test_programs_get_a_type_that_no_browser_runs(client: FlaskClient) -> None:
    for path in ("/projects/1/decisions.json", "/projects/1/decisions.csv", "/openapi.json"):
        answer = client.get(path)
        assert answer.mimetype in {"application/json", "text/csv"}
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        answer.close()


REPORTS = {
    "agreement": ["agreement", "--project", "1", "--html"],
    "evidence": ["report", "--project", "1", "--out"],
}


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_shows_it_as_text(
    hostile: WorkedProject, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(hostile.runtime.settings.data_dir))
    file = tmp_path / f"{name}.html"
    result = CliRunner().invoke(main, [*REPORTS[name], str(file)])
    assert file.exists(), result.output
    markup = read(file.read_text("utf-8"))
    assert markup.found == []
    assert any(ELEMENT in each for each in markup.texts)


def test_no_template_marks_what_it_is_given_as_safe() -> None:
    root = Path(__file__).parents[2]
    templates = [
        file for folder in ("backend", "audit_jobs") for file in (root / folder).rglob("*.html")
    ]
    assert len(templates) > 30
    for file in templates:
        text = file.read_text("utf-8")
        for door in ("|safe", "| safe", "autoescape false", "<script>", "onclick", ' style="'):
            assert door not in text, (file, door)
