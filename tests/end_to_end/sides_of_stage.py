"""Projects side by side: what Label Studio and ``/predict`` show of each is its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from backend.store.decisions import current_decisions
from backend.store.figures import project_figures
from backend.store.models import ModelVersion, champion
from connectors.label_studio.answers import answer_of, mentions
from connectors.label_studio.labeling import ControlKind
from policies.domain import Purpose
from tests.end_to_end.kinds_on_stage import Kind
from tests.end_to_end.stage import Stage

LABELLED = 48
# Ids of tasks that are in no project; which of them are blind is drawn from the id alone.
STRANGERS = range(1_000_001, 1_000_013)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the projects that live side by side."""

    kind: Kind
    stage: Stage


def serving(stage: Stage) -> ModelVersion | None:
    with stage.runtime.reads() as session:
        return champion(session, stage.project_id)


def is_upstream(side: Side) -> bool:
    return side.kind.name == "upstream"


def answers_shown(side: Side) -> dict[int, dict[str, Any]] | None:
    """The predictions in Label Studio by task, once they are those of the version that serves.

    Of the tasks that nobody answered each has just one, but for the blind ones, which have none.
    """
    stage, version = side.stage, serving(side.stage)
    assert version is not None
    with stage.runtime.reads() as session:
        entries = list(current_decisions(session, stage.project_id, labelled=False))
        waiting = project_figures(session, stage.project).deliveries
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
