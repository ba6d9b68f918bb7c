"""The guide to agreement names slices, figures and commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from audit_jobs.agreement.exports import export_report
from audit_jobs.agreement.job import AT_ONCE, NEW_SHARE
from audit_jobs.agreement.slices import SLICES
from labelgate import main
from policies.low_agreement import LEAST_TASKS
from tests.audit_jobs.test_agreement_command import EXPORT, VOTES

GUIDE = Path(__file__).parents[1] / "docs" / "agreement.md"


def text() -> str:
    return GUIDE.read_text(encoding="utf-8")


def test_every_slice_has_a_row() -> None:
    table = text().split("| slice | tasks | random? |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == {*SLICES, "whole"}


def test_the_commands_of_the_guide_run_on_files(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text(VOTES, "utf-8")
    (tmp_path / "export.json").write_text(EXPORT, "utf-8")
    lines = re.findall(r"^    labelgate (.*)$", text(), re.MULTILINE)
    commands = [line.split("   ")[0].split() for line in lines]
    assert len(commands) == 5
    for command in commands:
        if "--project" in command:
            continue
        words = [str(tmp_path / word) if "." in word else word for word in command]
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output


def test_the_figures_of_labels_are_those_of_a_report(tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    file.write_text(EXPORT, "utf-8")
    measures = export_report(file, "nominal")["controls"]["mood"]["measures"]
    table = text().split("## Labels, one a task")[1].split("\n\n")[1]
    named = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))
    assert named == set(measures)


def test_the_numbers_of_the_guide_are_those_of_the_code() -> None:
    assert AT_ONCE == 2_000
    assert NEW_SHARE == 0.01
    assert LEAST_TASKS == 10
    for words in ("Up to 2,000 answers", "one in a hundred", "under ten tasks"):
        assert words in text()
