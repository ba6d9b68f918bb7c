"""A server that speaks the ML backend contract, as a source of answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.predictors.foreign.results import read_entry
from backend.predictors.foreign.source import (
    Answer,
    ModelUnavailableError,
    predicted,
)
from backend.predictors.protocol import Asked, Predicted
from connectors.label_studio.labeling import Labeling
from connectors.model_servers.server import ModelServer, ModelServerDownError, ModelServerError
from connectors.model_servers.upstream import Upstream
from policies import models

# So many single tasks that fail before any succeeds say that it is not the tasks.
_HOPELESS = 3
_Task = tuple[int, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSource:
    """The server that a policy names, asked about one project."""

    model: models.Upstream
    server: ModelServer = field(repr=False)
    project_id: int
    hostname: str

    @property
    def name(self) -> str:
        """What people call it."""
        return "upstream"

    def reported(self, label_config: str) -> str:
        """Set it up for the project, as Label Studio does before it asks; its version."""
        try:
            return self._upstream(label_config).version()
        except ModelServerError as error:
            raise ModelUnavailableError(self.told(error)) from error

    def answers(self, asked: Asked) -> Predicted:
        """Ask in batches.

        A batch that fails as a whole is halved until the tasks at fault stand alone, so that one
        bad image costs no other task its answer. A server that is down is not asked again.
        """
        upstream = self._upstream(asked.label_config)
        tasks = list(zip(asked.task_ids, asked.data, strict=True))
        asking = _Asking(source=self, upstream=upstream, labeling=asked.labeling)
        found: list[Answer | str] = []
        for start in range(0, len(tasks), self.model.batch):
            found += asking.batch(tasks[start : start + self.model.batch])
        return predicted(found)

    def train(self, label_config: str) -> None:
        """Tell it to train. Raises ``ModelUnavailableError`` where it does not take that."""
        try:
            self._upstream(label_config).train()
        except ModelServerError as error:
            raise ModelUnavailableError(self.told(error)) from error

    def _upstream(self, label_config: str) -> Upstream:
        return Upstream(
            server=self.server,
            project_id=self.project_id,
            label_config=label_config,
            hostname=self.hostname,
            timeout_s=self.model.timeout_s,
        )

    def told(self, error: ModelServerError) -> str:
        """What went wrong, with the name of the server."""
        return f"the model server {self.server.url} {error}"


@dataclass(slots=True, kw_only=True)
class _Asking:
    """One call's batches, and what is known of the server from those before."""

    source: UpstreamSource
    upstream: Upstream
    labeling: Labeling
    succeeded: bool = False
    failed_alone: int = 0

    def batch(self, tasks: Sequence[_Task]) -> list[Answer | str]:
        """The answers to these tasks, or why there are none."""
        return list(self._answers(tasks))

    def _answers(self, tasks: Sequence[_Task]) -> Iterator[Answer | str]:
        try:
            entries = self.upstream.answers(tasks)
        except ModelServerDownError as error:
            yield from [self.source.told(error)] * len(tasks)
            return
        except ModelServerError as error:
            yield from self._apart(tasks, self.source.told(error))
            return
        self.succeeded = True
        server = f"the model server {self.source.server.url}"
        for entry in entries:
            read = read_entry(entry, self.labeling, self.source.model.region_score)
            yield read if isinstance(read, Answer) else f"{server}: {read}"

    def _apart(self, tasks: Sequence[_Task], problem: str) -> Iterator[Answer | str]:
        hopeless = self.failed_alone >= _HOPELESS and not self.succeeded
        if len(tasks) == 1 or hopeless:
            self.failed_alone += len(tasks) == 1
            yield from [problem] * len(tasks)
            return
        half = len(tasks) // 2
        yield from self._answers(tasks[:half])
        yield from self._answers(tasks[half:])
