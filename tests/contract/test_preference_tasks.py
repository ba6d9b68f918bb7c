"""Tasks of ``preferences pair`` and their configs on the real Label Studio: taken and read back."""

from __future__ import annotations

import secrets

import pytest

from audit_jobs.preferences.importing import import_missing
from audit_jobs.preferences.pairing import Plan, make_tasks
from connectors.label_studio.answers import answer_of, result_of
from connectors.label_studio.client import LabelStudioTool
from connectors.label_studio.comparisons import (
    answers_shown,
    choice_between,
    comparisons_of,
    said_by_control,
)
from connectors.label_studio.connection import Connection
from connectors.label_studio.labeling import parse_labeling
from connectors.label_studio.preference_configs import pairwise_config, ranking_config
from connectors.response_files import Responses
from policies.answer_texts import RANK, controls_text, ranking_text
from policies.judgments import Choice
from tests.running_label_studio import RunningLabelStudio

PROMPT = Responses(
    id="p1",
    prompt="Wie heißt der höchste Berg? 😀",
    texts=("Zugspitze", "Der K2 <b>ist</b> es", "Everest"),
    same=0,
    more={"topic": "mountains"},
)


@pytest.mark.parametrize(
    ("config", "plan", "answer"),
    [
        (pairwise_config(ties=False), Plan(repeats=0.5), "left"),
        (
            pairwise_config(ties=True),
            Plan(repeats=0.5),
            controls_text({"better": "left", "even": None}),
        ),
        (
            ranking_config(),
            Plan(repeats=1, ranking=True),
            ranking_text({RANK: ["a2", "a3", "a1"]}),
        ),
    ],
    ids=["pairwise", "pairwise with ties", "ranking"],
)
def test_tasks_and_config_are_taken_and_what_a_person_says_is_read_back(
    label_studio: RunningLabelStudio, config: str, plan: Plan, answer: str
) -> None:
    labeling = parse_labeling(config)
    tasks = make_tasks([PROMPT], plan).tasks
    _, robot_token = label_studio.new_user("preferences-robot")
    person_id, person_token = label_studio.new_user("preferences-judge")
    tool = LabelStudioTool(label_studio.url, label_studio.token, robot_token)
    project = label_studio.project(f"preferences {secrets.token_hex(2)}", config)
    assert import_missing(tool, project, tasks) == len(tasks)
    assert import_missing(tool, project, tasks) == 0
    (stored,) = tool.tasks_after(project, 0)
    assert [task.data for task in sorted(stored, key=lambda task: task.id)] == tasks
    first_id = min(task.id for task in stored)

    person = Connection(label_studio.url, person_token, setting="LABELGATE_LABEL_STUDIO_TOKEN")
    body = {"result": result_of(labeling, answer)}
    person.once("POST", f"/api/tasks/{first_id}/annotations/", body)
    person._http.close()

    (read,) = tool.annotated_among(project, [first_id])
    (annotation,) = read.annotations
    assert (annotation.user_id, answer_of(labeling, annotation.result)) == (person_id, answer)
    (comparison,) = comparisons_of(labeling, "prompt")
    first, second, *_ = answers_shown(comparison, read.data)
    said = said_by_control(labeling, answer)
    if plan.ranking:
        assert choice_between(comparison, said, "a2", "a1") is Choice.A
    else:
        assert choice_between(comparison, said, first, second) is Choice.A
