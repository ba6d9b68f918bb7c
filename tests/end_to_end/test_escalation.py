"""Two reviewers disagree, a third skips: a senior settles it, on the real Label Studio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from audit_jobs.running import run_job
from backend.slices import labelled_slices
from backend.store.decisions import current_decisions
from backend.store.escalations import contested_task_ids
from backend.store.ledger_check import verify_ledger
from backend.store.lineages import lineage_of
from backend.store.models import champion
from backend.store.training import request_training
from policies.domain import Purpose
from policies.loading import parse_policy
from tests.end_to_end.policies_on_stage import write_rules
from tests.end_to_end.stage import Stage, make_stage
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import until

TASKS = 60
OTHERS = {"billing": "login", "login": "shipping", "shipping": "billing"}


def test_what_reviewers_cannot_settle_goes_to_the_seniors(
    label_studio: RunningLabelStudio, tmp_path: Path
) -> None:
    with make_stage(label_studio, tmp_path, TASKS) as stage:
        policy = write_policy(stage, tmp_path / "policy.yaml")
        with stage.running("serve", tmp_path / "serve.log") as server:
            until(stage.healthy, "labelgate serve answers")
            stage.command("connect", "--project", str(stage.project_id), "--policy", str(policy))
            until(lambda: len(stage.view("general")) > TASKS // 2, "the general tier has a queue")
            assert server.poll() is None

            quarrel, skipped, *agreed = asked_of_two(stage)
            two_people_disagree_and_a_third_skips(stage, quarrel, skipped)
            until(lambda: set(stage.view("senior")) == {quarrel, skipped}, "both go to the seniors")
            they_are_blind_and_not_in_the_other_view(stage, quarrel, skipped)

            for task_id in agreed:
                stage.label("ann", task_id)
                stage.label("bob", task_id)
            until(lambda: not set(stage.view("general")) & set(agreed), "the rest is labelled")
            assert not {quarrel, skipped} & set(trained_on(stage))

            stage.label("sen", quarrel)
            stage.label("sen", skipped)
            until(lambda: not stage.view("senior"), "the seniors' view is empty")
            until(lambda: not contested(stage), "both are settled")
        training_learns_what_the_senior_said(stage, quarrel, skipped)
        with stage.runtime.reads() as session:
            assert verify_ledger(session, stage.project_id).broken_seq is None


def write_policy(stage: Stage, file: Path) -> Path:
    """Every routed task asks for two answers; training waits to be asked for."""
    rules = """\
auto_accept: never
control: {share: 0.05}
holdout: {share: 0.05}
agreement: {share: 1.0, overlap: 2}
retrain: {after_annotations: 1000, minimum_labels: 1000}
"""
    return write_rules(stage, file, rules)


def asked_of_two(stage: Stage) -> list[int]:
    with stage.runtime.reads() as session:
        found = current_decisions(session, stage.project_id, purpose=Purpose.AGREEMENT)
        ids = {entry.decision.task_id for entry in found}
    return [task_id for task_id in stage.view("general") if task_id in ids]


def two_people_disagree_and_a_third_skips(stage: Stage, quarrel: int, skipped: int) -> None:
    stage.label("ann", quarrel, OTHERS[stage.truth[quarrel]])
    # One answer of two; ann may have been faster than the delivery that asks for the second.
    until(lambda: quarrel in stage.view("general"), "the second answer is asked for")
    stage.label("bob", quarrel)
    stage.skip("ann", skipped)


def they_are_blind_and_not_in_the_other_view(stage: Stage, quarrel: int, skipped: int) -> None:
    assert not {quarrel, skipped} & set(stage.view("general"))
    for task_id, overlap in ((quarrel, 3), (skipped, 1)):
        task = stage.task(task_id)
        versions = [prediction["model_version"] for prediction in task["predictions"]]
        assert "labelgate: senior" in versions
        assert "labelgate: general" not in versions
        assert [prediction["result"] for prediction in task["predictions"]] == [[]] * len(versions)
        assert (task["overlap"], task["is_labeled"]) == (overlap, False)
        decision = decision_of(stage, task_id)
        assert (decision.rule, decision.tier) == ("escalation", "senior")
        assert decision.purpose is Purpose.AGREEMENT
    truth = stage.truth[quarrel]
    first, second = sorted([truth, OTHERS[truth]])
    assert decision_of(stage, quarrel).reason == (
        f"2 answers differ: {first!r}, {second!r}: senior settles it"
    )
    assert decision_of(stage, skipped).reason == "skipped by general: senior settles it"


def decision_of(stage: Stage, task_id: int) -> Any:
    with stage.runtime.reads() as session:
        found = current_decisions(session, stage.project_id)
        return next(entry.decision for entry in found if entry.decision.task_id == task_id)


def contested(stage: Stage) -> list[int]:
    with stage.runtime.reads() as session:
        return contested_task_ids(session, stage.project_id)


def trained_on(stage: Stage) -> dict[int, str]:
    policy = parse_policy(stage.project.policy_text)
    with stage.runtime.reads() as session:
        return labelled_slices(session, stage.project, policy).training


def training_learns_what_the_senior_said(stage: Stage, quarrel: int, skipped: int) -> None:
    labels = trained_on(stage)
    assert labels[quarrel] == stage.truth[quarrel]
    assert labels[skipped] == stage.truth[skipped]
    with stage.runtime.sessions.begin() as session:
        request_training(session, stage.project_id, "asked for", 0, stage.runtime.now())
    assert run_job(stage.runtime, "retrain", stage.project)["trained"]
    with stage.runtime.reads() as session:
        serving = champion(session, stage.project_id)
        assert serving is not None
        lineage = lineage_of(session, stage.project_id, serving.version)
    assert lineage is not None
    assert {each.task_id: each.answer for each in lineage.examples} == labels
