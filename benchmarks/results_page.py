"""RESULTS.md: what all benchmarks measured, and on which machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from benchmarks.machine import described, load
from benchmarks.results import Row, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A module of this folder; ``needs_data`` names one that reads the tests' data sets."""

    name: str
    title: str
    needs_data: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one benchmark left: its rows, its seconds by the clock and of the processor."""

    benchmark: Benchmark
    rows: Sequence[Row]
    seconds: float
    processor_s: float


def page(outcomes: Sequence[Outcome], began: datetime, load_before: str) -> str:
    """RESULTS.md: the machine, what is not held, then a table a benchmark."""
    minutes = sum(outcome.seconds for outcome in outcomes) / 60
    lines = [
        "# Results",
        "",
        (
            f"Written by `make bench` on {began:%Y-%m-%d}; what each measures and how stands in "
            "[README.md](README.md). Ratios compare: absolute figures are this machine's."
        ),
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in described()),
        f"| Load when it began and ended | {load_before}, {load()} |",
        f"| All of it took | {minutes:.0f} minutes |",
        "",
        f"Limits not held: {_not_held(outcomes)}.",
    ]
    for outcome in outcomes:
        lines += ["", *section(outcome)]
    return "\n".join(lines) + "\n"


def _not_held(outcomes: Sequence[Outcome]) -> str:
    """How many, and whose."""
    broken = [
        f"{outcome.benchmark.name} ({row.name})"
        for outcome in outcomes
        for row in outcome.rows
        if not row.held
    ]
    return ", ".join(broken) or "none"


def section(outcome: Outcome) -> list[str]:
    """The table of one benchmark."""
    name = outcome.benchmark.name
    return [
        f"## {outcome.benchmark.title}",
        "",
        (
            f"`python -m benchmarks.{name}`: {outcome.seconds:.0f} s, "
            f"{outcome.processor_s:.0f} s of the processor"
        ),
        "",
        "| | Labelgate | beside | ratio | limit | held |",
        "|---|---|---|---|---|---|",
        *(_cells(row) for row in outcome.rows),
    ]


def _cells(row: Row) -> str:
    """A row of the table; a bar in a text would end its cell."""
    held = "" if not row.limit else "yes" if row.held else "**no**"
    cells = (row.name, row.figure, row.peer, shown(row.ratio), row.limit, held)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
