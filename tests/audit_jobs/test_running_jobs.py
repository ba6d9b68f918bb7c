"""Jobs: a row for each run, one run at a time, rounds when something changed."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from audit_jobs import retrain
from audit_jobs.job_names import ROUND
from audit_jobs.jobs import JOBS
from audit_jobs.rounds import run_round
from audit_jobs.running import JobFailedError, run_job
from audit_jobs.schedule import forget
from backend.leasing import LEASE_S, LeaseLostError, holding
from backend.store.events import count_open
from backend.store.job_runs import JobRun, recent_runs
from backend.store.leases import take_lease
from backend.store.projects import mark_disconnected
from backend.store.reports import (
    AGREEMENT,
    AUDIT,
    BREAKER,
    CORRECTIONS,
    CYCLE,
    FIGURES,
    Report,
    reports,
    store_report,
)
from backend.store.training import open_requests
from connectors.annotation_tool import AnnotationToolUnavailableError
from policies.domain import Purpose
from tests.fakes.due_work import ask_for_training, hint
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

DOWN = AnnotationToolUnavailableError("Label Studio is down")

NIGHTLY = ("extra_audits", "freeze", "reconcile", "strategies", "thresholds")


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    made = worked_project(tmp_path, worked_policy(agreement={"share": 0.5}, audit={"share": 0.4}))
    made.promote()
    made.add(["fruit", "motor", "music"] * 10)
    return made


def runs(worked: WorkedProject) -> list[JobRun]:
    with worked.runtime.reads() as session:
        return recent_runs(session, 1_000)[::-1]


def test_a_run_leaves_a_row_with_its_report(worked: WorkedProject) -> None:
    report = run_job(worked.runtime, "sync", worked.project)
    assert report["tasks"] == 30
    (run,) = runs(worked)
    assert (run.job, run.project_id, run.outcome, run.error) == (
        "sync",
        worked.project_id,
        "done",
        None,
    )
    assert run.report == report
    assert run.ended_at is not None
    assert run.ended_at > run.started_at


@pytest.mark.parametrize(
    ("error", "said"), [(DOWN, "Label Studio is down"), (KeyError("x"), "KeyError: 'x'")]
)
def test_a_failed_run_leaves_a_row_that_says_why(
    worked: WorkedProject, error: Exception, said: str
) -> None:
    worked.tool.fail_next("project", error)
    with pytest.raises(JobFailedError, match=f"sync: {said}"):
        run_job(worked.runtime, "sync", worked.project)
    (run,) = runs(worked)
    assert (run.outcome, run.error, run.report) == ("failed", said, None)
    run_job(worked.runtime, "sync", worked.project)
    assert runs(worked)[1].outcome == "done"


def test_a_killed_run_stays_open_and_does_not_block_the_next(worked: WorkedProject) -> None:
    worked.tool.fail_next("project", KeyboardInterrupt())  # type: ignore[arg-type]  # no Exception
    with pytest.raises(KeyboardInterrupt):
        run_job(worked.runtime, "sync", worked.project)
    assert (runs(worked)[0].outcome, runs(worked)[0].ended_at) == (None, None)
    assert run_job(worked.runtime, "sync", worked.project)["tasks"] == 30


def test_the_same_job_does_not_run_twice_at_once(worked: WorkedProject) -> None:
    with holding(worked.runtime, f"job/sync/{worked.project_id}"):
        assert run_job(worked.runtime, "sync", worked.project) == {"state": "running elsewhere"}
        assert run_job(worked.runtime, "route", worked.project)["decided"] == 0
    assert [run.job for run in runs(worked)] == ["route"]


def test_of_many_holders_at_once_one_holds(worked: WorkedProject) -> None:
    line, let_go = threading.Barrier(6), threading.Event()
    asked = threading.Semaphore(0)
    held: list[bool] = []

    def hold() -> None:
        line.wait()
        with holding(worked.runtime, "work") as lease:
            held.append(lease is not None)
            asked.release()
            if lease is not None:
                let_go.wait()

    threads = [threading.Thread(target=hold) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in threads:
        asked.acquire()
    let_go.set()
    for thread in threads:
        thread.join()
    assert sorted(held) == [False] * 5 + [True]
    with holding(worked.runtime, "work") as lease:  # given back
        assert lease is not None


def test_a_lease_that_was_taken_over_does_not_let_its_work_be_recorded(
    worked: WorkedProject,
) -> None:
    with holding(worked.runtime, "work") as lease:
        assert lease is not None
        with worked.runtime.sessions.begin() as session:
            lease.require(session)
            later = datetime.now(UTC) + timedelta(seconds=LEASE_S + 1)
            assert take_lease(session, "work", "another", later, LEASE_S)  # this one had run out
        with (
            pytest.raises(LeaseLostError, match="'work' went to another"),
            worked.runtime.sessions.begin() as session,
        ):
            lease.require(session)
    with holding(worked.runtime, "work") as lease:
        assert lease is None  # not freed by the one who had lost it


def test_a_disconnected_project_is_left_alone(worked: WorkedProject) -> None:
    project = worked.project
    with worked.runtime.sessions.begin() as session:
        mark_disconnected(session, project.id, worked.clock())
    assert run_job(worked.runtime, "sync", project) == {"state": "disconnected"}
    assert worked.tool.calls == []


def test_a_round_runs_its_jobs_in_order_up_to_the_first_that_fails(worked: WorkedProject) -> None:
    assert run_round(worked.runtime, worked.project)
    assert [run.job for run in runs(worked)] == list(ROUND)
    worked.promote("music", "motor")
    worked.tool.fail_next("annotated_among", DOWN)
    assert not run_round(worked.runtime, worked.project)
    until_it_failed = [*ROUND[: ROUND.index("deliver") + 1], "alerts"]  # which tell of it
    assert [run.job for run in runs(worked)][len(ROUND) :] == until_it_failed


@pytest.mark.parametrize("job", ["mirror", "agreement", "corrections", "audit"])
def test_the_breaker_looks_whatever_measuring_came_to(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    def broken(_runtime: object, _project: object) -> dict[str, Any]:
        raise ValueError("of this test")

    monkeypatch.setattr("audit_jobs.running.JOBS", {**JOBS, job: broken})
    assert not run_round(worked.runtime, worked.project)
    assert {each.job: each.outcome for each in runs(worked)} == {
        each: "failed" if each == job else "done" for each in ROUND
    }


def test_retraining_passes_the_settings_on_and_trains_in_a_process_of_its_own(
    worked: WorkedProject,
) -> None:
    for task in worked.tasks:
        label = "A" if "apples" in task.data["text"] else "B"
        worked.server.submit(worked.people["ann"], task.id, label)
    run_job(worked.runtime, "sync", worked.project)
    assert retrain.run(worked.runtime, worked.project) == {"trained": False}
    ask_for_training(worked)
    report = run_job(worked.runtime, "retrain", worked.project)
    assert report["trained"]
    assert '"version":"v2"' in report["said"]
    with worked.runtime.reads() as session:
        assert open_requests(session, worked.project_id) == []


def test_a_trainer_that_takes_too_long_is_ended_and_reported(tmp_path: Path) -> None:
    worked = worked_project(tmp_path)
    ask_for_training(worked)
    hasty = worked.runtime.settings.model_copy(update={"train_timeout_s": 0.01})
    object.__setattr__(worked.runtime, "settings", hasty)
    with pytest.raises(JobFailedError, match="LABELGATE_TRAIN_TIMEOUT_S"):
        run_job(worked.runtime, "retrain", worked.project)
    assert runs(worked)[0].outcome == "failed"
    with worked.runtime.reads() as session:
        assert len(open_requests(session, worked.project_id)) == 1


def test_a_trainer_that_dies_is_reported_with_its_last_words(worked: WorkedProject) -> None:
    ask_for_training(worked)
    broken = worked.runtime.settings.model_copy(update={"port": 0})
    object.__setattr__(worked.runtime, "settings", broken.model_copy())
    settings = worked.runtime.settings
    object.__setattr__(settings, "__pydantic_fields_set__", {*settings.model_fields_set, "port"})
    with pytest.raises(JobFailedError, match=r"ended with code \d+: .*LABELGATE_PORT"):
        run_job(worked.runtime, "retrain", worked.project)


def test_old_runs_and_handled_events_are_forgotten(worked: WorkedProject) -> None:
    hint(worked)
    run_job(worked.runtime, "sync", worked.project)
    hint(worked)
    worked.clock.forward(31 * 86_400)
    run_job(worked.runtime, "route", worked.project)
    forget(worked.runtime)
    assert [run.job for run in runs(worked)] == ["route"]
    with worked.runtime.reads() as session:
        assert count_open(session) == 1  # nobody has looked at it yet


def test_of_figures_that_answers_change_one_a_day_is_kept(worked: WorkedProject) -> None:
    for kind in (AGREEMENT, AUDIT, BREAKER, CORRECTIONS, FIGURES):
        for number in range(3):
            with worked.runtime.sessions.begin() as session:
                made_at = worked.clock()
                body = {"number": number}
                report = Report(kind=kind, model_version=None, made_at=made_at, body=body)
                store_report(session, worked.project_id, report)
    worked.clock.forward(3 * 86_400)
    forget(worked.runtime)
    for kind in (AGREEMENT, AUDIT, BREAKER, CORRECTIONS, FIGURES):
        assert bodies(worked, kind) == [{"number": 2}], kind


def bodies(worked: WorkedProject, kind: str) -> list[dict[str, Any]]:
    with worked.runtime.reads() as session:
        return [each.body for each in reports(session, worked.project_id, kind)]


def test_agreement_and_audit_are_measured_once_for_what_people_said(
    worked: WorkedProject,
) -> None:
    run_round(worked.runtime, worked.project)
    decisions = worked.decisions()
    several = worked.with_purpose(Purpose.AGREEMENT)
    audits = worked.with_purpose(Purpose.AUDIT)
    for task_id in several:
        for name in ("ann", "bob"):
            worked.server.submit(worked.people[name], task_id, "A" if name == "ann" else "B")
    wrong = {"A": "B", "B": "A"}[str(decisions[audits[0]].label)]
    worked.server.submit(worked.people["sue"], audits[0], wrong)
    worked.server.submit(worked.people["sue"], audits[1], str(decisions[audits[1]].label))
    worked.server.submit(worked.people["ann"], audits[2], "A")  # no auditor
    run_round(worked.runtime, worked.project)
    run_round(worked.runtime, worked.project)
    agreement = bodies(worked, AGREEMENT)[-1]
    assert (agreement["units"], agreement["raw_agreement"]["value"]) == (len(several), 0)
    assert agreement["krippendorff_alpha"]["value"] < 0
    audit = bodies(worked, AUDIT)[-1]
    assert (audit["audited"], audit["failed"]) == (2, [audits[0]])
    assert audit["pass_rate"]["value"] == 0.5
    assert len(bodies(worked, AGREEMENT)) == len(bodies(worked, AUDIT)) == 2
    assert len(bodies(worked, CYCLE)) == 1


def test_an_auditor_of_two_tiers_is_an_auditor(tmp_path: Path) -> None:
    policy = worked_policy()
    tiers = [tier.model_dump() for tier in policy.tiers]
    tiers[0]["reviewers"] = ["ann@example.com", "sue@example.com"]
    worked = worked_project(tmp_path, worked_policy(tiers=tiers, audit={"share": 1.0}))
    worked.promote()
    worked.add(["fruit"] * 5)
    run_round(worked.runtime, worked.project)
    audits = worked.with_purpose(Purpose.AUDIT)
    assert audits
    worked.server.submit(worked.people["sue"], audits[0], "A")
    run_round(worked.runtime, worked.project)
    assert bodies(worked, AUDIT)[-1]["audited"] == 1


def test_every_job_of_a_round_is_a_job_that_can_be_run_by_hand() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "labelgate", "jobs", "list"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    ).stdout.split()
    assert set(listed) == set(JOBS) == {*ROUND, "retrain", *NIGHTLY}


class _DeadlockError(Exception):
    """What psycopg raises where PostgreSQL ended one of two that waited for each other."""

    sqlstate = "40P01"


@pytest.mark.parametrize(("losses", "outcome"), [(1, "done"), (3, "done"), (4, "failed")])
def test_a_job_that_lost_against_another_transaction_is_run_again(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch, losses: int, outcome: str
) -> None:
    left = [OperationalError("UPDATE", {}, _DeadlockError("deadlock detected"))] * losses
    work = JOBS["sync"]

    def losing(*given: Any) -> Any:
        if left:
            raise left.pop()
        return work(*given)

    monkeypatch.setattr("audit_jobs.running.JOBS", {"sync": losing})
    if outcome == "done":
        assert run_job(worked.runtime, "sync", worked.project)["tasks"] == 30
    else:
        with pytest.raises(JobFailedError, match="deadlock detected"):
            run_job(worked.runtime, "sync", worked.project)
    assert [run.outcome for run in runs(worked)] == [outcome]


def test_another_error_of_the_database_is_not_tried_again(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def failing(*_: Any) -> Any:
        asked.append(1)
        raise OperationalError("UPDATE", {}, Exception("the disk is full"))

    monkeypatch.setattr("audit_jobs.running.JOBS", {"sync": failing})
    with pytest.raises(JobFailedError, match="the disk is full"):
        run_job(worked.runtime, "sync", worked.project)
    assert asked == [1]
