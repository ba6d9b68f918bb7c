"""What makes work due: a webhook's event, a training that somebody asks for."""

from __future__ import annotations

from backend.store.events import add_event
from backend.store.training import request_training
from backend.store.votes import count_human_labels
from tests.fakes.worked_project import WorkedProject


def hint(worked: WorkedProject) -> None:
    with worked.runtime.sessions.begin() as session:
        add_event(session, worked.project_id, "ANNOTATION_CREATED", {}, worked.clock())


def ask_for_training(worked: WorkedProject) -> None:
    with worked.runtime.sessions.begin() as session:
        labels = count_human_labels(session, worked.project_id)
        request_training(session, worked.project_id, "asked", labels, worked.clock())
