"""A sloppy annotator fails gold, and two who disagree get a third reader, on the real server."""

from __future__ import annotations

import re
from pathlib import Path

from backend.slices import labelled_slices
from backend.store.alerts import open_alerts
from backend.store.annotators import stopped_users
from backend.store.decisions import current_decisions
from backend.store.tables import TaskRow
from policies.domain import Purpose
from policies.loading import parse_policy
from tests.end_to_end.policies_on_stage import write_rules
from tests.end_to_end.stage import Stage, make_stage
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import until

TASKS = 60
OTHERS = {"billing": "login", "login": "shipping", "shipping": "billing"}


def test_gold_and_a_third_reader(label_studio: RunningLabelStudio, tmp_path: Path) -> None:
    with make_stage(label_studio, tmp_path, TASKS) as stage:
        _, stage.tokens["cat"] = label_studio.new_user("cat")
        policy = write_policy(stage, tmp_path / "policy.yaml")
        with stage.running("serve", tmp_path / "serve.log") as server:
            until(stage.healthy, "labelgate serve answers")
            stage.command("connect", "--project", str(stage.project_id), "--policy", str(policy))
            until(lambda: len(stage.view("general")) > TASKS // 2, "the general tier has a queue")
            assert server.poll() is None

            third_reader_settles(stage)
            bob_fails_gold(stage)


def write_policy(stage: Stage, file: Path) -> Path:
    """Three people read; every routed task asks for two of them, and for a third in doubt."""
    rules = """\
auto_accept: never
control: {share: 0.05}
holdout: {share: 0.05}
agreement: {share: 1.0, overlap: 2, most: 3, confidence: 0.9}
gold: {share: 0.2, minimum: 0.8}
retrain: {after_annotations: 1000, minimum_labels: 1000}
"""
    return write_rules(stage, file, rules, general=("ann", "bob", "cat"))


def third_reader_settles(stage: Stage) -> None:
    """After enough that all agree on, two differ, and the third settles it in the same tier."""
    quarrel, *agreed = read_tasks(stage)[:13]
    for place, task_id in enumerate(agreed):
        people = ("ann", "bob", "cat")
        stage.label(people[place % 3], task_id)
        stage.label(people[(place + 1) % 3], task_id)
    until(lambda: not set(stage.view("general")) & set(agreed), "twelve tasks are read")
    stage.label("ann", quarrel)
    stage.label("bob", quarrel, OTHERS[stage.truth[quarrel]])
    until(lambda: row_of(stage, quarrel).wants_reader, "a third reader is asked")
    until(lambda: quarrel in stage.view("general"), "the task is handed out again")
    task = stage.task(quarrel)
    assert (task["overlap"], task["is_labeled"]) == (3, False)
    assert all(prediction["result"] == [] for prediction in task["predictions"])
    assert quarrel not in trained_on(stage)
    stage.label("cat", quarrel)
    settled = stage.truth[quarrel]
    until(lambda: row_of(stage, quarrel).settled_label == settled, "the third reader settles it")
    until(lambda: quarrel not in stage.view("general"), "nobody more is asked")
    assert stage.view("senior") == []
    assert trained_on(stage)[quarrel] == settled


def bob_fails_gold(stage: Stage) -> None:
    """Four tasks get a known truth; bob is wrong on all of them, and counts no more."""
    alone, *known = read_tasks(stage)[:5]
    stage.label("bob", alone, OTHERS[stage.truth[alone]])
    until(lambda: row_of(stage, alone).human_labels == 1, "bob's own answer is read")
    for task_id in known:
        stage.label("sen", task_id)
        mark_ground_truth(stage, task_id)
    # Senior's answer fulfilled half of the overlap of two; gold asks all three to answer.
    until(lambda: all(stage.task(each)["overlap"] == 4 for each in known), "gold is in the queue")
    until(lambda: set(known) <= set(stage.view("general")), "gold is handed out again")
    for task_id in known:
        stage.label("bob", task_id, OTHERS[stage.truth[task_id]])
        stage.label("ann", task_id)
    until(lambda: stopped(stage), "bob does not count any more")
    (user,) = stopped(stage)
    # Three are enough to be certain; the fourth may be read before or after.
    said = r"0 of [34] gold answers are right, the policy asks for 80%"
    assert re.fullmatch(said, stopped(stage)[user])
    with stage.runtime.reads() as session:
        assert ("gold", f"user {user}") in open_alerts(session, stage.project_id)

    until(lambda: stage.task(alone)["overlap"] == 3, "what bob alone answered asks for two others")
    until(lambda: alone in stage.view("general"), "it is handed out again")
    stage.label("ann", alone)
    stage.label("cat", alone)
    until(lambda: row_of(stage, alone).settled_label, "it is settled without bob")
    labels = trained_on(stage)
    assert {each: labels[each] for each in (alone, *known)} == {
        each: stage.truth[each] for each in (alone, *known)
    }


def mark_ground_truth(stage: Stage, task_id: int) -> None:
    """Press the star of the task's only answer, as the admin."""
    (annotation,) = stage.task(task_id)["annotations"]
    answer = stage.client.patch(
        f"/api/annotations/{annotation['id']}/", json={"ground_truth": True}
    )
    assert answer.status_code == 200, answer.text


def read_tasks(stage: Stage) -> list[int]:
    """Those in the general tier's view that ask for several readers."""
    with stage.runtime.reads() as session:
        found = current_decisions(session, stage.project_id, purpose=Purpose.AGREEMENT)
        ids = {entry.decision.task_id for entry in found}
    return [task_id for task_id in stage.view("general") if task_id in ids]


def row_of(stage: Stage, task_id: int) -> TaskRow:
    with stage.runtime.reads() as session:
        return session.get_one(TaskRow, (stage.project_id, task_id))


def stopped(stage: Stage) -> dict[int, str]:
    with stage.runtime.reads() as session:
        return stopped_users(session, stage.project_id)


def trained_on(stage: Stage) -> dict[int, str]:
    policy = parse_policy(stage.project.policy_text)
    with stage.runtime.reads() as session:
        return labelled_slices(session, stage.project, policy).training
