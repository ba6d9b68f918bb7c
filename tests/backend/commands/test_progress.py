"""Bars appear on a terminal alone, and not for what is over at once."""

from __future__ import annotations

import io

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from backend.commands.output import err, new_table, note, out, show
from backend.commands.progress import progress
from labelgate import main
from tests.waiting import until


def _terminal() -> tuple[Console, io.StringIO]:
    written = io.StringIO()
    return Console(file=written, force_terminal=True, width=80), written


def test_a_long_block_shows_its_stage_and_how_much_is_done() -> None:
    console, written = _terminal()

    with progress("reading", 1200.0, console=console, silent_s=0.0) as stages:
        until(lambda: "reading" in written.getvalue(), "it is shown", every_s=0.02)
        stages.at(300)
        until(lambda: "300 of 1,200" in written.getvalue(), "it is shown", every_s=0.02)
        stages.stage("writing", 1.0)
        stages.at(0.5)
        until(
            lambda: "writing" in written.getvalue() and "50%" in written.getvalue(),
            "it is shown",
            every_s=0.02,
        )


def test_a_short_block_shows_nothing() -> None:
    console, written = _terminal()

    with progress("reading", console=console, silent_s=60.0) as stages:
        for _ in stages.over(range(3), "counting"):
            pass

    assert "reading" not in written.getvalue()
    assert "counting" not in written.getvalue()


def test_no_terminal_sees_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("reading", silent_s=0.0) as stages:
        assert list(stages.over(iter("ab"), "counting")) == ["a", "b"]

    assert stages.bar is None
    assert capsys.readouterr().err == ""


def test_the_bar_goes_when_the_block_fails() -> None:
    console, _ = _terminal()

    bars = []

    def fail() -> None:
        with progress("reading", console=console, silent_s=0.0) as stages:
            bars.append(stages.bar)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert [bar is not None and bar.live.is_started for bar in bars] == [False]


def test_quiet_sees_neither_bars_nor_notes() -> None:
    @main.command("said")
    def said() -> None:
        console, _ = _terminal()
        with progress("reading", console=console) as stages:
            click.echo(stages.bar is None)
        note("a remark")

    try:
        quiet = CliRunner().invoke(main, ["--quiet", "said"])
        loud = CliRunner().invoke(main, ["said"])
    finally:
        del main.commands["said"]

    assert (quiet.stdout, quiet.stderr) == ("True\n", "")
    assert (loud.stdout, loud.stderr) == ("False\n", "a remark\n")


def test_numbers_are_aligned_right_and_words_left(capsys: pytest.CaptureFixture[str]) -> None:
    table = new_table("label", "right", "n", "day")
    table.add_row("invoice", "81.0% (79.2% to 82.6%)", "1,200", "2026-11-01")
    table.add_row("letter", "-", "7", "2026-11-02")

    show(table)

    assert [column.justify for column in table.columns] == ["left", "right", "right", "left"]
    assert "      7   2026" in capsys.readouterr().out


def test_without_a_terminal_a_table_is_as_wide_as_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert out().width == err().width == 160
    monkeypatch.setenv("COLUMNS", "90")
    assert out().width == 90


def test_colours_are_off_where_somebody_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert out().no_color
