"""Simulated people: each errs in a way of their own, and labels what the views hand out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx
import numpy as np

from connectors.annotation_tool import Task
from connectors.label_studio.answers import result_of
from connectors.label_studio.labeling import Labeling


class PeopleError(Exception):
    """Label Studio did not take an answer."""


@dataclass(slots=True, kw_only=True)
class Person:
    """Confuses each label with one other, at this rate; draws from a seeded stream of their own."""

    email: str
    token: str = field(repr=False)
    tier: str
    error_rate: float
    confusion: Mapping[str, str]
    rng: np.random.Generator = field(repr=False)

    def answer(self, truth: str) -> tuple[str, float]:
        """The label this person gives, and the seconds it took."""
        errs = self.rng.random() < self.error_rate
        seconds = float(self.rng.lognormal(1.0, 0.4))
        return (self.confusion[truth] if errs else truth), round(seconds, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where people work: Label Studio's address, the control they fill in, and the truth."""

    url: str
    labeling: Labeling
    truth: Mapping[str, str]

    def submit(self, person: Person, task: Task) -> None:
        """Answer a task as that person, through the route that the browser uses."""
        label, seconds = person.answer(self.truth[str(task.data["id"])])
        response = httpx.post(
            f"{self.url}/api/tasks/{task.id}/annotations/",
            headers={"Authorization": f"Token {person.token}"},
            json={"result": result_of(self.labeling, label), "lead_time": seconds},
            timeout=60,
        )
        if response.status_code != httpx.codes.CREATED:
            raise PeopleError(f"task {task.id}: Label Studio answered {response.status_code}")


def work_off(
    desk: Desk,
    people: Sequence[Person],
    view: Callable[[], list[Task]],
    budget: int,
    advance: Callable[[int], None],
) -> int:
    """Label what a view hands out until it is empty or the budget is spent; how many labels.

    A task that asks for several people stays in the view until it has them; nobody gets one twice.
    """
    given = 0
    seen: dict[int, set[str]] = {}
    while given < budget:
        progress = False
        for place, task in enumerate(view()):
            free = [p for p in people if p.email not in seen.get(task.id, set())]
            if not free or given >= budget:
                continue
            person = free[(task.id + place) % len(free)]
            desk.submit(person, task)
            seen.setdefault(task.id, set()).add(person.email)
            given += 1
            progress = True
            advance(1)
        if not progress:
            break
    return given
