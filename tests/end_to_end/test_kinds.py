"""Projects of every kind on one Labelgate and one real Label Studio, without mixing them up."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
from click.testing import CliRunner
from sqlalchemy import select

from backend.connecting import connect_project
from backend.foreign import FOREIGN
from backend.lineage import ENCODER
from backend.store.job_tables import JobRunRow
from backend.store.ledger_check import verify_ledger
from backend.store.models import ModelVersion, all_versions
from backend.store.training import FORWARDED, PROMOTED, open_requests, recent_requests
from backend.store.votes import answers, human_votes
from connectors.label_studio.answers import answer_of, result_of
from connectors.label_studio.labeling import parse_labeling
from labelgate import main
from tests.end_to_end.kinds_on_stage import Kind, import_tasks, kinds, open_project
from tests.end_to_end.models_on_stage import certify
from tests.end_to_end.policies_on_stage import write_rules
from tests.end_to_end.sides_of_stage import (
    LABELLED,
    STRANGERS,
    Side,
    answers_are_of_the_kind,
    answers_shown,
    ask,
    is_upstream,
    predict_answers_for_the_project,
    predict_takes_the_vectors_of_the_workers,
    serving,
)
from tests.end_to_end.stage import CONFIG, Stage, make_stage
from tests.fakes.label_studio_ml_program import label_studio_ml
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import until

PLACES = range(66)
RENAMED = CONFIG.replace("billing", "payment")


def test_projects_of_every_kind_live_side_by_side(
    label_studio: RunningLabelStudio, tmp_path: Path
) -> None:
    upstream = tmp_path / "upstream"
    upstream.mkdir()
    with (
        label_studio_ml(upstream) as url,
        make_stage(label_studio, tmp_path, 1, sync_interval_s=10, embeddings="auto") as first,
    ):
        sides = [
            Side(kind=kind, stage=open_project(first, kind, PLACES, LABELLED))
            for kind in kinds(url)
        ]
        log = tmp_path / "serve.log"
        with first.running("serve", log):
            until(first.healthy, "labelgate serve answers")
            for side in sides:
                connect(side, tmp_path)
            for side in sides:
                a_version_is_trained_or_taken_up(side)
            for side in sides:
                shown = until(partial(answers_shown, side), f"{side.kind.name} is served")
                answers_are_of_the_kind(side, shown)
                if side.kind.by_meaning:
                    predict_takes_the_vectors_of_the_workers(side)
                else:
                    predict_answers_for_the_project(side)
            people_answer_in_all_of_them(sides)
            page_and_lists_tell_them_apart(first, sides)
            what_is_sure_is_accepted([side for side in sides if side.kind.accepts])
            a_label_is_renamed(sides[0], sides[1:])
            for side in sides:
                stores_keep_them_apart(side)
        assert "Traceback" not in log.read_text("utf-8")
        assert failures(first) == []


def connect(side: Side, folder: Path) -> None:
    stage, kind = side.stage, side.kind
    file = folder / f"{kind.name}.yaml"
    policy = write_rules(stage, file, kind.rules, general=("ann",), model=kind.model)
    connect_project(stage.runtime, str(stage.project_id), policy)


def a_version_is_trained_or_taken_up(side: Side) -> None:
    """The first version of a project's own, or the second one of the server that was trained."""
    number = 2 if is_upstream(side) else 1

    def there() -> ModelVersion | None:
        version = serving(side.stage)
        return version if version is not None and version.number >= number else None

    version = until(there, f"{side.kind.name}: version {number} serves")
    with side.stage.runtime.reads() as session:
        (request,) = recent_requests(session, side.stage.project_id, 5)
    assert request.reason == f"{LABELLED} new human labels"
    if is_upstream(side):
        assert request.state == FORWARDED
        assert version.path == ""
        origin = version.lineage[FOREIGN]
        assert (origin["kind"], origin["reported"] != "INITIAL") == ("upstream", True)
    else:
        assert (request.state, request.model_version) == (PROMOTED, "v1")
        assert FOREIGN not in version.lineage
        assert (ENCODER in version.lineage) == side.kind.by_meaning


def people_answer_in_all_of_them(sides: list[Side]) -> None:
    """One answer after the other, as it comes; each is read as its project's own."""
    given: list[tuple[Side, dict[int, str]]] = []
    for side in sides:
        stage = side.stage
        task_id = until(partial(stage.view, "general"), "the general tier has a queue")[0]
        truth, data = stage.truth[task_id], stage.task(task_id)["data"]
        stage.submit("ann", task_id, result_of(side.kind.labeling, truth, data=data))
        given.append((side, {task_id: truth}))
    for side, answer in given:
        until(partial(reads, side, answer), f"{side.kind.name}: the answer is read")


def reads(side: Side, answer: Mapping[int, str]) -> bool:
    return answer.items() <= said(side).items()


def said(side: Side) -> dict[int, str]:
    with side.stage.runtime.reads() as session:
        return answers(human_votes(session, side.stage.project_id))


def page_and_lists_tell_them_apart(stage: Stage, sides: list[Side]) -> None:
    start = httpx.get(f"{stage.settings.own_url}/", timeout=60).text
    assert "Traceback" not in start
    for side in sides:
        project, version = side.stage.project, serving(side.stage)
        assert version is not None
        assert f'<a href="/projects/{project.id}">' in start
        page = httpx.get(f"{stage.settings.own_url}/projects/{project.id}", timeout=60).text
        assert f"{version.version} serves" in page
        assert page.count("<h3>Model versions</h3>") == 1
        listed = models_of(side.stage)
        states = {each["version"]: each["state"] for each in listed["versions"]}
        assert [name for name, state in states.items() if state == "champion"] == [version.version]
        assert len(states) == (2 if is_upstream(side) else 1)
        assert all(each["problem"] is None for each in listed["versions"])


def models_of(stage: Stage) -> dict[str, Any]:
    """What ``labelgate models list`` says; in this process, for six starts would take a while."""
    said = CliRunner().invoke(
        main,
        ["models", "list", "--project", str(stage.project_id), "--json"],
        env=stage.settings.process_environment(),
    )
    assert said.exit_code == 0, said.output
    found: dict[str, Any] = orjson.loads(said.stdout)
    return found


def what_is_sure_is_accepted(sides: list[Side]) -> None:
    """Answers of several parts become the robot's annotations, each in its own project."""
    for side in sides:
        certify(side.stage, 0.7, max_error_rate=0.2, confidence=0.8)
    for side in sides:
        accepted = until(side.stage.robots_answers, f"{side.kind.name}: answers are accepted")
        right = [text == side.stage.truth[task_id] for task_id, text in accepted.items()]
        assert sum(right) >= 0.7 * len(right)


def a_label_is_renamed(side: Side, others: list[Side]) -> None:
    """What the old one meant is answered no more, and another version learns the new one."""
    stage = side.stage
    before = {each.kind.name: serving(each.stage) for each in others}
    change = stage.client.patch(f"/api/projects/{stage.project_id}", json={"label_config": RENAMED})
    assert change.status_code == 200, change.text
    known = [side.kind.task(place) for place in range(100, 100 + len(STRANGERS))]
    body = ask(stage, RENAMED, [data for data, _ in known])
    told = [each["message"] for each in body["problems"]]
    assert told == ["the label 'billing' left the labelling config"] * len(told)
    assert len(told) == sum(truth == "billing" for _, truth in known)

    renamed = Side(kind=renamed_kind(side.kind), stage=stage)
    import_tasks(stage, renamed.kind, range(102, 147, 3), labelled=True)
    learned = until(lambda: knows(stage, "payment"), "a version that knows the new label serves")
    assert set(learned.labels) == {"login", "payment", "shipping"}
    why = stage.trainings_asked_for()
    changed = "the labelling config changed: 'topic' no longer offers 'billing'; 'topic' now offers"
    assert f"{changed} 'payment'" in why
    # What is open was made before the change, and so was what is true of it.
    truths = {task: renamed_truth(truth) for task, truth in stage.truth.items()}
    stage.truth.update(truths)
    shown = until(partial(answers_shown, renamed), "the new version's answers are shown")
    answers_are_of_the_kind(renamed, shown)
    predict_answers_for_the_project(renamed)
    assert {each.kind.name: serving(each.stage) for each in others} == before


def renamed_truth(truth: str) -> str:
    return "payment" if truth == "billing" else truth


def renamed_kind(kind: Kind) -> Kind:
    """The same project after the change."""

    def task(place: int) -> tuple[dict[str, Any], str]:
        data, truth = kind.task(place)
        return data, renamed_truth(truth)

    return Kind(name=kind.name, config=RENAMED, model=kind.model, task=task, after=kind.after)


def knows(stage: Stage, label: str) -> ModelVersion | None:
    version = serving(stage)
    with stage.runtime.reads() as session:
        training = open_requests(session, stage.project_id)
    return version if version is not None and label in version.labels and not training else None


def stores_keep_them_apart(side: Side) -> None:
    """Every answer that people gave is stored with its project, and says what they said there."""
    stage, robot = side.stage, side.stage.project.robot_id
    labeling = parse_labeling(stage.project.label_config)
    given = {
        task["id"]: answer_of(labeling, each["result"])
        for task in stage.tasks()
        for each in task["annotations"]
        if each["completed_by"] != robot
    }
    assert said(side) == given
    with stage.runtime.reads() as session:
        versions = all_versions(session, stage.project_id)
        check = verify_ledger(session, stage.project_id)
    assert check.broken_seq is None
    offered = set(side.kind.labeling.labels) | set(labeling.labels)
    assert all(set(version.labels) <= offered for version in versions)


def failures(stage: Stage) -> list[tuple[str, str | None]]:
    """The jobs that failed, of any project."""
    with stage.runtime.reads() as session:
        failed = select(JobRunRow.job, JobRunRow.error).where(JobRunRow.error.is_not(None))
        return [(job, error) for job, error in session.execute(failed)]
