"""From people's labels to a predictor: what a version learns from, and what it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from backend.embeddings.encoders import Space
from backend.predictors.controls_read import as_tables, modelled, prompt_of, with_prompt
from backend.predictors.embedded import EmbeddedPredictor, TrainedControl
from backend.predictors.inputs import Download, read_inputs
from backend.predictors.memory.kept import Memory, TrainingExamples, remember, wanted_of
from backend.predictors.protocol import Examples, ModelInput, Progress, no_progress
from backend.predictors.texts.members import Encoder
from backend.predictors.trainable import Lesson, fit_control
from backend.runtime import Runtime
from backend.sentence_vectors import encoding_of
from backend.store.projects import ConnectedProject
from backend.store.tasks import StoredTask, stored_tasks
from connectors.label_studio.control_answers import problem_of
from connectors.label_studio.labeling import Control, Labeling, parse_labeling
from policies.answer_texts import controls_of
from policies.models import Embedded
from policies.schema import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The version that is to be made: its name, the seed of all that is drawn, who watches.

    ``weights`` says how much each task's label counts, by task; one that is not in it counts 1.
    ``encoding`` makes sentence vectors, with the space that they lie in.
    """

    version: str
    seed: int
    progress: Progress = no_progress
    weights: Mapping[int, float] = field(default_factory=dict)
    encoding: tuple[Encoder, Space] | None = None


def fit_version(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    labels: Mapping[int, str],
    wanted: Wanted,
) -> EmbeddedPredictor:
    """Train on these tasks (id -> people's answer); the same arguments give the same predictor.

    Raises as ``fit_tasks``, and
        AnnotationToolError: an uploaded file cannot be fetched.
    """
    with runtime.reads() as session:
        tasks = stored_tasks(session, project.id, sorted(labels))
    labeling = parse_labeling(project.label_config)
    encoding = encoding_of(runtime, policy) if wanted.encoding is None else wanted.encoding
    wanted = replace(wanted, encoding=encoding)
    return fit_tasks(
        labeling, policy, (tasks, labels), wanted, lambda path: runtime.tool().download(path)
    )


def fit_tasks(
    labeling: Labeling,
    policy: Policy,
    answered: tuple[Sequence[StoredTask], Mapping[int, str]],
    wanted: Wanted,
    download: Download,
) -> EmbeddedPredictor:
    """Train a model for each control on tasks and people's answers to them.

    A task that cannot be read, or whose answer the labelling config no longer offers, teaches
    nothing.

    Raises
        TrainingError: nothing can be learned from them.
    """
    trained: dict[str, TrainedControl] = {}
    memory = Memory()
    read, fields = asked_of(labeling, policy)
    for place, control in enumerate(modelled(read.controls)):
        ids, examples = examples_of(read, control, answered, wanted.weights, (download, fields))
        lesson = Lesson(
            seed=wanted.seed,
            progress=_part(wanted.progress, place, read),
            encode=None if wanted.encoding is None else wanted.encoding[0],
            tolerance=policy.same_answer.tolerance,
        )
        trained[control.name] = fit_control(control, examples, lesson)
        if place == 0:
            whole = [answered[1][task_id] for task_id in ids]
            memory = remembered(policy, examples.inputs, (ids, whole))
    made = EmbeddedPredictor(
        version=wanted.version,
        controls=trained,
        fields=fields,
        prompt=prompt_of(policy),
        memory=memory,
    )
    if wanted.encoding is None or not made.needs_embeddings:
        return made
    return replace(made, space=wanted.encoding[1])


def asked_of(labeling: Labeling, policy: Policy) -> tuple[Labeling, tuple[str, ...]]:
    """The labelling as a model of the policy reads it, and the fields of the data it reads.

    There are none where it reads what the project shows.
    """
    fields = tuple(policy.model.fields or ()) if isinstance(policy.model, Embedded) else ()
    shown = as_tables(labeling.controls) if fields else labeling.controls
    return replace(labeling, controls=with_prompt(shown, prompt_of(policy))), fields


def examples_of(
    labeling: Labeling,
    control: Control,
    answered: tuple[Sequence[StoredTask], Mapping[int, str]],
    weights: Mapping[int, float],
    reading: tuple[Download, Sequence[str]],
) -> tuple[list[int], Examples]:
    """The tasks that teach a control something, and what is learned from each.

    ``reading`` is how their data are read: what fetches files, and the fields that a policy names.
    """
    tasks, labels = answered
    inputs = read_inputs(control, [task.data for task in tasks], *reading)
    usable = [
        (task.id, value, text)
        for task, value in zip(tasks, inputs.values, strict=True)
        if value is not None
        and (text := _answer(labeling, control, labels[task.id])) is not None
        and problem_of(control, text) is None
    ]
    ids = [task_id for task_id, _, _ in usable]
    examples = Examples(
        inputs=[value for _, value, _ in usable],
        answers=[text for _, _, text in usable],
        weights=np.array([weights.get(task_id, 1.0) for task_id in ids], np.float64),
    )
    return ids, examples


def _answer(labeling: Labeling, control: Control, text: str) -> str | None:
    """What an answer to the whole task says to one control."""
    return text if len(labeling.controls) == 1 else controls_of(text).get(control.name)


def _part(progress: Progress, place: int, labeling: Labeling) -> Progress:
    """Each control has an even part of the way."""
    every = len(labeling.controls)
    return lambda share: progress((place + share) / every)


def remembered(
    policy: Policy, inputs: Sequence[ModelInput], answered: tuple[Sequence[int], Sequence[str]]
) -> Memory:
    """What the policy asks a version to keep of the tasks that it was trained on.

    ``answered`` are the tasks, in the order of the inputs, and what people said of each as a whole.
    """
    ids, answers = answered
    kept = TrainingExamples(task_ids=ids, inputs=inputs, labels=answers)
    return remember(wanted_of(policy), kept)
