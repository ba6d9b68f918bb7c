"""The guide's addresses open, and its commands can be typed as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from backend.app import create_app
from labelgate import main
from tests.fakes.accepting_project import accepting_project, accepts
from tests.fakes.worked_project import WorkedProject

GUIDE = Path(__file__).parents[1] / "docs" / "how-to-explain-a-decision.md"
TEXT = GUIDE.read_text(encoding="utf-8")
ADDRESSES = re.findall(r"`(/projects/3/\S+)`", TEXT)
FILES = re.findall(r'curl -OJ "http://127\.0\.0\.1:9090(\S+)"', TEXT)
COMMANDS = [shlex.split(line) for line in re.findall(r"^    labelgate (.*)$", TEXT, re.MULTILINE)]


@pytest.fixture
def worked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkedProject:
    made = accepting_project(tmp_path)
    assert accepts(made)
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(made.runtime.settings.data_dir))
    monkeypatch.setenv("LABELGATE_WEBHOOK_SECRET", "the secret")
    return made


@pytest.fixture
def client(worked: WorkedProject) -> FlaskClient:
    return create_app(worked.runtime).test_client()


def test_the_guide_shows_some() -> None:
    assert len(ADDRESSES) > 8
    assert FILES
    assert len(COMMANDS) == 3


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_address_is_a_search_that_is_understood(client: FlaskClient, address: str) -> None:
    response = client.get(address.replace("/projects/3/", "/projects/1/"))
    assert response.status_code == 200
    assert 'aria-invalid="true"' not in response.text


@pytest.mark.parametrize("address", FILES)
def test_every_file_comes(client: FlaskClient, worked: WorkedProject, address: str) -> None:
    response = client.get(address.replace("/projects/3/", "/projects/1/"))
    assert response.status_code == 200
    lines = response.text.splitlines()
    assert len(lines) > len(accepts(worked))
    assert lines[0].startswith("seq,decided_at,task,outcome")


def test_the_page_of_a_decision_has_the_parts_in_the_guide_s_order(
    client: FlaskClient, worked: WorkedProject
) -> None:
    task_id = min(accepts(worked))
    page = client.get(f"/projects/1/decisions/{worked.decisions()[task_id].seq}").text
    parts = (
        "<h1",
        "What people said",
        "The rule",
        "The answer and its score",
        "What chance had to do with it",
        "The evidence",
        "In Label Studio</h2>",
        "All decisions on this task",
        "Would it be decided like that today?",
        "The task's data",
        "The ledger's entry",
    )
    places = [page.index(part) for part in parts]
    assert places == sorted(places)
    numbered = re.findall(r"^\d+\. \*\*", TEXT, re.MULTILINE)
    assert len(numbered) == len(parts)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_works(worked: WorkedProject, words: list[str]) -> None:
    own = {"3": str(worked.project_id), "v7": "v1"}
    result = CliRunner().invoke(main, [own.get(word, word) for word in words])
    assert result.exit_code == 0, result.output
