"""Bringing a backup back, into an empty database of either engine, all of it or nothing.

Everything happens in one transaction: the schema of the backup's version is made, filled, brought
up to date, and every ledger verified against the end that it had; then it is committed.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import Session

from backend.backups.archive import Archive, BackupError, open_archive
from backend.settings import Settings
from backend.store.copies import gather_statistics, is_empty, tables_of, write_rows
from backend.store.leases import held_leases
from backend.store.ledger_check import verify_ledger
from backend.store.schema import SchemaError, make_anew, raise_to_head, schema_state

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What was restored: rows by table, model files, and each project's entries of the ledger."""

    schema: str
    rows: dict[str, int]
    models: int
    ledgers: dict[int, int]
    left_out: list[str]
    missing_models: list[str]


def restore_backup(
    settings: Settings, engine: Engine, file: Path, *, replace: bool, told: Told
) -> RestoreReport:
    """Restore a backup; ``replace`` lets it take the place of what the database holds.

    ``told`` hears the name of each part. Raises ``BackupError`` where the backup is damaged or
    newer, the database is not empty or in use, a model file differs, or a ledger does not hold:
    then the database and the models are as they were.
    """
    with open_archive(file) as archive:
        for name in archive.verify():
            told(f"checking {name}")
        differing = [] if replace else _differing(archive, settings.models_dir)
        if differing:
            raise BackupError(
                f"{settings.models_dir / differing[0]} is there with another content: name another "
                "folder with LABELGATE_DATA_DIR, or say --replace"
            )
        with engine.begin() as connection:
            _require_room(connection, replace=replace)
            rows = _filled(connection, archive, file, told)
            ledgers = _verified(connection, archive, file, told)
            told("models")
            # Before the commit: a model file that no row names harms nothing.
            models = _place(archive, settings.models_dir)
    return RestoreReport(
        schema=archive.manifest.schema,
        rows=rows,
        models=models,
        ledgers=ledgers,
        left_out=archive.manifest.left_out,
        missing_models=archive.manifest.missing_models,
    )


def _require_room(connection: Connection, *, replace: bool) -> None:
    """Refuse a database that holds something, or that somebody works with."""
    state = schema_state(connection)
    if state.current is None:
        return
    if not state.is_known:
        raise BackupError(
            f"the database has schema {state.current!r}, which this version does not know: name an "
            "empty one with LABELGATE_DATABASE_URL"
        )
    if not is_empty(connection) and not replace:
        raise BackupError(
            "the database is not empty: name an empty one with LABELGATE_DATABASE_URL, or say "
            "--replace to lose what it holds"
        )
    with Session(connection) as session:
        held = held_leases(session)
    if held:
        raise BackupError(
            f"somebody works with the database (it holds the lease {held[0]!r}): stop every "
            "labelgate process, wait for 30 seconds, and try again"
        )


def _filled(connection: Connection, archive: Archive, file: Path, told: Told) -> dict[str, int]:
    """Make the schema of the backup's version, fill its tables, and bring it up to date."""
    manifest = archive.manifest
    try:
        make_anew(connection, manifest.schema)
    except SchemaError as error:
        raise BackupError(f"{file}: {error}") from None
    there = {table.name: table for table in tables_of(connection)}
    written: dict[str, int] = {}
    for name, held in manifest.tables.items():
        told(name)
        table = there.get(name)
        if table is None or {each.name for each in table.columns} != set(held.columns):
            raise BackupError(
                f"{file}: its table {name} is not that of schema {manifest.schema}: not restored"
            )
        try:
            written[name] = write_rows(connection, table, held.columns, archive.rows(name))
        except (DBAPIError, StatementError, ValueError, TypeError) as error:
            why = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise BackupError(
                f"{file}: rows of {name} cannot be restored ({why}): nothing was"
            ) from error
    raise_to_head(connection)
    gather_statistics(connection)
    return written


def _verified(connection: Connection, archive: Archive, file: Path, told: Told) -> dict[int, int]:
    """Recompute every chain, and compare its end with the one that it had."""
    entries: dict[int, int] = {}
    with Session(connection) as session:
        for head in archive.manifest.ledgers:
            told(f"verifying the ledger of project {head.project_id}")
            check = verify_ledger(session, head.project_id)
            if check.broken_seq is not None or (check.entries, check.head) != (
                head.entries,
                head.hash,
            ):
                why = check.why or f"it ends at entry {check.entries}, not {head.entries}"
                raise BackupError(
                    f"{file}: the ledger of project {head.project_id} does not hold ({why}): "
                    "nothing was restored; `labelgate ledger verify` tells whether the original's "
                    "does"
                )
            entries[head.project_id] = check.entries
    return entries


def _differing(archive: Archive, folder: Path) -> list[str]:
    """Model files of the backup that are there with another content."""
    return [
        str(each)
        for each in archive.models()
        if (folder / each).exists() and not _is_the_same(archive, folder / each, str(each))
    ]


def _is_the_same(archive: Archive, path: Path, name: str) -> bool:
    with path.open("rb") as opened:
        for chunk in archive.chunks(f"models/{name}"):
            if opened.read(len(chunk)) != chunk:
                return False
        return not opened.read(1)


def _place(archive: Archive, folder: Path) -> int:
    """Write every model file beside its place, and move them there once all are whole; how many.

    A disk that is full half-way leaves those that were there.
    """
    drafts: dict[Path, Path] = {}
    try:
        for each in archive.models():
            target = folder / each
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.resolve().is_relative_to(folder.resolve()):
                raise BackupError(
                    f"{target} leads out of the folder of models: remove the link there"
                )
            draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
            drafts[draft] = target
            with draft.open("xb") as opened:
                for chunk in archive.chunks(f"models/{each}"):
                    opened.write(chunk)
                opened.flush()
                os.fsync(opened.fileno())
        for draft, target in drafts.items():
            draft.replace(target)
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
    return len(drafts)
