"""Times and shares as the pack writes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audit_jobs.documents.tables import figure_cells

PERCENT = "{:.1%}"


def share(figure: Mapping[str, Any] | None) -> str:
    """A share with its interval and what it rests on, in one cell."""
    if figure is None or figure["value"] is None:
        return "undefined"
    _, value, interval, count = figure_cells("", figure, PERCENT)
    return f"{value} ({interval}, n = {count})" if interval else f"{value} (n = {count})"


def minute(moment: datetime) -> str:
    """To the minute, UTC."""
    return f"{moment:%Y-%m-%d %H:%M}"
