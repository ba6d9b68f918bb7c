"""Small real models of one choice, trained in the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from backend.fitting import remembered
from backend.predictors import artifacts
from backend.predictors.embedded import EmbeddedPredictor
from backend.predictors.protocol import Asked, Examples, ModelInput, Predictor
from backend.predictors.trainable import Lesson, fit_control
from backend.store.models import CHAMPION, ModelVersion
from connectors.label_studio.labeling import InputKind, Labeling, single_choice
from policies.schema import Policy


def predictor_of(
    inputs: Sequence[ModelInput],
    labels: Sequence[str],
    *,
    version: str = "v1",
    name: str = "label",
    kind: InputKind = InputKind.TEXT,
    policy: Policy | None = None,
    forerunner: Predictor | None = None,
) -> EmbeddedPredictor:
    """A predictor of the control ``name``; it keeps what the policy asks of tasks 1, 2, ..."""
    offered = tuple(sorted(set(labels)))
    (control,) = single_choice(name, "text", kind, "text", offered).controls
    examples = Examples.alike(inputs, labels)
    trained = fit_control(control, examples, Lesson(seed=1))
    made = EmbeddedPredictor(version=version, controls={name: trained}, forerunner=forerunner)
    if policy is None:
        return made
    ids = range(1, len(labels) + 1)
    return replace(made, memory=remembered(policy, inputs, (ids, labels)))


def first_champion(
    models_dir: Path, project_id: int, fitted: EmbeddedPredictor, at: datetime, number: int = 1
) -> ModelVersion:
    """The model's version as a first training leaves it: its file saved, serving since then."""
    artifact = artifacts.save(models_dir, project_id, fitted)
    return ModelVersion(
        version=fitted.version,
        number=number,
        path=artifact.path,
        sha256=artifact.sha256,
        labels=fitted.labels,
        state=CHAMPION,
        verdict={"reason": "the first model", "holdout_accuracy": None},
        lineage={},
        trained_at=at,
        promoted_at=at,
    )


def asked(labeling: Labeling, data: Sequence[dict[str, Any]], first: int = 1) -> Asked:
    """These data as tasks with ids from ``first`` on; nothing may be downloaded."""
    return Asked(
        labeling=labeling,
        label_config="",
        task_ids=range(first, first + len(data)),
        data=data,
        download=_no_download,
    )


def _no_download(path: str) -> bytes:
    raise AssertionError(f"nothing may be downloaded here, but {path!r} was")
