"""The model version that serves a project, loaded, and its answers to stored tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.candidates import candidates_of, joined
from backend.predictors.artifacts import Artifact, load
from backend.predictors.protocol import Predictor
from backend.runtime import Runtime
from backend.settings import Settings
from backend.store.models import ModelVersion, champion
from backend.store.projects import ConnectedProject
from backend.store.tasks import stored_tasks
from connectors.label_studio.labeling import parse_labeling
from policies.domain import Candidates
from policies.schema import Policy

CHUNK = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """A version and its predictor."""

    model: ModelVersion
    predictor: Predictor


def load_predictor(settings: Settings, model: ModelVersion) -> Predictor:
    """The predictor of a stored version; ``ArtifactError`` where its file is not what it was."""
    artifact = Artifact(path=model.path, sha256=model.sha256)
    return load(settings.models_dir, artifact, model.version, model.labels)


def load_champion(runtime: Runtime, project_id: int) -> Champion | None:
    """The serving model, or None before the first training."""
    with runtime.reads() as session:
        model = champion(session, project_id)
    if model is None:
        return None
    return Champion(model=model, predictor=load_predictor(runtime.settings, model))


def predict_tasks(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    predictor: Predictor | None,
    ids: Sequence[int],
) -> Candidates:
    """The stored tasks with the predictor's answers, read and predicted in chunks."""
    labeling = parse_labeling(project.label_config)
    parts = []
    for start in range(0, max(len(ids), 1), CHUNK):
        with runtime.reads() as session:
            tasks = stored_tasks(session, project.id, ids[start : start + CHUNK])
        rows = ([task.id for task in tasks], [task.data for task in tasks])
        parts.append(
            candidates_of(
                policy, labeling, predictor, rows, lambda path: runtime.tool().download(path)
            )
        )
    return joined(parts)
