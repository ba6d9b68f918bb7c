"""What the views share: one object per app, found through Flask's current app."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app

from backend.inferences.turns import Turns
from backend.readiness import Lookout
from backend.runtime import Runtime
from backend.serving import Snapshots
from backend.web.attempts import Attempts
from backend.web.metrics import Metrics

NAME = "labelgate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """The runtime, the snapshots that predictions are answered from, and the counters.

    ``turns`` are those of inferences that come in, ``password_turns`` those of passwords that are
    looked at, which takes memory and time; ``attempts`` are those to sign in; ``lookout`` says
    whether requests can be answered.
    """

    runtime: Runtime
    snapshots: Snapshots
    metrics: Metrics
    turns: Turns
    password_turns: Turns
    attempts: Attempts
    lookout: Lookout


def web() -> Web:
    """The state of the app that answers the present request."""
    state: Web = current_app.extensions[NAME]
    return state
