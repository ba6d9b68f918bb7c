"""The jobs by name: plain functions of the runtime and a project, each run by hand too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from audit_jobs import cycle, gold, readers, retrain, strategies
from audit_jobs.agreement import job as agreement
from audit_jobs.audits import job as audit
from audit_jobs.audits import thresholds
from audit_jobs.corrections import job as corrections
from audit_jobs.curves import job as curves
from audit_jobs.drift import job as drift
from audit_jobs.figures import job as figures
from audit_jobs.monitoring import job as monitoring
from backend import counting
from backend.alerts.telling import tell
from backend.breakers.watch import watch
from backend.delivery import deliver
from backend.escalation import escalate
from backend.extra_audits import draw_due
from backend.foreign_versions import register_foreign
from backend.freezing import freeze_aged
from backend.inferences import job as inferences
from backend.mirrors import copies as mirror
from backend.queueing import place
from backend.retraining import request_if_due
from backend.routing import route
from backend.runtime import Runtime
from backend.shadowing import shadow
from backend.store.projects import ConnectedProject
from backend.synchronisation import reconcile, synchronise
from policies.loading import parse_policy

Job = Callable[[Runtime, ConnectedProject], Mapping[str, Any]]


def _sync(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    found = synchronise(runtime, project)
    return {**found, "training_requested": request_if_due(runtime, project)}


def _route(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    model = register_foreign(runtime, project, parse_policy(project.policy_text))
    return {**route(runtime, project), **place(runtime, project), "model": model}


def _reconcile(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    return {**reconcile(runtime, project), **mirror.reconcile(runtime, project)}


JOBS: Mapping[str, Job] = MappingProxyType(
    {
        "sync": _sync,
        "gold": gold.run,
        "readers": readers.run,
        "escalate": escalate,
        "inferences": inferences.run,
        "route": _route,
        "shadow": shadow,
        "deliver": deliver,
        "mirror": mirror.run,
        "agreement": agreement.run,
        "corrections": corrections.run,
        "audit": audit.run,
        "curves": curves.run,
        "monitoring": monitoring.run,
        "breaker": watch,
        "drift": drift.run,
        "cycle": cycle.run,
        "figures": figures.run,
        "counts": counting.run,
        "thresholds": thresholds.run,
        "extra_audits": draw_due,
        "freeze": freeze_aged,
        "retrain": retrain.run,
        "reconcile": _reconcile,
        "strategies": strategies.run,
        "alerts": tell,
    }
)
