"""The jobs by name: plain functions of the runtime and a project, each run by hand too.

A job's module is imported when it is first run: a trainer, or a worker that has other orders, need
not start with what they never use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

from backend.runtime import Runtime
from backend.store.projects import ConnectedProject

Job = Callable[[Runtime, ConnectedProject], Mapping[str, Any]]

_PLACES = {
    "sync": "audit_jobs.steps:sync",
    "gold": "audit_jobs.gold:run",
    "readers": "audit_jobs.readers:run",
    "escalate": "backend.escalation:escalate",
    "inferences": "backend.inferences.job:run",
    "route": "audit_jobs.steps:route",
    "shadow": "backend.shadowing:shadow",
    "deliver": "backend.delivery:deliver",
    "mirror": "backend.mirrors.copies:run",
    "agreement": "audit_jobs.agreement.job:run",
    "corrections": "audit_jobs.corrections.job:run",
    "audit": "audit_jobs.audits.job:run",
    "curves": "audit_jobs.curves.job:run",
    "monitoring": "audit_jobs.monitoring.job:run",
    "breaker": "backend.breakers.watch:watch",
    "drift": "audit_jobs.drift.job:run",
    "cycle": "audit_jobs.cycle:run",
    "figures": "audit_jobs.figures.job:run",
    "counts": "backend.counting:run",
    "thresholds": "audit_jobs.audits.thresholds:run",
    "extra_audits": "backend.extra_audits:draw_due",
    "freeze": "backend.freezing:freeze_aged",
    "retrain": "audit_jobs.retrain:run",
    "reconcile": "audit_jobs.steps:reconcile",
    "strategies": "audit_jobs.strategies:run",
    "alerts": "backend.alerts.telling:tell",
}


class _Jobs(Mapping[str, Job]):
    """What ``_PLACES`` names, each imported when it is asked for."""

    def __getitem__(self, name: str) -> Job:
        module, _, function = _PLACES[name].partition(":")
        job: Job = getattr(import_module(module), function)
        return job

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


JOBS = _Jobs()
