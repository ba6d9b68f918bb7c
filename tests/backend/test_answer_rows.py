"""Answers that are alike are stored as one text, in an order that the times of the answers say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from sqlalchemy import select

from backend.sameness import said_alike
from backend.store.ledger import Grounds, append_decisions
from backend.store.tables import AnnotationRow
from backend.synchronisation import reconcile, synchronise
from policies.answer_texts import regions_text
from policies.domain import Candidates, Decision, Outcome, Purpose
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

NUMBER = '<View><Text name="text" value="$text"/><Number name="n" toName="text"/></View>'
BOXES = (
    '<View><Image name="i" value="$text"/><RectangleLabels name="b" toName="i">'
    '<Label value="Car"/></RectangleLabels></View>'
)


def project_of(folder: Path, config: str, **same_answer: object) -> WorkedProject:
    made = worked_project(folder)
    project = made.server.projects[made.project_id]
    made.server.projects[project.id] = replace(project, label_config=config)
    made.connect(worked_policy(same_answer=same_answer))
    made.add(["fruit"] * 3)
    return made


def stored(worked: WorkedProject, task_id: int) -> list[str | None]:
    """What the answers to a task say, the earliest first."""
    with worked.runtime.reads() as session:
        return list(
            session.scalars(
                select(AnnotationRow.label)
                .where(AnnotationRow.task_id == task_id, AnnotationRow.deleted_at.is_(None))
                .order_by(AnnotationRow.created_at)
            )
        )


def decide(worked: WorkedProject, task_id: int, label: str) -> None:
    decision = Decision(
        task_id=task_id,
        outcome=Outcome.REVIEW,
        purpose=Purpose.CONTROL,
        tier="general",
        rule="control",
        reason="drawn",
        label=label,
        score=0.9,
        threshold=None,
        draw=0.01,
        inclusion_probability=0.1,
    )
    grounds = Grounds(model_version="v1", policy_hash="p", certificate_id=None)
    with worked.runtime.sessions.begin() as session:
        append_decisions(session, worked.project_id, [decision], grounds, worked.clock())


def test_an_answer_takes_the_text_of_the_first_that_it_is_alike(tmp_path: Path) -> None:
    worked = project_of(tmp_path, NUMBER, tolerance=1)
    task = worked.tasks[0].id
    for person, number in (("ann", "2"), ("bob", "3"), ("sue", "4")):
        worked.server.submit(worked.people[person], task, number)
    synchronise(worked.runtime, worked.project)
    assert stored(worked, task) == ["2", "2", "4"]
    reconcile(worked.runtime, worked.project)
    assert stored(worked, task) == ["2", "2", "4"]
    with worked.runtime.reads() as session:
        results = session.scalars(select(AnnotationRow.result).order_by(AnnotationRow.created_at))
        assert [each[0]["value"]["number"] for each in results] == [2, 3, 4]  # as they were given


def test_the_decisions_answer_comes_before_all_and_a_later_one_moves_nothing(
    tmp_path: Path,
) -> None:
    worked = project_of(tmp_path, NUMBER, tolerance=1)
    task = worked.tasks[0].id
    synchronise(worked.runtime, worked.project)
    decide(worked, task, "2.5")
    worked.server.submit(worked.people["ann"], task, "3")
    synchronise(worked.runtime, worked.project)
    assert stored(worked, task) == ["2.5"]
    decide(worked, task, "3.5")
    worked.server.submit(worked.people["bob"], task, "4")
    synchronise(worked.runtime, worked.project)
    assert stored(worked, task) == ["2.5", "3.5"]


def test_an_answer_that_is_changed_is_held_against_the_others_anew(tmp_path: Path) -> None:
    worked = project_of(tmp_path, NUMBER, tolerance=1)
    task = worked.tasks[0].id
    worked.server.submit(worked.people["ann"], task, "2")
    second = worked.server.submit(worked.people["bob"], task, "3")
    synchronise(worked.runtime, worked.project)
    worked.server.edit(worked.people["bob"], second, "7")
    synchronise(worked.runtime, worked.project)
    assert stored(worked, task) == ["2", "7"]


def test_boxes_around_the_same_thing_are_one_answer(tmp_path: Path) -> None:
    worked = project_of(tmp_path, BOXES)
    task = worked.tasks[0].id

    def car(x: float) -> str:
        value = {"x": x, "y": 10, "width": 20, "height": 10, "rectanglelabels": ["Car"]}
        return regions_text([{"type": "rectanglelabels", "value": value}])

    worked.server.submit(worked.people["ann"], task, car(10))
    worked.server.submit(worked.people["bob"], task, car(12))
    worked.server.submit(worked.people["sue"], task, car(40))
    worked.server.skip(worked.server.add_user("skips@example.com"), task)
    synchronise(worked.runtime, worked.project)
    assert stored(worked, task) == [car(10), car(10), car(40), None]


def test_without_a_rule_answers_stay_what_they_are(tmp_path: Path) -> None:
    worked = project_of(tmp_path, NUMBER)
    task = worked.tasks[0].id
    worked.server.submit(worked.people["ann"], task, "2")
    worked.server.submit(worked.people["bob"], task, "2.0001")
    synchronise(worked.runtime, worked.project)
    assert stored(worked, task) == ["2", "2.0001"]


def test_a_models_answers_count_as_what_people_said_where_they_are_alike(tmp_path: Path) -> None:
    worked = project_of(tmp_path, NUMBER, tolerance=0.5)
    candidates = Candidates(
        task_ids=np.array([1, 2, 3, 4]),
        labels=np.array(["1", "2", "3", None], object),
        scores=np.ones(4),
        problems=np.full(4, None, object),
        fields={},
    )
    found = said_alike(worked.project, {1: "1.4", 2: "2.6", 4: "4"}, candidates)
    assert found.tolist() == ["1", "2.6", None, "4"]
