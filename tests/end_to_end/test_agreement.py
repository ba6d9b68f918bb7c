"""Agreement on a real Label Studio: what the job measures live is what an export shows."""

from __future__ import annotations

import random
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson

from audit_jobs.agreement.exports import export_report
from audit_jobs.running import run_job
from backend.connecting import connect_project
from tests.end_to_end.policies_on_stage import write_rules
from tests.end_to_end.stage import WORDS, Stage, make_stage
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import until

PEOPLE = ("ann", "bob", "sen")
BOXES = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image">'
    '<Label value="car"/><Label value="bike"/></RectangleLabels></View>'
)
SAME = ("type", "per_region", "measures", "compared_by", "note")


def test_choices_agree_live_as_they_do_in_an_export(
    label_studio: RunningLabelStudio, tmp_path: Path
) -> None:
    with make_stage(label_studio, tmp_path, 24) as stage:
        policy = write_policy(stage, tmp_path / "policy.yaml")
        with stage.running("web", tmp_path / "web.log"):
            until(stage.healthy, "labelgate web answers")
            stage.command("connect", "--project", str(stage.project_id), "--policy", str(policy))
        everybody_answers(stage)
        run_job(stage.runtime, "sync", stage.project)
        run_job(stage.runtime, "agreement", stage.project)

        project = str(stage.project_id)
        live = orjson.loads(stage.command("agreement", "--project", project, "--json"))
        file = export_of(stage, stage.project_id, tmp_path / "export.json")
        offline = orjson.loads(stage.command("agreement", str(file), "--json"))
        assert (live["tasks"], offline["tasks"], offline["cancelled"]) == (20, 21, 1)
        assert [each["tasks"] for each in offline["annotators"]] == [20, 20, 20]
        the_same(live["controls"], offline["controls"])
        alpha = live["krippendorff_alpha"]
        assert alpha == offline["controls"]["topic"]["measures"]["krippendorff_alpha"]
        assert 0 < alpha["low"] < alpha["value"] < alpha["high"] < 1

        page = tmp_path / "agreement.html"
        stage.command("agreement", "--project", project, "--html", str(page))
        assert "topic: krippendorff alpha apart" in page.read_text("utf-8")
        assert run_job(stage.runtime, "agreement", stage.project)["state"] == "nothing new"


def test_boxes_agree_live_as_they_do_in_an_export(
    label_studio: RunningLabelStudio, tmp_path: Path
) -> None:
    with make_stage(label_studio, tmp_path, 1) as first:
        project_id = label_studio.project("boxes", BOXES)
        stage = replace(first, project_id=project_id, truth={})
        policy = write_policy(stage, tmp_path / "policy.yaml")
        images = [{"image": f"https://example.com/{place}.png"} for place in range(12)]
        response = stage.client.post(f"/api/projects/{project_id}/import", json=images)
        assert response.status_code == 201, response.text
        with stage.running("web", tmp_path / "web.log"):
            until(stage.healthy, "labelgate web answers")
            connect_project(stage.runtime, str(project_id), policy)
        chance = random.Random(5)  # noqa: S311 - people's errors, not a secret
        for task_id in sorted(row["id"] for row in stage.tasks()):
            for person in PEOPLE:
                stage.submit(person, task_id, boxes(chance))
        run_job(stage.runtime, "sync", stage.project)
        run_job(stage.runtime, "agreement", stage.project)

        live = orjson.loads(stage.command("agreement", "--project", str(project_id), "--json"))
        file = export_of(stage, project_id, tmp_path / "export.json")
        offline = export_report(file, "nominal")
        assert live["tasks"] == offline["tasks"] == 12
        the_same(live["controls"], offline["controls"])
        (box,) = live["controls"].values()
        assert box["measures"]["f1_50"]["n"] == 12
        assert 0 < box["measures"]["krippendorff_alpha"]["value"] < 1


def write_policy(stage: Stage, file: Path) -> Path:
    rules = """\
auto_accept: never
agreement: {share: 0.5, overlap: 2, minimum_alpha: 0.2}
"""
    return write_rules(stage, file, rules, capacity=60)


def everybody_answers(stage: Stage) -> None:
    """All three answer 20 of the tasks, each with errors of their own; a skip does not count."""
    chance = random.Random(3)  # noqa: S311 - people's errors, not a secret
    for task_id in sorted(stage.truth)[:20]:
        for person in PEOPLE:
            wrong = chance.random() < 0.25
            stage.label(person, task_id, chance.choice(list(WORDS)) if wrong else None)
    stage.skip("ann", sorted(stage.truth)[20])


def boxes(chance: random.Random) -> list[dict[str, Any]]:
    """Two boxes where everybody sees them, some shifted, some under the other name."""
    return [
        {
            "id": secrets.token_hex(5),
            "from_name": "box",
            "to_name": "image",
            "type": "rectanglelabels",
            "original_width": 640,
            "original_height": 480,
            "image_rotation": 0,
            "value": {
                "x": left + chance.choice([0, 1, 6]),
                "y": 20,
                "width": 20,
                "height": 30,
                "rotation": chance.choice([0, 0, 10]),
                "rectanglelabels": [chance.choice(["car", "car", "car", "bike"])],
            },
        }
        for left in (10, 60)[: chance.choice([1, 2, 2])]
    ]


def submit(stage: Stage, person: str, task_id: int, result: list[dict[str, Any]]) -> None:
    response = stage.client.post(
        f"/api/tasks/{task_id}/annotations/",
        headers={"Authorization": f"Token {stage.tokens[person]}"},
        json={"result": result, "lead_time": 3.0},
    )
    assert response.status_code == 201, response.text


def export_of(stage: Stage, project_id: int, file: Path) -> Path:
    """The project's own JSON export, as a user downloads it."""
    response: httpx.Response = stage.client.get(
        f"/api/projects/{project_id}/export", params={"exportType": "JSON"}
    )
    assert response.status_code == 200, response.text
    # Tasks come in no promised order, and intervals are drawn in the order of tasks.
    tasks = sorted(orjson.loads(response.content), key=lambda task: int(task["id"]))
    file.write_bytes(orjson.dumps(tasks))
    return file


def the_same(live: dict[str, Any], offline: dict[str, Any]) -> None:
    """Every figure of every control, and every pair of people, by their numbers."""
    assert live.keys() == offline.keys()
    for name, control in live.items():
        for key in SAME:
            assert control[key] == offline[name][key], (name, key)
        assert {frozenset(each["annotators"]): each["agreement"] for each in control["pairs"]} == {
            frozenset(each["annotators"]): each["agreement"] for each in offline[name]["pairs"]
        }
