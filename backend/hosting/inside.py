"""A hosted class inside this process: no time-out, no end but the process's own.

label-studio-ml keeps its state in globals of the process. They are set before each question, so
that several classes can be hosted beside each other, one question at a time.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backend.hosting.hosted_class import HostedClass
from backend.hosting.program import answer_to
from backend.hosting.spec import HostSpec
from connectors.model_servers.server import ModelServerDownError, ModelServerError

_ONE_AT_A_TIME = threading.Lock()
_OF_THE_CLASS = ("MODEL_DIR", "CACHE_TYPE")


class InsideHost:
    """One class of one project, asked in the process that asks."""

    def __init__(self, spec: HostSpec) -> None:
        self.spec = spec
        self._hosted: HostedClass | None = None
        self._cache: Any = None

    def ask(self, question: Mapping[str, Any], timeout_s: float) -> Any:
        """As ``Host.ask``; what waits longer than ``timeout_s`` for another question is told so."""
        if not _ONE_AT_A_TIME.acquire(timeout=timeout_s):
            raise ModelServerDownError(f"was busy with other questions for {timeout_s:g} s")
        try:
            with _environment(self.spec.folder):
                answer = json.loads(answer_to(self._prepared(), question))
        finally:
            _ONE_AT_A_TIME.release()
        if "unable" in answer:
            raise ModelServerDownError(answer["unable"])
        if "refused" in answer:
            raise ModelServerError(answer["refused"])
        return answer["said"]

    def close(self) -> None:
        """Forget the class."""
        self._hosted = None

    def _prepared(self) -> HostedClass:
        if self._hosted is None:
            self._hosted = HostedClass(self.spec.wanted)
        library = self._hosted.library
        if self._cache is None:
            self._cache = library.create_cache("sqlite", path=str(self.spec.folder))
        vars(library)["CACHE"] = self._cache
        return self._hosted


@contextmanager
def _environment(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    before = {name: os.environ.get(name) for name in _OF_THE_CLASS}
    os.environ.update({"MODEL_DIR": str(folder), "CACHE_TYPE": "sqlite"})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
