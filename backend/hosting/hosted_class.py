"""One class on ``LabelStudioMLBase`` (2.x): loaded, made, asked and trained as its server does.

That server makes an object for every question; here one is kept while the labelling config stays
the same, so that what ``setup`` loads is loaded once.
"""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from connectors.model_servers.server import ModelServerDownError, ModelServerError
from connectors.model_servers.upstream import UNVERSIONED, version_text

logger = logging.getLogger(__name__)

_LIBRARY = "label_studio_ml"
_START_TRAINING = "START_TRAINING"
_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A class as ``module:Name``, the project that it works for, and its parameters as JSON."""

    path: str
    project_id: int
    params: str


class HostedClass:
    """The class, and the object that answers for the labelling config that was asked about last.

    All methods raise ``ModelServerDownError`` where the class cannot be used as it is, and
    ``ModelServerError`` where it failed for what it was asked. Not to be used by two threads.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.library = _library()
        self._wanted = wanted
        self._class = _class(wanted.path, self.library)
        self._made: tuple[str, Any] | None = None

    def version(self, label_config: str) -> str:
        """What it says its version is."""
        said = _called("cannot tell its version", self._object(label_config).get, "model_version")
        return version_text(said) or UNVERSIONED

    def predict(self, label_config: str, tasks: Sequence[Mapping[str, Any]]) -> str:
        """What it answers, as JSON in one of the forms that ``entries_of`` reads."""
        model = self._object(label_config)
        return as_json(_called("failed", model.predict, list(tasks), context=None))

    def fit(self, label_config: str, held_out: Sequence[int]) -> None:
        """Have it trained, by the event that Label Studio's button sends.

        As that server does, ``fit`` is called with the event alone. Many classes read the project
        from the annotation that other events bring; without it they fail. ``held_out_tasks`` is
        ours: the class fetches labels by itself, and nobody else can tell it which to leave out.
        """
        project = self._wanted.project_id
        data = {
            "project": {"id": project, "label_config": label_config},
            "annotation": {"project": project, "result": []},
            "held_out_tasks": list(held_out),
        }
        _called("failed to train", self._object(label_config).fit, _START_TRAINING, data)

    def _object(self, label_config: str) -> Any:
        self._forget_read_values()
        if self._made is None or self._made[0] != label_config:
            self._made = None
            self._made = label_config, self._new(label_config)
        return self._made[1]

    def _new(self, label_config: str) -> Any:
        def make() -> Any:
            project = str(self._wanted.project_id)
            return self._class(project_id=project, label_config=label_config)

        cannot = "cannot be made for this labelling config"
        model = _called(cannot, make, error=ModelServerDownError)
        if (_called(cannot, model.get, "extra_params") or "{}") == self._wanted.params:
            return model
        # As Label Studio's set-up does; setup() sees them the second time.
        _called(cannot, model.set_extra_params, self._wanted.params)
        return _called(cannot, make, error=ModelServerDownError)

    def _forget_read_values(self) -> None:
        """What another process has set is seen: the library keeps in memory what it once read."""
        read = getattr(type(self.library.CACHE), "__getitem__", None)
        forget = getattr(read, "cache_clear", None)
        if forget is not None:
            forget()


def as_json(answer: Any) -> str:
    """An answer of a class as JSON: what pydantic, the SDK and numpy made becomes plain."""
    if isinstance(answer, dict) and "result" in answer:
        answer = [answer]  # one prediction by itself
    try:
        return json.dumps(answer if answer is not None else [], default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelServerError(f"gave an answer that is no JSON: {_words(error)}") from error


def _plain(value: Any) -> Any:
    # Regions of the SDK; its models and label-studio-ml's response; arrays and numbers of numpy.
    for name in ("_dict", "model_dump", "tolist"):
        made = getattr(value, name, None)
        if callable(made):
            return made()
    return str(value)


def _called(
    what: str,
    function: Callable[..., Any],
    *given: Any,
    error: type[ModelServerError] = ModelServerError,
    **named: Any,
) -> Any:
    """What a team's own code returns; what it raises, as ``error``. The trace goes to the log."""
    try:
        return function(*given, **named)
    except (Exception, SystemExit) as raised:
        logger.exception("hosting.raised by=%s", getattr(function, "__qualname__", function))
        raise error(f"{what}: {_words(raised)}") from raised


def _library() -> ModuleType:
    try:
        found = importlib.import_module(f"{_LIBRARY}.model")
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith(_LIBRARY):
            raise ModelServerDownError(
                "cannot be hosted: label-studio-ml 2.x is not installed beside Labelgate (see "
                "docs/policy.md, Models; or run its own server and name it with kind: upstream)"
            ) from error
        raise ModelServerDownError(
            f"cannot be hosted: label-studio-ml cannot be imported: {_words(error)}"
        ) from error
    if not hasattr(found, "CACHE") or not hasattr(found, "LabelStudioMLBase"):
        raise ModelServerDownError(
            "cannot be hosted: the label-studio-ml that is installed is not of the 2.x line (see "
            "docs/policy.md, Models)"
        )
    return found


def _class(path: str, library: ModuleType) -> Any:
    module_name, _, name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # importing runs a team's own code
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{module_name}.".startswith(f"{missing}."):
            raise ModelServerDownError(
                f"is not found: no module {missing!r} on the Python path; install it, or put its "
                "folder into PYTHONPATH"
            ) from error
        logger.exception("hosting.not_loaded module=%s", module_name)
        raise ModelServerDownError(f"cannot be loaded: {_words(error)}") from error
    base = library.LabelStudioMLBase
    found = getattr(module, name, None)
    if isinstance(found, type) and issubclass(found, base):
        return found
    others = sorted(
        key
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base) and value is not base
    )
    has = f"it has {', '.join(others)}" if others else "it has none"
    raise ModelServerDownError(
        f"is not there: {module_name} has no class {name} on LabelStudioMLBase ({has})"
    )


def _words(error: BaseException) -> str:
    """An exception on one line, and not endless."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, MemoryError):
        text = f"it needs more memory than LABELGATE_TRAIN_MEMORY_MB allows ({text})"
    line = " ".join("".join(each if each.isprintable() else " " for each in text[:800]).split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]} ..."
