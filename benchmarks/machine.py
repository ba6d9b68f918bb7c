"""What a measurement ran on: without it no figure of RESULTS.md can be read."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("numpy", "scipy", "scikit-learn", "flask", "gunicorn", "sqlalchemy")


def described() -> Sequence[tuple[str, str]]:
    """Processor, memory, system and versions; no name of the machine and no path of it.

    Of the kernel its version, without who built it and how often: that makes no other machine.
    """
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    kernel = platform.release().partition("-")[0]
    return (
        ("Processor", f"{_processor()}, {os.cpu_count()} cores"),
        ("Memory", f"{_memory_bytes() / 2**30:.0f} GiB"),
        ("System", f"{platform.system()} {kernel}, {platform.machine()}"),
        ("Python", f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}"),
        ("Packages", packages),
    )


def load() -> str:
    """Processes that want a processor, mean of the last minute; '' where it is not known."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""


def _processor() -> str:
    """The model as Linux names it, else as Python does."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    """All memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
