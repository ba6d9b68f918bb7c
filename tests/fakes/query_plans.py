"""How a database finds the rows of a statement: what tests of indices ask of either engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

Asked = list[tuple[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One reading of a table in a plan of PostgreSQL.

    ``kind`` is its name there, "Seq Scan" for a table that is read from end to end; ``index`` and
    ``condition`` are None where it uses none.
    """

    table: str
    kind: str
    index: str | None
    condition: str | None


def statements_of(engine: Engine, ask: Callable[[Session], Any]) -> Asked:
    """The statements that reach the driver while ``ask`` works, with their values."""
    asked: Asked = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        asked.append((statement, values))

    with Session(engine) as session:
        event.listen(engine, "before_cursor_execute", note)
        try:
            ask(session)
        finally:
            event.remove(engine, "before_cursor_execute", note)
    return asked


def sqlite_steps(engine: Engine, asked: Asked) -> list[str]:
    """The steps of SQLite's plans, a sentence each."""
    with engine.connect() as connection:
        return [
            row[3]
            for statement, values in asked
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]


def postgresql_scans(engine: Engine, asked: Asked) -> list[Scan]:
    """Every reading of a table in PostgreSQL's plans; it plans by what ANALYZE counted."""
    with engine.connect() as connection:
        return [
            scan
            for statement, values in asked
            for (plan,) in connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values)
            for scan in _scans(plan[0]["Plan"], None)
        ]


def _scans(node: dict[str, Any], table: str | None) -> Iterator[Scan]:
    """A bitmap's index is read by a node below the one that names the table."""
    table = node.get("Relation Name", table)
    kind = node["Node Type"]
    if table is not None and kind.endswith("Scan") and kind != "Bitmap Heap Scan":
        yield Scan(
            table=table, kind=kind, index=node.get("Index Name"), condition=node.get("Index Cond")
        )
    for below in node.get("Plans", ()):
        yield from _scans(below, table)
