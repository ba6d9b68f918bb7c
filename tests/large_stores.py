"""A large store that several test modules share: filling it takes half a minute."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from benchmarks.large_store import FEWEST, Filled, fill, reopened

DECISIONS = int(os.environ.get("LABELGATE_TEST_DECISIONS", FEWEST))


def large_store(folder: Path) -> Filled:
    """One of ``LABELGATE_TEST_DECISIONS``, or a copy of what lies in ``LABELGATE_TEST_STORE``."""
    kept = os.environ.get("LABELGATE_TEST_STORE")
    return fill(folder, decisions=DECISIONS) if kept is None else copied(Path(kept), folder)


def copied(store: Path, folder: Path) -> Filled:
    """A copy that may be changed; nobody may be writing."""
    return reopened(Path(shutil.copytree(store, folder)))
