"""Inferences for benchmarks, and what SQLite alone takes for them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from benchmarks.predict import LABELS


def inferences(first: int, size: int, texts: Sequence[str]) -> list[dict[str, Any]]:
    """One batch; the texts come again and again, the ids never."""
    at = datetime.now(UTC).isoformat()
    return [
        {
            "id": f"request-{number:09}",
            "data": {"text": texts[number % len(texts)], "country": "DE"},
            "predicted": LABELS[number % len(LABELS)],
            "score": number % 100 / 100,
            "model_version": "2026-11",
            "at": at,
        }
        for number in range(first, first + size)
    ]


def bare_rate(folder: Path, size: int, texts: Sequence[str]) -> float:
    """Rows a second by ``executemany`` into a copy of the empty table, one commit a batch."""
    with closing(sqlite3.connect(folder / f"bare-{size}.db", isolation_level=None)) as bare:
        bare.execute("PRAGMA journal_mode=WAL")
        bare.execute("PRAGMA synchronous=FULL")
        with closing(sqlite3.connect(folder / "labelgate.db")) as real:
            made = real.execute(
                "SELECT sql FROM sqlite_master WHERE tbl_name = 'inferences' AND sql IS NOT NULL "
                "ORDER BY type DESC"
            ).fetchall()
        for (statement,) in made:
            bare.execute(statement)
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
        turns = max(3, 30_000 // size)
        spent = 0.0
        for turn in range(turns):
            rows = [
                (
                    1,
                    each["id"],
                    each["model_version"],
                    each["predicted"],
                    each["score"],
                    orjson.dumps(each["data"]).decode(),
                    "0" * 64,
                    now,
                    now,
                    "waiting",
                )
                for each in inferences(turn * size, size, texts)
            ]
            started = time.perf_counter()
            bare.execute("BEGIN IMMEDIATE")
            bare.executemany(
                "INSERT INTO inferences (project_id, inference_id, model_version, predicted, "
                "score, data, data_sha256, at, received_at, state) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            bare.execute("COMMIT")
            spent += time.perf_counter() - started
    return turns * size / spent
