"""Answers of several parts on their way to Label Studio: what they quote, and their scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backend.delivery import deliver
from backend.exporting import export_labels
from backend.queueing import place
from backend.store.ledger import Grounds, append_decisions
from backend.synchronisation import synchronise
from connectors.label_studio.answers import answer_of
from connectors.label_studio.labeling import parse_labeling
from policies.answer_texts import controls_text, set_text, spans_text
from policies.domain import Decision, Outcome, Purpose
from tests.fakes.label_studio_server import ROBOT_ID
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

CONFIG = (
    '<View><Text name="text" value="$text"/><Labels name="spans" toName="text">'
    '<Label value="PLANT"/></Labels><Choices name="many" toName="text" choice="multiple">'
    '<Choice value="calm"/><Choice value="loud"/></Choices></View>'
)
LABELING = parse_labeling(CONFIG)
ANSWER = controls_text(
    {"spans": spans_text([(0, 6, "PLANT"), (11, 16, "PLANT")]), "many": set_text(["calm"])}
)


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    made = worked_project(tmp_path)
    project = made.server.projects[made.project_id]
    made.server.projects[project.id] = replace(project, label_config=CONFIG)
    made.connect(worked_policy())
    made.add(["fruit"] * 3)
    synchronise(made.runtime, made.project)
    return made


def decided(worked: WorkedProject, outcome: Outcome, answer: str = ANSWER) -> int:
    """Decide the first task so, deliver it, and its id."""
    task_id = worked.tasks[0].id
    decision = Decision(
        task_id=task_id,
        outcome=outcome,
        purpose=Purpose.ROUTED,
        tier=None if outcome is Outcome.ACCEPT else "general",
        rule="auto_accept",
        reason="score 0.600 reaches it",
        label=answer,
        score=0.6,
        threshold=0.5,
        draw=0.9,
        inclusion_probability=0.95,
        predictor="model",
        part_scores=(0.95, 0.9, 0.7),
    )
    grounds = Grounds(model_version="v1", policy_hash="p", certificate_id=None)
    with worked.runtime.sessions.begin() as session:
        append_decisions(session, worked.project_id, [decision], grounds, worked.clock())
    place(worked.runtime, worked.project)
    deliver(worked.runtime, worked.project)
    return task_id


def test_a_prediction_quotes_its_spans_and_scores_every_part(worked: WorkedProject) -> None:
    task_id = decided(worked, Outcome.REVIEW)
    predictions = worked.server.tasks[task_id].predictions
    (result,) = [each.prelabel.result for each in predictions if each.prelabel.result]
    parts = {(item["type"], item["value"].get("text")): item["score"] for item in result}
    assert parts == {
        ("labels", "apples"): 0.9,
        ("labels", "pears"): 0.7,
        ("choices", None): 0.95,
    }
    assert answer_of(LABELING, result) == ANSWER


def test_an_accept_is_the_robots_annotation_and_settled_at_the_second_look(
    worked: WorkedProject,
) -> None:
    task_id = decided(worked, Outcome.ACCEPT)
    assert worked.said(task_id, ROBOT_ID) == [ANSWER]
    before = len(worked.tool.calls)
    place(worked.runtime, worked.project)
    deliver(worked.runtime, worked.project)
    assert not {"accept", "withdraw"} & set(worked.tool.calls[before:])


def test_an_answer_that_the_config_does_not_offer_is_not_delivered(worked: WorkedProject) -> None:
    gone = controls_text({"spans": spans_text([(0, 6, "ANIMAL")]), "many": "[]"})
    task_id = decided(worked, Outcome.REVIEW, gone)
    row = worked.deliveries()[task_id]
    assert (row.state, row.error) == ("pending", "the labelling config no longer offers it")
    assert worked.server.tasks[task_id].predictions == []


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_an_export_has_the_answer_in_plain_values_too(
    worked: WorkedProject, tmp_path: Path, suffix: str
) -> None:
    worked.server.submit(worked.people["ann"], worked.tasks[1].id, ANSWER)
    synchronise(worked.runtime, worked.project)
    file = tmp_path / f"labels{suffix}"
    counts = export_labels(worked.runtime, worked.project, file)
    assert counts["human"] == 1
    text = file.read_text("utf-8")
    plain = '"many":["calm"]'
    assert (plain if suffix == ".jsonl" else plain.replace('"', '""')) in text
