"""The guide's commands can be typed as they stand there, and do what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from audit_jobs.corrections import job as corrections
from backend.breakers.watch import watch
from labelgate import main
from policies.domain import Purpose
from tests.fakes.accepting_project import accepts
from tests.fakes.breaker_project import RUN, breaker_project, trip
from tests.fakes.worked_project import WorkedProject

GUIDE = Path(__file__).parents[1] / "docs" / "how-to-answer-a-trip.md"
COMMANDS = [
    shlex.split(line)
    for line in re.findall(r"^    labelgate (.*)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
]
OURS = {"refund": "A", "billing": "B"}


@pytest.fixture
def tripped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkedProject:
    """A breaker that leaves the recall to a person has tripped."""
    made = breaker_project(tmp_path, breaker={"average_run": RUN, "recall": False})
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(made.runtime.settings.data_dir))
    monkeypatch.setenv("LABELGATE_WEBHOOK_SECRET", "the secret")
    trip(made)
    corrections.run(made.runtime, made.project)
    return made


def of(worked: WorkedProject, words: list[str]) -> list[str]:
    """The command for this project and its labels."""
    place = words.index("--project") + 1
    numbered = [*words[:place], str(worked.project_id), *words[place + 1 :]]
    return [OURS.get(word, word) for word in numbered]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_one(words: list[str]) -> None:
    command: click.Command = main
    context = click.Context(main)
    rest = list(words)
    while isinstance(command, click.Group):
        found = command.get_command(context, rest.pop(0))
        assert found is not None
        command = found
    command.make_context("labelgate", rest)  # a usage error where an option is none


def test_the_steps_in_their_order(tripped: WorkedProject) -> None:
    here = [words for words in COMMANDS if words[0] != "train" and "--view" not in words]
    said = []
    before = accepts(tripped)
    for words in here:
        result = CliRunner().invoke(main, of(tripped, words))
        assert result.exit_code == 0, (words, result.output)
        said.append(result.output)
    status, dry, done, _, reset, again = said
    assert "suspended" in status
    assert "good until: no accept" in status
    assert f"{len(before)} accepts would be taken back" in dry
    assert "accepts were taken back" in done
    taken = tripped.with_purpose(Purpose.RECALL)
    assert before - accepts(tripped) == set(taken)
    assert {tripped.decisions()[task_id].label for task_id in taken} == {"A"}
    assert "waits for control answers given after" in reset
    watch(tripped.runtime, tripped.project)
    assert "the auditors had the old guideline" in again
