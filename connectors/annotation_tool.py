"""What Labelgate asks of an annotation tool: Label Studio, or the tests' fake.

The same contract test (``tests/contract``) runs on both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


class AnnotationToolError(Exception):
    """The tool did not do what was asked; the work stays pending and may be tried again."""


class AnnotationToolUnavailableError(AnnotationToolError):
    """Down, slow, or answering with a server error: try again later."""


class AnnotationToolRefusedError(AnnotationToolError):
    """A wrong or expired token, an unknown project: a person must act; names what to change."""


# Label Studio numbers its users from 1; an annotation whose author was deleted has none.
UNKNOWN_USER = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project of the annotation tool; ``model_version`` is the one whose scores it shows."""

    id: int
    title: str
    label_config: str
    model_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One person's (or the robot's) answer to a task; ``result`` is the tool's own JSON.

    ``updated_by`` is who changed it last, None where nobody did: an answer of the robot that a
    person corrected or confirmed still has the robot as ``user_id``, and is that person's work.
    """

    id: int
    task_id: int
    user_id: int
    result: list[dict[str, Any]]
    was_cancelled: bool
    ground_truth: bool
    created_at: datetime
    updated_at: datetime
    lead_time_s: float | None
    parent_prediction_id: int | None
    updated_by: int | None = None

    def said_by(self, robot_id: int) -> int:
        """Whose word it is: its author's, or that of the person who changed the robot's answer."""
        return self.updated_by or self.user_id if self.user_id == robot_id else self.user_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task with its data and the annotations it had when it was read (empty where not asked)."""

    id: int
    data: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    annotations: tuple[Annotation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prelabel:
    """A prediction to import: a model's answer, or a marker (no result) that fills a view."""

    task_id: int
    result: list[dict[str, Any]]
    score: float | None
    model_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A member of the annotation tool's organisation."""

    id: int
    email: str


class AnnotationTool(Protocol):
    """Reading and bulk writing, every call safe to repeat.

    All methods raise ``AnnotationToolUnavailableError`` after their own retries with back-off, and
    ``AnnotationToolRefusedError`` where trying again cannot help.
    """

    def project(self, title_or_id: str) -> Project:
        """The project of this id, or else of exactly this title."""

    def titled(self, title: str) -> list[Project]:
        """Every project of exactly this title."""

    def create_project(self, title: str, label_config: str) -> Project:
        """A new project that shows nobody's predictions."""

    def set_label_config(self, project_id: int, label_config: str) -> None:
        """Change what a project asks; refused where answers that it has say otherwise."""

    def users(self) -> list[User]:
        """All members, so that reviewers' e-mails can be matched to user ids."""

    def robot_id(self) -> int:
        """The user whose token accepts labels; its annotations are never counted as a person's."""

    def tasks_after(self, project_id: int, task_id: int) -> Iterator[list[Task]]:
        """Tasks with an id above ``task_id``, ascending, in pages, without annotations."""

    def annotated_since(self, project_id: int, since: datetime | None) -> Iterator[list[Task]]:
        """Tasks that have annotations and changed after ``since`` (None: all), with annotations."""

    def all_with_annotations(self, project_id: int) -> Iterator[list[Task]]:
        """Every task, in pages, with its annotations, whatever the tool has counted or dated.

        A server that dies in the middle of an answer has stored it, and neither counted it nor
        changed the time of its task.
        """

    def annotated_among(self, project_id: int, task_ids: Sequence[int]) -> list[Task]:
        """Those of ``task_ids`` that have at least one annotation, with their annotations."""

    def answers_to(self, project_id: int, task_ids: Sequence[int]) -> list[Task]:
        """The same for a few tasks, even where the tool has lost count of their annotations.

        Label Studio's lists go by its counters, and a bulk action that counts while somebody
        answers writes the older number.
        """

    def predicted_among(self, project_id: int, task_ids: Sequence[int]) -> list[int]:
        """Those of ``task_ids`` that have at least one prediction (a marker counts)."""

    def marked_among(self, project_id: int, task_ids: Sequence[int], marker: str) -> list[int]:
        """Those of ``task_ids`` that have a prediction whose model version contains ``marker``."""

    def put_view(self, project_id: int, title: str, marker: str) -> int:
        """Let the view of this title, made if need be, show the tasks with this marker; its id.

        Labelled tasks are shown as well; who labels from it is handed the unlabelled ones alone.
        """

    def view_id(self, project_id: int, title_or_id: str) -> int:
        """The view of this number, or else of exactly this title."""

    def tasks_in_view(self, project_id: int, view_id: int) -> list[Task]:
        """The unlabelled tasks that a view hands out, in its order, without annotations."""

    def open_among(self, project_id: int, task_ids: Sequence[int]) -> list[int]:
        """Those of ``task_ids`` that are there and still want answers."""

    def import_tasks(self, project_id: int, data: Sequence[dict[str, Any]]) -> list[int]:
        """Make tasks of data alone, in bulk; their ids, in the same order.

        After ``AnnotationToolUnavailableError`` some may have been made: look before asking again.
        """

    def remove_untouched(self, project_id: int, task_ids: Sequence[int]) -> list[int]:
        """Delete those of ``task_ids`` with no answer, skip or draft; all that are gone now."""

    def import_predictions(self, project_id: int, prelabels: Sequence[Prelabel]) -> int:
        """Import in bulk; the number that the tool says it created (it drops bad rows silently)."""

    def clear_predictions(self, project_id: int, task_ids: Sequence[int]) -> None:
        """Delete every prediction and marker of these tasks; annotations stay."""

    def accept(self, project_id: int, task_ids: Sequence[int], model_version: str) -> int:
        """Turn this version's predictions into the robot's annotations; how many were created.

        A prediction that already became an annotation is not converted again.
        """

    def withdraw(self, project_id: int, task_ids: Sequence[int]) -> int:
        """Delete the robot's annotations on these tasks, never a person's; how many."""

    def set_overlap(self, task_id: int, overlap: int) -> None:
        """How many people the tool asks for this task; with fewer answers it is open again."""

    def show_version(self, project_id: int, model_version: str) -> None:
        """Make this version the one whose predictions the tool shows and orders by."""

    def download(self, path: str) -> bytes:
        """A file that was uploaded into the tool, by the path that stands in the task's data."""
