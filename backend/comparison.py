"""Comparing what was given with a secret."""

from __future__ import annotations

import hmac


def same(given: str, right: str) -> bool:
    """Whether both are the same text; how long it takes does not say how far they agree."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode("utf-8", "replace"))
