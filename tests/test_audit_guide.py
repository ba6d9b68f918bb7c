"""The guide to audits: its commands run, and its figures are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import binom

from labelgate import main
from policies.change_detection import ODDS_RATIOS, THRESHOLD
from policies.claims import further_audits, sample_size

GUIDE = Path(__file__).parents[1] / "docs" / "audits.md"


def section(title: str) -> str:
    text = GUIDE.read_text(encoding="utf-8")
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    audits = section("Three commands for files").split("```csv\n")[1].split("```")[0]
    (tmp_path / "audits.csv").write_text(audits, "utf-8")
    (tmp_path / "stream.csv").write_text("passed\n" + "1\n" * 300 + "0\n" * 9, "utf-8")
    return tmp_path


def run(folder: Path, command: str) -> str:
    words = [str(folder / word) if word.endswith(".csv") else word for word in command.split()]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_commands_run(folder: Path) -> None:
    lines = re.findall(
        r"^    labelgate (audit .*)$", section("Three commands for files"), re.MULTILINE
    )
    assert len(lines) == 3
    for line in lines:
        assert run(folder, line.split("   ")[0])


def test_the_answer_shown_is_what_the_command_says(folder: Path) -> None:
    shown = section("Three commands for files").split("```text\n$ ")[1].split("\n```")[0]
    command, _, answer = shown.partition("\n")
    said = run(folder, command.removeprefix("labelgate "))
    assert said.strip() == answer.strip()


def test_the_sizes_are_those_of_the_code() -> None:
    rows = re.findall(
        r"^\| at most ([\d.]+)%, 95 % \| (.*) \|$",
        section("How many audits prove the claim"),
        re.MULTILINE,
    )
    assert len(rows) == 8
    for place, (percent, sizes) in enumerate(rows):
        shown = [int(size.replace(",", "")) for size in sizes.split(" | ")]
        rate = float(percent) / 100
        once = [sample_size(rate, 0.95, errors) for errors in range(6)]
        running = [errors + further_audits(rate, 0.95, errors, errors) for errors in range(6)]
        assert shown == (once if place < 4 else running)


def test_what_asking_for_more_audits_after_each_error_costs() -> None:
    """Where exactly 2 % is wrong: the chance to pass at the first size, or the next, and so on."""
    states = 60
    open_errors = np.eye(1, states)[0]
    before, passes, doubt = 0, 0.0, []
    for errors in range(21):
        size = sample_size(0.02, 0.95, errors)
        more = binom.pmf(np.arange(states), size - before, 0.02)
        open_errors = np.convolve(open_errors, more)[:states]
        passes += float(open_errors[: errors + 1].sum())
        open_errors[: errors + 1] = 0
        before = size
        doubt.append(passes)
    kept = [round(1 - doubt[extensions], 3) for extensions in (0, 1, 5, 20)]
    assert kept == [0.951, 0.925, 0.873, 0.804]
    assert "92.5 % after one such\nextension, 87 % after five and 80 % after twenty" in section(
        "How many audits prove the claim"
    )


def test_the_breaker_is_the_one_that_is_described() -> None:
    text = section("When the error rate rises: the breaker")
    assert ODDS_RATIOS == (2.0, 3.0, 5.0)
    assert "two, three\nand five times the odds" in text
    assert f"{THRESHOLD:,.0f} by default" in text
