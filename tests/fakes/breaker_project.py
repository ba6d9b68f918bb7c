"""An accepting project with audits, and people who find them right or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backend.breakers.watch import watch
from backend.store.suspensions import suspensions
from policies.breaker import Suspension
from policies.domain import Outcome, Purpose
from policies.schema import Policy
from tests.fakes.accepting_project import ACCEPT, accepts, answer
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

RUN = 100  # the shortest average run that a policy takes: few errors trip it


def audited_policy(**changes: object) -> Policy:
    """Half of the accepts are audited, and a few errors trip the breaker."""
    values: dict[str, Any] = {
        "auto_accept": ACCEPT | {"max_error_rate": 0.1},
        "control": {"share": 0.3},
        "audit": {"share": 0.5},
        "breaker": {"average_run": RUN},
        "retrain": {"minimum_labels": 1},  # so that a trip can ask for a training
    }
    return worked_policy(**(values | changes))


def breaker_project(folder: Path, **changes: object) -> WorkedProject:
    """Control answered, a version that accepts, and audits that nobody has answered."""
    return begun(worked_project(folder, audited_policy(**changes)))


def begun(made: WorkedProject) -> WorkedProject:
    """The same of a project that has nothing yet."""
    made.promote(certified=False)
    made.add(["fruit", "motor"] * 120)
    made.settle()
    answer(made, made.with_purpose(Purpose.CONTROL))
    made.settle()
    assert accepts(made)
    assert audits(made)
    return made


def audits(worked: WorkedProject) -> list[int]:
    """The audits that wait for their answer."""
    return sorted(
        each.task_id
        for each in worked.decisions().values()
        if each.purpose is Purpose.AUDIT and each.outcome is Outcome.ACCEPT
    )


def answer_audits(worked: WorkedProject, task_ids: Sequence[int], *, wrong: bool = False) -> None:
    answer(worked, task_ids, wrong=wrong)
    worked.settle()


def trip(worked: WorkedProject, errors: int = 12) -> Suspension:
    """The next audits are wrong, and the breaker trips."""
    answer_audits(worked, audits(worked)[:errors], wrong=True)
    assert watch(worked.runtime, worked.project)["tripped"] == 1
    return trips(worked)[-1]


def trips(worked: WorkedProject) -> list[Suspension]:
    with worked.runtime.reads() as session:
        return suspensions(session, worked.project_id)
