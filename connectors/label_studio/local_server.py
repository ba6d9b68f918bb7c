"""A Label Studio of one's own on loopback, for tests and the demo (POSIX: process groups, flock).

Label Studio's first start migrates its database for a minute or two. So one migrated data folder
per version is kept in the user's cache and copied for each run; later starts take seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from connectors.label_studio.installation import (
    cache_folder,
    find_executable,
    installed_version,
)
from connectors.label_studio.server_process import (
    HOST,
    SETTINGS,
    Admin,
    boot,
    log_path,
    signal_group,
    stop,
)

logger = logging.getLogger(__name__)

ADMIN_EMAIL = "admin@example.com"
START_TIMEOUT_S = 300.0  # 4 to 12 s on a quiet machine
MIGRATION_TIMEOUT_S = 1200.0  # 30 to 120 s on a quiet machine
_ADMIN_FILE = "labelgate-admin.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalLabelStudio:
    """A running server; leaving the ``with`` block stops it. ``token`` is the admin's, legacy."""

    folder: Path
    port: int
    version: str
    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def url(self) -> str:
        """Where it answers; loopback only."""
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """Its process, which leads a process group of its own."""
        return self.process.pid

    @property
    def log(self) -> Path:
        """What it printed, over all starts in this folder."""
        return log_path(self.folder)

    def stop(self) -> None:
        """Ask it to end, and end it by force after 15 s; harmless where it has ended already."""
        stop(self.process)

    def kill(self) -> None:
        """End it at once, as a power cut would: the fault tests' way."""
        signal_group(self.process, signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_label_studio(
    folder: Path,
    *,
    port: int | None = None,
    executable: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> LocalLabelStudio:
    """Start Label Studio with its data in ``folder``, and return once it answers.

    An empty folder gets a copy of the migrated data; a folder of an earlier start keeps its data,
    so that a server can be stopped and started again (with ``port=`` under its old address).
    Without a port, a free one is taken. ``settings`` are variables of its environment beside ours.
    Raises ``LocalLabelStudioError``.
    """
    program = find_executable(executable)
    version = installed_version(program)
    data = folder / "data"
    if not data.exists():
        _copy_whole(prepare_data(program), data)
    admin = Admin(**json.loads((data / _ADMIN_FILE).read_text(encoding="utf-8")))
    process, bound = boot(program, folder, port=port, timeout_s=START_TIMEOUT_S, settings=settings)
    logger.info("label_studio.started version=%s port=%d", version, bound)
    return LocalLabelStudio(
        folder=folder,
        port=bound,
        version=version,
        email=admin.email,
        password=admin.password,
        token=admin.token,
        process=process,
    )


def prepare_data(executable: Path | None = None) -> Path:
    """The cache's migrated data folder of this version; made on first use, which takes minutes.

    Built beside its place under a lock and renamed when complete: a crash leaves nothing half
    made, and of two processes at once the second waits for the first.
    """
    program = find_executable(executable)
    version = installed_version(program)
    # Other start-up settings make other data (the token setting is read at the first boot only).
    settings = hashlib.sha256(json.dumps(SETTINGS, sort_keys=True).encode()).hexdigest()[:8]
    template = cache_folder() / f"label-studio-{version}-data-{settings}"
    if template.exists():
        return template
    template.parent.mkdir(parents=True, exist_ok=True)
    with _locked(template.with_name(template.name + ".lock")):
        for leftover in template.parent.glob(template.name + ".draft-*"):
            shutil.rmtree(leftover)  # of a crash: whoever works on a draft holds the lock
        if not template.exists():
            logger.info("label_studio.migrating version=%s, once, a minute or two", version)
            prefix = template.name + ".draft-"
            draft = Path(tempfile.mkdtemp(prefix=prefix, dir=template.parent))
            try:
                _first_boot(program, draft)
                (draft / "data").rename(template)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    return template


def _first_boot(program: Path, folder: Path) -> None:
    """Migrate an empty database and make the admin."""
    data = folder / "data"
    data.mkdir(mode=0o700)
    password, token = secrets.token_urlsafe(16), secrets.token_hex(20)  # 40 hex: a legacy token
    admin = {"email": ADMIN_EMAIL, "password": password, "token": token}
    file = data / _ADMIN_FILE
    file.touch(mode=0o600)
    file.write_text(json.dumps(admin), encoding="utf-8")
    process, _ = boot(
        program, folder, settings=Admin(**admin).settings, timeout_s=MIGRATION_TIMEOUT_S
    )
    stop(process)


def _copy_whole(source: Path, target: Path) -> None:
    """Copy a folder so that the target is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{target.name}.draft-", dir=target.parent))
    shutil.copytree(source, draft, dirs_exist_ok=True)
    draft.rename(target)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file's lock; the system lets it go when the process dies."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
