"""Audits pull the plug on a model that was exchanged, on the real server with real processes."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import orjson

from audit_jobs.measures.strategy_gains import LEAST_TESTS
from audit_jobs.strategies import LEAST_LABELS
from backend.store.ledger_check import verify_ledger
from backend.store.models import ModelVersion, champion
from backend.store.recalls import DONE, accepted_since
from backend.store.reports import AUDIT, RECALL, newest_report
from backend.store.suspensions import standing_suspensions
from backend.store.votes import Vote, human_votes
from policies.breaker import RECALL as RECALLED
from policies.breaker import SUSPENDED, Suspension
from policies.domain import Outcome, Purpose
from tests.end_to_end.models_on_stage import certify, exchange_model, serve_model
from tests.end_to_end.policies_on_stage import write_rules
from tests.end_to_end.stage import Stage, make_stage, text_of
from tests.end_to_end.told import (
    SECRET,
    it_is_told,
    six_figures_stand_everywhere,
    the_commands_tell_it,
)
from tests.fakes.alert_receivers import HttpReceiver, receiving
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import until

TASKS, LATER, LAST = 150, 75, 18
ANSWERED = 36  # of the first audits: each answer costs the server up to a second
EXAMPLES = [text_of(place) for place in range(1_000, 1_180)]
SWAPPED = {"billing": "login", "login": "billing", "shipping": "shipping"}


def test_audits_stop_an_exchanged_model(label_studio: RunningLabelStudio, tmp_path: Path) -> None:
    receiver = HttpReceiver()
    with (
        receiving(receiver),
        make_stage(
            label_studio,
            tmp_path,
            TASKS,
            alert_webhook_url=receiver.url,
            alert_webhook_secret=SECRET,
        ) as stage,
    ):
        policy = write_policy(stage, tmp_path / "policy.yaml")
        with stage.running("serve", tmp_path / "serve.log"):
            until(stage.healthy, "labelgate serve answers")
            stage.command("connect", "--project", str(stage.project_id), "--policy", str(policy))
            until(lambda: len(stage.decisions()) == TASKS, "all tasks are known")
            serve_model(stage, EXAMPLES)
            certify(stage, 0.99, max_error_rate=0.2, confidence=0.8)
            until(stage.robots_answers, "labels are accepted")
            people_work_on_the_queue(stage)

            audits = audits_are_handed_out_blind(stage)
            auditors_find_some_wrong(stage, audits)
            a_night_raises_the_threshold(stage)

            newest = max(stage.truth)
            exchange_model(stage, [(text, SWAPPED[topic]) for text, topic in EXAMPLES])
            accepted = wrong_labels_are_accepted(stage)
            trip = auditors_trip_the_breaker(stage, newest)
            exactly_the_doubtful_are_taken_back(stage, accepted, trip)
            nothing_is_accepted_any_more(stage)
            it_is_told(stage, receiver, "opened")
            the_commands_tell_it(stage)

            another_version_ends_it(stage, receiver)
            six_figures_stand_everywhere(stage)
        with stage.runtime.reads() as session:
            assert verify_ledger(session, stage.project_id).broken_seq is None


def write_policy(stage: Stage, file: Path) -> Path:
    """Most accepts are audited; what is called shipping is always shown to people.

    What labels and the breaker have trained is kept: ``people_work_on_the_queue`` says why.
    """
    rules = """\
auto_accept: {max_error_rate: 0.2, confidence: 0.8, never: [shipping]}
control: {share: 0.2}
holdout: {share: 0.1}
audit: {share: 0.6, step: 0.05}
drift: {false_alarm: 0.001}
agreement: {share: 0.5, overlap: 2}
retrain: {after_annotations: 1000, minimum_labels: 20}
"""
    return write_rules(stage, file, rules, capacity=300)


def people_work_on_the_queue(stage: Stage) -> None:
    """Two look at what is asked of two, and once they differ.

    Nobody looks at the holdout yet: the trainings that the labels and the breaker ask for must not
    bring a version that ends what is looked at here, and without answers in the holdout none is
    promoted.
    """
    decisions = stage.decisions()
    waiting = [decisions[task_id] for task_id in stage.view("general")]
    double = [each.task_id for each in waiting if each.purpose is Purpose.AGREEMENT]
    single = [each.task_id for each in waiting if each.purpose is Purpose.ROUTED]
    assert min(len(double), len(single)) > 3
    for task_id in single[:4]:
        stage.label("ann", task_id)
    for place, task_id in enumerate(double[:6]):
        stage.label("ann", task_id)
        stage.label("bob", task_id, "login" if place == 3 else None)


def audits_of(stage: Stage) -> list[int]:
    """The audits that wait for their answer, the least certain first."""
    answered = {each.task_id for each in votes(stage)}
    found = [
        each
        for each in stage.decisions().values()
        if each.purpose is Purpose.AUDIT and each.outcome is Outcome.ACCEPT
    ]
    found = sorted(found, key=lambda each: (each.score or 0.0, each.task_id))
    return [each.task_id for each in found if each.task_id not in answered]


def audits_are_handed_out_blind(stage: Stage) -> list[int]:
    """They get the marker alone: neither the accepted label nor the robot's annotation."""
    until(lambda: handed_out(stage, set(audits_of(stage))), "the audits are handed out")
    audits = audits_of(stage)
    assert len(audits) >= 30
    for task_id in audits[::6]:
        seen = stage.task(task_id)  # opening it must not bring a prediction either
        assert [each["result"] for each in seen["predictions"]] == [[], []]
        versions = sorted(each["model_version"] for each in seen["predictions"])
        assert versions[1] == "labelgate: Audit"
        assert seen["annotations"] == []
    return audits[:ANSWERED]


def handed_out(stage: Stage, audits: set[int]) -> list[int]:
    """These audits in the order of their view, once all of them stand there; else none."""
    shown = [task_id for task_id in stage.view("Audit") if task_id in audits]
    return shown if len(shown) == len(audits) else []


def auditors_find_some_wrong(stage: Stage, audits: list[int]) -> None:
    """Of the least certain; spread out, so that nothing has suddenly become worse."""
    errors = math.ceil(0.3 * len(audits))
    right = audits[errors:]
    order: list[tuple[int, str | None]] = [(task_id, None) for task_id in right]
    between = (len(right) - 4) / errors
    for place, task_id in reversed(list(enumerate(audits[:errors]))):
        other = next(each for each in SWAPPED if each != stage.truth[task_id])
        order.insert(int(place * between), (task_id, other))
    for task_id, said in order:
        stage.label("sen", task_id, said)

    def measured() -> dict[str, Any] | None:
        body = audit_report(stage)
        return body if body["audited"] == len(audits) else None

    body = until(measured, "all audits are measured")
    assert set(body["failed"]) == set(audits[:errors])
    rate = body["pass_rate"]
    assert rate["low"] < rate["value"] < rate["high"]
    assert rate["n"] == len(audits)


def audit_report(stage: Stage) -> dict[str, Any]:
    with stage.runtime.reads() as session:
        found = newest_report(session, stage.project_id, AUDIT)
    return {"audited": 0} if found is None else found.body


def a_night_raises_the_threshold(stage: Stage) -> None:
    """By a step, on bounds; what lies below it goes back to people.

    Where all of that is audited, which is drawn, nothing of the robot's is among it.
    """
    before = until(stage.robots_answers, "the robot's answers stand")
    run = stage.command("jobs", "run", "thresholds", "--project", str(stage.project_id))
    (moved,) = orjson.loads(run)["moved"]
    assert moved["proved"] <= moved["from"] < moved["to"] <= moved["from"] + 0.05
    assert moved["evidence"]["error"]["low"] > 0.2

    def decided_anew() -> bool:
        accepts = [
            each
            for each in stage.decisions().values()
            if each.outcome is Outcome.ACCEPT and each.task_id in before
        ]
        return {each.threshold for each in accepts} == {moved["to"]}

    until(decided_anew, "what is accepted is accepted by the raised threshold")
    after = until(stage.robots_answers, "what is below it is withdrawn")
    decisions = stage.decisions()
    below = {each for each in before if (decisions[each].score or 0.0) < moved["to"]}
    assert before.keys() - after.keys() == below
    assert {decisions[each].outcome for each in below} <= {Outcome.REVIEW}


def wrong_labels_are_accepted(stage: Stage) -> dict[int, str]:
    """All that the robot has said once the new tasks are decided too."""
    new = stage.add_tasks(range(TASKS, TASKS + LATER))
    until(lambda: set(new) <= stage.decisions().keys(), "the new tasks are decided")
    accepted = until(stage.robots_answers, "they are accepted in Label Studio")
    wrong = [each for each in new if each in accepted and accepted[each] != stage.truth[each]]
    assert wrong
    assert len(wrong) == len(accepted.keys() & set(new))
    return accepted


def auditors_trip_the_breaker(stage: Stage, before: int) -> Suspension:
    """Of the tasks that came after ``before``, which the exchanged model has decided."""
    new = until(
        lambda: handed_out(stage, {each for each in audits_of(stage) if each > before}),
        "the new audits are handed out",
    )
    for task_id in new[:12]:
        stage.label("sen", task_id)
    trips = until(lambda: suspended(stage), "the breaker trips")
    (trip,) = trips
    assert trip.group == ("model", None)
    assert trip.good_until is not None
    return trip


def suspended(stage: Stage) -> list[Suspension]:
    with stage.runtime.reads() as session:
        return standing_suspensions(session, stage.project_id, "v1")


def exactly_the_doubtful_are_taken_back(
    stage: Stage, accepted: dict[int, str], trip: Suspension
) -> None:
    assert trip.good_until is not None
    with stage.runtime.reads() as session:
        since = accepted_since(session, stage.project_id, sorted(accepted))
    doubtful = {task_id for task_id, time in since.items() if time > trip.good_until}
    wrong = {task_id for task_id, said in accepted.items() if said != stage.truth[task_id]}
    assert wrong <= doubtful < accepted.keys()
    report = until(lambda: recall_report(stage), "the recall is done")
    assert report["tasks"] == len(doubtful)

    kept = {task_id: said for task_id, said in accepted.items() if task_id not in doubtful}
    until(lambda: stage.robots_answers() == kept, "the robot's annotations are withdrawn")
    until(lambda: doubtful <= set(stage.view("general")), "the tasks are handed out again")
    decisions, tasks = stage.decisions(), {task["id"]: task for task in stage.tasks()}
    assert {each.task_id for each in decisions.values() if each.rule == RECALLED} == doubtful
    for task_id in doubtful:
        assert decisions[task_id].purpose is Purpose.RECALL
        assert (tasks[task_id]["is_labeled"], tasks[task_id]["annotations"]) == (False, [])
        assert {str(each["result"]) for each in tasks[task_id]["predictions"]} == {"[]"}
    people_keep_what_they_said(stage, tasks)


def people_keep_what_they_said(stage: Stage, tasks: dict[int, dict[str, Any]]) -> None:
    """Everything that was submitted through the stage still stands."""
    robot = stage.project.robot_id
    standing = sum(
        each["completed_by"] != robot for task in tasks.values() for each in task["annotations"]
    )
    assert standing == len(stage.submitted)
    until(lambda: len(votes(stage)) == len(stage.submitted), "all of it counts")


def votes(stage: Stage) -> list[Vote]:
    with stage.runtime.reads() as session:
        return human_votes(session, stage.project_id)


def recall_report(stage: Stage) -> dict[str, Any]:
    with stage.runtime.reads() as session:
        found = newest_report(session, stage.project_id, RECALL)
    return found.body if found and found.body["state"] == DONE else {}


def nothing_is_accepted_any_more(stage: Stage) -> None:
    new = stage.add_tasks(range(TASKS + LATER, TASKS + LATER + LAST))
    until(lambda: set(new) <= stage.decisions().keys(), "the last tasks are decided")
    decisions = [stage.decisions()[task_id] for task_id in new]
    assert {each.outcome for each in decisions} == {Outcome.REVIEW}
    assert SUSPENDED in {each.rule for each in decisions}
    assert "the breaker tripped for v1" in stage.trainings_asked_for()


def another_version_ends_it(stage: Stage, receiver: HttpReceiver) -> None:
    """People answer what was taken back; a model that learned from it serves instead."""
    decisions = stage.decisions()
    waiting = [decisions[task_id] for task_id in stage.view("general")]
    recalled = [each.task_id for each in waiting if each.rule == RECALLED]
    routed = [each.task_id for each in waiting if each.purpose is Purpose.ROUTED]
    assert recalled
    for task_id in [*recalled[:3], *routed[: LEAST_LABELS + 1]]:
        stage.label("ann", task_id)
    blind = [decisions[task_id] for task_id in stage.view("Control")]
    for purpose, count in ((Purpose.HOLDOUT, 10), (Purpose.CONTROL, LEAST_TESTS)):
        for each in [each for each in blind if each.purpose is purpose][:count]:
            stage.label("sen", each.task_id)
    until(lambda: len(votes(stage)) == len(stage.submitted), "all answers are known")
    stage.post(f"/api/ml/{stage.project.ml_backend_id}/train")

    def promoted() -> ModelVersion | None:
        with stage.runtime.reads() as session:
            serving = champion(session, stage.project_id)
        return serving if serving is not None and serving.version != "v1" else None

    newer = until(promoted, "a version that was trained since serves")
    assert newer.verdict["wins"] > newer.verdict["losses"]
    it_is_told(stage, receiver, "resolved")
    assert suspended(stage) != []  # of v1, which nobody armed again
    armed = rf'^labelgate_breaker_suspended{{.*version="{newer.version}"}} 0'
    until(lambda: re.search(armed, stage.metrics(), re.MULTILINE), "the new one is armed")
