"""A labelling config that changes under a project at work: nothing crashes, nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from backend.answers import answer
from backend.config_changes import ALERT
from backend.serving import Snapshots
from backend.store.alerts import open_alerts
from backend.store.tables import AnnotationRow, ProjectRow
from backend.store.training import open_requests
from backend.store.votes import answers, human_votes
from connectors.label_studio.labeling import parse_labeling
from policies.answer_texts import controls_text
from policies.domain import Outcome
from tests.fakes.label_studio_server import ROBOT_ID
from tests.fakes.worked_project import CONFIG, WorkedProject, looks_as_wished, worked_project

RATING = '<Rating name="stars" toName="text"/>'
MULTIPLE = CONFIG.replace("toName", 'choice="multiple" toName')


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Forty accepted or routed tasks, ten of them answered by Ann with A."""
    made = worked_project(tmp_path)
    made.promote()
    made.add(["fruit", "motor"] * 20)
    made.settle()
    for task in made.tasks[:20:2]:
        made.server.submit(made.people["ann"], task.id, "A")
    made.settle()
    return made


def change(worked: WorkedProject, config: str) -> None:
    project = worked.server.projects[worked.project_id]
    worked.server.projects[project.id] = replace(project, label_config=config)


def reasons(worked: WorkedProject) -> list[str]:
    with worked.runtime.reads() as session:
        return [each.reason for each in open_requests(session, worked.project_id)]


def said(worked: WorkedProject) -> set[str]:
    with worked.runtime.reads() as session:
        return set(answers(human_votes(session, worked.project_id)).values())


def alerts(worked: WorkedProject) -> list[str]:
    with worked.runtime.reads() as session:
        found = open_alerts(session, worked.project_id)
    return [alert.says for (name, _), alert in found.items() if name == ALERT]


def accepted(worked: WorkedProject) -> set[str | None]:
    return {d.label for d in worked.decisions().values() if d.outcome is Outcome.ACCEPT}


def test_a_label_that_goes_takes_its_accepts_along_and_a_training_is_asked_for(
    worked: WorkedProject,
) -> None:
    assert accepted(worked) == {"A", "B"}
    change(worked, CONFIG.replace('value="B"', 'value="C"'))
    worked.settle()
    assert accepted(worked) == {"A"}
    gone = [each for each in worked.decisions().values() if each.label is None]
    assert gone
    assert all(each.outcome is Outcome.REVIEW for each in gone)
    assert not any("B" in worked.said(task.id, ROBOT_ID) for task in worked.tasks)
    assert looks_as_wished(worked) == []
    assert reasons(worked) == [
        "the labelling config changed: 'label' no longer offers 'B'; 'label' now offers 'C'"
    ]
    worked.round()
    assert len(reasons(worked)) == 1


def test_what_only_looks_otherwise_asks_for_nothing(worked: WorkedProject) -> None:
    before = worked.decisions()
    change(worked, CONFIG.replace("<View>", '<View><Header value="Which?"/>'))
    worked.settle()
    assert worked.decisions() == before
    assert reasons(worked) == []
    assert "Header" in worked.project.label_config


def test_stored_answers_are_read_anew_where_the_kind_changes_and_back(
    worked: WorkedProject,
) -> None:
    change(worked, MULTIPLE)
    worked.round()
    assert said(worked) == {'["A"]'}
    assert "asks for choices, not choice any more" in reasons(worked)[0]
    change(worked, CONFIG)
    worked.round()
    assert said(worked) == {"A"}


def test_a_second_control_makes_answers_of_both(worked: WorkedProject) -> None:
    change(worked, CONFIG.replace("</View>", f"{RATING}</View>"))
    worked.round()
    assert said(worked) == {controls_text({"label": "A", "stars": None})}


def test_answers_to_a_control_that_is_renamed_are_kept_and_say_nothing_now(
    worked: WorkedProject,
) -> None:
    change(worked, CONFIG.replace('name="label"', 'name="topic"'))
    worked.settle()
    assert said(worked) == set()
    change(worked, CONFIG)
    worked.settle()
    assert said(worked) == {"A"}


def test_a_config_that_cannot_be_answered_sends_all_to_people_and_says_so_once(
    worked: WorkedProject,
) -> None:
    change(worked, '<View><Text name="text" value="$text"/></View>')
    worked.settle()
    worked.round()
    assert worked.project.label_config == CONFIG  # the last one that can be answered
    assert "no control at all" in str(worked.project.config_problem)
    (told,) = alerts(worked)
    assert "every task goes to people" in told
    decisions = worked.decisions().values()
    assert {each.outcome for each in decisions} == {Outcome.REVIEW}
    assert {each.label for each in decisions} == {None}
    authors = {each.user_id for task in worked.tasks for each in task.annotations}
    assert ROBOT_ID not in authors
    assert said(worked) == {"A"}

    tasks = [{"id": task.id, "data": task.data} for task in worked.tasks]
    snapshot = Snapshots(worked.runtime).get(worked.project_id)
    shown = answer(snapshot, parse_labeling(CONFIG), tasks, lambda path: path.encode())
    assert shown.predicted == 0

    change(worked, CONFIG)
    worked.settle()
    assert alerts(worked) == []
    assert worked.project.config_problem is None
    assert accepted(worked) == {"A", "B"}
    assert looks_as_wished(worked) == []


def test_new_tasks_and_answers_are_read_while_the_config_cannot_be_answered(
    worked: WorkedProject,
) -> None:
    change(worked, "<View/>")
    worked.settle()
    (new,) = worked.add(["music"])
    worked.settle()
    assert worked.decisions()[new].outcome is Outcome.REVIEW


def test_what_an_earlier_version_read_of_one_choice_is_read_anew(worked: WorkedProject) -> None:
    change(worked, CONFIG.replace("</View>", f"{RATING}</View>"))
    worked.round()
    with worked.runtime.sessions.begin() as session:  # as the migration leaves it
        session.execute(update(AnnotationRow).values(label="A"))
        session.execute(update(ProjectRow).values(all_controls=False))
    worked.round()
    assert said(worked) == {controls_text({"label": "A", "stars": None})}
    assert worked.project.all_controls
