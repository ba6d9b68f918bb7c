"""Whether the data folder can be written, by this user alone, and has room."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from backend.diagnosis.findings import Finding, Topic
from backend.secret_files import secret_files

TOPIC = Topic("data folder")
# A training writes a model beside the old one, SQLite a log beside its file: below the first there
# is no room for either, below the second not for long.
FULL_BYTES = 200_000_000
TIGHT_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFolder:
    """A data folder as it was found; ``open_secrets`` are files that others may read."""

    path: Path
    exists: bool
    unwritable: str | None = None
    open_secrets: tuple[Path, ...] = ()
    free_bytes: int = 0


def look(path: Path) -> SeenFolder:
    """Look at a folder; to know whether it can be written a file is made and removed."""
    if not path.is_dir():
        unwritable = f"{path} is a file" if path.exists() else None
        return SeenFolder(path=path, exists=path.exists(), unwritable=unwritable)
    unwritable = None
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix=".doctor-") as file:
            file.write(b"labelgate doctor\n")
            file.flush()
    except OSError as error:
        unwritable = error.strerror or str(error)
    return SeenFolder(
        path=path,
        exists=True,
        unwritable=unwritable,
        open_secrets=tuple(each for each in secret_files(path) if _is_open(each)),
        free_bytes=shutil.disk_usage(path).free,
    )


def _is_open(path: Path) -> bool:
    if os.name == "nt":  # modes say nothing there
        return False
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def judge(seen: SeenFolder) -> list[Finding]:
    """Whether it can be written, is private, and has room."""
    if not seen.exists:
        return [
            TOPIC.warning(
                "writable",
                f"{seen.path} is not there yet; `labelgate serve` makes it",
                "labelgate serve, or export LABELGATE_DATA_DIR=FOLDER if the data is elsewhere",
            )
        ]
    if seen.unwritable is not None:
        quoted = shlex.quote(str(seen.path))
        return [
            TOPIC.failed(
                "writable",
                f"{seen.path} cannot be written: {seen.unwritable}",
                f'sudo chown -R "$(id -un)" {quoted}, or export LABELGATE_DATA_DIR=FOLDER',
            )
        ]
    return [
        TOPIC.ok("writable", f"{seen.path.absolute()} can be written"),
        _privacy(seen),
        _room(seen),
    ]


def _privacy(seen: SeenFolder) -> Finding:
    if not seen.open_secrets:
        return TOPIC.ok("private", "no secret file can be read by other users")
    names = ", ".join(path.name for path in seen.open_secrets)
    quoted = " ".join(shlex.quote(str(path)) for path in seen.open_secrets)
    return TOPIC.failed("private", f"other users can read {names}", f"chmod 600 {quoted}")


def _room(seen: SeenFolder) -> Finding:
    free = f"{seen.free_bytes / 1e9:,.1f} GB are free"
    fix = "free some space on that disk, or move the folder and export LABELGATE_DATA_DIR=FOLDER"
    if seen.free_bytes < FULL_BYTES:
        return TOPIC.failed("free disk", f"{free}: the next write may fail", fix)
    if seen.free_bytes < TIGHT_BYTES:
        return TOPIC.warning("free disk", f"only {free}", fix)
    return TOPIC.ok("free disk", free)
