"""Model files: written once, whole or not at all; read only when they are what the store says.

The format is skops, which builds objects of known types and runs nothing of the file. It knows
scikit-learn's and numpy's own types; no other type is allowed on top.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skops.io import dumps, loads
from skops.io.exceptions import UntrustedTypesFoundException

from backend.embeddings.encoders import Space
from backend.predictors.embedded import EmbeddedPredictor
from backend.predictors.errors import ArtifactError
from backend.predictors.forms import control_as_plain, control_from_plain
from backend.predictors.memory.kept import as_plain, from_plain
from backend.predictors.model_files import Artifact, checked_bytes, write_whole

# Types beyond those that skops trusts by itself. Add one only by its full name, and only after
# reading what building it from a file can do; never what a file claims to need.
ALLOWED_TYPES: tuple[str, ...] = ()


def save(folder: Path, project_id: int, predictor: EmbeddedPredictor) -> Artifact:
    """Write a model file that is complete as soon as it can be seen, and never overwrite one.

    The name holds the hash of the content: saving the same bytes again changes nothing.
    """
    content = packed(predictor)
    sha256 = hashlib.sha256(content).hexdigest()
    path = Path(str(project_id)) / f"{_readable(predictor.version)}-{sha256[:16]}.skops"
    write_whole(folder / path, content)
    return Artifact(path=path.as_posix(), sha256=sha256)


def packed(predictor: EmbeddedPredictor) -> bytes:
    """The content of a predictor's model file; its version is not in it."""
    content: bytes = dumps(
        {
            "format": 4,
            "controls": [
                control_as_plain(name, trained) for name, trained in predictor.controls.items()
            ],
            "fields": list(predictor.fields),
            "prompt": predictor.prompt,
            "space": None if predictor.space is None else asdict(predictor.space),
            "memory": as_plain(predictor.memory),
        },
        compression=zipfile.ZIP_DEFLATED,
    )
    return content


def forget(folder: Path, project_id: int, version: str) -> None:
    """Remove the files of a version that is not recorded: who made them died, or was stopped.

    The caller holds the project's training lease.
    """
    for path in (folder / str(project_id)).glob(f"*{_readable(version)}-*.skops*"):
        if path.name.lstrip(".").startswith(f"{_readable(version)}-"):
            path.unlink(missing_ok=True)


def load(
    folder: Path, artifact: Artifact, version: str, labels: Sequence[str]
) -> EmbeddedPredictor:
    """The predictor in a model file whose hash, types and labels are the expected ones.

    Raises
        ArtifactError: the file is missing, lies outside the folder, has another hash, holds a
            type that is not allowed, or a model of other labels.
    """
    content = checked_bytes(folder, artifact)
    predictor = unpacked(artifact.path, content, version)
    if predictor.labels != tuple(labels):
        raise ArtifactError(
            f"model file {artifact.path}: it knows the labels {list(predictor.labels)!r}, "
            f"the store says {list(labels)!r}; train the model anew"
        )
    return predictor


def _readable(version: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", version).strip(".-")[:80]


def unpacked(path: str, content: bytes, version: str) -> EmbeddedPredictor:
    """The predictor in the content of the model file that lies at ``path``, under this version.

    Raises
        ArtifactError: it holds a type that is not allowed, or no model.
    """
    try:
        found: Any = loads(content, trusted=list(ALLOWED_TYPES))
    except UntrustedTypesFoundException as error:
        raise ArtifactError(
            f"model file {path}: it holds types that are not allowed: {error}"
        ) from error
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"model file {path}: it is no skops file: {error}") from error
    match found:
        case {
            "format": 4,
            "controls": [_, *_] as controls,
            "fields": [*fields],
            "space": space,
            "memory": dict() as memory,
        }:
            try:
                return EmbeddedPredictor(
                    version=version,
                    controls=dict(control_from_plain(values) for values in controls),
                    fields=tuple(map(str, fields)),
                    prompt=_text_or_none(found.get("prompt")),
                    space=None if space is None else Space(**space),
                    memory=from_plain(memory),
                )
            except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
                raise ArtifactError(
                    f"model file {path}: what it holds has no known form: {error}"
                ) from error
        case {"format": 2 | 3}:
            raise ArtifactError(
                f"model file {path}: an earlier Labelgate wrote it; train the model anew"
            )
        case _:
            raise ArtifactError(f"model file {path}: it holds no model of this form")


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)
