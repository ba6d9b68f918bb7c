"""Tasks asked for in batches, and apart where a batch fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.predictors.foreign.results import read_entry
from backend.predictors.foreign.source import Answer, predicted
from backend.predictors.protocol import Asked, Predicted
from connectors.label_studio.labeling import Labeling
from connectors.model_servers.server import ModelServerDownError, ModelServerError
from policies.models import RegionRule

# So many single tasks that fail before any succeeds say that it is not the tasks.
_HOPELESS = 3
Task = tuple[int, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """How a model is asked: ``ask`` gives one entry of the ML backend contract for each task.

    It raises ``ModelServerError``; ``who`` is the model in words, ``size`` the tasks of a batch.
    """

    ask: Callable[[Sequence[Task]], list[Any]]
    who: str
    size: int
    rule: RegionRule

    def answers(self, asked: Asked) -> Predicted:
        """What it says to all tasks.

        A batch that fails as a whole is halved until the tasks at fault stand alone, so that one
        bad image costs no other task its answer. A model that is down is not asked again.
        """
        tasks = list(zip(asked.task_ids, asked.data, strict=True))
        asking = _Asking(batches=self, labeling=asked.labeling)
        found: list[Answer | str] = []
        for start in range(0, len(tasks), self.size):
            found += asking.batch(tasks[start : start + self.size])
        return predicted(found)


@dataclass(slots=True, kw_only=True)
class _Asking:
    """One call's batches, and what is known of the model from those before."""

    batches: Batches
    labeling: Labeling
    succeeded: bool = False
    failed_alone: int = 0

    def batch(self, tasks: Sequence[Task]) -> list[Answer | str]:
        """The answers to these tasks, or why there are none."""
        return list(self._answers(tasks))

    def _answers(self, tasks: Sequence[Task]) -> Iterator[Answer | str]:
        who = self.batches.who
        try:
            entries = self.batches.ask(tasks)
        except ModelServerDownError as error:
            yield from [f"{who} {error}"] * len(tasks)
            return
        except ModelServerError as error:
            yield from self._apart(tasks, f"{who} {error}")
            return
        self.succeeded = True
        for entry in entries:
            read = read_entry(entry, self.labeling, self.batches.rule)
            yield read if isinstance(read, Answer) else f"{who}: {read}"

    def _apart(self, tasks: Sequence[Task], problem: str) -> Iterator[Answer | str]:
        hopeless = self.failed_alone >= _HOPELESS and not self.succeeded
        if len(tasks) == 1 or hopeless:
            self.failed_alone += len(tasks) == 1
            yield from [problem] * len(tasks)
            return
        half = len(tasks) // 2
        yield from self._answers(tasks[:half])
        yield from self._answers(tasks[half:])
