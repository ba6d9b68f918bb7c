"""Every command on the pages is one: guides run theirs, and here all are parsed, options too."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from flask import Flask

from backend.app import create_app
from labelgate import main
from tests.fakes.web_project import web_project
from tests.guides.written import ROOT, Written, commands, mentions

TYPED = commands()
OURS = [each for each in TYPED if re.match(r"(?:[A-Z_]+=\S+ )*labelgate\b", each.text)]
# Programs that are not ours, and why nobody runs them here.
ELSEWHERE = {
    "docker": "no container runtime where the tests run; its page says that it was not tried",
    "python3": "makes an environment for Label Studio: `make label-studio` does it for the tests",
    "pip": "installs from a package index",
    "label-studio": "started by the tests with the same two variables: server_process.SETTINGS",
    "createdb": "another database server",
}
PLACEHOLDER = re.compile(r"^(?:\.\.\.|[A-Z][A-Z0-9_]*)$")


def test_there_are_commands_on_many_pages() -> None:
    assert len(OURS) > 60
    assert len({each.page for each in OURS}) > 15


@pytest.mark.parametrize("typed", OURS, ids=str)
def test_every_command_can_be_typed(typed: Written) -> None:
    parse(shlex.split(typed.text), whole=True)


@pytest.mark.parametrize("mentioned", mentions(), ids=str)
def test_every_command_in_a_sentence_is_there(mentioned: Written) -> None:
    parse(shlex.split(mentioned.text), whole=False)


@pytest.mark.parametrize("typed", [each for each in TYPED if each not in OURS], ids=str)
def test_every_other_command_is_known(typed: Written, flask: Flask) -> None:
    words = typed.text.split()
    while "=" in words[0]:
        words.pop(0)
    program = Path(words[0]).name
    if program == "make":
        targets = set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert words[1] in targets
    elif program == "export":
        assert "=" in words[1]
    elif program == "curl":
        assert is_route(typed.text, flask)
    else:
        assert program in ELSEWHERE, f"{program}: run it in a test, or say why not"


@pytest.fixture
def flask(tmp_path: Path) -> Flask:
    return create_app(web_project(tmp_path).runtime)


def is_route(typed: str, app: Flask) -> bool:
    """Whether the address that is asked is one of the app's, by the method that is named."""
    path = re.findall(r":9090(/[^\s'\"?]*)", typed)[0].replace("ID", "7")
    named = re.findall(r"-X (\w+)", typed)
    method = named[0] if named else "POST" if " -d " in typed else "GET"
    return app.url_map.bind("localhost").test(path, method)


def parse(words: list[str], *, whole: bool) -> None:
    """A usage error where a command, an option or a value of it is none; nothing is run.

    ``whole``: also where something that is needed is missing.
    """
    while "=" in words[0] and words[0] != "labelgate":
        words = words[1:]
    command: click.Command = main
    context = click.Context(main, info_name="labelgate")
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        assert found is not None, f"{' '.join(words)}: there is no {rest[0]!r}"
        command, rest = found, rest[1:]
        context = click.Context(command, parent=context, info_name=words[0])
    given, left, _ = command.make_parser(context).parse_args(args=list(rest))
    assert not left or (left == ["..."] and not whole), (
        f"{' '.join(words)}: {left} is more than it takes"
    )
    for parameter in command.params:
        value = given.get(parameter.name)
        needed = whole and parameter.required
        assert value is not None or not needed, f"{' '.join(words)}: {parameter.name} is missing"
        checked = isinstance(value, str) and not PLACEHOLDER.match(value)
        if checked and not isinstance(parameter.type, (click.Path, click.File)):
            parameter.type_cast_value(context, value)
