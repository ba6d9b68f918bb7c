"""A worked project whose model is certified on its answered control slice, and accepts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from policies.domain import Outcome, Purpose
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

ACCEPT = {"max_error_rate": 0.2, "confidence": 0.8, "floor": 0.7}


def truth(worked: WorkedProject, task_id: int) -> str:
    return "A" if "apples" in worked.server.tasks[task_id].data["text"] else "B"


def answer(worked: WorkedProject, task_ids: Sequence[int], *, wrong: bool = False) -> None:
    for task_id in task_ids:
        right = truth(worked, task_id)
        said = {"A": "B", "B": "A"}[right] if wrong else right
        worked.server.submit(worked.people["sue"], task_id, said)


def accepting_project(folder: Path, **accept: object) -> WorkedProject:
    """Control answered, and accepts that stand in Label Studio; ``accept`` changes the promise."""
    policy = worked_policy(auto_accept=ACCEPT | accept, control={"share": 0.3})
    made = worked_project(folder, policy)
    made.promote(certified=False)
    made.add(["fruit", "motor"] * 100)
    made.settle()
    answer(made, made.with_purpose(Purpose.CONTROL))
    made.settle()
    return made


def accepts(worked: WorkedProject) -> set[int]:
    """The tasks whose accept stands, provisionally."""
    return {
        each.task_id
        for each in worked.decisions().values()
        if each.outcome is Outcome.ACCEPT and each.purpose is Purpose.ROUTED
    }
