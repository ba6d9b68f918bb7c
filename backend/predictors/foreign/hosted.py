"""A class on label-studio-ml's ``LabelStudioMLBase`` as a source of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.hosting.hosts import AskedHost
from backend.hosting.trainings import counted_training, trainings_of
from backend.predictors.foreign.batches import Batches, Task
from backend.predictors.foreign.source import ModelUnavailableError
from backend.predictors.protocol import Asked, Predicted
from connectors.model_servers.server import ModelServerError
from connectors.model_servers.upstream import entries_of, task_body
from policies import models


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedSource:
    """The class that a policy names, asked about one project; ``folder`` keeps its state."""

    model: models.Hosted
    host: AskedHost = field(repr=False)
    folder: Path
    project_id: int

    @property
    def name(self) -> str:
        """What people call it."""
        return self.model.class_.partition(":")[2]

    def reported(self, label_config: str) -> str:
        """The version that it says it has; +2 at its end where it was trained twice from here.

        Many classes set one version in ``setup`` and keep it whatever they learn.
        """
        trainings = trainings_of(self.folder)
        try:
            version = str(self._ask("version", label_config, self.model.timeout_s))
        except ModelServerError as error:
            raise ModelUnavailableError(f"{self._who} {error}") from error
        return version if trainings == 0 else f"{version}+{trainings}"

    def answers(self, asked: Asked) -> Predicted:
        """Ask in batches. The tasks come as if nobody had answered them."""

        def ask(tasks: Sequence[Task]) -> list[Any]:
            bodies = [task_body(self.project_id, task_id, data) for task_id, data in tasks]
            answer = self._ask("predict", asked.label_config, self.model.timeout_s, tasks=bodies)
            return entries_of(answer, len(tasks))

        return Batches(
            ask=ask, who=self._who, size=self.model.batch, rule=self.model.region_score
        ).answers(asked)

    def train(self, label_config: str, held_out: Sequence[int], timeout_s: float) -> None:
        """Call its ``fit``; ``held_out`` are the tasks that it must not learn from.

        Raises ``ModelUnavailableError`` where that fails.
        """
        self.reported(label_config)  # made, so that what is written from now on is the training's
        try:
            with counted_training(self.folder):
                self._ask("fit", label_config, timeout_s, held_out=list(held_out))
        except ModelServerError as error:
            raise ModelUnavailableError(f"{self._who} {error}") from error

    def _ask(self, what: str, label_config: str, timeout_s: float, **more: Any) -> Any:
        question = {"ask": what, "label_config": label_config, **more}
        return self.host.ask(question, timeout_s)

    @property
    def _who(self) -> str:
        return f"the class {self.model.class_}"
