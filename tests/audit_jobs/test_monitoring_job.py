"""The monitoring job: what people verified of a deployed model, its decay, drift, and alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from audit_jobs.monitoring import job
from audit_jobs.monitoring.alerts import DECAY, DRIFT, TRAFFIC
from backend.alerts.watch import watch
from backend.store.alerts import Alert, newest_alerts
from backend.store.drift import left_of
from backend.store.inference_tables import InferenceRow
from backend.store.reports import MONITORING, reports
from backend.store.tasks import mark_tasks_deleted
from policies.loading import parse_policy
from tests.fakes.production import Answer, add_answers, count
from tests.fakes.worked_project import WorkedProject, text_of, worked_policy, worked_project

FIRST_DAY = datetime(2026, 1, 5, 12, tzinfo=UTC)
OTHER = {"A": "B", "B": "A"}


def project(folder: Path, **monitoring: Any) -> WorkedProject:
    rules = worked_policy(
        auto_accept="never", monitoring={"share": 0.1, "period": "week"} | monitoring
    )
    return worked_project(folder, rules)


def place(worked: WorkedProject, answers: Sequence[Answer], prefix: str = "p") -> list[int]:
    """Make a task of each answer, and store the answers as placed."""
    kinds = ["fruit" if each.predicted == "A" else "motor" for each in answers]
    data = [{"text": text_of(kind, number)} for number, kind in enumerate(kinds)]
    ids = worked.server.add_tasks(worked.project_id, data)
    placed = [
        Answer(
            at=each.at,
            predicted=each.predicted,
            model_version=each.model_version,
            share=each.share,
            task_id=task_id,
            slices=each.slices,
        )
        for each, task_id in zip(answers, ids, strict=True)
    ]
    with worked.runtime.sessions.begin() as session:
        add_answers(session, worked.project_id, placed, prefix)
    return ids


def verify(worked: WorkedProject, ids: Sequence[int], says: Sequence[str]) -> None:
    """A senior answers the tasks."""
    for task_id, label in zip(ids, says, strict=True):
        worked.server.submit(worked.people["sue"], task_id, label)
    worked.settle()


def days(count: int, predicted: str = "A", start: int = 0, **more: Any) -> list[Answer]:
    """One answer a day."""
    return [
        Answer(at=FIRST_DAY + timedelta(days=start + day), predicted=predicted, **more)
        for day in range(count)
    ]


def run(worked: WorkedProject, later: float = 0) -> dict[str, Any]:
    worked.clock.forward(later)
    return dict(job.run(worked.runtime, worked.project))


def stored(worked: WorkedProject) -> list[dict[str, Any]]:
    with worked.runtime.reads() as session:
        return [each.body for each in reports(session, worked.project_id, MONITORING)]


def alerts(worked: WorkedProject) -> dict[tuple[str, str], Alert]:
    with worked.runtime.reads() as session:
        return newest_alerts(session, worked.project_id)


def test_a_project_without_a_deployed_model_has_no_report(tmp_path: Path) -> None:
    worked = project(tmp_path)
    assert run(worked) == {"state": "nothing is monitored"}
    assert stored(worked) == []


def test_what_people_settled_on_is_held_against_what_the_model_said(tmp_path: Path) -> None:
    worked = project(tmp_path, slices=["site"])
    answers = days(4, slices={"site": 1}) + days(4, "B", start=7, share=0.4, slices={"site": 2})
    ids = place(worked, answers)
    with worked.runtime.sessions.begin() as session:
        count(session, worked.project_id, answers, times=9)
        add_answers(
            session,
            worked.project_id,
            [
                Answer(at=FIRST_DAY, predicted="A", state="lost", slices={"site": 1}),
                Answer(at=FIRST_DAY, predicted="A", state="waiting"),
                Answer(at=FIRST_DAY, predicted="A", slices={"site": 1}),
            ],
        )
    verify(worked, ids[:7], ["A", "A", "A", "B", "B", "B", "A"])
    told = run(worked)
    (body,) = stored(worked)
    assert told["verified"] == body["verified"] == 7
    assert (body["drawn"], body["unanswered"], body["answers"]) == (9, 2, 82)
    # One of the first four is wrong, one of the last three too; the first stand for four times
    # as many.
    assert body["accuracy"]["value"] == pytest.approx((3 + 2 / 4) / (4 + 3 / 4))
    assert [(each["period"], each["accuracy"]["n"]) for each in body["curve"]] == [
        ("2026-W02", 4),
        ("2026-W02", 4),
        ("2026-W03", 3),
        ("2026-W03", 3),
    ]
    assert body["by_class"]["B"]["accuracy"]["value"] == pytest.approx(2 / 3)
    assert set(body["by_slice"]["site"]) == {"1", "2"}
    assert body["by_slice"]["site"]["1"]["answers"] == 42
    assert body["truth"]["A"]["value"] == pytest.approx((3 + 1 / 4) / (4 + 3 / 4))
    assert body["states"] == {"waiting": 1, "passed": 73, "drawn": 0, "placed": 8, "lost": 1}
    assert body["decay"]["deployed-1"]["says"].startswith("no baseline yet")
    assert alerts(worked) == {}


def test_a_task_that_was_deleted_waits_for_nobody_and_an_answer_given_before_counts(
    tmp_path: Path,
) -> None:
    worked = project(tmp_path)
    ids = place(worked, days(4))
    verify(worked, ids[:1], ["A"])
    with worked.runtime.sessions.begin() as session:
        mark_tasks_deleted(session, worked.project_id, ids[:2], worked.clock())
    assert run(worked)["verified"] == 1
    states = stored(worked)[-1]["states"]
    assert (states["placed"], states["lost"]) == (3, 1)
    with worked.runtime.reads() as session:
        (why,) = session.scalars(select(InferenceRow.why).where(InferenceRow.state == "lost"))
    assert why == "its task was deleted before it was answered"


def test_what_is_not_new_is_not_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every round would read all answers of all people."""
    worked = project(tmp_path)
    verify(worked, place(worked, days(2)), ["A", "B"])
    run(worked)
    monkeypatch.setattr(job, "human_votes", None)
    assert run(worked, later=60) == {"state": "nothing new"}


def test_only_what_is_new_is_reported_and_an_answer_that_was_changed_is(tmp_path: Path) -> None:
    worked = project(tmp_path, baseline=0.9)
    ids = place(worked, days(3))
    verify(worked, ids[:2], ["A", "A"])
    run(worked)
    assert run(worked) == {"state": "nothing new"}
    with worked.runtime.sessions.begin() as session:
        add_answers(session, worked.project_id, days(5), "more")
    assert run(worked) == {"state": "nothing new"}
    assert len(stored(worked)) == 1
    assert run(worked, later=3_700)["verified"] == 2  # traffic alone is told by the hour
    assert [each["answers"] for each in stored(worked)] == [3, 8]
    verify(worked, ids[2:], ["B"])
    assert run(worked)["verified"] == 3
    annotation = worked.server.tasks[ids[2]].annotations[0]
    worked.server.edit(worked.people["sue"], annotation.id, "A")
    worked.settle()
    run(worked)
    assert [each["accuracy"]["value"] for each in stored(worked)] == [1, 1, pytest.approx(2 / 3), 1]


def test_a_number_within_the_tolerance_is_right(tmp_path: Path) -> None:
    config = '<View><Text name="text" value="$text"/><Number name="n" toName="text"/></View>'
    worked = project(tmp_path, baseline=0.9)
    before = worked.server.projects[worked.project_id]
    worked.server.projects[worked.project_id] = replace(before, label_config=config)
    worked.connect(
        worked_policy(
            auto_accept="never", same_answer={"tolerance": 0.5}, monitoring={"share": 0.1}
        )
    )
    ids = place(worked, days(2, "10"))
    verify(worked, ids, ["10.4", "11"])
    run(worked)
    (body,) = stored(worked)
    assert (body["verified"], body["accuracy"]["value"]) == (2, 0.5)
    assert body["by_class"] == body["truth"] == {}


def test_decay_is_told_once_and_is_over_when_the_model_is_right_again(tmp_path: Path) -> None:
    worked = project(tmp_path, baseline=0.95)
    ids = place(worked, days(40))
    verify(worked, ids, ["A"] * 25 + ["B"] * 15)
    (says,) = run(worked)["opened"]
    assert says.startswith("deployed-1 decayed, most likely since 2026-01-30")
    assert alerts(worked)[DECAY, "deployed-1"].opened
    assert stored(worked)[-1]["decay"]["deployed-1"]["alarm"]
    assert run(worked, later=3_700)["opened"] == []
    project_now = worked.project
    of_rules = watch(worked.runtime, project_now, parse_policy(project_now.policy_text))
    assert of_rules == []  # it is no rule's alert, and no rule's to close
    more = place(worked, days(230, start=41), "later")
    verify(worked, more, ["A"] * 230)
    (says,) = run(worked)["resolved"]
    assert "as right as is expected again" in says
    assert not alerts(worked)[DECAY, "deployed-1"].opened
    body = stored(worked)[-1]["decay"]["deployed-1"]
    assert (body["alarm"], body["watched_answers"]) == (False, 0)
    assert body["watched_after"].startswith("2026-10-02")
    assert run(worked, later=3_700)["opened"] == []


def test_an_alarm_made_of_wrong_answers_is_over_once_people_correct_them(tmp_path: Path) -> None:
    worked = project(tmp_path, baseline=0.95)
    ids = place(worked, days(60))
    verify(worked, ids, ["B"] * 60)
    assert len(run(worked)["opened"]) == 1
    verify(worked, ids[:20], ["A"] * 20)
    assert run(worked, later=3_700)["resolved"] == []  # 40 of the newest are wrong still
    verify(worked, ids[20:], ["A"] * 40)
    (says,) = run(worked, later=3_700)["resolved"]
    assert says.startswith("deployed-1 is as right as is expected again: no decay found")


def test_the_alarm_of_a_version_that_answers_no_more_is_over(tmp_path: Path) -> None:
    worked = project(tmp_path, baseline=0.95)
    verify(worked, place(worked, days(20)), ["B"] * 20)
    assert len(run(worked)["opened"]) == 1
    with worked.runtime.sessions.begin() as session:
        newer = days(1, start=40, model_version="deployed-2")
        add_answers(session, worked.project_id, newer, "newer")
    assert run(worked, later=3_700)["resolved"] == ["deployed-1 answers no more"]
    assert run(worked, later=3_700)["opened"] == []


def traffic(day: int, share_b: float, number: int = 150) -> list[Answer]:
    source = np.random.default_rng(day)
    labels = np.where(source.random(number) < share_b, "B", "A").tolist()
    at = FIRST_DAY + timedelta(days=day)
    return [
        Answer(
            at=at,
            predicted=label,
            score=float(score),
            slices={"site": "new" if label == "B" and share_b > 0.3 else "old"},
            data={"text": text_of("fruit", place), "amount": float(score) * 10, "boxes": [1]},
        )
        for place, (label, score) in enumerate(zip(labels, source.random(number), strict=True))
    ]


def test_the_alarm_of_a_version_that_many_newer_ones_followed_is_over_too(tmp_path: Path) -> None:
    worked = project(tmp_path, baseline=0.95)
    verify(worked, place(worked, days(20)), ["B"] * 20)
    assert len(run(worked)["opened"]) == 1
    newer = [
        each for n in range(30) for each in days(1, start=40, model_version=f"deployed-2.{n:02d}")
    ]
    with worked.runtime.sessions.begin() as session:
        add_answers(session, worked.project_id, newer, "newer")
    assert run(worked, later=3_700)["resolved"] == ["deployed-1 answers no more"]


def test_drift_is_found_raises_slices_and_is_over_with_traffic_as_before(tmp_path: Path) -> None:
    worked = project(tmp_path, slices=["site"])

    def add(first: int, last: int, share_b: float) -> None:
        with worked.runtime.sessions.begin() as session:
            for day in range(first, last):
                add_answers(session, worked.project_id, traffic(day, share_b), f"{day}-")

    add(0, 14, 0.1)
    assert run(worked)["opened"] == []
    body = stored(worked)[-1]
    assert body["drift"]["says"].startswith("no drift found: deployed-1 from 2026-01-12")
    assert body["drift"]["reference"] == ["2026-01-05", "2026-01-11"]
    tested = {each["name"] for each in body["drift"]["features"]}
    assert {"predicted label", "confidence", "field amount", "field site"} <= tested
    assert not any("boxes" in name for name in tested)
    assert body["raised"] == []

    add(14, 21, 0.6)
    (says,) = run(worked, later=3_700)["opened"]
    assert "predicted label" in says
    assert "changed: deployed-1 from 2026-01-19 to 2026-01-25" in says
    assert alerts(worked)[DRIFT, TRAFFIC].opened
    raised = stored(worked)[-1]["raised"]
    slices = {(each["label"], each["field"], each["value"]) for each in raised}
    assert slices == {("B", None, None), (None, "site", "new")}
    parts = left_of(raised, worked.clock(), 14)
    assert all(part.factor > 1 for part in parts)
    assert run(worked, later=3_700)["opened"] == []

    add(21, 29, 0.1)
    assert run(worked, later=3_700)["resolved"] == ["production is again as it was at first"]
    assert not alerts(worked)[DRIFT, TRAFFIC].opened


def test_where_the_first_answers_were_deleted_the_reference_is_what_is_left(tmp_path: Path) -> None:
    worked = project(tmp_path, retention_days=40)
    with worked.runtime.sessions.begin() as session:
        for day in range(60):
            answers = traffic(day, 0.1, 30)
            if day < 16:
                count(session, worked.project_id, answers)
            else:
                add_answers(session, worked.project_id, answers, f"{day}-")
    run(worked)  # it is the first of March, day 55
    drift = stored(worked)[-1]["drift"]
    assert drift["reference"] == ["2026-01-21", "2026-01-27"]
    assert drift["read"]["reference"] == 210


def test_another_version_is_compared_with_its_own_first_days(tmp_path: Path) -> None:
    worked = project(tmp_path)
    with worked.runtime.sessions.begin() as session:
        for day in range(14):
            add_answers(
                session, worked.project_id, traffic(day, 0.1 if day < 7 else 0.7), f"{day}-"
            )
    assert len(run(worked)["opened"]) == 1
    with worked.runtime.sessions.begin() as session:
        newer = days(1, start=14, model_version="deployed-2")
        add_answers(session, worked.project_id, newer, "newer")
    (says,) = run(worked, later=3_700)["resolved"]
    assert says.startswith("deployed-2 answers now")


def test_the_stored_curve_holds_the_newest_periods_alone(tmp_path: Path) -> None:
    worked = project(tmp_path, period="day", baseline=0.9)
    with worked.runtime.sessions.begin() as session:
        count(session, worked.project_id, days(200))
        add_answers(session, worked.project_id, days(1, start=200, state="drawn"))
    run(worked)
    (body,) = stored(worked)
    assert (body["answers"], body["unanswered"]) == (201, 1)
    assert len({point["period"] for point in body["curve"]}) == 120
    assert body["curve"][-1]["period"] == "2026-07-24"
