"""Audits in a mirror project of the real Label Studio: copied, answered, matched back, left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import update

from audit_jobs.running import run_job
from backend.mirrors.keys import KEY, key_of
from backend.store.certificates import store_certification
from backend.store.decisions import current_decisions
from backend.store.mirrors import copies, mirror_of
from backend.store.models import next_number, store_version
from backend.store.reports import AUDIT, newest_report
from backend.store.tables import TaskRow
from backend.store.votes import human_votes
from policies.domain import Outcome, Purpose
from tests.end_to_end.policies_on_stage import write_rules
from tests.end_to_end.stage import CONFIG, WORDS, Stage, make_stage, text_of
from tests.fakes.policy_documents import make_certification
from tests.fakes.predictors import first_champion, predictor_of
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import until

TASKS = 60


def test_audits_are_answered_in_the_mirror_and_nowhere_to_be_seen(
    label_studio: RunningLabelStudio, tmp_path: Path
) -> None:
    with make_stage(label_studio, tmp_path, TASKS) as stage:
        title = f"mirror {stage.project_id}"
        policy = write_policy(stage, tmp_path / "policy.yaml", title)
        with stage.running("serve", tmp_path / "serve.log"):
            until(stage.healthy, "labelgate serve answers")
            stage.command("connect", "--project", str(stage.project_id), "--policy", str(policy))
            mirror_id = the_mirror_is_set_up(stage, title)
            let_a_certified_model_serve(stage)
            audits = until(lambda: audited(stage), "audits are drawn")
            until(lambda: set(copied(stage)) == set(audited(stage)), "the audits are copied")
            audits = audited(stage)
            they_are_bare(stage, mirror_id, audits)

            answers = a_senior_answers(stage, audits)
            until(lambda: votes(stage) == answers, "the answers are the originals'")
            until(lambda: report(stage)["audited"] == len(answers), "the audits count them")
            they_are_bare(stage, mirror_id, audits, answered=answers)

            taken_back = next(iter(answers))
            delete_answers(stage, copied(stage)[taken_back])
            del answers[taken_back]
            until(lambda: votes(stage) == answers, "a deleted answer is gone")
        a_crash_before_noting_the_copies_doubles_nothing(stage, mirror_id, answers)

        plain = write_policy(stage, tmp_path / "plain.yaml", None)
        with stage.running("serve", tmp_path / "serve.log"):
            until(stage.healthy, "labelgate serve answers")
            stage.command("policy", "apply", str(plain), "--yes")
            until(lambda: set(tasks_of(stage, mirror_id)) == left(stage, answers), "no copy waits")
            stage.command("disconnect", "--project", str(stage.project_id))
        assert stage.get("/api/webhooks/", project=mirror_id) == []
        assert set(tasks_of(stage, mirror_id)) == left(stage, answers)


def write_policy(stage: Stage, file: Path, mirror: str | None) -> Path:
    """Half of the accepts are audited; nothing is trained."""
    audit = "{share: 0.5}" if mirror is None else f"{{share: 0.5, mirror: {mirror}}}"
    rules = f"""\
auto_accept: {{max_error_rate: 0.05, confidence: 0.95, floor: 0.7}}
control: {{share: 0.05}}
holdout: {{share: 0.05}}
audit: {audit}
retrain: {{after_annotations: 1000, minimum_labels: 1000}}
"""
    return write_rules(stage, file, rules)


def the_mirror_is_set_up(stage: Stage, title: str) -> int:
    """It asks the same, shows no predictions, and tells Labelgate of answers."""
    with stage.runtime.reads() as session:
        mirror = mirror_of(session, stage.project_id)
    assert mirror is not None
    project = stage.get(f"/api/projects/{mirror.id}/")
    assert (project["title"], project["label_config"]) == (title, CONFIG)
    assert project["show_collab_predictions"] is False
    assert stage.get("/api/ml/", project=mirror.id) == []
    (webhook,) = stage.get("/api/webhooks/", project=mirror.id)
    assert webhook["url"] == f"{stage.settings.own_url}/webhook"
    return mirror.id


def let_a_certified_model_serve(stage: Stage) -> None:
    texts, topics = zip(*(text_of(place) for place in range(1_000, 1_180)), strict=True)
    fitted = predictor_of(list(texts), list(topics), name="topic")
    assert set(fitted.labels) == set(WORDS)
    now = stage.runtime.now()
    with stage.runtime.sessions.begin() as session:
        number = next_number(session, stage.project_id)
        model = first_champion(stage.settings.models_dir, stage.project_id, fitted, now, number)
        store_version(session, stage.project_id, model, now)
        certification = make_certification(0.7, model_version="v1")
        digest = stage.project.policy_hash
        store_certification(session, stage.project_id, certification, digest, now)


def audited(stage: Stage) -> list[int]:
    """The tasks that are audited, once everything is decided by the model."""
    with stage.runtime.reads() as session:
        found = [each.decision for each in current_decisions(session, stage.project_id)]
    accepts = [each for each in found if each.outcome is Outcome.ACCEPT]
    return [each.task_id for each in accepts if each.purpose is Purpose.AUDIT]


def copied(stage: Stage) -> dict[int, int]:
    """Original -> copy."""
    with stage.runtime.reads() as session:
        found = copies(session, stage.project_id)
    return {task_id: copy_id for copy_id, task_id in found.items()}


def they_are_bare(
    stage: Stage, mirror_id: int, audits: list[int], answered: dict[int, str] | None = None
) -> None:
    """Neither the original nor its copy shows anything, also once somebody has opened it."""
    found = tasks_of(stage, mirror_id)
    assert {task["data"][KEY] for task in found.values()} == {
        key_of(stage.project_id, task_id) for task_id in audits
    }
    assert all(set(task["data"]) == {"text", "place", KEY} for task in found.values())
    assert all(task["predictions"] == [] and task["meta"] == {} for task in found.values())
    with_answer = {copied(stage)[task_id] for task_id in answered or {}}
    assert {each for each, task in found.items() if task["annotations"]} == with_answer
    for task_id in audits:
        original = stage.task(task_id)
        assert (original["predictions"], original["annotations"]) == ([], [])
        assert original["data"] == {
            "text": original["data"]["text"],
            "place": original["inner_id"] - 1,
        }
    accepted = [task for task in stage.tasks() if task["annotations"]]
    assert accepted
    assert not {task["id"] for task in accepted} & set(audits)


def tasks_of(stage: Stage, project_id: int) -> dict[int, dict[str, Any]]:
    rows = stage.get("/api/tasks", project=project_id, fields="all", page_size=200)
    return {task["id"]: task for task in rows["tasks"]}


def a_senior_answers(stage: Stage, audits: list[int]) -> dict[int, str]:
    """Most audits, one of them in contradiction to the truth; what was said."""
    said = {task_id: stage.truth[task_id] for task_id in audits[:-2]}
    wrong = next(iter(said))
    said[wrong] = next(topic for topic in WORDS if topic != said[wrong])
    for task_id, topic in said.items():
        stage.label("sen", copied(stage)[task_id], topic)
    return said


def votes(stage: Stage) -> dict[int, str]:
    with stage.runtime.reads() as session:
        return {each.task_id: each.label for each in human_votes(session, stage.project_id)}


def report(stage: Stage) -> dict[str, Any]:
    with stage.runtime.reads() as session:
        found = newest_report(session, stage.project_id, AUDIT)
    return {"audited": 0} if found is None else found.body


def delete_answers(stage: Stage, copy_id: int) -> None:
    for annotation in stage.task(copy_id)["annotations"]:
        response = stage.client.delete(f"/api/annotations/{annotation['id']}/")
        assert response.status_code == 204, response.text


def a_crash_before_noting_the_copies_doubles_nothing(
    stage: Stage, mirror_id: int, answers: dict[int, str]
) -> None:
    run_job(stage.runtime, "mirror", stage.project)  # what the round before it left, if anything
    before, noted = set(tasks_of(stage, mirror_id)), copied(stage)
    assert len(before) == len(noted)
    with stage.runtime.sessions.begin() as session:
        of_project = TaskRow.project_id == stage.project_id
        session.execute(update(TaskRow).where(of_project).values(mirror_task_id=None))
    run_job(stage.runtime, "mirror", stage.project)
    assert set(tasks_of(stage, mirror_id)) == before
    waiting = {task_id: each for task_id, each in noted.items() if task_id not in answers}
    assert waiting.items() <= copied(stage).items()
    run_job(stage.runtime, "mirror", stage.project)
    assert set(tasks_of(stage, mirror_id)) == before
    assert votes(stage) == answers


def left(stage: Stage, answers: dict[int, str]) -> set[int]:
    """The copies with an answer."""
    with stage.runtime.reads() as session:
        mirror = mirror_of(session, stage.project_id)
    assert mirror is not None
    keys = {key_of(stage.project_id, task_id) for task_id in answers}
    return {each for each, task in tasks_of(stage, mirror.id).items() if task["data"][KEY] in keys}
