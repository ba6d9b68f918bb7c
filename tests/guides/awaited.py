"""What the pages name already and what comes with another part of the same release.

Each entry goes as soon as the thing is there: a test says so.
"""

from __future__ import annotations

COMMANDS: frozenset[str] = frozenset()
# Made by the browser tests, into docs/images.
SCREENSHOTS = frozenset(
    f"{name}.png"
    for name in (
        *("overview", "project", "explorer", "decision", "what-if"),
        *("models", "rollback", "jobs", "sign-in"),
    )
)
