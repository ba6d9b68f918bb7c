"""A scikit-learn estimator in a file, or a function, as a source of answers. No pickle is read."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from skops.io import loads
from skops.io.exceptions import UntrustedTypesFoundException

from backend.predictors.foreign.source import (
    Answer,
    ModelUnavailableError,
    predicted,
    printable,
    unanswered,
)
from backend.predictors.inputs import read_inputs
from backend.predictors.protocol import Asked, Predicted
from connectors.label_studio.labeling import ControlKind, InputKind, Labeling
from policies import models
from policies.conditions import ENTROPY, MARGIN
from policies.domain import FloatArray
from policies.uncertainty import entropies, margins

_TEXTS = (InputKind.TEXT, InputKind.HYPERTEXT)
_ONE = (ControlKind.CHOICE, ControlKind.RATING)
# A row whose probabilities sum to something else is no row of probabilities.
_SUM_TOLERANCE = 1e-3
Function = Callable[[list[str]], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonModel:
    """What answers, what its columns mean, and the version it has."""

    function: Function = field(repr=False)
    labels: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonSource:
    """The file or function that a policy names; relative files lie in ``folder``."""

    model: models.Python
    folder: Path

    @property
    def name(self) -> str:
        """What people call it."""
        return Path(self.model.estimator).stem if self.model.estimator else str(self.model.function)

    def reported(self, label_config: str) -> str:
        """The estimator's hash, or the function's ``version``, or the hash of its source."""
        del label_config
        return self._loaded().version

    def answers(self, asked: Asked) -> Predicted:
        """Ask about all texts at once."""
        n = len(asked.task_ids)
        refused = _not_asked(asked.labeling)
        if refused is not None:
            return unanswered(n, refused)
        try:
            loaded = self._loaded()
        except ModelUnavailableError as error:
            return unanswered(n, str(error))
        inputs = read_inputs(asked.labeling.controls[0], asked.data, asked.download)
        texts = [value for value in inputs.values if isinstance(value, str)]
        said = iter(self._said(loaded, texts))
        return predicted(
            [
                next(said) if isinstance(value, str) else str(problem)
                for value, problem in zip(inputs.values, inputs.problems, strict=True)
            ]
        )

    def _loaded(self) -> PythonModel:
        if self.model.estimator is not None:
            return _estimator(self.folder / self.model.estimator, self.model.labels)
        return _function(str(self.model.function), self.model.labels or ())

    def _said(self, loaded: PythonModel, texts: list[str]) -> Sequence[Answer | str]:
        if not texts:
            return []
        try:
            rows = np.asarray(loaded.function(texts), dtype=np.float64)
        except Exception as error:  # noqa: BLE001 - whatever a team's own code raises is its answer
            words = printable(f"{type(error).__name__}: {error}")
            return [f"the model {self.name} failed: {words}"] * len(texts)
        if rows.shape != (len(texts), len(loaded.labels)):
            shape = " by ".join(map(str, rows.shape)) or "one"
            problem = (
                f"the model {self.name} gave {shape} numbers, not {len(texts)} by "
                f"{len(loaded.labels)}: a row for each text, a column for each label"
            )
            return [problem] * len(texts)
        return self._rows(loaded, rows)

    def _rows(self, loaded: PythonModel, rows: FloatArray) -> Sequence[Answer | str]:
        with np.errstate(invalid="ignore", over="ignore"):
            sound = np.isfinite(rows).all(axis=1) & (rows >= 0).all(axis=1)
            sound &= np.abs(rows.sum(axis=1) - 1) <= _SUM_TOLERANCE
        wrong = f"the model {self.name} gave no probabilities: a row must sum to 1"
        clean = np.clip(np.where(sound[:, None], rows, 1 / rows.shape[1]), 0, 1)
        clean /= clean.sum(axis=1, keepdims=True)
        best, unsure = clean.argmax(axis=1), {MARGIN: margins(clean), ENTROPY: entropies(clean)}
        return [
            Answer(
                text=loaded.labels[best[place]],
                score=float(clean[place, best[place]]),
                signals={name: float(figures[place]) for name, figures in unsure.items()},
            )
            if sound[place]
            else wrong
            for place in range(len(rows))
        ]


def _not_asked(labeling: Labeling) -> str | None:
    control = labeling.controls[0]
    if len(labeling.controls) > 1:
        return "a model of kind python answers one control, and the labelling config has several"
    if control.kind not in _ONE or control.input_kind not in _TEXTS:
        return (
            "a model of kind python picks one label for a text, and "
            f"{control.name!r} asks for {control.kind.value} on {control.input_kind.value}"
        )
    return None


def _estimator(path: Path, labels: tuple[str, ...] | None) -> PythonModel:
    """The estimator as its file stands now; read again only when the file has changed."""
    try:
        stamp = path.stat()
    except OSError as error:
        raise ModelUnavailableError(f"the estimator {path}: {error.strerror}") from error
    return _read_estimator(path, labels, (stamp.st_mtime_ns, stamp.st_size, stamp.st_ino))


@lru_cache(maxsize=16)
def _read_estimator(
    path: Path, labels: tuple[str, ...] | None, stamp: tuple[int, int, int]
) -> PythonModel:
    del stamp
    try:
        content = path.read_bytes()
        found: Any = loads(content, trusted=[])
    except OSError as error:
        raise ModelUnavailableError(f"the estimator {path}: {error.strerror}") from error
    except UntrustedTypesFoundException as error:
        raise ModelUnavailableError(
            f"the estimator {path} holds types that are not allowed: {printable(str(error))}"
        ) from error
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelUnavailableError(
            f"the estimator {path} is no skops file (skops.io.dump writes one; pickles are not "
            "read, because reading one runs what it holds)"
        ) from error
    classes = getattr(found, "classes_", None)
    if not callable(getattr(found, "predict_proba", None)) or classes is None:
        raise ModelUnavailableError(
            f"the estimator {path} gives no probabilities: it needs predict_proba and classes_"
        )
    names = labels or tuple(map(str, classes))
    if len(names) != len(classes):
        raise ModelUnavailableError(
            f"the estimator {path} knows {len(classes)} classes, and the policy names "
            f"{len(names)} labels"
        )
    version = hashlib.sha256(content).hexdigest()[:12]
    return PythonModel(function=found.predict_proba, labels=names, version=version)


def _function(path: str, labels: tuple[str, ...]) -> PythonModel:
    module_name, _, name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
        function = getattr(module, name)
    except Exception as error:  # importing runs a team's own code
        words = printable(f"{type(error).__name__}: {error}")
        raise ModelUnavailableError(f"the function {path} cannot be loaded: {words}") from error
    if not callable(function):
        raise ModelUnavailableError(f"the function {path} is none: it cannot be called")
    version = getattr(function, "version", None) or _source_version(module)
    return PythonModel(function=function, labels=labels, version=str(version))


@lru_cache(maxsize=64)
def _source_version(module: Any) -> str:
    """The hash of the source as it was when the process first asked: what was loaded."""
    try:
        source = inspect.getsource(module)
    except (OSError, TypeError):
        return "unversioned"
    return hashlib.sha256(source.encode()).hexdigest()[:12]
