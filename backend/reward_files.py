"""Use case: a reward model in a file of its own, in the form of every model file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.embeddings.encoders import Encoder, Space, find_space
from backend.embeddings.folders import EncoderError
from backend.embeddings.vectors import Encode
from backend.predictors import artifacts
from backend.predictors.embedded import EmbeddedPredictor, TrainedControl
from backend.predictors.errors import ArtifactError
from backend.predictors.fingerprints import fingerprint
from backend.predictors.model_files import write_whole
from backend.predictors.rewards.model import RewardModel
from backend.predictors.rewards.rankings import RankingModel
from connectors.label_studio.labeling import ControlKind, InputKind

SUFFIX = ".skops"
_CONTROL, _PROMPT = "preference", "prompt"
_FIGURES = 12  # of its fingerprint: what tells a version from all others that anybody will make


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardFile:
    """A reward model, the version that its numbers give it, and the content of its file."""

    model: RewardModel
    version: str
    content: bytes


def packed_reward(model: RewardModel, space: Space | None = None) -> RewardFile:
    """The file of a reward model; ``space`` is that of the vectors it reads, where it reads any.

    The same model has the same version, whenever it was trained.
    """
    trained = TrainedControl(kind=ControlKind.PAIRWISE, input_kind=InputKind.PAIR, model=model)
    predictor = EmbeddedPredictor(
        version="",
        controls={_CONTROL: trained},
        prompt=_PROMPT,
        space=space if model.needs_embeddings else None,
    )
    content = artifacts.packed(predictor)
    return RewardFile(model=model, version=_version(content), content=content)


def write_reward(path: Path, made: RewardFile) -> None:
    """Write it whole or not at all; what lay there is replaced.

    Raises
        ArtifactError: it cannot be written.
    """
    try:
        write_whole(path, made.content)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be written: {error.strerror}") from error


def read_reward(path: Path, embeddings: str = "auto") -> RewardFile:
    """The reward model of a file: one of ``preferences train``, or of a project's exported version.

    Raises
        ArtifactError: it cannot be read, holds no reward model, or reads sentence vectors that no
            encoder here makes.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error
    predictor = artifacts.unpacked(str(path), content, "")
    rewards = reward_models(predictor)
    if not rewards:
        raise ArtifactError(
            f"{path} holds no reward model: make one with `labelgate preferences train`"
        )
    model = rewards[0]
    if predictor.space is not None:
        model = model.with_encoder(encoding(_encoder(embeddings, predictor.space)))
    return RewardFile(model=model, version=_version(content), content=content)


def encoding(encoder: Encoder) -> Encode:
    """What a model reads vectors through: each text is encoded as it is asked for, none is kept."""
    return lambda texts: np.asarray(encoder.encode(texts), np.float64)


def reward_models(predictor: EmbeddedPredictor) -> list[RewardModel]:
    """The reward models of a predictor: of its pairs, and inside of its rankings."""
    models = (each.model for each in predictor.controls.values())
    inner = (each.reward if isinstance(each, RankingModel) else each for each in models)
    return [model for model in inner if isinstance(model, RewardModel)]


def _encoder(embeddings: str, space: Space) -> Encoder:
    try:
        return find_space(embeddings, space)
    except EncoderError as error:
        raise ArtifactError(str(error)) from error


def _version(content: bytes) -> str:
    return f"reward-{fingerprint(content)[:_FIGURES]}"
