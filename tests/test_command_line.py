"""What holds for every command: help with an example, --json, exit codes, a quick start."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from backend.commands.program import INTERRUPTED, OWN_ERROR, UNREACHABLE, Program
from labelgate import main
from tests.fakes.migrated import migrated_engine

WITHOUT_JSON = {
    "labelgate completion": "prints a script for a shell",
    "labelgate jobs run": "prints JSON and nothing else",
    "labelgate policy schema": "prints JSON and nothing else",
    "labelgate scheduler": "runs until it is stopped, and logs",
    "labelgate serve": "runs until it is stopped, and logs",
    "labelgate worker": "runs until it is stopped, and logs",
    "labelgate web": "runs until it is stopped, and logs",
}
# What only commands that learn or measure need.
HEAVY = ("sklearn", "skops", "label_studio_sdk", "pandas", "flask", "apscheduler")
EXAMPLE = re.compile(r"Example: (labelgate .*)")


def _commands() -> Iterator[tuple[str, click.Command]]:
    yield from _below("labelgate", main)


def _below(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command, info_name=path)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from _below(f"{path} {name}", child)


COMMANDS = dict(_commands())


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_every_command_reports_as_json_or_says_why_not(path: str) -> None:
    options = {name for each in COMMANDS[path].params for name in each.opts}

    assert ("--json" in options) != (path in WITHOUT_JSON)


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_every_command_has_an_example_that_is_understood(path: str) -> None:
    command = COMMANDS[path]
    if path == "labelgate completion":
        assert "labelgate completion bash" in (command.help or "")
        return
    found = EXAMPLE.search(command.help or "")
    assert found is not None, f"{path} has no example in its help"
    words = shlex.split(found[1].partition(" > ")[0])
    assert words[: len(path.split())] == path.split()

    given = words[len(path.split()) :]
    command.make_context(path, given)


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labelgate", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("jobs", "list"),
        ("jobs", "log"),
        ("ledger", "verify"),
        ("alerts", "list"),
        ("breaker", "status"),
        ("policy", "check", "--help"),
        ("certificates", "--help"),
        ("serve", "--help"),
        ("completion", "bash"),
    ],
)
def test_simple_commands_import_nothing_that_only_others_need(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    migrated_engine(f"sqlite:///{tmp_path / 'labelgate.db'}").dispose()
    program = (
        "import sys\nfrom labelgate import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print('IMPORTED', *sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "LABELGATE_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    imported = set(ended.stderr.rpartition("IMPORTED")[2].split())
    assert imported.isdisjoint(HEAVY)


def test_help_of_the_whole_names_every_command_without_importing_one() -> None:
    said = CliRunner().invoke(main, ["--help"]).stdout

    for path, command in COMMANDS.items():
        if len(path.split()) == 2:
            assert f"  {path.split()[1]} " in said
            assert " ".join(command.get_short_help_str(20).split()[:2]).rstrip(".") in said


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["doktor"], "Did you mean 'doctor'?"),
        (["models", "lst"], "Did you mean 'list'?"),
        (["ledger", "verify", "--projet", "3"], "Did you mean '--project'?"),
        (["jobs", "run", "figurs"], "'figures'"),
    ],
)
def test_what_is_misspelt_is_told_with_what_was_meant(words: list[str], meant: str) -> None:
    ended = CliRunner().invoke(main, words)

    assert ended.exit_code == 2
    assert meant in ended.stderr


def test_a_database_that_cannot_be_used_ends_with_three(tmp_path: Path) -> None:
    (tmp_path / "labelgate.db").mkdir()

    ended = CliRunner().invoke(
        main, ["ledger", "verify"], env={"LABELGATE_DATA_DIR": str(tmp_path)}
    )

    assert ended.exit_code == UNREACHABLE
    assert "labelgate doctor" in ended.stderr
    assert ended.stdout == ""


def test_a_data_folder_that_is_none_is_told_with_the_setting(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.touch()

    ended = CliRunner().invoke(main, ["ledger", "verify"], env={"LABELGATE_DATA_DIR": str(file)})

    assert ended.exit_code == 1
    assert str(file) in ended.stderr
    assert "LABELGATE_DATA_DIR" in ended.stderr


def test_a_label_studio_that_is_down_ends_with_three(tmp_path: Path) -> None:
    environment = {
        "LABELGATE_DATA_DIR": str(tmp_path),
        "LABELGATE_LABEL_STUDIO_URL": "http://127.0.0.1:1",
        "LABELGATE_LABEL_STUDIO_TOKEN": "0" * 40,
        "LABELGATE_ROBOT_TOKEN": "1" * 40,
    }

    ended = CliRunner().invoke(main, ["disconnect", "--project", "3"], env=environment)

    assert ended.exit_code == UNREACHABLE
    assert "does not answer" in ended.stderr


def _program(wrong: BaseException) -> Program:
    @click.command()
    def fail() -> None:
        raise wrong

    made = Program("labelgate", lazy={})
    made.add_command(fail)
    return made


def test_an_error_of_its_own_is_one_line_and_names_the_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LABELGATE_DEBUG", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    ended = CliRunner().invoke(_program(ValueError("no such thing\nat all")), ["fail"])

    (kept,) = tmp_path.iterdir()
    assert ended.exit_code == OWN_ERROR
    assert ended.stderr.count("\n") == 1
    assert "ValueError: no such thing" in ended.stderr
    assert str(kept) in ended.stderr
    assert "Traceback" in kept.read_text(encoding="utf-8")


def test_where_the_traceback_is_wanted_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELGATE_DEBUG", "1")

    ended = CliRunner().invoke(_program(ValueError("no such thing")), ["fail"])

    assert isinstance(ended.exception, ValueError)


def test_ctrl_c_ends_with_130_and_says_nothing() -> None:
    ended = CliRunner().invoke(_program(KeyboardInterrupt()), ["fail"])

    assert ended.exit_code == INTERRUPTED
    assert ended.stderr.strip() == ""


def test_quiet_leaves_out_what_was_not_asked_for(tmp_path: Path) -> None:
    environment = {"LABELGATE_DATA_DIR": str(tmp_path)}
    migrated_engine(f"sqlite:///{tmp_path / 'labelgate.db'}").dispose()

    listed = CliRunner().invoke(main, ["--quiet", "jobs", "list", "--json"], env=environment)

    assert "sync" in json.loads(listed.stdout)["jobs"]
    assert listed.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str) -> None:
    ended = _run("completion", shell)

    assert ended.returncode == 0
    assert "_LABELGATE_COMPLETE" in ended.stdout


def _completed(words: str, folder: Path) -> list[str]:
    ended = subprocess.run(
        [sys.executable, "-c", "from labelgate import main; main(prog_name='labelgate')"],
        env={
            **os.environ,
            "LABELGATE_DATA_DIR": str(folder),
            "_LABELGATE_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert ended.stderr == ""
    return [line.partition(",")[2] for line in ended.stdout.splitlines() if line]


def test_commands_options_and_jobs_are_completed(tmp_path: Path) -> None:
    assert _completed("labelgate led", tmp_path) == ["ledger"]
    assert "list" in _completed("labelgate jobs ", tmp_path)
    assert _completed("labelgate ledger verify --pro", tmp_path) == ["--project"]
    assert "figures" in _completed("labelgate jobs run fig", tmp_path)


def test_without_a_database_nothing_is_offered_and_nothing_fails(tmp_path: Path) -> None:
    assert _completed("labelgate train --project ", tmp_path / "none") == []
    (tmp_path / "labelgate.db").write_bytes(b"no database" * 100)
    assert _completed("labelgate train --project ", tmp_path) == []


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows sends no SIGINT to a process: run it on Linux or macOS"
)
def test_a_real_ctrl_c_ends_a_real_process_silently() -> None:
    program = (
        "import os, signal, click\nfrom labelgate import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background
        "@main.command()\ndef wait():\n    os.kill(os.getpid(), signal.SIGINT)\n"
        "    signal.pause()\nmain(['wait'])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 128 + signal.SIGINT
    assert (ended.stdout + ended.stderr).strip() == ""


def test_the_commands_of_the_guide_are_understood() -> None:
    page = Path(__file__).parents[1] / "docs" / "command-line.md"
    fences = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)
    fenced = "".join(fences.findall(page.read_text("utf-8")))
    found = re.findall(r"labelgate( [a-z -]+)", fenced)

    assert len(found) >= 5
    for words in found:
        name, *given = words.split()
        COMMANDS[f"labelgate {name}"].make_context(name, given)
