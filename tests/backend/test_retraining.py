"""What asks for trainings: as often as the policy says, however the hints of it come."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import event

from audit_jobs.running import run_job
from backend import training
from backend.app import create_app
from backend.leasing import holding
from backend.retraining import (
    Standing,
    ask,
    ask_visibly,
    lease_name,
    request_if_due,
    standings,
    told,
)
from backend.slices import labelled_slices
from backend.store.model_tables import TrainingRequestRow
from backend.store.training import (
    CANCELLED,
    QUEUED,
    REFUSED,
    RUNNING,
    TrainingRequest,
    attempt_died,
    cancel_training,
    open_requests,
    report_progress,
    start_training,
)
from backend.store.votes import count_new_labels
from backend.synchronisation import synchronise
from policies.loading import parse_policy
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

SECRET = {"X-Labelgate-Secret": "the secret"}


def project(folder: Path, labels: int, **retrain: object) -> WorkedProject:
    policy = worked_policy(
        control={"share": 0.05},
        holdout={"share": 0.05},
        retrain={"after_annotations": 20, "minimum_labels": 10, **retrain},
    )
    worked = worked_project(folder, policy)
    worked.add(["fruit", "motor"] * 100)
    label(worked, labels)
    return worked


def label(worked: WorkedProject, count: int) -> None:
    open_tasks = [task for task in worked.tasks if not task.annotations][:count]
    for task in open_tasks:
        worked.server.submit(worked.people["ann"], task.id, "A")
    synchronise(worked.runtime, worked.project)


def due(worked: WorkedProject) -> bool:
    return request_if_due(worked.runtime, worked.project)


def newest(worked: WorkedProject) -> Standing:
    with worked.runtime.reads() as session:
        return standings(session, worked.project_id, 1)[0]


def by_hand(worked: WorkedProject, reason: str = "the button") -> TrainingRequest:
    policy = parse_policy(worked.project.policy_text)
    with worked.runtime.sessions.begin() as session:
        return ask_visibly(session, worked.project, policy, reason, worked.clock())


def test_the_first_waits_for_the_minimum_the_next_for_as_many_labels_more(tmp_path: Path) -> None:
    worked = project(tmp_path, 9)
    assert not due(worked)
    label(worked, 10)
    assert due(worked)
    assert not due(worked), "it is queued"
    training.train(worked.runtime, worked.project)  # one label alone: it fails
    label(worked, 19)
    assert not due(worked)
    label(worked, 1)
    assert due(worked)
    assert newest(worked).request.reasons == ("20 new human labels",)


def test_every_cause_joins_the_one_that_is_queued(tmp_path: Path) -> None:
    worked = project(tmp_path, 30)
    due(worked)
    policy = parse_policy(worked.project.policy_text)
    for reason in ("the traffic drifted", "the breaker tripped", "the traffic drifted"):
        with worked.runtime.sessions.begin() as session:
            assert ask(session, worked.project, policy, reason, worked.clock()) is None
    by_hand(worked)
    with worked.runtime.reads() as session:
        (queued,) = open_requests(session, worked.project_id)
    assert queued.reasons == (
        "30 new human labels",
        "the traffic drifted",
        "the breaker tripped",
        "the button",
    )


def test_too_few_labels_stop_every_cause_and_a_person_is_told(tmp_path: Path) -> None:
    worked = project(tmp_path, 9, minimum_labels=50)
    policy = parse_policy(worked.project.policy_text)
    with worked.runtime.reads() as session:
        usable = len(labelled_slices(session, worked.project, policy).training)
    with worked.runtime.sessions.begin() as session:
        why = ask(session, worked.project, policy, "the breaker tripped", worked.clock())
    assert why is not None
    assert why.startswith(f"{50 - usable} more labels are needed to train: {usable} can be learned")
    assert not due(worked)
    refused = by_hand(worked)
    assert (refused.state, refused.outcome) == (REFUSED, why)
    assert newest(worked).says == f"refused: {why}"
    label(worked, 60)
    assert due(worked), "a refused wish is no training"


def test_what_no_model_learns_is_refused_with_the_way_out(tmp_path: Path) -> None:
    worked = project(tmp_path, 60)
    boxes = (
        '<View><Image name="image" value="$image"/><RectangleLabels name="boxes" toName="image">'
        '<Label value="Car"/></RectangleLabels></View>'
    )
    seen = worked.server.projects[worked.project_id]
    worked.server.projects[worked.project_id] = replace(seen, label_config=boxes)
    synchronise(worked.runtime, worked.project)
    refused = by_hand(worked)
    assert refused.state == REFUSED
    assert refused.outcome == (
        "no model of Labelgate's own answers 'boxes', which asks for regions on image: name "
        "another model under 'model' in the policy"
    )


@pytest.mark.parametrize("days", [7, 1.5])
def test_after_the_policys_days_it_is_trained_again_if_anything_is_new(
    tmp_path: Path, days: float
) -> None:
    worked = project(tmp_path, 30, every_days=days)
    due(worked)
    training.train(worked.runtime, worked.project)
    worked.clock.forward(timedelta(days=days).total_seconds() + 1)
    assert not due(worked), "there is nothing new"
    label(worked, 1)
    assert due(worked)
    assert newest(worked).request.reasons == (f"{days:g} days since the last training",)
    training.train(worked.runtime, worked.project)
    label(worked, 1)
    assert not due(worked)


def test_without_days_time_asks_for_nothing(tmp_path: Path) -> None:
    worked = project(tmp_path, 30)
    due(worked)
    training.train(worked.runtime, worked.project)
    label(worked, 1)
    worked.clock.forward(1000 * 86_400)
    assert not due(worked)


def test_a_cancelled_one_is_not_asked_for_again_at_once(tmp_path: Path) -> None:
    worked = project(tmp_path, 30)
    due(worked)
    with worked.runtime.sessions.begin() as session:
        cancel_training(session, worked.project_id, "ann", worked.clock())
    assert not due(worked)
    assert (newest(worked).request.state, newest(worked).says) == (CANCELLED, "cancelled by ann")
    label(worked, 20)
    assert due(worked)


def test_it_is_said_how_a_request_stands_from_beginning_to_end(tmp_path: Path) -> None:
    worked = project(tmp_path, 30)
    wish = by_hand(worked)
    assert newest(worked).says == "queued"
    with worked.runtime.sessions.begin() as session:
        start_training(session, worked.project_id, 30, worked.clock())
    assert newest(worked).says == "waits to be taken up again, 1 of 3 attempts"
    with holding(worked.runtime, lease_name(worked.project_id)):
        assert newest(worked).says == "starting"
        with worked.runtime.sessions.begin() as session:
            report_progress(session, wish.id, "training", 0.4)
        assert (newest(worked).says, newest(worked).share) == ("training 40 %", 0.4)
        with worked.runtime.sessions.begin() as session:
            report_progress(session, wish.id, "gating", None)
        assert newest(worked).says == "gating"
    assert newest(worked).share is None
    with worked.runtime.sessions.begin() as session:
        died = [replace(wish, attempts=0)]
        attempt_died(session, died, "it ran out of memory", worked.clock())
    assert newest(worked).says == (
        "waits to be taken up again, 1 of 3 attempts; an attempt died: it ran out of memory"
    )
    training.train(worked.runtime, worked.project)
    assert newest(worked).says.startswith("failed: ")
    assert newest(worked).as_json()["state"] == "failed"


def test_promoted_and_kept_are_said_once(tmp_path: Path) -> None:
    made = by_hand(project(tmp_path, 30))
    values = {name: getattr(made, name) for name in made.__slots__}
    for state, outcome, says in [
        ("promoted", "the first model", "promoted: the first model"),
        ("kept", "kept: worse than the champion", "kept: worse than the champion"),
    ]:
        request = TrainingRequest(**{**values, "state": state, "outcome": outcome})
        assert told(request, alive=False) == says


# ---- thousands of events, lost, doubled, in any order -------------------------------------------

EVERY, LEAST = 150, 200


@dataclass
class Oracle:
    """What the policy implies, counted by hand from the answers that Label Studio holds."""

    seen: int | None = None
    queued: bool = False
    trainings: list[int] = field(default_factory=list)

    def looked(self, labels: int, usable: int) -> None:
        enough = usable >= LEAST
        if enough and (self.seen is None or labels - self.seen >= EVERY):
            self.queued, self.seen = True, labels

    def trained(self, labels: int) -> None:
        if self.queued:
            self.queued, self.seen = False, labels
            self.trainings.append(labels)


def hints(random: Random, actions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The webhooks of these actions as they arrive: 30 % lost or doubled, in any order."""
    arrived = []
    for action in actions:
        dice = random.random()
        arrived += [action] * (0 if dice < 0.15 else 2 if dice < 0.30 else 1)
    random.shuffle(arrived)
    return arrived


def answered(worked: WorkedProject, random: Random, events: int) -> Iterator[dict[str, Any]]:
    """People at work: answers, changed answers, deleted answers; each with its webhook's body."""
    waiting = worked.add(["fruit", "motor"] * (events // 4))
    random.shuffle(waiting)
    given: list[tuple[int, int]] = []
    for _ in range(events):
        dice = random.random()
        body: dict[str, Any] = {"project": {"id": worked.project_id}}
        if waiting and (dice < 0.5 or not given):
            task_id = waiting.pop()
            made = worked.server.submit(worked.people["ann"], task_id, "A")
            given.append((task_id, made))
            body |= {"action": "ANNOTATION_CREATED"}
            body |= {"annotation": {"id": made}, "task": {"id": task_id}}
        elif dice < 0.97:
            task_id, made = random.choice(given)
            worked.server.edit(worked.people["ann"], made, "A")
            body |= {"action": "ANNOTATION_UPDATED"}
            body |= {"annotation": {"id": made}, "task": {"id": task_id}}
        else:
            place = random.randrange(len(given))
            task_id, made = given.pop(place)
            worked.server.delete_annotation(made)
            body |= {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": made}]}
        yield body


def hurry(worked: WorkedProject) -> None:
    """No power cut is tested here: the disk need not be waited for at every webhook."""

    def prepare(connection: sqlite3.Connection, _record: object, _proxy: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    event.listen(worked.runtime.sessions.kw["bind"], "checkout", prepare)


@pytest.mark.parametrize("events", [2_500, pytest.param(10_000, marks=pytest.mark.long)])
def test_webhooks_give_just_the_trainings_that_the_policy_implies(
    tmp_path: Path, events: int
) -> None:
    random = Random(20261128)  # noqa: S311  # a test's dice
    policy = worked_policy(
        control={"share": 0.05},
        holdout={"share": 0.05},
        retrain={"after_annotations": EVERY, "minimum_labels": LEAST},
    )
    worked = worked_project(tmp_path, policy)
    worked.tool.page_size = 1_000
    hurry(worked)
    client = create_app(worked.runtime).test_client()
    oracle = Oracle()
    late: list[dict[str, Any]] = []
    actions: list[dict[str, Any]] = []
    for number, action in enumerate(answered(worked, random, events), start=1):
        actions.append(action)
        if random.random() < 0.006 or number == events:
            arrived = hints(random, actions) + late
            cut = 0 if number == events else random.randrange(1 + len(arrived) // 10)
            late, arrived = arrived[:cut], arrived[cut:]  # some come after the next look
            actions = []
            for body in arrived:
                assert client.post("/webhook", json=body, headers=SECRET).status_code == 201
            run_job(worked.runtime, "sync", worked.project)
            with worked.runtime.reads() as session:
                labels = count_new_labels(session, worked.project_id)
                usable = len(labelled_slices(session, worked.project, policy).training)
                oracle.looked(labels, usable)
                states = [each.state for each in open_requests(session, worked.project_id)]
            assert states == ([QUEUED] if oracle.queued else [])
            if random.random() < 0.7:  # else it stays queued, and what comes joins it
                training.train(worked.runtime, worked.project)  # one label alone: it fails
                oracle.trained(labels)
    with worked.runtime.reads() as session:
        rows = session.query(TrainingRequestRow).order_by(TrainingRequestRow.id).all()
    run_job(worked.runtime, "reconcile", worked.project)  # deletions whose webhook was lost
    with worked.runtime.reads() as session:
        standing = sum(len(task.annotations) for task in worked.tasks)
        assert count_new_labels(session, worked.project_id) == standing
    begun = [row.human_labels for row in rows if row.state not in (QUEUED, RUNNING)]
    assert begun == oracle.trainings
    assert len(begun) > events // 1_250
