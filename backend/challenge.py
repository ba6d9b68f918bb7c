"""A new version meets the one that serves: the gate's verdict, and what becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from backend.champion import Champion, load_champion
from backend.gate import Verdict, judge
from backend.measuring import bars_of, measured
from backend.predictors.errors import ArtifactError
from backend.predictors.protocol import Predictor
from backend.promotion import put_in_service
from backend.runtime import Runtime
from backend.store.lineages import Lineage, store_lineage
from backend.store.models import EXAMPLES_BY_LABEL, ModelVersion, champion, store_version
from backend.store.projects import ConnectedProject
from backend.store.promotions import Kind
from backend.store.shadows import start_shadow
from backend.store.training import IN_SHADOW, KEPT, PROMOTED
from policies.schema import Policy

logger = logging.getLogger(__name__)


def champion_to_beat(
    runtime: Runtime, project: ConnectedProject
) -> tuple[Champion | None, str | None]:
    """The version to beat, or why the one that should serve does not."""
    try:
        return load_champion(runtime, project.id), None
    except ArtifactError as error:
        logger.warning("training.champion_unreadable project=%d error=%s", project.id, error)
        # Nothing serves, so nothing is to be lost by a new version.
        return None, f"the one that served cannot be read ({error})"


def judged(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    holdout: Mapping[int, str],
    versions: tuple[tuple[Predictor, Mapping[str, Any]], Champion | None],
) -> tuple[Verdict, dict[int, bool]]:
    """The gate's verdict of a predictor with its lineage beside the champion (None: there is none).

    With it comes which holdout answers the new version got right, by task.
    """
    (predictor, lineage), serving = versions
    seen = lineage[EXAMPLES_BY_LABEL]
    answers = measured(runtime, project, policy, (predictor, seen), holdout)
    before = None
    if serving is not None:
        seen = serving.model.lineage.get(EXAMPLES_BY_LABEL, {})
        before = measured(runtime, project, policy, (serving.predictor, seen), holdout)
    verdict = judge(answers, before, bars_of(policy, holdout))
    return verdict, dict(zip(sorted(holdout), answers.right.tolist(), strict=True))


def stored(
    runtime: Runtime,
    session: Session,
    project: ConnectedProject,
    policy: Policy,
    made: tuple[ModelVersion, Lineage, Verdict],
) -> tuple[str, str]:
    """Keep a version with what it was made of, within the caller's transaction.

    What becomes of it, and why: "promoted" where it serves from now on, "in shadow" where the
    policy lets it answer unseen first, else "kept". Where no version serves, or none that can be
    read, there is nothing to stand in the shadow of. Where another version was made to serve by
    hand while the two were compared, it is kept: that comparison says nothing of it.
    """
    model, lineage, verdict = made
    now = runtime.now()
    parent, serving = model.lineage["parent"], champion(session, project.id)
    reason = verdict.reason
    moved = parent is not None and (serving is None or serving.version != parent)
    if moved and serving is not None and verdict.promoted:
        reason = f"kept: {serving.version} serves since it was compared with {parent} ({reason})"
    store_version(session, project.id, _with_reason(model, reason), now)
    store_lineage(session, project.id, model.version, lineage)
    if not verdict.promoted or moved:
        return KEPT, reason
    shadow = policy.retrain.shadow
    if shadow is None or parent is None:
        put_in_service(runtime, session, project, model.version, (Kind.GATE, reason))
        return PROMOTED, reason
    start_shadow(
        session,
        project.id,
        model.version,
        now,
        tasks=shadow.tasks,
        days=shadow.days,
        promotes=True,
    )
    return IN_SHADOW, reason


def _with_reason(model: ModelVersion, reason: str) -> ModelVersion:
    return replace(model, verdict={**model.verdict, "reason": reason})
