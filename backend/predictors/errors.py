"""What can go wrong with models; light, so that a command can name it without loading any."""

from __future__ import annotations


class ArtifactError(Exception):
    """A model file is missing, damaged, or not the one that the store knows."""


class TrainingError(ValueError):
    """Nothing can be learned from these labels; the message says what is missing."""
