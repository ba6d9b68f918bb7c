"""Versions: trained on request, judged on the holdout, stored with their lineage, certified.

The verdict is the gate's on what the made-up model of that version says of the holdout. The file of
every version is a real model of texts, trained once on a few hundred of the answers, so that what
reads model files finds one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from backend.certification import certify_version
from backend.challenge import judged, stored
from backend.champion import Champion
from backend.fitting import Wanted, fit_version
from backend.lineage import (
    LEARNING_CURVE,
    Origin,
    described,
    learned_from,
    lineage_of_project,
)
from backend.predictors import artifacts
from backend.predictors.embedded import EmbeddedPredictor
from backend.predictors.learning_curve import curve_as_plain
from backend.slices import labelled_slices
from backend.store.certificates import valid_certification
from backend.store.models import KEPT, ModelVersion, champion, next_number
from backend.store.training import (
    Ending,
    end_training,
    open_requests,
    request_training,
    start_training,
)
from backend.store.votes import count_new_labels
from benchmarks.large_store.deciding import Play
from benchmarks.large_store.texts import LABELS
from benchmarks.large_store.worlds import MadeUpModel

_EXAMPLES = 320  # that the real model learns from


def train_version(
    play: Play, skill: float, *, knows_later: bool, file: EmbeddedPredictor | None
) -> EmbeddedPredictor:
    """Carry out a training request; the model file, to be used again for the next version.

    Where the gate lets it serve, it serves from now on, and is certified on what control answers
    there are.
    """
    stage, pid = play.stage, play.project_id
    runtime, project, policy = stage.runtime, stage.project(pid), stage.policy(pid)
    with runtime.sessions.begin() as session:
        labels = count_new_labels(session, pid)
        if not open_requests(session, pid):
            why = f"{labels:,} labels, enough of them new"
            request_training(session, pid, why, labels, runtime.now())
        request = start_training(session, pid, labels, runtime.now())
        number = next_number(session, pid)
        slices = labelled_slices(session, project, policy)
        examples = learned_from(session, project, slices)
    if request is None:
        raise LookupError("a training was asked for, and none can be started")
    stage.clock.at(stage.clock() + timedelta(minutes=11, seconds=number))
    version = f"v{number}"
    model = MadeUpModel(version=version, world=play.world, skill=skill, knows_later=knows_later)
    if file is None:
        chosen = dict(sorted(slices.training.items())[-_EXAMPLES:])
        file = fit_version(runtime, project, policy, chosen, Wanted(version=version, seed=number))
    lineage = lineage_of_project(project, examples)
    parent = None if play.serving is None else play.serving.model.version
    says = described(policy, lineage, Origin(seed=number, parent=parent, reason=request.reason))
    if file.learning is not None:
        says[LEARNING_CURVE] = curve_as_plain(file.learning)
    verdict, right = judged(runtime, project, policy, slices.holdout, ((model, says), play.serving))
    artifact = artifacts.save(runtime.settings.models_dir, pid, replace(file, version=version))
    row = ModelVersion(
        version=version,
        number=number,
        path=artifact.path,
        sha256=artifact.sha256,
        labels=LABELS,
        state=KEPT,
        verdict={"reason": verdict.reason, **verdict.evidence},
        lineage=says,
        trained_at=runtime.now(),
        promoted_at=None,
    )
    with runtime.sessions.begin() as session:
        made = (row, replace(lineage, holdout=right), verdict)
        state, why = stored(runtime, session, project, policy, made)
        end_training(session, request.id, Ending(state, why, version), runtime.now())
        serving = champion(session, pid)
    if serving is not None and serving.version == version:
        play.serving = Champion(model=serving, predictor=model)
    certify(play)
    return file


def certify(play: Play) -> None:
    """Look at the control slice for what the serving version promises and was not asked yet."""
    if play.serving is None:
        return
    stage, pid = play.stage, play.project_id
    project = stage.project(pid)
    with stage.runtime.reads() as session:
        version = play.serving.model.version
        standing = valid_certification(session, pid, version, project.policy_hash)
    certify_version(stage.runtime, project, stage.policy(pid), play.serving, standing)
