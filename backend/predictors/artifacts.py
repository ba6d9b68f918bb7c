"""Model files: written once, whole or not at all; read only when they are what the store says.

The format is skops, which builds objects of known types and runs nothing of the file. It knows
scikit-learn's and numpy's own types; no other type is allowed on top.
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
import secrets
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline
from skops.io import dumps, loads
from skops.io.exceptions import UntrustedTypesFoundException

from backend.predictors.memory import Memory, as_plain, from_plain
from backend.predictors.sklearn_models import FittedModel, SklearnPredictor
from connectors.label_studio.labeling import InputKind

# Types beyond those that skops trusts by itself. Add one only by its full name, and only after
# reading what building it from a file can do; never what a file claims to need.
ALLOWED_TYPES: tuple[str, ...] = ()


class ArtifactError(Exception):
    """A model file is missing, damaged, or not the one that the store knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Where a model file lies, relative to the folder of models, and the hash of its bytes."""

    path: str
    sha256: str


def save(
    folder: Path, project_id: int, version: str, model: FittedModel, memory: Memory | None = None
) -> Artifact:
    """Write a model file that is complete as soon as it can be seen, and never overwrite one.

    The name holds the hash of the content: saving the same bytes again changes nothing.
    """
    content = dumps(
        {
            "format": 3,
            "pipeline": _without_terms(model.pipeline),
            "terms": _terms(model.pipeline),
            "labels": list(model.labels),
            "inverse_temperature": model.inverse_temperature,
            "input_kind": model.input_kind.value,
            "memory": as_plain(memory or Memory()),
        },
        compression=zipfile.ZIP_DEFLATED,
    )
    sha256 = hashlib.sha256(content).hexdigest()
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", version).strip(".-")[:80]
    path = Path(str(project_id)) / f"{readable}-{sha256[:16]}.skops"
    _write_whole(folder / path, content)
    return Artifact(path=path.as_posix(), sha256=sha256)


def load(folder: Path, artifact: Artifact, version: str, labels: Sequence[str]) -> SklearnPredictor:
    """The predictor in a model file whose hash, types and labels are the expected ones.

    Raises
        ArtifactError: the file is missing, lies outside the folder, has another hash, holds a
            type that is not allowed, or a model of other labels.
    """
    content = _checked_bytes(folder, artifact)
    model, memory = _model(artifact.path, content)
    if model.labels != tuple(labels):
        raise ArtifactError(
            f"model file {artifact.path}: it knows the labels {list(model.labels)!r}, "
            f"the store says {list(labels)!r}; train the model anew"
        )
    return SklearnPredictor(version=version, model=model, memory=memory)


def check(folder: Path, artifact: Artifact) -> None:
    """Raise ``ArtifactError`` where a model file is missing or not the one that was written."""
    _checked_bytes(folder, artifact)


# skops writes a vocabulary one node a term: 80 s and 58 MB for 64,000 of them, and 5 s to load.
# As one text they take 0.2 s, 1 MB and 0.05 s.


def _terms(pipeline: Pipeline) -> str | None:
    """A text model's terms in column order, one a line (no term holds a line break)."""
    words = pipeline[0]
    if not isinstance(words, TfidfVectorizer):
        return None
    return "\n".join(sorted(words.vocabulary_, key=words.vocabulary_.__getitem__))


def _without_terms(pipeline: Pipeline) -> Pipeline:
    """The same pipeline but for its terms; the one given keeps them."""
    if not isinstance(pipeline[0], TfidfVectorizer):
        return pipeline
    (name, words), *others = pipeline.steps
    bare = copy.copy(words)
    bare.vocabulary_ = {}
    return Pipeline([(name, bare), *others])


def _with_terms(pipeline: Pipeline, terms: str | None) -> Pipeline:
    if terms is not None:
        pipeline[0].vocabulary_ = {term: column for column, term in enumerate(terms.split("\n"))}
    return pipeline


def _write_whole(target: Path, content: bytes) -> None:
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


def _checked_bytes(folder: Path, artifact: Artifact) -> bytes:
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


def _model(path: str, content: bytes) -> tuple[FittedModel, Memory]:
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
            "format": 2 | 3 as number,  # 3 as ``save`` writes it; 2 had no memory
            "pipeline": Pipeline() as pipeline,
            "terms": (str() | None) as terms,
            "labels": [*labels],
            "inverse_temperature": float(inverse_temperature),
            "input_kind": str(input_kind),
        } if input_kind in set(InputKind):
            model = FittedModel(
                pipeline=_with_terms(pipeline, terms),
                labels=tuple(map(str, labels)),
                inverse_temperature=inverse_temperature,
                input_kind=InputKind(input_kind),
            )
            return model, Memory() if number == 2 else _memory(path, found)
        case _:
            raise ArtifactError(f"model file {path}: it holds no model of this form")


def _memory(path: str, found: dict[str, Any]) -> Memory:
    try:
        return from_plain(found["memory"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ArtifactError(
            f"model file {path}: what it keeps of its training examples has no known form: {error}"
        ) from error
