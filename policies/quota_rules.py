"""What must hold within the sampling quotas of a policy.

As in ``policies.consistency``, the rules read the document as YAML gave it (defaults filled in)
and skip what is malformed, because wrong types are reported elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.problems import Issue
from policies.quotas import PARTS

# Under this the slices grow too slowly to certify or to measure anything.
LEAST_RANDOM = 0.10
# 0.6 + 0.3 + 0.1 is not 1 in floating point.
_SUM_TOLERANCE = 1e-9


def sampling_issues(document: Mapping[str, Any]) -> Iterator[Issue]:
    """Every rule of this module that the document breaks."""
    section = document.get("sampling")
    if not isinstance(section, Mapping) or not any(part in section for part in PARTS):
        return
    shares = {part: section.get(part, 0.0) for part in PARTS}
    if not all(_is_share(share) for share in shares.values()):
        return
    if shares["uncertainty"] >= 1 - _SUM_TOLERANCE:
        yield Issue(
            ("sampling", "uncertainty"),
            "takes the whole queue: what the model is unsure of says nothing of all other tasks, "
            "so no accuracy and no threshold could be measured, and what it gets wrong with "
            "confidence would never be seen",
            f"leave {LEAST_RANDOM:.2f} or more to random",
        )
    elif shares["random"] < LEAST_RANDOM:
        yield Issue(
            ("sampling", "random"),
            f"is under {LEAST_RANDOM:.2f}: without a random part nothing can be measured or "
            "certified",
            f"use {LEAST_RANDOM:.2f} or more",
        )
    total = sum(shares.values())
    if abs(total - 1) > _SUM_TOLERANCE:
        yield Issue(
            ("sampling",),
            f"has shares that sum to {total:.10g}, not to 1",
            "a share that is not named is 0",
        )


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
