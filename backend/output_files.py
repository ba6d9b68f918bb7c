"""What a command writes for a user: a file or a folder that is there whole, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from backend.data_files import DataFileError


def write_file(file: Path, content: bytes) -> None:
    """Write a file beside this one, which it replaces once all is on the disk.

    Raises
        DataFileError: it cannot be written; the message says why.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        _written(draft, content)
        draft.replace(file)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise DataFileError(f"{file}  cannot be written: {error.strerror}") from None


def write_folder(
    folder: Path,
    contents: Mapping[str, bytes],
    *,
    replace: bool = False,
    known: Collection[str] = (),
) -> None:
    """Write all files into a folder beside this one, which then takes its name.

    A folder that holds something is refused; with ``replace`` one that holds no other files than
    these, or ``known`` ones, gives way as a whole.

    Raises
        DataFileError: the folder holds something (else), or cannot be written.
    """
    before = _names(folder)
    if before and not replace:
        raise DataFileError(f"{folder}  is not empty: name a new folder, or say --replace")
    strange = sorted(before - {*contents, *known})
    if strange:
        raise DataFileError(
            f"{folder}  holds {strange[0]!r}, which no such export writes: name a new folder"
        )
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        draft.mkdir(parents=True)
        for name, content in contents.items():
            _written(draft / name, content)
        if folder.exists():
            folder.rename(old)
        try:
            draft.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise DataFileError(f"{folder}  cannot be written: {error.strerror}") from None
    shutil.rmtree(old, ignore_errors=True)


def _names(folder: Path) -> set[str]:
    try:
        return {each.name for each in folder.iterdir()}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise DataFileError(f"{folder}  is no folder to write to: {error.strerror}") from None


def _written(file: Path, content: bytes) -> None:
    with file.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
