"""One Label Studio process on loopback: started, waited for, ended (POSIX: process groups)."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from connectors.label_studio.installation import LocalLabelStudioError
from connectors.loopback import free_port

STOP_TIMEOUT_S = 15.0
PORT_ATTEMPTS = 5

HOST = "127.0.0.1"
_LISTENING = re.compile(rb"Starting development server at http://[^/\s]*:(\d+)/")
# Nothing else of the caller's environment reaches the server: a proxy, DJANGO_DB or HOST set for
# another program would change where it stores and whom it calls.
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH")
SETTINGS = {
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
class Admin:
    """The first user; random per machine, kept in the data folder, readable by its owner only."""

    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)

    @property
    def settings(self) -> dict[str, str]:
        """What makes a first start create this user."""
        return {
            "LABEL_STUDIO_USERNAME": self.email,
            "LABEL_STUDIO_PASSWORD": self.password,
            "LABEL_STUDIO_USER_TOKEN": self.token,
        }


def boot(
    program: Path,
    folder: Path,
    *,
    timeout_s: float,
    port: int | None = None,
    settings: Mapping[str, str] | None = None,
) -> tuple[subprocess.Popen[bytes], int]:
    """Start on ``port``, or on a free one, and wait until healthy; the process and its port.

    ``settings`` go on top of ``SETTINGS``.
    """
    for _ in range(1 if port else PORT_ATTEMPTS):
        wanted = port or free_port()
        printed_before = log_path(folder).stat().st_size if log_path(folder).exists() else 0
        process = _spawn(program, folder, wanted, settings or {})
        try:
            _wait_until_listening(process, folder, printed_before, wanted, timeout_s)
            _wait_until_healthy(process, folder, wanted, timeout_s)
        except _PortTakenError:
            stop(process)
        except BaseException:
            stop(process)
            raise
        else:
            return process, wanted
    raise LocalLabelStudioError(
        f"port {wanted} on {HOST} is taken by another program: stop that program, "
        "or start Label Studio without port= to let it take a free one"
    )


def _spawn(
    program: Path, folder: Path, port: int, settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    environment = {key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ}
    environment |= SETTINGS | dict(settings)
    environment |= {"LABEL_STUDIO_BASE_DATA_DIR": str((folder / "data").absolute())}
    command = [str(program), "start", "--no-browser", "--internal-host", HOST, "--port", str(port)]
    with log_path(folder).open("ab") as log:
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
        with log_path(folder).open("rb") as log:
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
    with httpx.Client(base_url=f"http://{HOST}:{port}", trust_env=False, timeout=10) as client:
        while time.monotonic() < deadline and not _has_ended(process, within_s=0.1):
            with contextlib.suppress(httpx.TransportError):
                if client.get("/health").is_success:
                    return
    raise LocalLabelStudioError(_why_not_started(process, folder, timeout_s))


def _why_not_started(process: subprocess.Popen[bytes], folder: Path, timeout_s: float) -> str:
    code = process.poll()
    happened = f"did not answer within {timeout_s:g} s" if code is None else f"ended with {code}"
    tail = log_path(folder).read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
    return f"Label Studio {happened}; the end of {log_path(folder)}:\n" + "\n".join(tail)


def _has_ended(process: subprocess.Popen[bytes], *, within_s: float) -> bool:
    try:
        process.wait(timeout=within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask its group to end, and end it by force after 15 s."""
    signal_group(process, signal.SIGTERM)
    if not _has_ended(process, within_s=STOP_TIMEOUT_S):
        signal_group(process, signal.SIGKILL)
        process.wait()


def signal_group(process: subprocess.Popen[bytes], which: signal.Signals) -> None:
    """Signal the group that this process leads; nothing where it has ended."""
    if process.poll() is None:  # once it was waited for, its number may be another's
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, which)


def log_path(folder: Path) -> Path:
    """What the servers of this folder printed."""
    return folder / "label-studio.log"
