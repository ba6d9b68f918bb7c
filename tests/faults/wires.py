"""A TCP line that a test can cut, slow down, or let end in the middle of an answer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

_CHUNK = 65_536
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong with the line.

    ``is_cut``: no connection is taken, and those that stand are dropped. ``latency_s``: every
    request arrives so much later. ``answer_bytes``: the connection ends after so many bytes of an
    answer; with 0 the request is carried out and nobody learns of it.
    """

    is_cut: bool = False
    latency_s: float = 0.0
    answer_bytes: int | None = None


WHOLE = Trouble()


class Wire:
    """Listens on ``port`` of loopback and carries everything to ``target``, as far as it may."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.tried = 0  # connections, whatever became of them
        self._trouble = WHOLE
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """The near end's address."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[Wire]:
        """Carry, in a thread of its own, until the block ends."""
        # All in that thread: a browser that other tests share has a loop in this one.
        thread = threading.Thread(target=self._loop.run_forever, name="wire")
        thread.start()
        try:
            server = self._in_loop(asyncio.start_server(self._carry, "127.0.0.1", 0))
            self.port = server.sockets[0].getsockname()[1]
            try:
                yield self
            finally:
                self._in_loop(self._end(server))
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def _in_loop(self, what: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    @contextmanager
    def in_trouble(self, trouble: Trouble) -> Iterator[None]:
        """The line is like that within the block, and whole again after it."""
        self._trouble = trouble
        if trouble.is_cut:
            self._loop.call_soon_threadsafe(self._drop_all)
        try:
            yield
        finally:
            self._trouble = WHOLE

    async def _end(self, server: asyncio.Server) -> None:
        server.close()
        self._drop_all()
        mine = asyncio.current_task()
        carrying = [each for each in asyncio.all_tasks() if each is not mine]
        for each in carrying:
            each.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)

    def _drop_all(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        trouble = self._trouble
        self._open.add(writer)
        try:
            self.tried += 1
            if trouble.is_cut:
                return
            await asyncio.sleep(trouble.latency_s)
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            self._open.add(far_writer)
            try:
                asking = asyncio.create_task(_pump(reader, far_writer, None))
                await _pump(far_reader, writer, trouble.answer_bytes)
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            finally:
                self._open.discard(far_writer)
                far_writer.close()
        except OSError:  # either end is gone: so is the connection
            pass
        finally:
            self._open.discard(writer)
            writer.close()


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None
) -> None:
    """Carry one direction to its end, or up to ``most`` bytes; an end that is gone is the end."""
    left = most
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            if left is not None:
                data, left = data[:left], left - len(data)
            if data:
                writer.write(data)
                await writer.drain()
            if left is not None and left <= 0:
                return
        if writer.can_write_eof():
            writer.write_eof()
