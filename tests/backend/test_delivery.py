"""Delivery on a tool that fails in every way: each task looks as wished in the end, once."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest

from backend.delivery import deliver
from backend.store.deliveries import LEFT_TO_PEOPLE
from backend.store.events import add_event
from connectors.annotation_tool import (
    AnnotationToolError,
    AnnotationToolRefusedError,
    AnnotationToolUnavailableError,
    Prelabel,
)
from policies.domain import MONITORED, Outcome, Purpose
from tests.fakes.annotation_tool import FakeAnnotationTool
from tests.fakes.flaky_tool import FlakyTool
from tests.fakes.label_studio_server import ROBOT_ID
from tests.fakes.worked_project import (
    WorkedProject,
    looks_as_wished,
    worked_policy,
    worked_project,
)

DOWN = AnnotationToolUnavailableError("Label Studio is down")
KINDS = ["fruit", "motor", "music"]


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Thirty tasks that are decided and not yet delivered; agreement asks two people."""
    made = worked_project(tmp_path, worked_policy(agreement={"share": 0.5}))
    made.promote()
    made.add(KINDS * 10)
    return made


def accepted(worked: WorkedProject) -> list[int]:
    return [
        each.task_id
        for each in worked.decisions().values()
        if each.outcome is Outcome.ACCEPT and each.purpose is Purpose.ROUTED
    ]


def test_accepts_become_the_robots_annotations_and_reviews_get_prediction_and_marker(
    worked: WorkedProject,
) -> None:
    worked.settle()
    decisions = worked.decisions()
    own = set(Purpose) - {Purpose.RECALL, *MONITORED}  # nothing recalled, no deployed model
    assert {each.purpose for each in decisions.values()} == own
    for task_id, decision in decisions.items():
        if task_id in accepted(worked):
            assert worked.said(task_id, ROBOT_ID) == [decision.label]
            assert worked.shown(task_id) == [("v1", True)]
        elif decision.purpose is Purpose.ROUTED:
            assert worked.shown(task_id) == [("labelgate: general", False), ("v1", True)]
        else:  # blind: nothing of the model's answer is there
            assert worked.said(task_id, ROBOT_ID) == []
            view = {Purpose.AUDIT: "Audit", Purpose.AGREEMENT: "general"}.get(
                decision.purpose, "Control"
            )
            assert worked.shown(task_id) == [(f"labelgate: {view}", False)]
        several = decision.purpose is Purpose.AGREEMENT
        assert worked.server.tasks[task_id].overlap == (2 if several else 1)
    assert looks_as_wished(worked) == []


def test_the_champions_scores_are_the_ones_shown(worked: WorkedProject) -> None:
    worked.settle()
    assert worked.server.projects[worked.project_id].model_version == "v1"
    worked.promote("music", "motor")
    worked.settle()
    assert worked.server.projects[worked.project_id].model_version == "v2"


@pytest.mark.parametrize("afterwards", [False, True])
@pytest.mark.parametrize(
    "method",
    ["annotated_among", "predicted_among", "import_predictions", "accept", "set_overlap"],
)
def test_a_call_that_fails_or_whose_answer_is_lost_is_made_good(
    worked: WorkedProject, method: str, *, afterwards: bool
) -> None:
    worked.tool.fail_next(method, DOWN, afterwards=afterwards)
    with pytest.raises(AnnotationToolUnavailableError):
        worked.round()
    failed = [row for row in worked.deliveries().values() if row.state == "pending"]
    assert {row.error for row in failed} == {str(DOWN)}
    assert {row.attempts for row in failed} == {1}
    worked.settle()
    assert looks_as_wished(worked) == []


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 1000])
def test_rows_that_label_studio_drops_without_a_word_are_sent_again(
    worked: WorkedProject, rows: int
) -> None:
    worked.tool.rows_to_drop = rows
    worked.round()
    assert worked.states()["pending"] > 0
    worked.settle()
    assert looks_as_wished(worked) == []


def test_nothing_is_written_where_nothing_changed(worked: WorkedProject) -> None:
    worked.settle()
    worked.tool.calls.clear()
    worked.round()
    reading = {"project", "tasks_after", "annotated_since", "users"}
    assert set(worked.tool.calls) <= reading


def test_a_crash_after_the_calls_and_before_the_note_doubles_nothing(
    worked: WorkedProject,
) -> None:
    worked.tool.fail_next("set_overlap", RuntimeError("power cut"), afterwards=True)
    with pytest.raises(RuntimeError, match="power cut"):
        worked.round()
    assert worked.states() == {"pending": len(worked.deliveries())}
    assert any(task.annotations for task in worked.tasks)
    worked.settle()
    assert looks_as_wished(worked) == []


@dataclass(slots=True, kw_only=True)
class OpenedMeanwhile(FakeAnnotationTool):
    opened: int

    def import_predictions(self, project_id: int, prelabels: Sequence[Prelabel]) -> int:
        own = [each for each in prelabels if each.task_id == self.opened and each.result]
        FakeAnnotationTool.import_predictions(self, project_id, own)
        return FakeAnnotationTool.import_predictions(self, project_id, prelabels)


def test_a_task_that_a_person_opened_meanwhile_is_accepted_once(worked: WorkedProject) -> None:
    """Label Studio asks /predict for a task without a prediction, and keeps the answer."""
    worked.settle()
    chosen = accepted(worked)[0]
    worked.promote("music", "motor")  # apples are unsure now: they go to people
    worked.settle()
    worked.promote()
    tool = OpenedMeanwhile(server=worked.server, opened=chosen)
    with_tool(worked, tool)
    worked.round()
    with_tool(worked, worked.tool)
    worked.settle()
    assert worked.said(chosen, ROBOT_ID) == ["A"]
    assert looks_as_wished(worked) == []


def test_a_task_that_is_gone_does_not_hold_up_the_others(worked: WorkedProject) -> None:
    worked.settle()
    several = worked.with_purpose(Purpose.AGREEMENT)
    worked.server.delete_task(several[0])  # and its webhook is lost
    worked.connect(worked_policy(agreement={"share": 0.0}))
    worked.certify("v1")
    worked.round()
    left = {each: row for each, row in worked.deliveries().items() if row.state == "pending"}
    assert set(left) == {several[0]}
    with worked.runtime.sessions.begin() as session:  # now it comes
        detail = {"task_ids": [several[0]]}
        add_event(session, worked.project_id, "TASKS_DELETED", detail, worked.clock())
    worked.clock.forward(700)
    worked.round()
    worked.tool.calls.clear()
    worked.clock.forward(700)
    assert deliver(worked.runtime, worked.project)["failed"] == 0
    assert worked.tool.calls == []


def test_a_refused_token_is_noted_and_said(worked: WorkedProject) -> None:
    refusal = AnnotationToolRefusedError("LABELGATE_ROBOT_TOKEN: refused")
    worked.tool.fail_next("accept", refusal)
    with pytest.raises(AnnotationToolRefusedError, match="LABELGATE_ROBOT_TOKEN"):
        worked.round()
    errors = {row.error for row in worked.deliveries().values() if row.state == "pending"}
    assert errors == {"LABELGATE_ROBOT_TOKEN: refused"}
    worked.settle()
    assert looks_as_wished(worked) == []


def test_a_label_that_left_the_config_is_decided_anew(worked: WorkedProject) -> None:
    worked.settle()
    of_b = [each for each in accepted(worked) if worked.said(each, ROBOT_ID) == ["B"]]
    assert of_b
    change_config(worked, '<Choice value="B"/>', '<Choice value="C"/>')
    worked.settle()
    for task_id in of_b:
        assert worked.said(task_id, ROBOT_ID) == []
        assert worked.decisions()[task_id].label is None
    assert worked.decisions()[of_b[0]].outcome is Outcome.REVIEW
    assert looks_as_wished(worked) == []


def change_config(worked: WorkedProject, old: str, new: str) -> None:
    project = worked.server.projects[worked.project_id]
    changed = replace(project, label_config=project.label_config.replace(old, new))
    assert changed != project
    worked.server.projects[worked.project_id] = changed


def test_a_persons_label_takes_the_robots_place(worked: WorkedProject) -> None:
    worked.settle()
    task_id = accepted(worked)[0]
    worked.server.submit(worked.people["ann"], task_id, "B")
    worked.settle()
    assert worked.said(task_id, ROBOT_ID) == []
    assert worked.said(task_id, worked.people["ann"]) == ["B"]
    assert worked.deliveries()[task_id].state == LEFT_TO_PEOPLE
    worked.promote("music", "motor")
    worked.settle()
    assert worked.said(task_id, worked.people["ann"]) == ["B"]
    assert worked.said(task_id, ROBOT_ID) == []


@pytest.mark.parametrize("says", ["A", "B"])
def test_the_robots_annotation_that_a_person_changed_or_confirmed_is_the_persons(
    worked: WorkedProject, says: str
) -> None:
    worked.settle()
    task_id = next(each for each in accepted(worked) if worked.said(each, ROBOT_ID) == ["A"])
    (annotation,) = worked.server.tasks[task_id].annotations
    worked.server.edit(worked.people["ann"], annotation.id, says)
    worked.promote("music", "motor")  # would take the accept back
    worked.settle()
    assert worked.said(task_id, ROBOT_ID) == [says]
    assert worked.deliveries()[task_id].state == LEFT_TO_PEOPLE
    assert task_id not in worked.decisions()


def test_an_annotation_edited_before_the_robots_next_delivery_stays(
    worked: WorkedProject,
) -> None:
    """The edit is not yet synchronised when the job reads how the task looks."""
    worked.settle()
    task_id = next(each for each in accepted(worked) if worked.said(each, ROBOT_ID) == ["A"])
    worked.promote("music", "motor")
    worked.tool.fail_next("annotated_among", DOWN)
    with pytest.raises(AnnotationToolUnavailableError):
        worked.round()
    (annotation,) = worked.server.tasks[task_id].annotations
    worked.server.edit(worked.people["ann"], annotation.id, "B")
    worked.clock.forward(700)
    deliver(worked.runtime, worked.project)
    assert worked.said(task_id, ROBOT_ID) == ["B"]
    assert worked.deliveries()[task_id].state == LEFT_TO_PEOPLE


def test_a_robots_annotation_that_somebody_deleted_is_put_back(worked: WorkedProject) -> None:
    worked.settle()
    task_id = accepted(worked)[0]
    worked.round()  # reads the robot's own annotations
    (annotation,) = worked.server.tasks[task_id].annotations
    worked.server.delete_annotation(annotation.id)
    deleted(worked, annotation.id)
    worked.settle()
    assert looks_as_wished(worked) == []


def test_an_answer_that_was_taken_back_leaves_the_task_to_the_policy_again(
    worked: WorkedProject,
) -> None:
    worked.settle()
    task_id = accepted(worked)[0]
    answer = worked.server.submit(worked.people["ann"], task_id, "B")
    worked.settle()
    assert worked.said(task_id, ROBOT_ID) == []
    worked.server.delete_annotation(answer)
    deleted(worked, answer)
    worked.settle()
    assert worked.said(task_id, ROBOT_ID) == [worked.decisions()[task_id].label]
    assert looks_as_wished(worked) == []


def deleted(worked: WorkedProject, annotation_id: int) -> None:
    with worked.runtime.sessions.begin() as session:
        detail = {"annotation_ids": [annotation_id]}
        add_event(session, worked.project_id, "ANNOTATIONS_DELETED", detail, worked.clock())


def with_tool(worked: WorkedProject, tool: object) -> None:
    object.__setattr__(worked.runtime, "tool", lambda: tool)


@dataclass
class People:
    """What people and admins do at random; ``written`` are the annotations that are theirs."""

    worked: WorkedProject
    random: Random
    written: set[int] = field(default_factory=set)

    def submit(self) -> None:
        task = self.random.choice(self.worked.tasks)
        label = self.random.choice("AB")
        self.written.add(self.worked.server.submit(self._somebody(), task.id, label))

    def edit(self) -> None:
        robots = self._annotations(of_robot=True)
        if robots:
            chosen = self.random.choice(robots)
            self.worked.server.edit(self._somebody(), chosen, self.random.choice("AB"))
            self.written.add(chosen)

    def take_back(self) -> None:
        own = self._annotations(of_robot=False)
        if own:
            chosen = self.random.choice(own)
            self.worked.server.delete_annotation(chosen)
            self.written.remove(chosen)
            deleted(self.worked, chosen)

    def promote(self) -> None:
        self.worked.promote(*self.random.sample(KINDS, 2))

    def change_capacity(self) -> None:
        capacity = self.random.choice([2, 10_000])
        self.worked.connect(worked_policy(capacity, agreement={"share": 0.3}))
        self.worked.certify(f"v{self.random.choice([1, 2, 3])}")

    def add_tasks(self) -> None:
        self.worked.add(self.random.choices(KINDS, k=3))

    def act(self) -> None:
        acts = [self.edit, self.take_back, self.promote, self.change_capacity, self.add_tasks]
        self.random.choice([*acts, self.submit, self.submit, self.submit])()

    def _somebody(self) -> int:
        return self.random.choice(list(self.worked.people.values()))

    def _annotations(self, *, of_robot: bool) -> list[int]:
        return [
            each.id
            for task in self.worked.tasks
            for each in task.annotations
            if (each.user_id == ROBOT_ID) is of_robot
        ]


@pytest.mark.parametrize("seed", range(16))
def test_whatever_fails_every_task_looks_as_wished_in_the_end(tmp_path: Path, seed: int) -> None:
    random = Random(seed)  # noqa: S311  # a test's dice
    worked = worked_project(tmp_path, worked_policy(agreement={"share": 0.3}))
    worked.promote()
    worked.add(KINDS * 6)
    people = People(worked, random)
    tool = FlakyTool(
        server=worked.server,
        page_size=5,
        random=random,
        interlude=lambda: people.submit() if random.random() < 0.02 else None,
    )
    with_tool(worked, tool)
    for _ in range(25):
        if random.random() < 0.6:
            people.act()
        with contextlib.suppress(AnnotationToolError):
            worked.round()
        worked.clock.forward(random.choice([0, 3, 700]))
    with_tool(worked, worked.tool)
    worked.settle()
    worked.settle()

    assert looks_as_wished(worked) == []
    standing = {each.id for task in worked.tasks for each in task.annotations}
    assert people.written <= standing  # no person's work was lost
