"""The guide to drift names commands, kinds and figures that exist."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from audit_jobs.drift.columns import Kind
from audit_jobs.drift.features import COMPONENTS, MOST_TOPICS
from audit_jobs.drift.reference import FEWEST_NEW, LOOKS
from audit_jobs.measures.drift import FEWEST, FEWEST_TO_LEARN
from labelgate import main
from tests.audit_jobs.test_drift_command import files

GUIDE = Path(__file__).parents[1] / "docs" / "drift.md"


def text() -> str:
    return GUIDE.read_text(encoding="utf-8")


def test_the_commands_of_the_guide_run_on_files(tmp_path: Path) -> None:
    files(tmp_path, (0.4, 0.4, 0.2))
    commands = re.findall(r"^    labelgate (.*)$", text(), re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        if "--project" in command:
            continue
        words = [
            str(tmp_path / word) if word.endswith(".csv") else word for word in command.split()
        ]
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
        assert "drift" in result.output


def test_every_kind_of_column_has_a_row() -> None:
    table = text().split("| taken for |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == {kind.value for kind in Kind}


def test_the_numbers_of_the_guide_are_those_of_the_code() -> None:
    assert (COMPONENTS, MOST_TOPICS) == (200, 150)
    assert (FEWEST, FEWEST_TO_LEARN, FEWEST_NEW, LOOKS) == (30, 100, 50, 10)
    for words in ("its 200 largest components", "150 groups", "Under 30 values", "needs 100"):
        assert words in text()
    assert "under 50 new tasks" in text()
    assert "a tenth of `false_alarm`" in text()
