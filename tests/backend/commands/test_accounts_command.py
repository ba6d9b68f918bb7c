"""``labelgate accounts`` and ``share``: what they print, refuse and keep."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from backend.commands.accounts import _password
from backend.store.acts import newest_acts
from labelgate import main
from tests.fakes.visitors import HTML, PASSWORD, bearer, quick_passwords, sign_in
from tests.fakes.web_project import WebProject, web_project

__all__ = ["quick_passwords"]
pytestmark = pytest.mark.usefixtures("quick_passwords", "project")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WebProject:
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("LABELGATE_USERNAME", raising=False)
    made = web_project(tmp_path)
    made.connect()
    return made


def run(*words: object, given: str | None = None) -> Result:
    return CliRunner().invoke(main, list(map(str, words)), input=given)


def done(*words: object, given: str | None = None) -> str:
    result = run(*words, given=given)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*words: object, given: str | None = None) -> str:
    result = run(*words, given=given)
    assert result.exit_code in {1, 2}, result.output
    assert "Traceback" not in result.output
    return result.output


def test_an_account_is_added_and_signs_in(project: WebProject) -> None:
    said = done("accounts", "add", "ann", "--role", "admin", given=PASSWORD + "\n")
    assert said == "ann may sign in as admin at http://127.0.0.1:9090/sign-in\n"
    assert PASSWORD not in said
    assert sign_in(project.client(), "ann").status_code == 303


def test_a_password_comes_from_a_file(project: WebProject, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from a file, über\nand not this\n", encoding="utf-8")
    done("accounts", "add", "ann", "--role", "admin", "--password-file", file)
    assert sign_in(project.client(), "ann", "from a file, über").status_code == 303
    done("accounts", "password", "ann", "--password-file", "-", given=PASSWORD)
    assert sign_in(project.client(), "ann").status_code == 303
    assert "No such file" in refused("accounts", "password", "ann", "--password-file", "nowhere")
    file.write_bytes("in latin letters, über".encode("latin-1"))
    assert "no UTF-8 text" in refused("accounts", "password", "ann", "--password-file", file)


def test_at_a_terminal_it_is_asked_for_twice_and_never_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    typed = f"{PASSWORD}\nanother by mistake\n{PASSWORD}\n{PASSWORD}\n"
    with CliRunner().isolation(input=typed) as (shown, *_):
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        assert _password(None) == PASSWORD
        said = shown.getvalue().decode()
    assert "Password" in said
    assert "do not match" in said
    assert PASSWORD not in said


def test_a_password_is_no_argument() -> None:
    assert "No such option" in refused("accounts", "add", "ann", "--password", PASSWORD)
    assert "unexpected extra argument" in refused(
        "accounts", "add", "ann", PASSWORD, "--role", "admin"
    )


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("ann", "short", "a password has 12 to 1,000 characters"),
        ("ann", "", "this one 0"),
        ("", PASSWORD, "1 to 80 characters"),
        (" ann", PASSWORD, "no space at its ends"),
        ("a\nb", PASSWORD, "can be seen"),
        ("x" * 81, PASSWORD, "1 to 80 characters"),
    ],
)
def test_what_makes_no_account_is_said(name: str, given: str, says: str) -> None:
    said = refused("accounts", "add", name, "--role", "viewer", given=given + "\n")
    assert says in said
    assert json.loads(done("accounts", "list", "--json")) == []


def test_a_name_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    done("accounts", "add", "ann", "--role", "admin", given=PASSWORD)
    said = refused("accounts", "add", "ann", "--role", "viewer", given=PASSWORD)
    assert "is there already" in said
    monkeypatch.setenv("LABELGATE_USERNAME", "gate")
    monkeypatch.setenv("LABELGATE_PASSWORD", "x")
    said = refused("accounts", "add", "gate", "--role", "viewer", given=PASSWORD)
    assert "LABELGATE_USERNAME" in said


def test_accounts_are_listed_with_their_tokens(project: WebProject) -> None:
    assert "makes the first" in done("accounts", "list")
    done("accounts", "add", "ann", "--role", "admin", given=PASSWORD)
    robot = run("accounts", "add", "prometheus", "--role", "viewer", "--no-password")
    assert "make a token by `labelgate accounts token prometheus`" in robot.stdout
    token = done("accounts", "token", "prometheus", "--note", "scraper").strip()
    assert project.client().get("/metrics", headers=bearer(token)).status_code == 200
    assert project.client().get("/account/share", headers=bearer(token)).status_code == 403
    listed = done("accounts", "list")
    assert "ann         admin   a password, 0 tokens" in listed
    assert "prometheus  viewer  no password, 1 tokens" in listed
    assert "scraper" in listed
    assert token not in listed
    as_json = json.loads(done("accounts", "list", "--json"))
    assert [each["name"] for each in as_json] == ["ann", "prometheus"]
    (kept,) = as_json[1]["tokens"]
    assert set(kept) == {"id", "note", "created_at"}
    assert "shown this once" in run("accounts", "token", "prometheus").stderr
    assert "lga_" in json.loads(done("accounts", "token", "prometheus", "--json"))["token"]
    assert "has no valid token 99" in refused("accounts", "revoke", "prometheus", "--token", 99)
    said = done("accounts", "revoke", "prometheus", "--token", kept["id"])
    assert said == "1 tokens of prometheus are valid no more\n"
    assert project.client().get("/metrics", headers=bearer(token)).status_code == 401
    assert done("accounts", "revoke", "prometheus").startswith("2 tokens")


def test_an_account_is_disabled_and_enabled(project: WebProject) -> None:
    done("accounts", "add", "ann", "--role", "admin", given=PASSWORD)
    result = run("accounts", "disable", "ann")
    assert "`labelgate accounts enable ann` undoes it" in result.stdout
    assert "no admin can sign in now" in result.stderr
    assert "disabled since" in done("accounts", "list")
    assert "is disabled" in refused("accounts", "token", "ann")
    assert sign_in(project.client(), "ann").status_code == 403
    done("accounts", "enable", "ann")
    assert sign_in(project.client(), "ann").status_code == 303
    assert "no admin can sign in" in run("accounts", "role", "ann", "viewer").stderr
    assert "viewer" in done("accounts", "list")


def test_what_changes_an_account_or_a_link_says_in_json_how_it_stands_then() -> None:
    added = done("accounts", "add", "ann", "--role", "admin", "--json", given=PASSWORD)
    assert json.loads(added) == json.loads(done("accounts", "list", "--json"))[0]
    done("accounts", "token", "ann")
    changes: tuple[tuple[tuple[str, ...], str, object], ...] = (
        (("role", "ann", "viewer"), "role", "viewer"),
        (("password", "ann"), "password", True),
        (("revoke", "ann"), "tokens", []),
        (("disable", "ann"), "disabled_at", json.loads(added)["created_at"]),
        (("enable", "ann"), "disabled_at", None),
    )
    for words, key, value in changes:
        found = json.loads(done("accounts", *words, "--json", given=PASSWORD))[key]
        assert (found is None) == (value is None), words
        assert key == "disabled_at" or found == value, words
    done("share", "create", "--all")
    taken = json.loads(done("share", "revoke", 1, "--json"))
    assert (taken["state"], taken["project"]) == ("revoked", None)


def test_quiet_commands_print_what_was_asked_for_alone() -> None:
    said = run("--quiet", "accounts", "add", "ann", "--role", "viewer", given=PASSWORD)
    assert (said.stdout, said.stderr) == ("", "")
    token = run("--quiet", "accounts", "token", "ann")
    assert token.stdout.startswith("lga_")
    assert token.stderr == ""


@pytest.mark.parametrize("what", ["password", "disable", "enable", "token", "revoke"])
def test_who_is_not_there_is_said(what: str) -> None:
    assert "there is no account 'nobody'" in refused("accounts", what, "nobody", given=PASSWORD)


def test_links_are_made_listed_and_taken_back(project: WebProject) -> None:
    assert "makes one" in done("share", "list")
    made = run("share", "create", "--project", "web", "--days", 3, "--note", "board")
    address = made.stdout.strip()
    assert address.startswith("http://127.0.0.1:9090/share/lgs_")
    assert "shown this once; link 1 holds until" in made.stderr
    whole = json.loads(done("share", "create", "--all", "--json"))
    assert (whole["project"], whole["state"], whole["id"]) == (None, "open", 2)
    listed = done("share", "list")
    assert "open" in listed
    assert "web  board  by command line" in listed
    assert "all projects" in listed
    assert "lgs_" not in listed
    assert done("share", "revoke", 1) == "link 1 opens nothing any more\n"
    assert [each["state"] for each in json.loads(done("share", "list", "--json"))] == [
        "open",
        "revoked",
    ]
    path = address.removeprefix("http://127.0.0.1:9090")
    assert project.client().get(path, headers=HTML).status_code == 410
    with project.runtime.reads() as session:
        acts = newest_acts(session, None, 10)
    assert [(each.what, each.who) for each in acts] == [
        ("share.revoked", "command line"),
        ("share.made", "command line"),
        ("share.made", "command line"),
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "either --project PROJECT or --all"),
        (("--project", "web", "--all"), "either --project PROJECT or --all"),
        (("--project", "other"), "no project 'other' is connected"),
        (("--all", "--days", "0"), "not 0"),
        (("--all", "--days", "nan"), "not nan"),
        (("--all", "--days", "366"), "at most 365 days"),
        (("--all", "--note", "x" * 201), "at most 200 characters"),
    ],
)
def test_what_cannot_be_shared_is_said(words: tuple[str, ...], says: str) -> None:
    assert says in refused("share", "create", *words)
    assert "there is no link 1" in refused("share", "revoke", 1)
