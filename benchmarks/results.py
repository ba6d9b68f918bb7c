"""The form of what a benchmark measures, and how it reaches ``python -m benchmarks``.

A benchmark ends its ``main`` with ``finish(rows)``: the rows are printed, written to the file that
``LABELGATE_BENCH_ROWS`` names (the runner sets it), and the process ends with 1 where a limit is
not held. Run alone it prints and exits the same, so every benchmark stays a script of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

import orjson

ROWS_VARIABLE = "LABELGATE_BENCH_ROWS"
QUICK_VARIABLE = "LABELGATE_BENCH_QUICK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of RESULTS.md.

    ``figure`` is Labelgate's with its unit, ``peer`` the named peer's with its unit, or what the
    figure is held to. ``ratio`` says how they compare, ``limit`` what it must be, in words.
    """

    name: str
    figure: str
    peer: str = ""
    ratio: float | None = None
    limit: str = ""
    held: bool = True


def at_most(name: str, *, figure: str, peer: str, ratio: float, limit: float) -> Row:
    """A row that holds while the ratio is no larger than the limit."""
    return Row(
        name=name,
        figure=figure,
        peer=peer,
        ratio=ratio,
        limit=f"at most {limit:g}",
        held=ratio <= limit,
    )


def at_least(name: str, *, figure: str, peer: str, ratio: float, limit: float) -> Row:
    """A row that holds while the ratio is no smaller than the limit."""
    return Row(
        name=name,
        figure=figure,
        peer=peer,
        ratio=ratio,
        limit=f"at least {limit:g}",
        held=ratio >= limit,
    )


def told(name: str, *, figure: str, peer: str = "", ratio: float | None = None) -> Row:
    """A row that is told and not held to anything."""
    return Row(name=name, figure=figure, peer=peer, ratio=ratio)


def asserted(name: str, *, figure: str, held: bool, peer: str = "") -> Row:
    """A row that is true or is not: equal answers, nothing lost, nothing doubled."""
    return Row(name=name, figure=figure, peer=peer, limit="true", held=held)


def is_quick() -> bool:
    """Whether the quick form is asked for: fewer rounds, sizes that take seconds, same rows."""
    return os.environ.get(QUICK_VARIABLE, "") not in {"", "0"}


def shown(ratio: float | None) -> str:
    """A ratio in three digits; empty where there is none."""
    if ratio is None:
        return ""
    return f"{ratio:,.0f}" if abs(ratio) >= 100 else f"{ratio:.3g}"


def line_of(row: Row) -> str:
    """A row as one line of a terminal."""
    parts = [f"{row.name}: {row.figure}", row.peer, shown(row.ratio), row.limit]
    return "; ".join(part for part in parts if part) + ("" if row.held else ": NOT HELD")


def written(rows: Iterable[Row]) -> bytes:
    """Rows as lines of JSON."""
    numpy = orjson.OPT_SERIALIZE_NUMPY  # a comparison of numpy's numbers is no bool of Python's
    return b"".join(orjson.dumps(asdict(row), option=numpy) + b"\n" for row in rows)


def read(path: Path) -> list[Row]:
    """The rows of such a file; a file that is not there has none."""
    if not path.exists():
        return []
    return [Row(**orjson.loads(line)) for line in path.read_bytes().splitlines()]


def finish(rows: Sequence[Row]) -> NoReturn:
    """Print the rows, hand them over, and end the process: 1 where one is not held."""
    print("\n" + "\n".join(line_of(row) for row in rows), flush=True)
    if place := os.environ.get(ROWS_VARIABLE):
        with Path(place).open("ab") as file:
            file.write(written(rows))
    sys.exit(0 if all(row.held for row in rows) else 1)
