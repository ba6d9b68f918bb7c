"""The fake annotation tool on a bad day: seeded failures before, after and within its calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from connectors.annotation_tool import AnnotationToolUnavailableError, Prelabel
from tests.fakes.annotation_tool import FakeAnnotationTool

Item = TypeVar("Item")


@dataclass(slots=True, kw_only=True)
class FlakyTool(FakeAnnotationTool):
    """Fails with the chance ``trouble`` at each call; ``interlude`` runs before each call.

    Bulk writes also stop half-way, and imports lose rows without a word.
    """

    random: Random
    trouble: float = 0.25
    interlude: Callable[[], None] = lambda: None

    def import_predictions(self, project_id: int, prelabels: Sequence[Prelabel]) -> int:
        if self._chance():
            kept = [each for each in prelabels if self.random.random() < 0.7]
            return FakeAnnotationTool.import_predictions(self, project_id, kept)
        if self._chance():
            FakeAnnotationTool.import_predictions(self, project_id, self._part(prelabels))
            raise AnnotationToolUnavailableError("the answer to an import is lost")
        return FakeAnnotationTool.import_predictions(self, project_id, prelabels)

    def accept(self, project_id: int, task_ids: Sequence[int], model_version: str) -> int:
        if self._chance():
            return FakeAnnotationTool.accept(self, project_id, self._part(task_ids), model_version)
        if self._chance():
            FakeAnnotationTool.accept(self, project_id, self._part(task_ids), model_version)
            raise AnnotationToolUnavailableError("accepting stops half-way")
        return FakeAnnotationTool.accept(self, project_id, task_ids, model_version)

    def withdraw(self, project_id: int, task_ids: Sequence[int]) -> int:
        if self._chance():
            FakeAnnotationTool.withdraw(self, project_id, self._part(task_ids))
            raise AnnotationToolUnavailableError("withdrawing stops half-way")
        return FakeAnnotationTool.withdraw(self, project_id, task_ids)

    def clear_predictions(self, project_id: int, task_ids: Sequence[int]) -> None:
        if self._chance():
            FakeAnnotationTool.clear_predictions(self, project_id, self._part(task_ids))
            raise AnnotationToolUnavailableError("clearing stops half-way")
        FakeAnnotationTool.clear_predictions(self, project_id, task_ids)

    def _chance(self) -> bool:
        return self.random.random() < self.trouble / 2

    def _part(self, items: Sequence[Item]) -> Sequence[Item]:
        return items[: self.random.randrange(len(items) + 1)]

    @contextmanager
    def _call(self, method: str) -> Iterator[None]:
        self.interlude()
        if self._chance():
            raise AnnotationToolUnavailableError(f"{method} is not answered")
        with FakeAnnotationTool._call(self, method):
            yield
        if self._chance():
            raise AnnotationToolUnavailableError(f"the answer to {method} is lost")
