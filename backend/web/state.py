"""What the views share: one object per app, found through Flask's current app."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app
from sqlalchemy import Engine

from backend.inferences.turns import Turns
from backend.readiness import Lookout
from backend.runtime import Runtime
from backend.serving import Snapshots
from backend.web.attempts import Attempts
from backend.web.metrics import Metrics
from backend.web.proofs import Proofs
from backend.web.rates import Rates

NAME = "labelgate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """The runtime, the snapshots that predictions are answered from, and the counters.

    ``lone_reads`` is for reads of one statement; ``turns`` are those of inferences that come in,
    ``password_turns`` those of passwords that are looked at, which takes memory and time;
    ``attempts`` are those to sign in; ``proofs`` is what programs prove themselves with; ``rates``
    is how many requests an address may send; ``lookout`` says whether requests can be answered.
    """

    runtime: Runtime
    lone_reads: Engine
    snapshots: Snapshots
    metrics: Metrics
    turns: Turns
    password_turns: Turns
    attempts: Attempts
    proofs: Proofs
    rates: Rates
    lookout: Lookout


def web() -> Web:
    """The state of the app that answers the present request."""
    state: Web = current_app.extensions[NAME]
    return state
