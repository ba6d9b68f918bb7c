"""What a run says while it goes on, kept with its row: the last lines of its log, how far it is."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from backend.job_progress import heard_by
from backend.redaction import redacted, redactor
from backend.runtime import Runtime
from backend.store.job_runs import tell_of_run

logger = logging.getLogger(__name__)

MOST_LINES = 200
_LONGEST_LINE = 2_000  # characters; of a traceback all lines are one record
_WRITE_S = 3.0


class RunRecord(logging.Handler):
    """The last lines that the run's own thread logged, and the stage that it told last.

    Other threads of the process run other jobs, so their lines are left out. It is written from a
    thread of its own, because the run's may hold the database's write lock when it says something.
    """

    def __init__(self, runtime: Runtime, run_id: int) -> None:
        super().__init__()
        self._runtime = runtime
        self._run_id = run_id
        self._thread = threading.get_ident()
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._far: tuple[str | None, float | None] = (None, None)
        self._news = False
        self.setFormatter(_Lines("%(asctime)s %(levelname)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line of the run's own thread."""
        if record.thread != self._thread or record.name == __name__:
            return
        try:
            said = self.format(record)
        except Exception:  # noqa: BLE001 - as every handler: a log line must not end the work
            self.handleError(record)
            return
        self._lines.extend(line[:_LONGEST_LINE] for line in said.splitlines())
        self._news = True

    def hear(self, stage: str, share: float | None) -> None:
        """What ``backend.job_progress.progress`` tells."""
        self._far = (stage, share)
        self._news = True

    @property
    def text(self) -> str:
        """The lines without any secret."""
        lines = list(self._lines)  # a copy: the run goes on
        if not lines:
            return ""
        return redacted("\n".join(lines), redactor(self._runtime.settings))

    def write(self) -> None:
        """Keep what is new with the run's row."""
        if not self._news:
            return
        self._news = False
        try:
            text = self.text
            with self._runtime.sessions.begin() as session:
                tell_of_run(session, self._run_id, self._far, text)
        except SQLAlchemyError as error:  # a busy database: the next look or the end may do
            self._news = True
            logger.warning("run.not_told run=%d error=%s", self._run_id, type(error).__name__)


@contextmanager
def recorded(runtime: Runtime, run_id: int, every_s: float = _WRITE_S) -> Iterator[RunRecord]:
    """Listen to the run in this thread; nothing new is written after the block."""
    record = RunRecord(runtime, run_id)
    ended = threading.Event()
    writer = threading.Thread(target=_write_until, args=(record, ended, every_s), daemon=True)
    root = logging.getLogger()
    root.addHandler(record)
    writer.start()
    try:
        with heard_by(record.hear):
            yield record
    finally:
        root.removeHandler(record)
        ended.set()
        writer.join()


def _write_until(record: RunRecord, ended: threading.Event, every_s: float) -> None:
    while not ended.wait(every_s):
        record.write()


class _Lines(logging.Formatter):
    """Times in UTC, as everywhere."""

    converter = time.gmtime  # type: ignore[assignment]  # as the documentation of logging says
    default_time_format = "%H:%M:%S"
    default_msec_format = ""
