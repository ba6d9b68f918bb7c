"""Closed-loop clients over kept connections: as fast as a server answers, and no faster.

A request is bytes made beforehand, an answer is read to its end and not parsed: what the client
itself costs is small and the same for every server.
"""

from __future__ import annotations

import os
import socket
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What one short block measured: each answer's seconds, and the server's processor seconds."""

    answers: Sequence[float]
    seconds: float
    processor_s: float


def request_bytes(port: int, path: str, body: bytes) -> bytes:
    """A whole POST of JSON."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client:
    """One kept connection; a server that closes it is connected to again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def send(self, requests: Sequence[bytes]) -> float:
        """Seconds from the first byte sent to the last byte read. Raises unless all are 200."""
        started = time.perf_counter()
        for request in requests:
            self._connected().sendall(request)
            if not self._read():
                self.close()
        return time.perf_counter() - started

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=120)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _read(self) -> bool:
        """Read one answer; whether the connection stays open."""
        content = b""
        while (end := content.find(_END_OF_HEAD)) < 0:
            content += self._some()
        head = content[:end].lower()
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(f"answered {content[:300]!r}")
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        left = end + len(_END_OF_HEAD) + length - len(content)
        while left > 0:
            left -= len(self._some())
        return b"connection: close" not in head

    def _some(self) -> bytes:
        if not (part := self._connected().recv(1 << 18)):
            raise ConnectionError("the server closed the connection in the middle of an answer")
        return part

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def block(
    clients: Sequence[Client],
    requests: Sequence[Sequence[bytes]],
    seconds: float,
    pid: int | None = None,
) -> Block:
    """All clients at once for so many seconds, each with its requests in turn, at least one each.

    A request may be several that one follows on the other; they are timed together.

    ``pid`` is the server, whose whole family's processor seconds are told; None tells none.
    """
    times: list[list[float]] = [[] for _ in clients]
    failed: list[BaseException] = []
    until = time.perf_counter() + seconds

    def run(number: int) -> None:
        place = number
        try:
            while not times[number] or time.perf_counter() < until:
                times[number].append(clients[number].send(requests[place % len(requests)]))
                place += 1
        except BaseException as error:  # noqa: BLE001 - a thread's error is the block's
            failed.append(error)

    before, started = _used(pid), time.perf_counter()
    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return Block(
        answers=[each for own in times for each in own],
        seconds=time.perf_counter() - started,
        processor_s=_used(pid) - before,
    )


def _used(pid: int | None) -> float:
    return 0.0 if pid is None else processor_seconds(pid)


def percentile(values: Sequence[float], percent: int) -> float:
    """A percentile; of a single value that value."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def family(pid: int) -> list[int]:
    """A process and all that descend from it, as Linux tells."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            found += [int(child) for child in _text(task).split()]
    return found


def processor_seconds(pid: int) -> float:
    """Processor seconds of the family so far, children that ended included."""
    ticks = 0
    for each in family(pid):
        # After the name, which may hold anything: utime, stime, cutime, cstime are 12th to 15th.
        fields = _text(Path(f"/proc/{each}/stat")).rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS_PER_S


def memory_bytes(processes: Sequence[int]) -> int:
    """Memory of these; pages that several share are counted in parts (PSS)."""
    kilobytes = 0
    for each in processes:
        for line in _text(Path(f"/proc/{each}/smaps_rollup")).splitlines():
            if line.startswith("Pss:"):
                kilobytes += int(line.split()[1])
    return kilobytes * 1024


def _text(path: Path) -> str:
    """Of a process that may have ended by now."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
