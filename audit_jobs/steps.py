"""Jobs of more than one step, each of which needs what the step before it has left."""

from __future__ import annotations

from typing import Any

from backend import routing, synchronisation
from backend.foreign_versions import register_foreign
from backend.mirrors import copies
from backend.queueing import place
from backend.retraining import request_if_due
from backend.runtime import Runtime
from backend.store.projects import ConnectedProject
from policies.loading import parse_policy


def sync(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Pull what changed, and ask for a training where the policy wants one after that."""
    found = synchronisation.synchronise(runtime, project)
    return {**found, "training_requested": request_if_due(runtime, project)}


def route(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Take up the version that a foreign model answers with, decide, and place into queues."""
    model = register_foreign(runtime, project, parse_policy(project.policy_text))
    return {**routing.route(runtime, project), **place(runtime, project), "model": model}


def reconcile(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Compare everything with Label Studio, in the project and in its mirror."""
    return {
        **synchronisation.reconcile(runtime, project),
        **copies.reconcile(runtime, project),
    }
