"""Model files as bytes: written whole or not at all, and proved by their hash.

What is in them is the affair of ``artifacts``, which needs every library that models are made with.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from backend.predictors.errors import ArtifactError


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Where a model file lies, relative to the folder of models, and the hash of its bytes."""

    path: str
    sha256: str


def check(folder: Path, artifact: Artifact) -> None:
    """Raise ``ArtifactError`` where a model file is missing or not the one that was written."""
    checked_bytes(folder, artifact)


def write_whole(target: Path, content: bytes) -> None:
    """Write beside the target, flush to the disk, then give the file its name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)  # a file of this name holds these very bytes
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def checked_bytes(folder: Path, artifact: Artifact) -> bytes:
    """The content of a model file, once it is known to be the one that was written.

    Raises ``ArtifactError`` where it is missing, lies outside the folder, or has another hash.
    """
    path = (folder / artifact.path).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ArtifactError(f"model file {artifact.path}: it lies outside the folder of models")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"model file {artifact.path}: it cannot be read ({error.strerror}); restore it from a "
            "backup or train the model anew"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != artifact.sha256:
        raise ArtifactError(
            f"model file {artifact.path}: its sha256 is {found}, the store says "
            f"{artifact.sha256}: the file is damaged or was exchanged; restore it from a backup or "
            "train the model anew"
        )
    return content
