"""The guide to who may look: its commands can be typed as they stand there, and do what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.accounts import MOST_DAYS
from backend.commands.accounts import accounts
from backend.commands.share import share
from backend.passwords import EFFORT, LEAST
from backend.settings import Settings
from backend.signing_in import IDLE, LONGEST
from backend.web.attempts import BY_ADDRESS, BY_NAME
from backend.web.recent_failures import WINDOW
from labelgate import main
from tests.fakes.visitors import HTML, PASSWORD, bearer, quick_passwords, sign_in
from tests.fakes.web_project import WebProject, web_project

__all__ = ["quick_passwords"]
TEXT = (Path(__file__).parents[1] / "docs" / "access.md").read_text(encoding="utf-8")
WORDS = " ".join(TEXT.split())
COMMANDS = [shlex.split(line) for line in re.findall(r"^    labelgate (.*)$", TEXT, re.MULTILINE)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WebProject:
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(tmp_path))
    made = web_project(tmp_path)
    made.connect(3)
    return made


@pytest.mark.usefixtures("quick_passwords")
def test_the_commands_in_their_order(project: WebProject) -> None:
    said: dict[str, str] = {}
    for words in COMMANDS:
        result = CliRunner().invoke(main, words, input=f"{PASSWORD}\n")
        assert result.exit_code == 0, (words, result.output)
        said[" ".join(words[:3])] = result.stdout
    assert "ann" in said["accounts list"]
    app = project.app()
    for name in ("ann", "bob"):
        assert sign_in(app.test_client(), name).status_code == 303
    token = said["accounts token prometheus"].strip()
    client = app.test_client()
    assert client.get("/metrics", headers=bearer(token)).status_code == 401  # it was revoked
    links = [line for line in said["share list"].splitlines() if " open " in line]
    assert len(links) == 2
    (address,) = re.findall(r"/share/\S+", said["share create --all"])
    assert app.test_client().get(address, headers=HTML).status_code == 303


def test_it_names_every_command() -> None:
    for group, name in ((accounts, "accounts"), (share, "share")):
        assert set(group.commands) == {words[1] for words in COMMANDS if words[0] == name}


def test_it_names_settings_that_there_are() -> None:
    named = {each.removeprefix("LABELGATE_").lower() for each in re.findall(r"LABELGATE_\w+", TEXT)}
    assert named <= set(Settings.model_fields)


def test_its_figures_are_those_of_the_code() -> None:
    hours = int(IDLE.total_seconds() // 3600)
    minutes = int(WINDOW.total_seconds() // 60)
    megabytes = 128 * 2**EFFORT.log2_n * EFFORT.r // 2**20
    for figure in (
        f"{hours} hours without a request, and after {LONGEST.days} days in any case",
        f"{BY_NAME} failed attempts at a name",
        f"{BY_ADDRESS} from an address, within {minutes} minutes",
        f"{LEAST} characters or more",
        f"takes {megabytes} MB",
        f"at most {MOST_DAYS}",
    ):
        assert figure in WORDS
