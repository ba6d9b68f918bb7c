"""How often a hosted class was trained, known to every process that hosts it.

Each training makes another version: many classes keep one name whatever they learn.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = "labelgate.trainings"


def trainings_of(folder: Path) -> int:
    """How often the class whose state this folder keeps was trained."""
    try:
        return int((folder / _NAME).read_text(encoding="ascii"))
    except (OSError, ValueError):  # never yet, or somebody emptied it
        return 0


@contextmanager
def counted_training(folder: Path) -> Iterator[None]:
    """Count the training done within; one that fails only where it has changed the state."""
    before = _state(folder)
    try:
        yield
    except BaseException:
        if _state(folder) != before:
            _count(folder)
        raise
    _count(folder)


def _count(folder: Path) -> None:
    draft = folder / f"{_NAME}.{secrets.token_hex(4)}"
    draft.write_text(str(trainings_of(folder) + 1), encoding="ascii")
    draft.replace(folder / _NAME)


def _state(folder: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of all files: what says whether anything was written."""
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            try:
                stamp = path.stat()
            except FileNotFoundError:  # it was a draft
                continue
            found.append((str(path), stamp.st_size, stamp.st_mtime_ns))
    return sorted(found)
