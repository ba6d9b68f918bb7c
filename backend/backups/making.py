"""Making a backup while everything runs: the database at one moment, and the models that it names.

Rows are read first, model files after them: a version's file is written before its row, so what a
row of the snapshot names is there.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import orjson
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from backend.backups.archive import (
    FORMAT,
    ArchiveWriter,
    BackupError,
    Head,
    Manifest,
    TableRows,
    table_name,
)
from backend.secret_files import secret_files
from backend.settings import SECRET_SETTINGS, Settings
from backend.store.copies import read_rows, snapshot, tables_of
from backend.store.ledger import ledger_heads
from backend.store.models import model_paths
from backend.store.schema import schema_state

_CHUNK = 1024 * 1024
Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """What was written: rows by table, model files, bytes of the archive, and what is not in it."""

    schema: str
    rows: dict[str, int]
    models: int
    bytes: int
    left_out: list[str]
    missing_models: list[str]


def make_backup(
    settings: Settings, engine: Engine, file: Path, now: datetime, told: Told
) -> BackupReport:
    """Write everything into one file for its owner only, which is there whole or not at all.

    ``told`` hears the name of each part. Raises ``BackupError`` where the file is there already,
    or the database has nothing to hold.
    """
    if file.exists():
        raise BackupError(f"{file}: it is there already: name another file, or move it away")
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".labelgate-backup-", dir=file.parent) as folder,
            os.fdopen(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as opened,
            snapshot(engine, Path(folder)) as connection,
        ):
            with closing(ArchiveWriter(opened)) as writer:
                manifest = _written(writer, settings, connection, now, told)
                writer.finish(manifest)
            opened.flush()
            os.fsync(opened.fileno())
        size = draft.stat().st_size
        os.link(draft, file)  # fails where somebody else has made one meanwhile
    except FileExistsError:
        raise BackupError(f"{file}: it was made meanwhile: name another file") from None
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
    return BackupReport(
        schema=manifest.schema,
        rows={name: table.rows for name, table in manifest.tables.items()},
        models=sum(name.startswith("models/") for name in manifest.members),
        bytes=size,
        left_out=manifest.left_out,
        missing_models=manifest.missing_models,
    )


def _written(
    writer: ArchiveWriter, settings: Settings, connection: Connection, now: datetime, told: Told
) -> Manifest:
    schema = schema_state(connection)
    if schema.current is None or not schema.is_known:
        raise BackupError(
            "the database is empty: there is nothing to back up"
            if schema.current is None
            else f"the database has schema {schema.current!r}, which this version of Labelgate "
            "does not know: back it up with the version that wrote it"
        )
    tables: dict[str, TableRows] = {}
    for table in tables_of(connection):
        told(table.name)
        count = 0
        with writer.member(table_name(table.name)) as member:
            for row in read_rows(connection, table):
                member.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                count += 1
        # A reflected name is a str of SQLAlchemy's own, which JSON does not know.
        tables[str(table.name)] = TableRows(
            rows=count, columns=[str(each.name) for each in table.columns]
        )
    told("models")
    with Session(connection) as session:
        named = set(model_paths(session))
        heads = [Head(project_id=p, entries=n, hash=h) for p, n, h in ledger_heads(session)]
    missing = sorted(named - set(_copy_models(writer, settings.models_dir)))
    return Manifest(
        format=FORMAT,
        program=version("labelgate"),
        schema=schema.current,
        made_at=now.isoformat(),
        engine=connection.dialect.name,
        tables=tables,
        ledgers=heads,
        left_out=left_out(settings),
        missing_models=missing,
        members=writer.members,
    )


def _copy_models(writer: ArchiveWriter, folder: Path) -> Iterator[str]:
    """Take every finished model file along; drafts begin with a dot, links lead elsewhere."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_file() or path.name.startswith("."):
            continue
        with path.open("rb") as opened, writer.member(f"models/{name}") as member:
            while chunk := opened.read(_CHUNK):
                member.write(chunk)
        yield name


def left_out(settings: Settings) -> list[str]:
    """The secrets that this installation has and no backup holds: files, and settings by name."""
    given = {name for name in SECRET_SETTINGS if getattr(settings, name) is not None}
    return [path.name for path in secret_files(settings.data_dir)] + sorted(
        f"LABELGATE_{name.upper()}" for name in given - {"database_url"}
    )
