"""Whether the database answers, at the schema of this program, on a disk it can live on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from backend.diagnosis.findings import Finding, Topic
from backend.runtime import Runtime
from backend.settings import Settings
from backend.store.engine import DatabaseAddressError, database_url
from backend.store.schema import SchemaState, schema_state

TOPIC = Topic("database")
SMALL_BYTES = 500_000_000  # an integrity check reads all of it: some seconds at this size
# SQLite's log needs memory that all its processes share, and locks that hold: neither is given
# there (https://sqlite.org/wal.html, "All processes using a database must be on the same host").
_NETWORK = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "lustre", "gpfs")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDatabase:
    """A database as it was found; ``integrity`` is None where it was not looked at."""

    name: str
    unreachable: str | None = None
    schema: SchemaState | None = None
    file_system: str | None = None
    size_bytes: int = 0
    integrity: str | None = None


def sqlite_file(settings: Settings) -> Path | None:
    """The file of a SQLite database; None where it is another one, or has none."""
    try:
        url = database_url(settings.store_url)
    except DatabaseAddressError:  # opening it says so
        return None
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def look(runtime: Runtime) -> SeenDatabase:
    """Ask the database for its schema, and a small SQLite file whether it is whole."""
    file = sqlite_file(runtime.settings)
    name = database_url(runtime.settings.store_url).render_as_string(hide_password=True)
    size = file.stat().st_size if file is not None and file.exists() else 0
    try:
        with runtime.reads() as session:
            connection = session.connection()
            return SeenDatabase(
                name=name,
                schema=schema_state(connection),
                file_system=None if file is None else file_system_of(file, _mounts()),
                size_bytes=size,
                integrity=_integrity(connection) if file and size <= SMALL_BYTES else None,
            )
    except (SQLAlchemyError, OSError) as error:
        return SeenDatabase(name=name, unreachable=_short(error))


def _integrity(connection: Connection) -> str:
    return str(connection.execute(text("PRAGMA quick_check(1)")).scalar())


def _short(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


def _mounts() -> str:
    table = Path("/proc/self/mounts")  # Linux; elsewhere nothing is known
    return table.read_text(encoding="utf-8", errors="replace") if table.exists() else ""


def file_system_of(path: Path, mounts: str) -> str | None:
    """The type of the file system that a path lies on, by the system's table of mounts."""
    real = path.resolve()
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        _, point, kind, *_ = [*line.split(" "), "", "", ""]
        folder = Path(point.replace("\\040", " ") or "/")
        if real.is_relative_to(folder) and (best is None or len(folder.parts) >= best[0]):
            best = (len(folder.parts), kind)
    return None if best is None else best[1]


def absent(file: Path) -> Finding:
    """There is no SQLite file yet."""
    return TOPIC.warning(
        "reachable",
        f"{file} is not there yet; `labelgate serve` makes it",
        "labelgate serve, or export LABELGATE_DATA_DIR=FOLDER if the data is elsewhere",
    )


def unusable(error: Exception) -> Finding:
    """It could not even be opened, or did not hold what its schema promises."""
    return TOPIC.failed(
        "reachable", _short(error), "correct LABELGATE_DATABASE_URL, or restore it from a backup"
    )


def judge(seen: SeenDatabase) -> list[Finding]:
    """Whether it is reached, has the schema, lies rightly, and is whole."""
    if seen.unreachable is not None:
        return [
            TOPIC.failed(
                "reachable",
                f"{seen.name} does not answer: {seen.unreachable}",
                "start the database, or correct LABELGATE_DATABASE_URL",
            )
        ]
    found = [TOPIC.ok("reachable", seen.name)]
    if seen.schema is not None:
        found.append(_schema(seen.schema))
    if seen.file_system is not None:
        found.append(_place(seen.file_system))
    if seen.integrity is not None:
        found.append(_whole(seen.integrity))
    elif seen.size_bytes:
        size = f"{seen.size_bytes / 1e9:.1f} GB"
        because = f"the file has {size}, and reading it all would take long"
        command = f"sqlite3 {seen.name.removeprefix('sqlite:///')} 'PRAGMA quick_check'"
        found.append(TOPIC.not_checked("integrity", because, command))
    return found


def _schema(schema: SchemaState) -> Finding:
    if not schema.is_known:
        return TOPIC.failed(
            "schema",
            f"schema {schema.current} is newer than this program, which knows up to {schema.head}",
            "pip install --upgrade labelgate, or use the version that wrote the database",
        )
    if schema.current != schema.head:
        return TOPIC.failed(
            "schema",
            f"schema {schema.current or 'none'}, this program works with {schema.head}",
            "back the database up, then run `labelgate serve`: every start brings it up to date",
        )
    return TOPIC.ok("schema", f"schema {schema.current}, the newest")


def _place(kind: str) -> Finding:
    if kind.startswith(_NETWORK):
        return TOPIC.failed(
            "file system",
            f"SQLite lies on a network file system ({kind}): its log cannot be shared there, and "
            "writes can be lost",
            "export LABELGATE_DATA_DIR=FOLDER on a local disk, or "
            "LABELGATE_DATABASE_URL to that of a PostgreSQL server",
        )
    return TOPIC.ok("file system", f"SQLite with its log (WAL) on {kind}")


def _whole(integrity: str) -> Finding:
    if integrity == "ok":
        return TOPIC.ok("integrity", "SQLite's quick check finds nothing wrong")
    return TOPIC.failed(
        "integrity",
        f"SQLite's quick check says: {integrity}",
        "stop Labelgate and restore the file from a backup, or save what can be read: "
        "sqlite3 labelgate.db .recover | sqlite3 recovered.db",
    )
