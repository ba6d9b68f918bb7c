"""Ports of this machine's own address, for servers that one program starts for itself."""

from __future__ import annotations

import socket

_HOST = "127.0.0.1"


def free_port() -> int:
    """A port of loopback that nobody listens on now; until it is taken, others may take it."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
