"""What the views share: one object per app, found through Flask's current app."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app

from backend.runtime import Runtime
from backend.serving import Snapshots
from backend.web.metrics import Metrics

NAME = "labelgate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """The runtime, the snapshots that predictions are answered from, and the counters."""

    runtime: Runtime
    snapshots: Snapshots
    metrics: Metrics


def web() -> Web:
    """The state of the app that answers the present request."""
    state: Web = current_app.extensions[NAME]
    return state
