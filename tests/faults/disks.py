"""A disk that is full: a small one of the test's own, or a limit on the size of files."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE_MB = 256


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small file system in memory at ``folder``; False where this user may not."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["/bin/mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Take all the room that this file system has left; give it back after the block."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        while (room := os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize) > 0:
            try:
                os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), room)
            except OSError:  # somebody was faster
                continue
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def limited(processes: list[int], most_bytes: int) -> Iterator[None]:
    """None of these processes, nor what they start, may let a file grow beyond this."""
    before = {}
    for pid in processes:
        before[pid] = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most_bytes, before[pid][1]))
    try:
        yield
    finally:
        for pid in processes:
            try:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, before[pid])
            except ProcessLookupError:
                continue
