"""From people's labels to a predictor: what a version learns from, and what it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.predictors.inputs import read_inputs
from backend.predictors.memory import TrainingExamples, remember, wanted_of
from backend.predictors.protocol import Progress, no_progress
from backend.predictors.sklearn_models import SklearnPredictor, fit
from backend.runtime import Runtime
from backend.store.projects import ConnectedProject
from backend.store.tasks import stored_tasks
from connectors.label_studio.labeling import parse_labeling
from policies.schema import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The version that is to be made: its name, the seed of all that is drawn, who watches."""

    version: str
    seed: int
    progress: Progress = no_progress


def fit_version(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    labels: Mapping[int, str],
    wanted: Wanted,
) -> SklearnPredictor:
    """Train on these tasks (id -> people's answer); the same arguments give the same predictor.

    A task that cannot be read, or whose label left the labelling config, teaches nothing.

    Raises
        TrainingError: nothing can be learned from them.
        AnnotationToolError: an uploaded file cannot be fetched.
    """
    labeling = parse_labeling(project.label_config)
    with runtime.reads() as session:
        tasks = stored_tasks(session, project.id, sorted(labels))
    inputs = read_inputs(
        labeling, [task.data for task in tasks], lambda path: runtime.tool().download(path)
    )
    usable = [
        (task.id, value)
        for task, value in zip(tasks, inputs.values, strict=True)
        if value is not None and labels[task.id] in labeling.labels
    ]
    examples = TrainingExamples(
        task_ids=[task_id for task_id, _ in usable],
        inputs=[value for _, value in usable],
        labels=[labels[task_id] for task_id, _ in usable],
    )
    model = fit(labeling.input_kind, examples.inputs, examples.labels, seed=wanted.seed)
    memory = remember(wanted_of(policy), examples)
    return SklearnPredictor(version=wanted.version, model=model, memory=memory)
