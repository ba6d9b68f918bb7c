"""Other traffic voids the promise and raises sampling, on the real server with real processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from backend.store.alerts import open_alerts
from backend.store.certificates import valid_certification
from backend.store.models import all_versions, champion
from backend.store.reports import DRIFT, newest_report
from policies.domain import Decision, Outcome, Purpose
from tests.end_to_end.models_on_stage import certify, serve_model
from tests.end_to_end.policies_on_stage import write_rules
from tests.end_to_end.stage import Stage, make_stage, text_of
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import until

TASKS, NEW, LATER = 90, 60, 30
ENDING = " thank you kindly, with best regards from the new branch in the north of the country"
SHARE = 0.2


def test_drift_raises_the_sample(label_studio: RunningLabelStudio, tmp_path: Path) -> None:
    with make_stage(label_studio, tmp_path, TASKS) as stage:
        policy = write_policy(stage, tmp_path / "policy.yaml")
        with stage.running("serve", tmp_path / "serve.log"):
            until(stage.healthy, "labelgate serve answers")
            stage.command("connect", "--project", str(stage.project_id), "--policy", str(policy))
            until(lambda: len(stage.decisions()) == TASKS, "all tasks are known")
            serve_model(stage, [text_of(place) for place in range(1_000, 1_180)])
            certify(stage, 0.9, max_error_rate=0.3, confidence=0.7)
            until(stage.robots_answers, "labels are accepted")
            a_first_training_has_seen_all_labels(stage)
            before = audits(stage, range(TASKS))
            assert {each.inclusion_probability for each in before} == {SHARE}

            stage.add_tasks(range(TASKS, TASKS + NEW), ENDING)
            raised = drift_is_found(stage)
            nothing_stands_on_the_old_certificate(stage)
            a_training_is_asked_for(stage)
            newer_control_answers_prove_it_again(stage)
            what_comes_now_is_audited_more(stage, raised)
            stage.command("ledger", "verify")


def write_policy(stage: Stage, file: Path) -> Path:
    """Shares that neither the claim nor a label's floor raises; no training goes live."""
    rules = f"""\
auto_accept: {{max_error_rate: 0.3, confidence: 0.7, never: [shipping]}}
control: {{share: 0.25}}
holdout: {{share: 0.1}}
audit: {{share: {SHARE}, per_label: 0}}
drift: {{window: 60, factor: 3, most: 0.9}}
retrain: {{after_annotations: 1000, minimum_labels: 6}}
"""
    return write_rules(stage, file, rules, capacity=300)


def a_first_training_has_seen_all_labels(stage: Stage) -> None:
    """It is kept: without an answer in the holdout nothing shows that it is better."""
    decisions = stage.decisions()
    waiting = [e for e in stage.view("general") if decisions[e].purpose is Purpose.ROUTED]
    for task_id in waiting[:6]:
        stage.label("ann", task_id, "login" if task_id == waiting[0] else None)
    until(lambda: len(versions(stage)) == 2, "a training has come to its end")
    assert serving(stage) == "v1"
    stage.label("ann", waiting[6])


def versions(stage: Stage) -> list[str]:
    with stage.runtime.reads() as session:
        return [each.version for each in all_versions(session, stage.project_id)]


def serving(stage: Stage) -> str | None:
    with stage.runtime.reads() as session:
        found = champion(session, stage.project_id)
    return None if found is None else found.version


def audits(stage: Stage, places: range) -> list[Decision]:
    """The audits among the tasks of these places."""
    ids = [task["id"] for task in stage.tasks() if task["data"]["place"] in places]
    found = [each for each in stage.decisions().values() if each.task_id in ids]
    drawn = [each for each in found if each.purpose is Purpose.AUDIT]
    return [each for each in drawn if each.outcome is Outcome.ACCEPT]


def drift_report(stage: Stage) -> dict[str, Any]:
    with stage.runtime.reads() as session:
        found = newest_report(session, stage.project_id, DRIFT)
    return {"drifted": False} if found is None else found.body


def drift_is_found(stage: Stage) -> list[dict[str, Any]]:
    until(lambda: drift_report(stage)["drifted"], "drift is found")
    body = drift_report(stage)
    assert min(each["p_adjusted"] or 1.0 for each in body["features"]) < 0.005
    assert body["voided"] == 1
    raised: list[dict[str, Any]] = body["raised"]
    assert raised
    assert {each["factor"] for each in raised} == {3.0}
    assert "drift" in {name for name, _ in alerts_open(stage)}
    until(lambda: f'labelgate_drifted{{project="{stage.project_id}"}} 1' in stage.metrics(), "told")
    return raised


def nothing_stands_on_the_old_certificate(stage: Stage) -> None:
    with stage.runtime.reads() as session:
        digest = stage.project.policy_hash
        assert valid_certification(session, stage.project_id, "v1", digest) is None
    until(lambda: stage.robots_answers() == {}, "the robot's annotations are withdrawn")


def a_training_is_asked_for(stage: Stage) -> None:
    """Somebody's label came since the last one."""
    until(lambda: "the traffic drifted" in stage.trainings_asked_for(), "a training is asked for")
    until(lambda: len(versions(stage)) == 3, "the training has come to its end")
    assert serving(stage) == "v1"


def newer_control_answers_prove_it_again(stage: Stage) -> None:
    for task_id in stage.view("Control"):
        stage.label("sen", task_id)
    until(stage.robots_answers, "labels are accepted again")
    with stage.runtime.reads() as session:
        digest = stage.project.policy_hash
        found = valid_certification(session, stage.project_id, "v1", digest)
    assert found is not None
    assert found.certification.certificates[0].threshold is not None
    until(lambda: "drift" not in {name for name, _ in alerts_open(stage)}, "the alert is over")


def alerts_open(stage: Stage) -> list[tuple[str, str]]:
    with stage.runtime.reads() as session:
        return list(open_alerts(session, stage.project_id))


def what_comes_now_is_audited_more(stage: Stage, raised: list[dict[str, Any]]) -> None:
    later = range(TASKS + NEW, TASKS + NEW + LATER)
    new = stage.add_tasks(later, ENDING)
    until(lambda: set(new) <= stage.decisions().keys(), "the last tasks are decided")
    drawn = audits(stage, later)
    labels = {each["label"] for each in raised}
    inside = [each for each in drawn if labels & {each.label, None}]
    assert inside
    for each in inside:
        assert SHARE < each.inclusion_probability <= 3 * SHARE
        assert "a slice that drifted" in each.reason
    run = stage.command("report", "--project", str(stage.project_id), "--json")
    (drift,) = (each["drift"] for each in orjson.loads(run)["weeks"].values())
    assert drift["found"] == 1
