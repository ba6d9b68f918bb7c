"""Job: keep the six figures and the cost together, whenever one of them was measured anew."""

from __future__ import annotations

from typing import Any

from audit_jobs.cycle import figures as state_of
from audit_jobs.figures.assembly import Measured, six_figures
from backend.runtime import Runtime
from backend.store.loops import closed_loops
from backend.store.models import all_versions, champion
from backend.store.projects import ConnectedProject
from backend.store.reports import (
    AGREEMENT,
    AUDIT,
    CORRECTIONS,
    CYCLE,
    DRIFT,
    FIGURES,
    STRATEGIES,
    Report,
    newest_by_version,
    newest_id,
    newest_report,
    reports,
    store_report,
)
from connectors.label_studio.labeling import LabelingError, parse_labeling

_MADE_OF = (STRATEGIES, CORRECTIONS, AUDIT, AGREEMENT, DRIFT, CYCLE)
_COST = (
    "cost",
    "cost_items",
    "labour_by_tier",
    "cost_all_manual",
    "labelled",
    "cost_per_label",
    "avoided_errors",
    "cost_per_avoided_error",
)


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Assemble and keep the figures, unless nothing was reported since they last were."""
    with runtime.reads() as session:
        made_of = {kind: newest_id(session, project.id, kind) for kind in _MADE_OF}
        last = newest_report(session, project.id, FIGURES)
    if last is not None and last.body["made_of"] == made_of:
        return {"state": "nothing new"}
    with runtime.reads() as session:
        serving = champion(session, project.id)

    body = {"made_of": made_of, **figures(runtime, project)}

    version = None if serving is None else serving.version
    with runtime.sessions.begin() as session:
        report = Report(kind=FIGURES, model_version=version, made_at=runtime.now(), body=body)
        store_report(session, project.id, report)
    return {"state": "assembled", "weeks": len(body["weeks"]), "versions": len(body["versions"])}


def figures(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """The six figures now, by week and by version, and what labelling has cost."""
    with runtime.reads() as session:
        versions = all_versions(session, project.id)
        measured = Measured(
            strategies=newest_report(session, project.id, STRATEGIES),
            corrections=newest_report(session, project.id, CORRECTIONS),
            audit=newest_report(session, project.id, AUDIT),
            agreement=newest_report(session, project.id, AGREEMENT),
            agreement_by_version=newest_by_version(session, project.id, AGREEMENT),
            drifts=reports(session, project.id, DRIFT),
            loops=closed_loops(session, project.id),
            trained={each.version: each.trained_at for each in versions},
            control=_control(project),
        )
    state = state_of(runtime, project)
    cost = {name: value for name, value in state.items() if name in _COST}
    accuracy = {
        "trend": state["accuracy_trend"],
        "versions": {
            each.version: each.verdict["holdout_accuracy"]
            for each in versions
            if each.verdict.get("holdout_accuracy") is not None
        },
    }
    return {**six_figures(measured), "cost": cost, "accuracy": accuracy}


def _control(project: ConnectedProject) -> str | None:
    """The question that the model answers; None where the labelling config has none."""
    try:
        return parse_labeling(project.label_config).from_name
    except LabelingError:
        return None
