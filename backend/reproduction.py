"""Use case: make a version again from its lineage, and say whether it is the same."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from backend.candidates import model_alone
from backend.champion import load_embedded, predict_tasks
from backend.fitting import Wanted, fit_version
from backend.lineage import code_hash, libraries
from backend.predictors import artifacts
from backend.predictors.fingerprints import fingerprint
from backend.predictors.protocol import Predictor
from backend.runtime import Runtime
from backend.store.lineages import Example, Lineage, data_hash, lineage_of, policy_text
from backend.store.models import ModelVersion
from backend.store.projects import ConnectedProject
from backend.store.tasks import stored_tasks
from policies.domain import Candidates
from policies.loading import parse_policy
from policies.schema import Policy

_CHUNK = 2_000
_MOST_COMPARED = 5_000  # answers to so many of its own examples are compared
_TOLERANCE = 1e-9


class ReproductionError(Exception):
    """A version cannot be made again; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """A version beside the one that was made again from the same lineage.

    ``same_model`` says whether every number of it is the same; ``same_answers`` how many of
    ``compared`` examples get the same answer with the same score. ``why`` lists what differs from
    the first time: code, libraries, tasks that were edited since.
    """

    version: str
    same_model: bool
    same_answers: int
    compared: int
    why: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether it is the same model: by its numbers, and by all its answers."""
        return self.same_model and self.same_answers == self.compared

    def as_json(self) -> dict[str, Any]:
        """All of it in plain values."""
        return {**asdict(self), "why": list(self.why), "same": self.same}


def reproduce(runtime: Runtime, project: ConnectedProject, model: ModelVersion) -> Reproduction:
    """Train again on the stored examples, under the policy, config and seed of then.

    Nothing is stored, and nothing that serves is touched.

    Raises
        ReproductionError: the version was trained before lineages were kept, or its policy is gone.
        LineageError: what is stored of it is damaged.
        ArtifactError: its file is not what it was.
        TrainingError, AnnotationToolError: as for any training.
    """
    with runtime.reads() as session:
        lineage = lineage_of(session, project.id, model.version)
        text = None if lineage is None else policy_text(session, lineage.policy_hash)
    if not model.path:
        raise ReproductionError(
            f"{model.version} answers elsewhere: make it again where it was trained"
        )
    if lineage is None or text is None:
        raise ReproductionError(
            f"{model.version} was trained before lineages were kept and cannot be made again: "
            "`labelgate train` makes one that can"
        )
    before = load_embedded(runtime, parse_policy(text), model)
    policy = parse_policy(text)
    as_then = replace(project, label_config=lineage.label_config, policy_text=text)

    weights = {each.task_id: each.weight for each in lineage.examples if each.weight != 1}
    wanted = Wanted(version=model.version, seed=int(model.lineage["seed"]), weights=weights)
    labels = {each.task_id: each.answer for each in lineage.examples}
    made = fit_version(runtime, as_then, policy, labels, wanted)

    with tempfile.TemporaryDirectory() as folder:
        again = artifacts.save(Path(folder), project.id, made)
        content = (Path(folder) / again.path).read_bytes()
    stored = (runtime.settings.models_dir / model.path).read_bytes()
    ids = sorted(labels)[:: max(1, len(labels) // _MOST_COMPARED)]
    answers = [_answers(runtime, as_then, policy, each, ids) for each in (before, made)]
    return Reproduction(
        version=model.version,
        same_model=fingerprint(stored) == fingerprint(content),
        same_answers=_alike(*answers),
        compared=len(ids),
        why=tuple(_changed(runtime, project, model, lineage)),
    )


def _answers(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    predictor: Predictor,
    ids: Sequence[int],
) -> Candidates:
    return predict_tasks(runtime, project, model_alone(policy), predictor, ids)


def _alike(one: Candidates, other: Candidates) -> int:
    near = np.isclose(one.scores, other.scores, rtol=0, atol=_TOLERANCE, equal_nan=True)
    return int(np.count_nonzero((one.labels == other.labels) & near))


def _changed(
    runtime: Runtime, project: ConnectedProject, model: ModelVersion, lineage: Lineage
) -> list[str]:
    """What is not as it was when the version was trained."""
    found = []
    if model.lineage.get("code_sha256") != code_hash():
        found.append("the code that trains")
    before = model.lineage.get("libraries", {})
    now = libraries()
    found += [
        f"{name} {before.get(name, 'none')} is {now.get(name, 'none')}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    edited = _edited(runtime, project, lineage.examples)
    if edited:
        shown = ", ".join(map(str, edited[:5])) + (", ..." if len(edited) > 5 else "")
        found.append(f"{len(edited)} tasks were edited or are gone: {shown}")
    return found


def _edited(runtime: Runtime, project: ConnectedProject, examples: Sequence[Example]) -> list[int]:
    edited: list[int] = []
    for start in range(0, len(examples), _CHUNK):
        chunk = examples[start : start + _CHUNK]
        with runtime.reads() as session:
            tasks = stored_tasks(session, project.id, [each.task_id for each in chunk])
        now = {task.id: data_hash(task.data) for task in tasks}
        edited += [each.task_id for each in chunk if now.get(each.task_id) != each.data]
    return edited
