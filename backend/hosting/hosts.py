"""The hosts of this process: one for each class of each project, whoever asks it."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from backend.hosting.host import Host
from backend.hosting.inside import InsideHost
from backend.hosting.spec import HostSpec

_LOCK = threading.Lock()
_HOSTS: dict[tuple[str, Path], Host | InsideHost] = {}


class AskedHost(Protocol):
    """Where a class is asked; see ``Host.ask``."""

    def ask(self, question: Mapping[str, Any], timeout_s: float) -> Any:
        """What it answers."""


def host_of(spec: HostSpec, process: Literal["own", "inside"]) -> AskedHost:
    """The host of this class; one that hosted it in another way is ended."""
    place = (process, spec.folder)
    with _LOCK:
        found = _HOSTS.get(place)
        if found is not None and found.spec == spec:
            return found
        made = Host(spec) if process == "own" else InsideHost(spec)
        _HOSTS[place] = made
    if found is not None:
        found.close()
    return made


def end_hosts() -> None:
    """End all hosts of this process."""
    with _LOCK:
        ended = list(_HOSTS.values())
        _HOSTS.clear()
    for host in ended:
        host.close()


atexit.register(end_hosts)
