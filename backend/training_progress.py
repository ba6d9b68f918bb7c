"""What a trainer says of itself while it works, and how it learns that nobody wants it any more."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sqlalchemy.exc import OperationalError

from backend.leasing import Lease
from backend.runtime import Runtime
from backend.store.training import report_progress

logger = logging.getLogger(__name__)

READING, TRAINING, GATING, RECORDING = "reading the answers", "training", "gating", "recording"
_PAUSE_S = 1.0  # a training reports often, and others wait for the database


class TrainingCancelledError(Exception):
    """The request was closed while the training went on; nothing of it is recorded."""


class Telling:
    """Writes stage and share to a request; only while its trainer holds the lease."""

    def __init__(
        self,
        runtime: Runtime,
        lease: Lease,
        request_id: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runtime = runtime
        self._lease = lease
        self._request_id = request_id
        self._clock = clock
        self._told_at = float("-inf")

    def stage(self, stage: str) -> None:
        """A new part of the work begins.

        Raises
            TrainingCancelledError: the request was cancelled.
            LeaseLostError: another trainer may be at it.
        """
        self._write(stage, None)

    def share(self, share: float) -> None:
        """How much of the fitting is done, 0 to 1; written at most once a second. Raises as above.

        This is the ``Progress`` that a fitting is given: what it raises ends the fitting.
        """
        if self._clock() - self._told_at >= _PAUSE_S:
            self._write(TRAINING, min(max(share, 0.0), 1.0))

    def _write(self, stage: str, share: float | None) -> None:
        self._told_at = self._clock()
        try:
            with self._runtime.sessions.begin() as session:
                self._lease.require(session)
                wanted = report_progress(session, self._request_id, stage, share)
        except OperationalError as error:  # a busy database: nobody sees it, the work goes on
            logger.warning("training.progress_untold request=%d error=%s", self._request_id, error)
            return
        if not wanted:
            raise TrainingCancelledError("the training was cancelled")
