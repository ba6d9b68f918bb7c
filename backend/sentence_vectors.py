"""What gives a model of texts its sentence vectors: an encoder in workers, a look-up in the web."""

from __future__ import annotations

from collections.abc import Sequence

from backend.embeddings.encoders import AUTO, OFF, Encoder, Space, find_encoder, find_space
from backend.embeddings.folders import EncoderError
from backend.embeddings.vectors import Encode, cached, embedded
from backend.predictors.embedded import EmbeddedPredictor
from backend.predictors.errors import ArtifactError, TrainingError
from backend.runtime import Runtime
from backend.settings import Settings
from policies.domain import FloatArray
from policies.models import Embedded
from policies.schema import Policy


def choice_of(settings: Settings, policy: Policy) -> str:
    """Which encoder a policy asks for; where it leaves it open, the settings say."""
    if not isinstance(policy.model, Embedded):
        return OFF
    return settings.embeddings if policy.model.embeddings == AUTO else policy.model.embeddings


def encoding_of(runtime: Runtime, policy: Policy) -> tuple[Encode, Space] | None:
    """What a version is trained with, and the space of its vectors; None where there is none.

    Raises
        TrainingError: the policy names an encoder that cannot be used.
    """
    try:
        encoder = find_encoder(choice_of(runtime.settings, policy))
    except EncoderError as error:
        raise TrainingError(f"model.embeddings: {error}") from error
    if encoder is None:
        return None
    return lambda texts: _trained(runtime, encoder, texts), encoder.space


def _trained(runtime: Runtime, encoder: Encoder, texts: Sequence[str]) -> FloatArray:
    try:
        return embedded(runtime, encoder, texts)
    except EncoderError as error:
        raise TrainingError(f"model.embeddings: {error}") from error


def with_vectors(
    runtime: Runtime, policy: Policy, predictor: EmbeddedPredictor
) -> EmbeddedPredictor:
    """The predictor, able to read the vectors of what it is asked, where it was trained on any.

    Raises
        ArtifactError: its encoder is not here any more, or is another one.
    """
    space = predictor.space
    if space is None:
        return predictor
    if not runtime.encodes:
        return predictor.with_encoder(lambda texts: _looked_up(runtime, space, texts))
    try:
        encoder = find_space(choice_of(runtime.settings, policy), space)
    except EncoderError as error:
        raise ArtifactError(str(error)) from error
    return predictor.with_encoder(lambda texts: embedded(runtime, encoder, texts))


def _looked_up(runtime: Runtime, space: Space, texts: Sequence[str]) -> FloatArray:
    with runtime.reads() as session:
        vectors, _ = cached(session, space, texts)
    return vectors
