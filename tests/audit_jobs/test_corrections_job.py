"""The job on a worked project: reports, weeks, versions, alerts, and the view of a confusion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit_jobs.corrections import job
from audit_jobs.corrections.alerts import CORRECTION_RATE, TOO_HIGH, TOO_LOW, alerts_due
from audit_jobs.corrections.views import NoSuchConfusionError, show_confusion
from audit_jobs.job_names import ROUND
from audit_jobs.jobs import JOBS
from backend.store.alerts import Alert, open_alerts
from backend.store.annotators import store_stopped
from backend.store.reports import CORRECTIONS, newest_report
from policies.correction_bands import CorrectionBands, band_of
from policies.domain import Purpose
from policies.intervals import wilson
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

OTHER = {"A": "B", "B": "A"}


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Everything goes to people: a third blind, the others with the pre-label shown."""
    policy = worked_policy(
        auto_accept="never",
        control={"share": 0.2, "tier": "senior"},
        holdout={"share": 0.1, "tier": "senior"},
        sampling={"random": 1.0},
    )
    made = worked_project(tmp_path, policy)
    made.promote(certified=False)
    made.add(["fruit", "motor"] * 60)
    made.settle()
    return made


def work(worked: WorkedProject, wrong: int = 0, person: str = "ann") -> None:
    """Answer everything that is open; the first ``wrong`` tasks otherwise than predicted."""
    for number, (task, decision) in enumerate(sorted(worked.decisions().items())):
        label = str(decision.label)
        said = OTHER[label] if number < wrong else label
        worked.server.submit(worked.people[person], task, said)
    worked.settle()


def measure(worked: WorkedProject) -> dict[str, Any]:
    job.run(worked.runtime, worked.project)
    with worked.runtime.reads() as session:
        report = newest_report(session, worked.project_id, CORRECTIONS)
    assert report is not None
    return report.body


def opened(worked: WorkedProject) -> list[str]:
    with worked.runtime.reads() as session:
        return [about for name, about in open_alerts(session, worked.project_id) if name]


def test_it_runs_in_every_round_after_agreement() -> None:
    assert ROUND.index("corrections") == ROUND.index("agreement") + 1
    assert JOBS["corrections"] is job.run


def test_without_answers_the_report_is_empty_and_nothing_is_due_twice(
    worked: WorkedProject,
) -> None:
    body = measure(worked)
    assert (body["answers"], body["rate"]["value"], body["blind_error"]) == (0, None, None)
    assert body["confusions"] == []
    assert job.run(worked.runtime, worked.project)["state"] == "nothing new"


def test_shown_and_blind_answers_are_told_apart(worked: WorkedProject) -> None:
    blind = {
        task
        for task, each in worked.decisions().items()
        if each.purpose in {Purpose.CONTROL, Purpose.HOLDOUT}
    }
    work(worked, wrong=40)
    body = measure(worked)
    assert 0 < len(blind) < 120
    wrong = [task.id for task in worked.tasks][:40]
    assert body["rate"]["n"] == 120 - len(blind)
    assert round(body["rate"]["value"] * body["rate"]["n"]) == len(set(wrong) - blind)
    assert body["blind_error"]["n"] == len(blind)
    assert sum(each["count"] for each in body["confusions"]) == 40
    assert body["model_version"] == "v1"
    assert set(body["versions"]) == {"v1"}
    assert set(body["weeks"]) == {"2026-W09"}
    assert set(body["by_tier"]) == {"general"}
    assert body["recent"]["n"] == body["rate"]["n"]


def test_gold_and_people_who_do_not_count_are_left_out(worked: WorkedProject) -> None:
    known = worked.with_purpose(Purpose.ROUTED)[0]
    annotation = worked.server.submit(worked.people["sue"], known, "A")
    work(worked, wrong=10)
    before = measure(worked)["answers"]
    worked.server.mark_ground_truth(annotation)
    worked.settle()
    assert measure(worked)["answers"] == before - 1
    with worked.runtime.sessions.begin() as session:
        store_stopped(
            session, worked.project_id, {worked.people["ann"]: "failed gold"}, worked.clock()
        )
    assert measure(worked)["answers"] == 0  # sue's one was to gold


def test_a_new_version_is_told_of_once_people_have_answered_it(worked: WorkedProject) -> None:
    work(worked, wrong=5)
    assert measure(worked)["model_version"] == "v1"
    worked.promote("motor", "fruit", certified=False)
    worked.add(["fruit"] * 30)
    worked.settle()
    assert measure(worked)["model_version"] == "v1"
    for task in worked.tasks[-30:]:
        worked.server.submit(worked.people["ann"], task.id, "A")
    worked.settle()
    body = measure(worked)
    assert body["model_version"] == "v2"
    assert body["answers"] == 30
    assert body["rate"]["value"] == 1.0
    assert set(body["versions"]) == {"v1", "v2"}


def test_too_many_corrections_open_an_alert_once_and_it_is_resolved(
    worked: WorkedProject,
) -> None:
    predicted = {task: str(each.label) for task, each in worked.decisions().items()}
    work(worked, wrong=120)
    assert [each["about"] for each in measure(worked)["alerts"]] == [TOO_HIGH]
    assert opened(worked) == [TOO_HIGH]
    worked.add(["fruit"])
    worked.settle()
    worked.server.submit(worked.people["ann"], worked.tasks[-1].id, "A")
    worked.settle()
    assert "opened" in (found := job.run(worked.runtime, worked.project))
    assert found["opened"] == []
    for task in worked.tasks[16:120]:  # most is taken back and confirmed instead
        worked.server.edit(worked.people["ann"], task.annotations[0].id, predicted[task.id])
    worked.settle()
    assert measure(worked)["alerts"] == []
    assert opened(worked) == []


@pytest.mark.parametrize(
    ("answers", "standing", "opens", "resolves"),
    [
        ((0, 200), None, [TOO_LOW], []),
        ((90, 200), None, [TOO_HIGH], []),
        ((20, 200), None, [], []),
        ((1, 3), TOO_HIGH, [], []),
        ((0, 0), TOO_HIGH, [], []),
        ((20, 200), TOO_HIGH, [], [TOO_HIGH]),
        ((0, 200), TOO_HIGH, [TOO_LOW], [TOO_HIGH]),
        ((62, 200), TOO_LOW, [], [TOO_LOW]),
    ],
)
def test_alerts_are_judged_on_bounds(
    worked: WorkedProject,
    answers: tuple[int, int],
    standing: str | None,
    opens: list[str],
    resolves: list[str],
) -> None:
    now, bands, rate = worked.clock(), CorrectionBands(), wilson(*answers)
    recent = {**rate.as_json(), "band": band_of(rate, bands), "says": "so"}
    open_now = {}
    if standing:
        alert = Alert(
            name=CORRECTION_RATE, about=standing, opened=True, says="", detail={}, made_at=now
        )
        open_now[alert.event] = alert
    body: dict[str, Any] = {"recent": recent, "model_version": "v1"}
    due = alerts_due(body, bands, open_now, now)
    assert [each.about for each in due if each.opened] == opens
    assert [each.about for each in due if not each.opened] == resolves
    left = ({standing} if standing else set()) - set(resolves) | set(opens)
    assert {each["about"] for each in body["alerts"]} == left


def test_the_view_of_a_confusion_disturbs_nobody(worked: WorkedProject) -> None:
    predicted = {task: str(each.label) for task, each in worked.decisions().items()}
    work(worked, wrong=40)
    wrong = [task for task in sorted(predicted)[:40] if predicted[task] == "A"]
    before = {task.id: list(task.annotations) for task in worked.tasks}
    states, looks = worked.states(), {task.id: worked.shown(task.id) for task in worked.tasks}
    made = show_confusion(worked.runtime, worked.project, "A", "B")
    assert made.tasks == len(wrong)
    assert made.title == "Labelgate: Confusion: A -> B"
    again = show_confusion(worked.runtime, worked.project, "A", "B")
    assert again == made
    marked = {
        task.id: sum("confusion" in each.prelabel.model_version for each in task.predictions)
        for task in worked.tasks
    }
    assert {task for task, count in marked.items() if count} == set(wrong)
    assert set(marked.values()) <= {0, 1}
    worked.settle()
    assert {task.id: list(task.annotations) for task in worked.tasks} == before
    assert worked.states() == states
    for task_id, shown in looks.items():
        left = [each for each in worked.shown(task_id) if "confusion" not in each[0]]
        assert left == shown


def test_a_view_follows_the_answers_and_a_confusion_that_is_none_is_refused(
    worked: WorkedProject,
) -> None:
    work(worked, wrong=40)
    made = show_confusion(worked.runtime, worked.project, "B", "A")
    first = next(
        task
        for task in worked.tasks
        if any("confusion" in each.prelabel.model_version for each in task.predictions)
    )
    worked.server.edit(worked.people["ann"], first.annotations[0].id, "B")
    worked.settle()
    later = show_confusion(worked.runtime, worked.project, "B", "A")
    assert (later.id, later.tasks) == (made.id, made.tasks - 1)
    _, marker = worked.server.views[later.id]
    assert marker not in {each.prelabel.model_version for each in first.predictions}
    with pytest.raises(NoSuchConfusionError, match="there are: 'A' 'B'; 'B' 'A'"):
        show_confusion(worked.runtime, worked.project, "A", "C")
    with pytest.raises(NoSuchConfusionError):
        show_confusion(worked.runtime, worked.project, "A", "A")
