"""Whether the model files of the versions that serve are the ones that were written."""

from __future__ import annotations

from backend.diagnosis.findings import Finding, Topic
from backend.predictors.errors import ArtifactError
from backend.predictors.model_files import Artifact, check
from backend.runtime import Runtime
from backend.store.models import ModelVersion, champion
from backend.store.projects import ConnectedProject

TOPIC = Topic("models")


def look(runtime: Runtime, project: ConnectedProject) -> Finding:
    """Read and hash the file of the version that serves."""
    with runtime.reads() as session:
        model = champion(session, project.id)
    problem = None
    if model is not None and model.path:
        try:
            check(runtime.settings.models_dir, Artifact(path=model.path, sha256=model.sha256))
        except ArtifactError as error:
            problem = str(error)
    return judge(project.id, model, problem)


def judge(project_id: int, model: ModelVersion | None, problem: str | None) -> Finding:
    """Whether the version's file is whole."""
    name = f"project {project_id}"
    if model is None:
        return TOPIC.ok(name, "no version serves yet: everything goes to people")
    if problem is not None:
        return TOPIC.failed(
            name,
            f"{model.version} serves, but {problem}",
            f"labelgate models rollback --project {project_id} --why TEXT, or "
            f"labelgate train --project {project_id}",
        )
    if not model.path:
        return TOPIC.ok(name, f"{model.version} serves, and has no file here")
    return TOPIC.ok(name, f"{model.version} serves, its file has the right hash")
