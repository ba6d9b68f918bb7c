"""Looking at what a request proves itself with: not too often from one address."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from flask import request

from backend.web.errors import RequestError
from backend.web.state import web

logger = logging.getLogger(__name__)
Found = TypeVar("Found")


def looked_at(what: str, look: Callable[[], Found | None]) -> Found | None:
    """What ``look`` finds; None, which is counted, where the proof is wrong.

    ``what`` is the kind of proof, or whose. Raises ``RequestError`` (429) without looking after too
    many that were wrong (``backend.web.proofs``).
    """
    proofs, address = web().proofs, request.remote_addr or ""
    wait_s = proofs.wait(what, address)
    if wait_s:
        raise RequestError(
            429,
            "too_many_attempts",
            f"too many wrong passwords, secrets or tokens came from here: again in {wait_s} s",
            wait_s=wait_s,
        )
    found = look()
    if found is None:
        proofs.wrong(what, address)
        logger.warning("proof.wrong address=%s", address)  # not what was brought
    else:
        proofs.right(what, address)
    return found
