"""What every model offers, whoever made it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from connectors.label_studio.labeling import InputKind
from policies.domain import FloatArray

# One model input: a text, or a decoded image as a float array (see ``backend.predictors.inputs``).
ModelInput = str | FloatArray


class Predictor(Protocol):
    """Calibrated class probabilities for a batch of inputs."""

    @property
    def version(self) -> str:
        """The model version, the very string that Label Studio is told."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names, one per column of ``probabilities``."""

    @property
    def input_kind(self) -> InputKind:
        """What it was trained to read; a text model can read hypertext, and the other way round."""

    def probabilities(self, inputs: Sequence[ModelInput]) -> FloatArray:
        """An array (len(inputs), len(labels)); every row sums to 1."""
