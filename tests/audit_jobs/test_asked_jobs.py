"""Jobs that were asked for on the pages: run once each, whatever is killed between."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from audit_jobs.asked import MOST_TRIES
from audit_jobs.job_names import SLOW
from audit_jobs.jobs import JOBS
from audit_jobs.running import GIVEN_BACK, JobFailedError, run_job
from backend.job_names import JOB_NAMES
from backend.job_progress import given_back_when
from backend.leasing import holding
from backend.store.job_requests import (
    JobRequest,
    ask_for_job,
    open_job_requests,
    request_of_run,
)
from backend.store.job_runs import JobRun, alive_among, lease_of, recent_runs
from backend.store.job_tables import LeaseRow
from backend.store.leases import take_lease
from backend.store.projects import mark_disconnected
from connectors.annotation_tool import AnnotationToolUnavailableError
from tests.fakes.orders import carry_out_asked
from tests.fakes.worked_project import WorkedProject, worked_project

# A scheduler that is killed by the first look at its clock after it has taken a request.
KILLED_AFTER_TAKING = """
import os, signal, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tests.fakes.orders import carry_out_asked
from tests.fakes.web_project import web_project

looks = []

def now():
    looks.append(None)
    if len(looks) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return datetime(2026, 3, 2, tzinfo=UTC)

runtime = web_project(Path(sys.argv[1])).runtime
object.__setattr__(runtime, "now", now)
carry_out_asked(runtime, slow=False)
"""


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    made = worked_project(tmp_path)
    made.add(["fruit"] * 3)
    return made


def ask(worked: WorkedProject, job: str) -> JobRequest:
    wish = JobRequest(
        id=0,
        job=job,
        project_id=worked.project_id,
        asked_by="ann",
        why="a try",
        asked_at=worked.clock(),
        taken_at=None,
        run_id=None,
    )
    with worked.runtime.sessions.begin() as session:
        return ask_for_job(session, wish)


def runs(worked: WorkedProject) -> list[JobRun]:
    with worked.runtime.reads() as session:
        return recent_runs(session, 100)


def waiting(worked: WorkedProject) -> list[JobRequest]:
    with worked.runtime.reads() as session:
        return open_job_requests(session)


def let_leases_run_out(worked: WorkedProject) -> None:
    with worked.runtime.sessions.begin() as session:
        session.execute(update(LeaseRow).values(until=datetime(2020, 1, 1, tzinfo=UTC)))


def test_every_job_has_words() -> None:
    assert set(JOB_NAMES) == set(JOBS)


def test_what_is_asked_for_is_run_once_and_linked(worked: WorkedProject) -> None:
    asked = ask(worked, "sync")
    assert ask(worked, "sync").id == asked.id  # it waits already
    assert carry_out_asked(worked.runtime, slow=False) == 1
    (run,) = runs(worked)
    assert (run.job, run.outcome, run.report and run.report["tasks"]) == ("sync", "done", 3)
    with worked.runtime.reads() as session:
        carried_out = request_of_run(session, run.id)
    assert carried_out is not None
    assert (carried_out.id, carried_out.asked_by) == (asked.id, "ann")
    assert carry_out_asked(worked.runtime, slow=False) == 0
    assert ask(worked, "sync").id != asked.id  # a new wish after that


def test_a_failed_run_is_linked_too_and_not_repeated(worked: WorkedProject) -> None:
    worked.tool.fail_next("project", AnnotationToolUnavailableError("Label Studio is down"))
    ask(worked, "sync")
    ask(worked, "figures")
    assert carry_out_asked(worked.runtime, slow=False) == 2
    assert [(run.job, run.outcome) for run in runs(worked)] == [
        ("figures", "done"),
        ("sync", "failed"),
    ]
    assert waiting(worked) == []


def test_a_request_waits_while_its_job_runs(worked: WorkedProject) -> None:
    ask(worked, "sync")
    with holding(worked.runtime, lease_of("sync", worked.project_id)):
        assert carry_out_asked(worked.runtime, slow=False) == 0
    (asked,) = waiting(worked)
    assert asked.taken_at is None
    assert carry_out_asked(worked.runtime, slow=False) == 1


def test_a_request_that_a_killed_scheduler_had_taken_is_taken_again(
    worked: WorkedProject, tmp_path: Path
) -> None:
    ask(worked, "sync")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_TAKING, str(tmp_path)],
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert killed.returncode == -signal.SIGKILL
    (asked,) = waiting(worked)
    assert asked.taken_at == datetime(2026, 3, 2, tzinfo=UTC)
    assert runs(worked) == []
    let_leases_run_out(worked)  # fifteen seconds later
    assert carry_out_asked(worked.runtime, slow=False) == 1
    assert [(run.job, run.outcome) for run in runs(worked)] == [("sync", "done")]
    assert waiting(worked) == []


def test_a_request_whose_run_was_cut_off_is_carried_out_again_but_not_for_ever(
    worked: WorkedProject,
) -> None:
    ask(worked, "sync")
    for _ in range(MOST_TRIES):
        worked.tool.fail_next("project", KeyboardInterrupt())  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            carry_out_asked(worked.runtime, slow=False)
    assert carry_out_asked(worked.runtime, slow=False) == 0
    assert {run.outcome for run in runs(worked)} == {None}
    ask(worked, "sync")
    worked.tool.fail_next("project", KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        carry_out_asked(worked.runtime, slow=False)
    with holding(worked.runtime, lease_of("sync", worked.project_id)):
        assert carry_out_asked(worked.runtime, slow=False) == 0  # it may live
    assert carry_out_asked(worked.runtime, slow=False) == 1
    assert runs(worked)[0].outcome == "done"
    assert waiting(worked) == []


def test_a_request_that_was_cut_off_before_the_clock_was_set_back_is_carried_out(
    worked: WorkedProject,
) -> None:
    ask(worked, "sync")
    worked.tool.fail_next("project", KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        carry_out_asked(worked.runtime, slow=False)
    with worked.runtime.sessions.begin() as session:  # by a process that was killed a year ahead
        lease = lease_of("sync", worked.project_id)
        take_lease(session, lease, "dead", datetime.now(UTC) + timedelta(days=365), 15)
    assert carry_out_asked(worked.runtime, slow=False) == 1
    assert runs(worked)[0].outcome == "done"


def test_a_run_that_is_given_back_leaves_its_request_waiting(worked: WorkedProject) -> None:
    asked = ask(worked, "sync")
    with given_back_when(lambda: True):
        report = run_job(worked.runtime, "sync", worked.project, asked.id)
    assert report == {"state": GIVEN_BACK}
    (run,) = runs(worked)
    assert (run.outcome, run.stage) == (None, GIVEN_BACK)
    assert [each.id for each in waiting(worked)] == [asked.id]
    assert carry_out_asked(worked.runtime, slow=False) == 1
    assert waiting(worked) == []


def test_two_schedulers_at_once_run_a_request_once(worked: WorkedProject) -> None:
    asked = ask(worked, "sync")
    line = threading.Barrier(2)
    reports: list[object] = []

    def carry_out() -> None:
        line.wait()
        reports.append(run_job(worked.runtime, "sync", worked.project, asked.id).get("state"))

    threads = [threading.Thread(target=carry_out) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(runs(worked)) == 1
    assert set(reports) <= {None, "running elsewhere", "carried out before"}


def test_what_trains_waits_for_nobody_else_and_runs_in_a_process_of_its_own(
    worked: WorkedProject,
) -> None:
    asked = ask(worked, "strategies")
    assert "strategies" in SLOW
    assert carry_out_asked(worked.runtime, slow=False) == 0
    assert carry_out_asked(worked.runtime, slow=True) == 1
    (run,) = runs(worked)
    assert (run.job, run.outcome) == ("strategies", "done")
    with worked.runtime.reads() as session:
        carried_out = request_of_run(session, run.id)
    assert carried_out is not None
    assert carried_out.id == asked.id


def test_a_process_that_dies_before_its_run_is_told_of_and_not_started_for_ever(
    worked: WorkedProject,
) -> None:
    ask(worked, "strategies")
    broken = worked.runtime.settings.model_copy(update={"port": 0})
    object.__setattr__(broken, "__pydantic_fields_set__", {*broken.model_fields_set, "port"})
    object.__setattr__(worked.runtime, "settings", broken)
    assert carry_out_asked(worked.runtime, slow=True) == 1
    (run,) = runs(worked)
    assert run.outcome == "failed"
    assert run.error is not None
    assert "LABELGATE_PORT" in run.error
    assert waiting(worked) == []


def test_a_request_of_a_project_that_was_disconnected_ends(worked: WorkedProject) -> None:
    ask(worked, "sync")
    with worked.runtime.sessions.begin() as session:
        mark_disconnected(session, worked.project_id, worked.clock())
    carry_out_asked(worked.runtime, slow=False)
    (run,) = runs(worked)
    assert run.error == "the project is not connected any more"
    assert waiting(worked) == []


def test_a_run_is_alive_only_while_its_lease_is_held(worked: WorkedProject) -> None:
    worked.tool.fail_next("project", KeyboardInterrupt())  # type: ignore[arg-type]  # no Exception
    with pytest.raises(KeyboardInterrupt):
        run_job(worked.runtime, "sync", worked.project)
    (cut_off,) = runs(worked)
    with worked.runtime.reads() as session:
        assert alive_among(session, [cut_off], datetime.now(UTC)) == set()
    # Another run of the job holds the lease now: the one that was cut off is not alive by that.
    worked.tool.fail_next("project", KeyboardInterrupt())  # type: ignore[arg-type]  # no Exception
    with pytest.raises(KeyboardInterrupt):
        run_job(worked.runtime, "sync", worked.project)
    with holding(worked.runtime, lease_of("sync", worked.project_id)):
        newer, older = runs(worked)
        with worked.runtime.reads() as session:
            assert alive_among(session, [newer, older], datetime.now(UTC)) == {newer.id}


def test_a_wrong_job_is_said_so(worked: WorkedProject) -> None:
    ask(worked, "nothing of the kind")
    carry_out_asked(worked.runtime, slow=False)
    (run,) = runs(worked)
    assert run.error == "KeyError: 'nothing of the kind'"
    with pytest.raises(JobFailedError):
        run_job(worked.runtime, "nothing of the kind", worked.project)
