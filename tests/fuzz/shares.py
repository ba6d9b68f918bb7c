"""How the cases of a run are shared out: 100,000 in the long form, a few thousand in the short."""

from __future__ import annotations

import pytest

LONG_CASES = 100_000
# Of a hundred. Requests cost most and find most; PostgreSQL answers the same ones at its own pace.
SHARES = {
    "requests": 34,
    "loops": 1,
    "requests on PostgreSQL": 5,
    "labelling configs": 12,
    "policies": 5,
    "events": 5,
    "inferences": 10,
    "task data": 10,
    "results": 8,
    "files": 10,
}
_SHORT = 2_000


def forms(part: str) -> list[object]:
    """The parameters of a test: how many cases in its short form, and in its long one."""
    share = SHARES[part]
    return [
        _SHORT * share // 100,
        pytest.param(LONG_CASES * share // 100, marks=pytest.mark.long),
    ]
