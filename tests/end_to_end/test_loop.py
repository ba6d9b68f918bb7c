"""The whole loop against the real server: nothing is mocked, every process is a real one."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.store.decisions import current_decisions
from backend.store.figures import project_figures
from backend.store.ledger_check import verify_ledger
from backend.store.models import ModelVersion, all_versions, champion
from backend.store.reports import AGREEMENT, AUDIT, CYCLE, Report, newest_report
from backend.store.tallies import accepted_labels
from backend.store.training import open_requests
from policies.domain import Decision, Outcome, Purpose
from tests.end_to_end.policies_on_stage import write_policy
from tests.end_to_end.stage import Stage, make_stage
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import until

TASKS = 150
MARKER = "labelgate: Audit"


@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_a_project_goes_round_the_loop(
    label_studio: RunningLabelStudio, tmp_path: Path, request: pytest.FixtureRequest, store: str
) -> None:
    database = request.getfixturevalue("postgresql_url") if store == "postgresql" else None
    with make_stage(label_studio, tmp_path, TASKS, database_url=database) as stage:
        policy = write_policy(stage, tmp_path / "policy.yaml", after=40)
        with stage.running("serve", tmp_path / "serve.log"):
            until(stage.healthy, "labelgate serve answers")
            said = stage.command(
                "connect", "--project", str(stage.project_id), "--policy", str(policy)
            )
            assert "is connected" in said

            nothing_is_made_up_before_training(stage)
            people_label_the_first_day(stage)
            first = until(lambda: serving(stage), "a first model is promoted")
            assert first.verdict["reason"] == "the first model"

            accepted = until(lambda: robots_answers(stage), "labels are accepted")
            accepted_labels_are_right(stage, accepted)
            audits_are_blind(stage)
            auditor_answers(stage)
            agreement_and_audits_are_measured(stage)

            the_training_button_works(stage)
            the_page_and_the_figures_tell_it(stage)
            connecting_again_doubles_nothing(stage, policy)
        ledger_holds(stage)
        disconnecting_leaves_peoples_work(stage)


def nothing_is_made_up_before_training(stage: Stage) -> None:
    until(lambda: stage.view("general"), "the general tier has a queue")
    until(lambda: stage.view("Control"), "the control slice is handed out")
    answer = httpx.post(
        f"{stage.settings.own_url}/predict",
        json={
            "tasks": [{"id": 1, "data": {"text": "where is my parcel"}}],
            "project": f"{stage.project_id}.1795344018",
        },
        timeout=30,
    )
    assert answer.json()["results"] == [[]]
    shown = [p for task in stage.tasks() for p in task["predictions"] if p["result"]]
    assert shown == []


def people_label_the_first_day(stage: Stage) -> None:
    for task_id in stage.view("Control"):
        stage.label("sen", task_id)
    for task_id in stage.view("general"):
        stage.label("ann", task_id)
    # What asks for two people is still handed out; bob disagrees with every fifth.
    for place, task_id in enumerate(stage.view("general")):
        stage.label("bob", task_id, "login" if place % 5 == 0 else None)


def serving(stage: Stage) -> ModelVersion | None:
    with stage.runtime.reads() as session:
        return champion(session, stage.project_id)


def robots_answers(stage: Stage) -> dict[int, str]:
    """Accepted labels as Label Studio shows them, once they are just those that are wished.

    A retrain or a late answer may change the wishes meanwhile; in the end both must agree, with
    one annotation a task, by the robot, from the prediction.
    """
    with stage.runtime.reads() as session:
        figures = project_figures(session, stage.project)
        wished = accepted_labels(session, stage.project_id)
        training = open_requests(session, stage.project_id)
    if not wished or figures.deliveries.get("pending") or training:
        return {}
    robot = stage.project.robot_id
    seen: dict[int, str] = {}
    for task in stage.tasks():
        by_robot = [a for a in task["annotations"] if a["completed_by"] == robot]
        if by_robot:
            [region] = by_robot[0]["result"]
            seen[task["id"]] = region["value"]["choices"][0]
            alone = len(task["annotations"]) == 1 and task["is_labeled"]
            if not alone or by_robot[0]["parent_prediction"] is None:
                return {}
    return seen if seen == wished else {}


def accepted_labels_are_right(stage: Stage, accepted: dict[int, str]) -> None:
    wrong = [task_id for task_id, label in accepted.items() if label != stage.truth[task_id]]
    assert len(wrong) <= 0.2 * len(accepted)


def audits_are_blind(stage: Stage) -> None:
    """All at one look: a task that is delivered anew has no prediction for a moment."""
    until(lambda: all_audits_are_blind(stage), "all that the Audit view hands out is blind")


def all_audits_are_blind(stage: Stage) -> bool:
    audits = stage.view("Audit")
    with stage.runtime.reads() as session:
        drawn = {
            entry.decision.task_id: entry.decision
            for entry in current_decisions(session, stage.project_id, purpose=Purpose.AUDIT)
        }
    return bool(audits) and all(is_blind(stage, drawn.get(task_id), task_id) for task_id in audits)


def is_blind(stage: Stage, decision: Decision | None, task_id: int) -> bool:
    """The rank and the marker alone, though somebody opens it; nothing by the robot."""
    if decision is None or decision.outcome is not Outcome.ACCEPT or decision.label is None:
        return False
    seen = stage.task(task_id)  # opening it must not bring a prediction either
    versions = sorted(p["model_version"] for p in seen["predictions"])
    # An annotator who had the task open before may have answered it; the robot never has.
    return (
        [version.rstrip("0123456789") for version in versions] == ["labelgate #", MARKER]
        and [p["result"] for p in seen["predictions"]] == [[], []]
        and stage.project.robot_id not in {by(a) for a in seen["annotations"]}
    )


def by(annotation: dict[str, Any]) -> int:
    """Who gave an answer, as a single task names them."""
    author: int = annotation["completed_by"]["id"]
    return author


def auditor_answers(stage: Stage) -> None:
    for place, task_id in enumerate(stage.view("Audit")):
        wrong = next(t for t in ("login", "billing") if t != stage.truth[task_id])
        stage.label("sen", task_id, wrong if place == 0 else None)


def agreement_and_audits_are_measured(stage: Stage) -> None:
    def measured() -> Report | None:
        with stage.runtime.reads() as session:
            report = newest_report(session, stage.project_id, AUDIT)
        counted = report is not None and 0 < len(report.body["failed"]) < report.body["audited"]
        return report if counted else None

    # The auditor's answers are read as they come: the wrong one is the first.
    audit = until(measured, "audits that passed and one that failed are measured")
    rate = audit.body["pass_rate"]
    assert rate["n"] == audit.body["audited"]
    assert 0 < rate["low"] < rate["value"] < rate["high"] < 1
    with stage.runtime.reads() as session:
        agreement = newest_report(session, stage.project_id, AGREEMENT)
        cycle = newest_report(session, stage.project_id, CYCLE)
    assert agreement is not None
    assert agreement.body["units"] > 0
    alpha = agreement.body["krippendorff_alpha"]
    assert alpha["low"] <= alpha["value"] <= alpha["high"]
    assert cycle is not None
    assert cycle.body["human_labels"] > 0


def the_training_button_works(stage: Stage) -> None:
    until(lambda: not under_way(stage), "trainings that were due anyway have ended")
    before = newest(stage)
    backend = stage.project.ml_backend_id
    response = stage.client.post(f"/api/ml/{backend}/train", json={})
    assert response.status_code == 200, response.text

    until(lambda: newest(stage).number > before.number, "the button trains another version")
    newer = newest(stage)
    assert newer.lineage["reason"] == "asked for in Label Studio"
    assert newer.verdict["wins"] + newer.verdict["losses"] <= newer.verdict["holdout_accuracy"]["n"]
    assert (newer.state == "champion") == (newer.verdict["wins"] >= newer.verdict["losses"])

    def served() -> bool:
        setup = {"project": f"{stage.project_id}.1", "schema": stage.project.label_config}
        answer = httpx.post(f"{stage.settings.own_url}/setup", json=setup, timeout=30).json()
        now = serving(stage)
        return now is not None and answer["model_version"] == now.version

    until(served, "the web process serves the newest version without a restart", 10)


def newest(stage: Stage) -> ModelVersion:
    with stage.runtime.reads() as session:
        return all_versions(session, stage.project_id)[-1]


def under_way(stage: Stage) -> bool:
    with stage.runtime.reads() as session:
        return bool(open_requests(session, stage.project_id))


def the_page_and_the_figures_tell_it(stage: Stage) -> None:
    page = httpx.get(f"{stage.settings.own_url}/", timeout=30)
    assert page.status_code == 200
    assert stage.project.title in page.text
    assert "Traceback" not in page.text
    metrics = httpx.get(f"{stage.settings.own_url}/metrics", timeout=30).text
    assert re.search(r"^labelgate_\w+(\{.*\})? [1-9]", metrics, re.MULTILINE)


def connecting_again_doubles_nothing(stage: Stage, policy: Path) -> None:
    before = standing(stage)
    stage.command("connect", "--project", str(stage.project_id), "--policy", str(policy))
    assert standing(stage) == before
    [webhook] = stage.get("/api/webhooks/", project=stage.project_id)
    assert list(webhook["headers"]) == ["X-Labelgate-Secret"]


def standing(stage: Stage) -> dict[str, int]:
    """How many things of ours Label Studio holds."""
    return {
        "backends": len(stage.get("/api/ml", project=stage.project_id)),
        "webhooks": len(stage.get("/api/webhooks/", project=stage.project_id)),
        "views": len(stage.get("/api/dm/views/", project=stage.project_id)),
    }


def ledger_holds(stage: Stage) -> None:
    with stage.runtime.reads() as session:
        check = verify_ledger(session, stage.project_id)
    assert check.broken_seq is None
    assert check.entries >= TASKS
    assert "entries hold" in stage.command("ledger", "verify")


def disconnecting_leaves_peoples_work(stage: Stage) -> None:
    robot = stage.project.robot_id
    before = Counter(a["id"] for t in stage.tasks() for a in t["annotations"])
    stage.command("disconnect", "--project", str(stage.project_id))
    after = stage.tasks()
    assert Counter(a["id"] for t in after for a in t["annotations"]) == before
    assert any(a["completed_by"] != robot for t in after for a in t["annotations"])
    markers = [p for t in after for p in t["predictions"] if not p["result"]]
    assert markers == []
    assert standing(stage)["backends"] == standing(stage)["webhooks"] == 0
