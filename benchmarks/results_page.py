"""RESULTS.md: what all benchmarks measured, and on which machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import orjson

from benchmarks.machine import described
from benchmarks.results import Row, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A module of this folder; ``needs_data`` names one that reads the tests' data sets."""

    name: str
    title: str
    needs_data: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one benchmark left: its rows, its seconds by the clock and of the processor.

    ``began`` is when it ran, ``load`` how many processes wanted a processor then.
    """

    benchmark: Benchmark
    rows: Sequence[Row]
    seconds: float
    processor_s: float
    began: datetime
    load: str


def keep(outcome: Outcome, folder: Path) -> None:
    """Put the outcome where the page finds it, in the place of the benchmark's last one."""
    said = {
        "machine": described(),
        "began": outcome.began.isoformat(timespec="seconds"),
        "load": outcome.load,
        "seconds": round(outcome.seconds),
        "processor_s": round(outcome.processor_s),
        "rows": [asdict(row) for row in outcome.rows],
    }
    folder.mkdir(exist_ok=True)
    text = orjson.dumps(said, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    (folder / f"{outcome.benchmark.name}.json").write_bytes(text)


def kept(benchmarks: Sequence[Benchmark], folder: Path) -> list[Outcome]:
    """The last outcomes on this machine, of those that have one, in this order."""
    found = []
    for benchmark in benchmarks:
        place = folder / f"{benchmark.name}.json"
        if not place.exists():
            continue
        said = orjson.loads(place.read_bytes())
        if said.pop("machine") != orjson.loads(orjson.dumps(described())):
            continue  # ratios compare across machines, but one page tells of one
        rows = [Row(**row) for row in said.pop("rows")]
        began = datetime.fromisoformat(said.pop("began"))
        found.append(Outcome(benchmark=benchmark, rows=rows, began=began, **said))
    return found


def page(benchmarks: Sequence[Benchmark], outcomes: Sequence[Outcome]) -> str:
    """RESULTS.md: the machine, what is not held or not measured, then a table a benchmark."""
    there = {outcome.benchmark.name for outcome in outcomes}
    missing = ", ".join(each.name for each in benchmarks if each.name not in there)
    lines = [
        "# Results",
        "",
        (
            "Written by `make bench`; what each measures and how stands in [README.md](README.md). "
            "Ratios compare: absolute figures are this machine's."
        ),
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in described()),
        "",
        f"Limits not held: {_not_held(outcomes)}.",
    ]
    if missing:
        lines += ["", f"Not measured here yet: {missing}."]
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
            f"`python -m benchmarks.{name}`, {outcome.began:%Y-%m-%d} at load {outcome.load}: "
            f"{outcome.seconds:.0f} s, {outcome.processor_s:.0f} s of the processor"
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
