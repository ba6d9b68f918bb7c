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
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

from connectors.label_studio.installation import (
    LocalLabelStudioError,
    cache_folder,
    find_executable,
    installed_version,
)

logger = logging.getLogger(__name__)

ADMIN_EMAIL = "admin@example.com"
START_TIMEOUT_S = 300.0  # 11 s on a quiet machine
MIGRATION_TIMEOUT_S = 1200.0  # 60 to 120 s on a quiet machine
STOP_TIMEOUT_S = 15.0
PORT_ATTEMPTS = 5

_HOST = "127.0.0.1"
_ADMIN_FILE = "labelgate-admin.json"
_LISTENING = re.compile(rb"Starting development server at http://[^/\s]*:(\d+)/")
# Nothing else of the caller's environment reaches the server: a proxy, DJANGO_DB or HOST set for
# another program would change where it stores and whom it calls.
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH")
_SETTINGS = {
    "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
    "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
    # Without these two, ML backends and webhooks on loopback are refused with 403.
    "SSRF_PROTECTION_ENABLED": "false",
    "ML_BLOCK_LOCAL_IP": "false",
    # Nothing leaves the machine.
    "LATEST_VERSION_CHECK": "false",
    "COLLECT_ANALYTICS": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "PYTHONUNBUFFERED": "1",  # its log names the port that it really took
}


class _PortTakenError(Exception):
    """Another program took the port first; Label Studio silently moved on or gave up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Admin:
    """The first user; random per machine, kept in the data folder, readable by its owner only."""

    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)


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
        return f"http://{_HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """Its process, which leads a process group of its own."""
        return self.process.pid

    @property
    def log(self) -> Path:
        """What it printed, over all starts in this folder."""
        return _log_path(self.folder)

    def stop(self) -> None:
        """Ask it to end, and end it by force after 15 s; harmless where it has ended already."""
        _stop(self.process)

    def kill(self) -> None:
        """End it at once, as a power cut would: the fault tests' way."""
        _signal_group(self.process, signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_label_studio(
    folder: Path, *, port: int | None = None, executable: Path | None = None
) -> LocalLabelStudio:
    """Start Label Studio with its data in ``folder``, and return once it answers.

    An empty folder gets a copy of the migrated data; a folder of an earlier start keeps its data,
    so that a server can be stopped and started again (with ``port=`` under its old address).
    Without a port, a free one is taken. Raises ``LocalLabelStudioError``.
    """
    program = find_executable(executable)
    version = installed_version(program)
    data = folder / "data"
    if not data.exists():
        _copy_whole(prepare_data(program), data)
    admin = _Admin(**json.loads((data / _ADMIN_FILE).read_text(encoding="utf-8")))
    process, bound = _boot(program, folder, port=port, timeout_s=START_TIMEOUT_S)
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
    settings = hashlib.sha256(json.dumps(_SETTINGS, sort_keys=True).encode()).hexdigest()[:8]
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
    process, _ = _boot(program, folder, admin=_Admin(**admin), timeout_s=MIGRATION_TIMEOUT_S)
    _stop(process)


def _boot(
    program: Path,
    folder: Path,
    *,
    timeout_s: float,
    port: int | None = None,
    admin: _Admin | None = None,
) -> tuple[subprocess.Popen[bytes], int]:
    """Start on ``port``, or on a free one, and wait until healthy; the process and its port."""
    for _ in range(1 if port else PORT_ATTEMPTS):
        wanted = port or _free_port()
        printed_before = _log_path(folder).stat().st_size if _log_path(folder).exists() else 0
        process = _spawn(program, folder, wanted, admin)
        try:
            _wait_until_listening(process, folder, printed_before, wanted, timeout_s)
            _wait_until_healthy(process, folder, wanted, timeout_s)
        except _PortTakenError:
            _stop(process)
        except BaseException:
            _stop(process)
            raise
        else:
            return process, wanted
    raise LocalLabelStudioError(
        f"port {wanted} on {_HOST} is taken by another program: stop that program, "
        "or start Label Studio without port= to let it take a free one"
    )


def _spawn(program: Path, folder: Path, port: int, admin: _Admin | None) -> subprocess.Popen[bytes]:
    environment = {key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ}
    environment |= _SETTINGS | {"LABEL_STUDIO_BASE_DATA_DIR": str((folder / "data").absolute())}
    if admin is not None:
        environment |= {
            "LABEL_STUDIO_USERNAME": admin.email,
            "LABEL_STUDIO_PASSWORD": admin.password,
            "LABEL_STUDIO_USER_TOKEN": admin.token,
        }
    command = [str(program), "start", "--no-browser", "--internal-host", _HOST, "--port", str(port)]
    with _log_path(folder).open("ab") as log:
        return subprocess.Popen(  # noqa: S603 -- the program that was asked for
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait_until_listening(
    process: subprocess.Popen[bytes], folder: Path, printed_before: int, port: int, timeout_s: float
) -> None:
    """Until this process itself says which port it took.

    /health or the token would not tell: where two start at once, another server of the same
    machine may answer on our port with the same token, while ours moved to the next.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        ended = _has_ended(process, within_s=0.1)
        with _log_path(folder).open("rb") as log:
            log.seek(printed_before)
            printed = log.read()
        if said := _LISTENING.search(printed):
            if int(said[1]) != port:
                raise _PortTakenError
            return
        if ended and b"port is already in use" in printed:
            raise _PortTakenError
        if ended or time.monotonic() > deadline:
            raise LocalLabelStudioError(_why_not_started(process, folder, timeout_s))


def _wait_until_healthy(
    process: subprocess.Popen[bytes], folder: Path, port: int, timeout_s: float
) -> None:
    deadline = time.monotonic() + timeout_s
    # trust_env: no proxy of the caller's stands between us and loopback.
    with httpx.Client(base_url=f"http://{_HOST}:{port}", trust_env=False, timeout=10) as client:
        while time.monotonic() < deadline and not _has_ended(process, within_s=0.1):
            with contextlib.suppress(httpx.TransportError):
                if client.get("/health").is_success:
                    return
    raise LocalLabelStudioError(_why_not_started(process, folder, timeout_s))


def _why_not_started(process: subprocess.Popen[bytes], folder: Path, timeout_s: float) -> str:
    code = process.poll()
    happened = f"did not answer within {timeout_s:g} s" if code is None else f"ended with {code}"
    tail = _log_path(folder).read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
    return f"Label Studio {happened}; the end of {_log_path(folder)}:\n" + "\n".join(tail)


def _has_ended(process: subprocess.Popen[bytes], *, within_s: float) -> bool:
    try:
        process.wait(timeout=within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _stop(process: subprocess.Popen[bytes]) -> None:
    _signal_group(process, signal.SIGTERM)
    if not _has_ended(process, within_s=STOP_TIMEOUT_S):
        _signal_group(process, signal.SIGKILL)
        process.wait()


def _signal_group(process: subprocess.Popen[bytes], which: signal.Signals) -> None:
    if process.poll() is None:  # once it was waited for, its number may be another's
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, which)


def _copy_whole(source: Path, target: Path) -> None:
    """Copy a folder so that the target is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{target.name}.draft-", dir=target.parent))
    shutil.copytree(source, draft, dirs_exist_ok=True)
    draft.rename(target)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _log_path(folder: Path) -> Path:
    return folder / "label-studio.log"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file's lock; the system lets it go when the process dies."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
