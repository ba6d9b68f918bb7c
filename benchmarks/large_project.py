"""A project of a size that few have, worked by the real jobs on a Label Studio in memory."""

from __future__ import annotations

import random
import resource
import sys
from pathlib import Path

from backend.delivery import deliver
from backend.queueing import place
from backend.retraining import request_if_due
from backend.routing import route
from backend.synchronisation import synchronise
from backend.training import train
from policies.domain import Outcome, Purpose
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

OTHERS = {"A": "B", "B": "A"}
_WORDS = {label: [f"{label.lower()}{number}" for number in range(400)] for label in OTHERS}
_COMMON = [f"common{number}" for number in range(200)]
_WRONG = 0.02  # of the audits: fewer than trip a breaker
_IN_DOUBT = 0.25  # of the tasks say as much for one label as for the other


def large_project(folder: Path, tasks: int, answers: int, audits: int) -> WorkedProject:
    """``answers`` in all, ``audits`` of them of audits; a champion that accepts most of the rest.

    The tasks are decided, placed and delivered, the answers read, and nothing is left to do.
    """
    policy = worked_policy(
        control={"share": 0.05},
        holdout={"share": 0.05},
        audit={"share": 0.085, "second_share": 0.0},
        retrain={"after_annotations": 10_000_000, "minimum_labels": 50},
        auto_accept={"max_error_rate": 0.1, "confidence": 0.95, "floor": 0.7},
    )
    worked = worked_project(folder, policy)
    worked.tool.page_size = 1_000
    truths = _add_tasks(worked, tasks)
    _step(worked)
    by_people = [
        *worked.with_purpose(Purpose.CONTROL),
        *worked.with_purpose(Purpose.HOLDOUT),
        *worked.with_purpose(Purpose.ROUTED),
    ]
    for task_id in by_people[: answers - audits]:
        worked.server.submit(worked.people["sue"], task_id, truths[task_id])
    synchronise(worked.runtime, worked.project)
    request_if_due(worked.runtime, worked.project)
    assert train(worked.runtime, worked.project)["state"] == "promoted"
    _step(worked)
    chance = random.Random(5)  # noqa: S311 - made-up answers, not a secret
    for task_id, label in open_audits(worked)[:audits]:
        said = OTHERS[label] if chance.random() < _WRONG else label
        worked.server.submit(worked.people["sue"], task_id, said)
    worked.clock.forward(3_600)  # longer ago than Label Studio is read again for
    return worked


def open_audits(worked: WorkedProject) -> list[tuple[int, str]]:
    """The audits that wait for their answer, with the label that would have been accepted."""
    return [
        (each.task_id, each.label)
        for each in worked.decisions().values()
        if each.purpose is Purpose.AUDIT
        and each.outcome is Outcome.ACCEPT
        and each.label is not None
    ]


def peak_megabytes() -> float:
    """The most memory that this process has had so far (resident)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1_000_000 if sys.platform == "darwin" else 1_000)


def _step(worked: WorkedProject) -> None:
    synchronise(worked.runtime, worked.project)
    route(worked.runtime, worked.project)
    place(worked.runtime, worked.project)
    deliver(worked.runtime, worked.project)


def _add_tasks(worked: WorkedProject, tasks: int) -> dict[int, str]:
    """Texts of eight words each; task id -> the true label."""
    chance = random.Random(4)  # noqa: S311 - made-up texts, not a secret
    labels = [chance.choice("AB") for _ in range(tasks)]
    data = []
    for label in labels:
        own = 0 if chance.random() < _IN_DOUBT else 5
        words = chance.sample(_WORDS[label], own) + chance.sample(_COMMON, 8 - own)
        data.append({"text": " ".join(words), "source": chance.choice(["web", "shop", "phone"])})
    ids = worked.server.add_tasks(worked.project_id, data)
    return dict(zip(ids, labels, strict=True))
