"""The guide to corrections: its example is printed as it stands there, its words are the code's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from audit_jobs.corrections.job import RECENT
from audit_jobs.corrections.report import LACKS
from audit_jobs.measures.corrections import SCORE_BANDS
from audit_jobs.measures.lead_times import WINSORISED
from audit_jobs.measures.model_confusions import FEW_EXAMPLES, Lack
from labelgate import main
from policies.correction_bands import CorrectionBands

GUIDE = Path(__file__).parents[1] / "docs" / "corrections.md"
TEXT = GUIDE.read_text(encoding="utf-8")
ANSWERS = re.findall(r"^```csv\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)[0]
CONSOLE = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("command", "output"), CONSOLE)
def test_the_example_prints_what_the_guide_shows(
    command: str, output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "answers.csv").write_text(ANSWERS, "utf-8")
    words = shlex.split(command)[1:]
    assert CliRunner().invoke(main, words).output == output


def test_the_commands_on_files_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "answers.csv").write_text(ANSWERS, "utf-8")
    lines = re.findall(r"^    labelgate (.*)$", TEXT, re.MULTILINE)
    commands = [line.split("   ")[0].split() for line in lines]
    assert len(commands) == 5
    for command in commands:
        if "--project" not in command:
            result = CliRunner().invoke(main, command)
            assert result.exit_code == 0, result.output


def test_every_lack_has_a_row() -> None:
    table = TEXT.split("| `lacks` | when | do |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `([\w ]+)`", table, re.MULTILINE)) == set(Lack) == set(LACKS)


def test_the_numbers_of_the_guide_are_those_of_the_code() -> None:
    bands = CorrectionBands()
    assert (bands.low, bands.high) == (0.05, 0.30)
    assert (RECENT, SCORE_BANDS, FEW_EXAMPLES) == (1_000, 20, 30)
    assert WINSORISED == (0.05, 0.95)
    for words in ("(5 %)", "(30 %)", "last 1,000 shown", "twenty bands", "under 30 training"):
        assert words in TEXT
