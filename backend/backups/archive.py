"""The file of a backup: a ZIP of rows and model files, with a manifest that proves each of them.

What is read from one is checked before it is used: its version, its names, its sizes, its hashes.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

import orjson
from pydantic import TypeAdapter, ValidationError

FORMAT = 1
MANIFEST = "manifest.json"
_LARGEST_MANIFEST = 64 * 1024 * 1024
_LARGEST_LINE = 512 * 1024 * 1024  # of a row: a task's data has up to a request's 40 MB, escaped
_CHUNK = 1024 * 1024
_TABLE = re.compile(r"tables/[a-z_]{1,63}\.jsonl")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._ -]{0,200}")


class BackupError(Exception):
    """A backup that cannot be made or used; the message names the file and the way out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file within the archive: its size in bytes, unpacked, and its hash."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRows:
    """How many rows a table has, and the columns in which their values stand."""

    rows: int
    columns: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a project's ledger ended: the number of its last entry, and its hash."""

    project_id: int
    entries: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds. ``schema`` is the revision of the database's schema.

    ``tables`` stand in the order in which they can be written: those that others refer to first.
    ``left_out`` names the secrets that were there and are not in it, ``missing_models`` the model
    files that the database names and the folder did not have.
    """

    format: int
    program: str
    schema: str
    made_at: str
    engine: str
    tables: dict[str, TableRows]
    ledgers: list[Head]
    left_out: list[str]
    missing_models: list[str]
    members: dict[str, Member] = field(default_factory=dict)


_MANIFEST = TypeAdapter(Manifest)


def table_name(table: str) -> str:
    """The name of a table's rows in the archive."""
    return f"tables/{table}.jsonl"


class ArchiveWriter:
    """Writes files one after the other, and the manifest last."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=4)
        self.members: dict[str, Member] = {}

    @contextmanager
    def member(self, name: str) -> Iterator[Hashed]:
        """A file to write to."""
        if not is_safe(name):
            raise BackupError(f"{name!r} is no name that a backup can hold: rename the file")
        with self._zip.open(name, "w", force_zip64=True) as opened:
            hashed = Hashed(opened)
            yield hashed
        self.members[name] = Member(bytes=hashed.bytes, sha256=hashed.digest.hexdigest())

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest: without it the archive is none."""
        with self._zip.open(MANIFEST, "w") as opened:
            opened.write(orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2))

    def close(self) -> None:
        """Write the archive's end."""
        self._zip.close()


class Hashed:
    """Counts and hashes what is written through it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.bytes = 0
        self.digest = hashlib.sha256()

    def write(self, content: bytes) -> None:
        """Write on."""
        self._file.write(content)
        self.bytes += len(content)
        self.digest.update(content)


class Archive:
    """A backup that was opened, whose manifest was read, and of which nothing else is trusted."""

    def __init__(self, path: Path, opened: zipfile.ZipFile, manifest: Manifest) -> None:
        self._path = path
        self._zip = opened
        self.manifest = manifest

    def verify(self) -> Iterator[str]:
        """Read every member once and compare it with the manifest; yields the name of each.

        Raises ``BackupError`` for the first that differs.
        """
        for name, expected in self.manifest.members.items():
            digest, size = hashlib.sha256(), 0
            for chunk in self._chunks(name, expected.bytes):
                digest.update(chunk)
                size += len(chunk)
            if size != expected.bytes or digest.hexdigest() != expected.sha256:
                raise self._damaged(f"{name} is not what was written")
            yield name

    def rows(self, table: str) -> Iterator[list[Any]]:
        """A table's rows, one line after the other."""
        name, width = table_name(table), len(self.manifest.tables[table].columns)
        number = 0
        try:
            with self._zip.open(name) as opened:
                while line := opened.readline(_LARGEST_LINE):
                    number += 1
                    row = orjson.loads(line)
                    if not isinstance(row, list) or len(row) != width:
                        raise self._damaged(f"{name}, line {number}, is no row of {width} values")
                    yield row
        except (orjson.JSONDecodeError, *_BROKEN) as error:
            raise self._damaged(f"{name}, line {number}: {error}") from None
        if number != self.manifest.tables[table].rows:
            raise self._damaged(f"{name} has {number} rows")

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a member, a piece at a time."""
        return self._chunks(name, self.manifest.members[name].bytes)

    def models(self) -> list[PurePosixPath]:
        """The model files in it, relative to the folder of models."""
        return [
            PurePosixPath(name).relative_to("models")
            for name in self.manifest.members
            if name.startswith("models/")
        ]

    def _chunks(self, name: str, most: int) -> Iterator[bytes]:
        size = 0
        try:
            with self._zip.open(name) as opened:
                while chunk := opened.read(_CHUNK):
                    size += len(chunk)
                    if size > most:
                        raise self._damaged(f"{name} is larger than was written")
                    yield chunk
        except _BROKEN as error:
            raise self._damaged(f"{name}: {error}") from None

    def _damaged(self, why: str) -> BackupError:
        return _damaged(self._path, why)


# What reading a ZIP that was cut or changed ends with: zlib.error is an Exception of its own.
_BROKEN = (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, zipfile.zlib.error)  # type: ignore[attr-defined]  # it imports it


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """A backup and its manifest.

    Raises ``BackupError`` where it is none, is damaged, is of a newer format, or holds a name that
    no backup has.
    """
    try:
        opened = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise BackupError(f"{path}: there is no such file") from None
    except _BROKEN as error:
        raise _damaged(path, str(error)) from None
    with opened:
        manifest = _manifest(path, opened)
        names = [each.filename for each in opened.infolist()]
        if sorted(names) != sorted([*manifest.members, MANIFEST]):
            raise _damaged(path, "its files are not those that its manifest names")
        strange = [name for name in manifest.members if not is_safe(name)]
        if strange:
            raise BackupError(f"{path}: {strange[0]!r} is no name that a backup has: not restored")
        if {table_name(each) for each in manifest.tables} - set(names):
            raise _damaged(path, "a table has no rows")
        yield Archive(path, opened, manifest)


def is_safe(name: str) -> bool:
    """Whether a name lies below the archive's two folders, whatever system it is written on.

    >>> is_safe("models/3/v1-ab12.skops"), is_safe("models/../../etc/passwd")
    (True, False)
    """
    if _TABLE.fullmatch(name):
        return True
    folder, *parts = name.split("/")
    return folder == "models" and bool(parts) and all(map(_PART.fullmatch, parts))


def _manifest(path: Path, opened: zipfile.ZipFile) -> Manifest:
    try:
        with opened.open(MANIFEST) as file:
            content = file.read(_LARGEST_MANIFEST)
        value = orjson.loads(content)
    except KeyError:
        raise BackupError(f"{path}: it has no {MANIFEST}, so it is no backup") from None
    except (orjson.JSONDecodeError, *_BROKEN) as error:
        raise _damaged(path, f"{MANIFEST}: {error}") from None
    found = value.get("format") if isinstance(value, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise BackupError(
            f"{path}: format {found} is newer than this program, which knows {FORMAT}: install the "
            f"version that wrote it ({value.get('program')}), or a newer one"
        )
    try:
        return _MANIFEST.validate_python(value)
    except ValidationError as error:
        raise _damaged(path, f"{MANIFEST}: {error.errors()[0]['msg']}") from None


def _damaged(path: Path, why: str) -> BackupError:
    return BackupError(f"{path}: the backup is damaged ({why}): nothing was restored; use another")
