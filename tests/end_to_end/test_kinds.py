"""Projects of every kind on one Labelgate and one real Label Studio, without mixing them up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
from backend.store.decisions import current_decisions
from backend.store.figures import project_figures
from backend.store.ledger import verify_ledger
from backend.store.models import ModelVersion, all_versions, champion
from backend.store.tables import JobRunRow
from backend.store.training import FORWARDED, PROMOTED, open_requests, recent_requests
from backend.store.votes import answers, human_votes
from connectors.label_studio.answers import answer_of, mentions, result_of
from connectors.label_studio.labeling import ControlKind, parse_labeling
from labelgate import main
from policies.domain import Purpose
from tests.end_to_end.kinds_on_stage import Kind, import_tasks, kinds, open_project
from tests.end_to_end.models_on_stage import certify
from tests.end_to_end.policies_on_stage import write_rules
from tests.end_to_end.stage import CONFIG, Stage, make_stage, until
from tests.fakes.label_studio_ml_program import label_studio_ml
from tests.running_label_studio import RunningLabelStudio

PLACES = range(66)
LABELLED = 48
# Ids of tasks that are in no project; which of them are blind is drawn from the id alone.
STRANGERS = range(1_000_001, 1_000_013)
RENAMED = CONFIG.replace("billing", "payment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the projects that live side by side."""

    kind: Kind
    stage: Stage


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
    stage = side.stage
    file = folder / f"{side.kind.name}.yaml"
    kind = side.kind
    policy = write_rules(stage, file, kind.rules, general=("ann",), model=kind.model)
    connect_project(stage.runtime, str(stage.project_id), policy)


def serving(stage: Stage) -> ModelVersion | None:
    with stage.runtime.reads() as session:
        return champion(session, stage.project_id)


def is_upstream(side: Side) -> bool:
    return side.kind.name == "upstream"


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


def answers_shown(side: Side) -> dict[int, dict[str, Any]] | None:
    """The predictions in Label Studio by task, once they are those of the version that serves.

    Every task that nobody answered and that is not blind has just one, and no other task has any.
    """
    stage, version = side.stage, serving(side.stage)
    assert version is not None
    with stage.runtime.reads() as session:
        entries = list(current_decisions(session, stage.project_id, labelled=False))
        waiting = project_figures(session, stage.project, stage.runtime.now()).deliveries
    if waiting.get("pending") or {e.grounds.model_version for e in entries} != {version.version}:
        return None
    wished = {
        each.decision.task_id
        for each in entries
        if each.decision.purpose is Purpose.ROUTED and each.decision.label is not None
    }
    unanswered = {each.decision.task_id for each in entries}
    seen: dict[int, list[dict[str, Any]]] = {}
    for task in stage.tasks():
        found = [each for each in task["predictions"] if is_answer(each)]
        if found and task["id"] in unanswered:
            seen[task["id"]] = found
    alone = all([each["model_version"] for each in e] == [version.version] for e in seen.values())
    if not wished or seen.keys() != wished or not alone:
        return None
    return {task_id: found[0] for task_id, found in seen.items()}


def is_answer(prediction: Mapping[str, Any]) -> bool:
    """Not one of the empty predictions that put a task into a view."""
    return not str(prediction["model_version"]).startswith("labelgate")


def answers_are_of_the_kind(side: Side, shown: Mapping[int, Mapping[str, Any]]) -> None:
    """What Label Studio holds is the project's control, labels, scores, texts, and mostly right."""
    labeling = side.kind.labeling
    (control,) = labeling.controls
    shows = side.stage.get(f"/api/projects/{side.stage.project_id}/")["model_version"]
    assert shows in {prediction["model_version"] for prediction in shown.values()}
    data = {task["id"]: task["data"] for task in side.stage.tasks()}
    right = []
    for task_id, prediction in shown.items():
        assert 0 <= prediction["score"] <= 1
        for item in prediction["result"]:
            assert (item["from_name"], item["to_name"]) == (control.name, control.to_names[0])
            assert item["type"] == control.tag
            of_parts(control.kind, item, data[task_id])
        said = answer_of(labeling, prediction["result"])
        assert said is not None
        assert set(mentions(labeling, said)) <= set(control.labels)
        right.append(said == side.stage.truth[task_id])
    assert sum(right) >= 0.7 * len(right), f"{side.kind.name}: {sum(right)} of {len(right)}"


def of_parts(kind: ControlKind, item: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """Spans quote their text; each of them, and a set, has a score of its own."""
    value = item["value"]
    if kind is ControlKind.SPANS:
        assert value["text"] == data["text"][value["start"] : value["end"]]
    if kind in (ControlKind.SPANS, ControlKind.CHOICES):
        assert 0 <= item["score"] <= 1


def predict_answers_for_the_project(side: Side) -> None:
    """Label Studio's own question, about tasks that are stored nowhere."""
    known = [side.kind.task(place) for place in range(100, 100 + len(STRANGERS))]
    body = ask(side.stage, side.kind.config, [data for data, _ in known])
    version = serving(side.stage)
    assert version is not None
    assert body["model_version"] == version.version
    assert "problems" not in body
    right = [
        answer_of(side.kind.labeling, each["result"]) == truth
        for each, (_, truth) in zip(body["results"], known, strict=True)
        if each
    ]
    assert len(right) > len(known) / 3
    assert sum(right) >= 0.7 * len(right)


def predict_takes_the_vectors_of_the_workers(side: Side) -> None:
    """The web process encodes nothing: what no worker has met has no answer yet."""
    met = [side.kind.task(place) for place in range(LABELLED, LABELLED + len(STRANGERS) // 2)]
    new = [{"text": f"never met {place}"} for place in range(len(STRANGERS) - len(met))]
    body = ask(side.stage, side.kind.config, [*(data for data, _ in met), *new])
    right = [
        answer_of(side.kind.labeling, each["result"]) == truth
        for each, (_, truth) in zip(body["results"], met, strict=False)
        if each
    ]
    assert right
    assert sum(right) >= 0.7 * len(right)
    assert [each["index"] for each in body["problems"]] == [*range(len(met), len(STRANGERS))]
    assert {each["message"] for each in body["problems"]} == {
        "the text's embedding is not made yet: the next round of jobs makes it"
    }


def ask(stage: Stage, config: str, data: list[dict[str, Any]]) -> dict[str, Any]:
    """What ``/predict`` answers about these data."""
    response = httpx.post(
        f"{stage.settings.own_url}/predict",
        json={
            "tasks": [{"id": i, "data": each} for i, each in zip(STRANGERS, data, strict=True)],
            "project": f"{stage.project_id}.1795344018",
            "label_config": config,
        },
        timeout=60,
    )
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def people_answer_in_all_of_them(sides: list[Side]) -> None:
    """One answer after the other, as it comes; each is read as its project's own."""
    asked = {}
    for side in sides:
        task_id = until(partial(side.stage.view, "general"), "the general tier has a queue")[0]
        asked[side.kind.name] = task_id
        result = result_of(
            side.kind.labeling,
            side.stage.truth[task_id],
            data=side.stage.task(task_id)["data"],
        )
        side.stage.submit("ann", task_id, result)
    for side in sides:
        truth = {task_id: side.stage.truth[task_id] for task_id in [asked[side.kind.name]]}
        until(partial(reads, side, truth), f"{side.kind.name}: the answer is read")


def reads(side: Side, truth: Mapping[int, str]) -> bool:
    return truth.items() <= said(side).items()


def said(side: Side) -> dict[int, str]:
    with side.stage.runtime.reads() as session:
        return answers(human_votes(session, side.stage.project_id))


def page_and_lists_tell_them_apart(stage: Stage, sides: list[Side]) -> None:
    page = httpx.get(f"{stage.settings.own_url}/", timeout=60).text
    assert "Traceback" not in page
    for side in sides:
        project, version = side.stage.project, serving(side.stage)
        assert version is not None
        section = page.split(project.title)[1].split("</section>")[0]
        assert f"<dd>{version.version}</dd>" in section
        assert section.count("<h3>Model versions</h3>") == 1
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
