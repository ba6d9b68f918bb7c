"""What ``benchmarks.scale`` measured, as rows and as tables."""

from __future__ import annotations

from benchmarks.results import Row, at_most, told
from benchmarks.scale_postgresql import TableSize
from benchmarks.scale_store import StoreFigures
from benchmarks.scale_web import WebFigures

DEAD = 0.2  # autovacuum_vacuum_scale_factor as PostgreSQL comes
LINEAR = 1.15  # how much dearer a row may be at the larger size


def measured_rows(web: WebFigures, measured: StoreFigures, rows: int) -> list[Row]:
    """Print the sizes; what was measured as rows, of which those that must not grow are held."""
    print("| table | rows | bytes a row | in the table | in its indexes |\n|---|---|---|---|---|")
    for size in (*measured.sizes, *measured.worn):
        indexes = ", ".join(f"{name} {taken:.0f}" for name, taken in size.indexes.items())
        print(f"| {size.table} | {size.rows:,} | {size.total:.0f} | {size.heap:.0f} | {indexes} |")
    found = []
    for first in (each for each in measured.sizes if each.rows == rows):
        later = largest_of(measured, first.table)
        found.append(
            at_most(
                f"bytes of a row of {first.table}",
                figure=f"{later.total:.0f} at {later.rows:,} rows",
                peer=f"{first.total:.0f} at {first.rows:,}",
                ratio=later.total / first.total,
                limit=LINEAR,
            )
        )
    for name, effort in (
        ("an answer looked at", measured.sampling),
        ("a decision appended and its delivery", measured.ledger),
        ("an answer deleted", measured.forgetting),
    ):
        found.append(
            told(
                f"processor time of {name}",
                figure=f"{effort.own_s * 1e6:.0f} us here, {effort.database_s * 1e6:.0f} us in "
                f"PostgreSQL, {effort.log_bytes:,.0f} bytes of log",
            )
        )
    modelled = web.own_s + web.database_s + measured.commit_s / web.batch
    found += [
        told(
            "processor time of an inference taken in",
            figure=f"{web.own_s * 1e6:.0f} us in the web process, {web.database_s * 1e6:.0f} us in "
            f"PostgreSQL, {measured.intake.log_bytes:,.0f} bytes of log",
        ),
        told(
            "a batch by the clock beside the model of it",
            figure=f"{web.clock_s * web.batch * 1e3:.0f} ms",
            peer=f"{modelled * web.batch * 1e3:.0f} ms",
            ratio=web.clock_s / modelled,
        ),
        told(
            f"dropping a partition of {measured.drop_rows:,} rows",
            figure=f"{measured.drop_s * 1e3:.0f} ms",
            peer=f"deleting them {forget_s(measured) * measured.drop_rows:.1f} s of processor",
        ),
        told("waiting for the disk at a commit", figure=f"{measured.commit_s * 1e3:.1f} ms"),
    ]
    return found


def largest_of(measured: StoreFigures, table: str) -> TableSize:
    """The size at most rows."""
    return [each for each in measured.sizes if each.table == table][-1]


def wear_of(measured: StoreFigures, table: str) -> float:
    """How much larger a table stays whose every row is written anew once, soon after it came.

    Where all were, before anything was cleared away, it was measured; autovacuum begins to clear
    away when a fifth of the rows are dead, and what it clears is used again.
    """
    (worn,) = (each for each in measured.worn if each.table == table)
    new = next(each for each in measured.sizes if each.table == table)
    return 1 + DEAD * (worn.total / new.total - 1)


def forget_s(measured: StoreFigures) -> float:
    """Processor seconds of deleting an answer, here and in the database."""
    return measured.forgetting.own_s + measured.forgetting.database_s
