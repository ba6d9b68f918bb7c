"""The model version that serves a project, loaded, and its answers to stored tasks."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from backend.candidates import candidates_of, joined
from backend.foreign import foreign_predictor, is_foreign, second_model
from backend.inferences.verification import with_monitored
from backend.predictors.artifacts import load
from backend.predictors.embedded import EmbeddedPredictor
from backend.predictors.errors import ArtifactError
from backend.predictors.model_files import Artifact
from backend.predictors.protocol import Asked, Predictor
from backend.runtime import Runtime
from backend.sentence_vectors import with_vectors
from backend.store.models import ModelVersion, champion, version_named
from backend.store.projects import ConnectedProject, active_project
from backend.store.promotions import replaced_by
from backend.store.tasks import stored_tasks
from connectors.label_studio.labeling import parse_labeling
from policies.conditions import VERSION_DISAGREEMENT
from policies.domain import Candidates
from policies.loading import parse_policy
from policies.schema import Policy

logger = logging.getLogger(__name__)

# How many tasks are read and predicted at once: as many as the model answers in these seconds.
FEWEST, MOST = 16, 2_000
PORTION_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """A version and its predictor."""

    model: ModelVersion
    predictor: Predictor


def load_champion(
    runtime: Runtime, project_id: int, policy: Policy | None = None
) -> Champion | None:
    """The serving model, or None before the first training.

    ``policy`` is the one in force by default. Raises as ``load_version``.
    """
    with runtime.reads() as session:
        model = champion(session, project_id)
        project = None if model is None else active_project(session, project_id)
    if model is None or project is None:
        return None
    asked = parse_policy(project.policy_text) if policy is None else policy
    return Champion(model=model, predictor=load_version(runtime, project, asked, model))


def load_version(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    model: ModelVersion,
    loaded: Predictor | None = None,
) -> Predictor:
    """The predictor of a stored version, with all that the policy asks beside its answers.

    ``loaded`` is this version as it was loaded before: its file is not read again.

    Those are the version that served before it, and a second model. Without a version before, or
    where its file is damaged, it is unknown what that would say.

    Raises
        ArtifactError: its file is not what it was.
    """
    if is_foreign(model):
        return foreign_predictor(runtime, project, policy, model)
    predictor = (
        with_vectors(runtime, policy, loaded)
        if isinstance(loaded, EmbeddedPredictor)
        else load_embedded(runtime, policy, model)
    )
    second = second_model(runtime, project, policy)
    return replace(
        predictor, second=second, forerunner=_forerunner(runtime, project.id, policy, model)
    )


def load_embedded(runtime: Runtime, policy: Policy, model: ModelVersion) -> EmbeddedPredictor:
    """A version of Labelgate's own.

    Raises
        ArtifactError: its file, or its encoder of sentences, is not what it was.
    """
    artifact = Artifact(path=model.path, sha256=model.sha256)
    folder = runtime.settings.models_dir
    found = load(folder, artifact, model.version, model.labels)
    return with_vectors(runtime, policy, found)


def _forerunner(
    runtime: Runtime, project_id: int, policy: Policy, model: ModelVersion
) -> Predictor | None:
    if VERSION_DISAGREEMENT not in policy.signals_used:
        return None
    with runtime.reads() as session:
        replaced = replaced_by(session, project_id, model.version)
        before = None if replaced is None else version_named(session, project_id, replaced)
    if before is None or is_foreign(before):
        return None
    try:
        return load_embedded(runtime, policy, before)
    except ArtifactError as error:
        logger.warning("champion.forerunner_unreadable project=%d error=%s", project_id, error)
        return None


def predict_tasks(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    predictor: Predictor | None,
    ids: Sequence[int],
) -> Candidates:
    """The stored tasks with the predictor's answers."""
    return joined(list(predicted_chunks(runtime, project, policy, predictor, ids)))


def predicted_chunks(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    predictor: Predictor | None,
    ids: Sequence[int],
) -> Iterator[Candidates]:
    """The same, portion by portion as they are read and predicted; at least one, if of no tasks.

    Whoever has a limited time looks between the portions: a slow model, ours or another's, is
    asked about few tasks at once.
    """
    labeling = parse_labeling(project.label_config)
    start, size = 0, FEWEST
    while start == 0 or start < len(ids):
        began = time.monotonic()
        with runtime.reads() as session:
            tasks = stored_tasks(session, project.id, ids[start : start + size])
        asked = Asked(
            labeling=labeling,
            label_config=project.label_config,
            task_ids=[task.id for task in tasks],
            data=[task.data for task in tasks],
            download=lambda path: runtime.tool().download(path),
        )
        candidates = candidates_of(policy, predictor, asked)
        with runtime.reads() as session:
            candidates = with_monitored(session, project.id, candidates, labeling)
        start, size = start + size, _next_portion(size, time.monotonic() - began)
        yield candidates


def _next_portion(size: int, seconds: float) -> int:
    """How many tasks to ask about next, after so many took so long.

    >>> _next_portion(16, 0.1), _next_portion(1_000, 0.1), _next_portion(1_000, 40.0)
    (64, 2000, 250)
    >>> _next_portion(16, 60.0)  # asking has a price of its own: never fewer
    16
    """
    in_time = int(size * PORTION_S / max(seconds, 1e-6))
    return max(FEWEST, min(MOST, 4 * size, in_time))
