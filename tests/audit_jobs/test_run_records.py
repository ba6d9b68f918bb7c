"""What a run says is kept with its row: its own last lines without secrets, and its progress."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from audit_jobs.run_records import MOST_LINES, recorded
from audit_jobs.running import JobFailedError, run_job
from backend.job_progress import heard_by, progress
from backend.store.job_runs import log_of_run, open_run, recent_runs, run_numbered
from tests.fakes.worked_project import WorkedProject, worked_project
from tests.waiting import until

logger = logging.getLogger("a job")


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    return worked_project(tmp_path)


@pytest.fixture
def run_id(worked: WorkedProject) -> int:
    with worked.runtime.sessions.begin() as session:
        return open_run(session, "sync", worked.project_id, worked.clock())


def test_of_many_lines_the_last_ones_are_kept(worked: WorkedProject, run_id: int) -> None:
    with recorded(worked.runtime, run_id) as record:
        for number in range(MOST_LINES + 50):
            logger.warning("line %d", number)
        lines = record.text.splitlines()
    assert len(lines) == MOST_LINES
    assert lines[-1].endswith(f"WARNING a job line {MOST_LINES + 49}")
    assert lines[0].endswith("line 50")


def test_lines_of_other_threads_are_other_runs(worked: WorkedProject, run_id: int) -> None:
    with recorded(worked.runtime, run_id) as record:
        other = threading.Thread(target=logger.warning, args=("from elsewhere",))
        other.start()
        other.join()
        logger.warning("from here")
        assert "from here" in record.text
        assert "from elsewhere" not in record.text
    logger.warning("after the end")
    assert "after the end" not in record.text


def test_no_secret_is_kept(worked: WorkedProject, run_id: int) -> None:
    settings = worked.runtime.settings
    secrets = {
        "label_studio_token": SecretStr("tok3n-of-an-admin"),
        "upstream_credentials": {"yolo": SecretStr("me:passw0rd")},
    }
    object.__setattr__(worked.runtime, "settings", settings.model_copy(update=secrets))
    (settings.data_dir / "llm.key").write_text("k3y-in-a-file\n", encoding="utf-8")
    with recorded(worked.runtime, run_id) as record:
        logger.warning("sent tok3n-of-an-admin, me:passw0rd and k3y-in-a-file")
        logger.warning("Authorization: Bearer eyJhbGciOi.of.nobody")
        logger.warning("postgresql://labelgate:hunter22@host/db")
        said = record.text
    for secret in ("tok3n", "passw0rd", "k3y-in", "eyJ", "hunter22"):
        assert secret not in said
    assert "sent [secret], [secret] and [secret]" in said
    assert "postgresql://labelgate:[secret]@host/db" in said


def test_an_error_is_kept_and_told_without_secrets(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_runtime: object, _project: object) -> dict[str, object]:
        raise ValueError("http://labelgate:hunter22@host/predict sent Bearer eyJhbGciOi")

    monkeypatch.setattr("audit_jobs.running.JOBS", {"route": broken})
    with pytest.raises(JobFailedError) as failed:
        run_job(worked.runtime, "route", worked.project)
    with worked.runtime.reads() as session:
        (run,) = recent_runs(session, 1)
    told = "ValueError: http://labelgate:[secret]@host/predict sent Bearer [secret]"
    assert run.error == told
    assert str(failed.value) == f"route: {told}"


def test_what_is_said_is_written_while_the_run_goes_on(worked: WorkedProject, run_id: int) -> None:
    def told() -> bool:
        with worked.runtime.reads() as session:
            found = run_numbered(session, run_id)
            said = log_of_run(session, run_id)
        assert found is not None
        return (found.stage, found.progress) == ("reading", 0.5) and "half-way" in said

    with recorded(worked.runtime, run_id, every_s=0.01):
        logger.warning("half-way")
        progress("reading", 0.5)
        until(told, "it is told", every_s=0.01)


def test_progress_is_a_share_and_heard_by_nobody_outside() -> None:
    heard: list[tuple[str, float | None]] = []
    progress("unheard", 0.1)
    with heard_by(lambda *said: heard.append(said)):
        progress("some", 1.7)
        progress("more")
    progress("unheard", 0.2)
    assert heard == [("some", 1.0), ("more", None)]


def test_a_failed_job_keeps_its_traceback_in_its_log(worked: WorkedProject) -> None:
    worked.tool.fail_next("project", KeyError("x"))
    with pytest.raises(JobFailedError):
        run_job(worked.runtime, "sync", worked.project)
    with worked.runtime.reads() as session:
        (run,) = recent_runs(session, 1)
        log = log_of_run(session, run.id)
    assert "Traceback (most recent call last)" in log
    assert "KeyError: 'x'" in log


def test_long_jobs_say_how_far_they_are(worked: WorkedProject) -> None:
    worked.promote()
    worked.add(["fruit", "motor"] * 20)
    heard: list[tuple[str, float | None]] = []
    with heard_by(lambda *said: heard.append(said)):
        worked.round()
    stages = dict(heard)
    assert stages["asking the model"] == 1.0
    assert stages["writing into Label Studio"] == 1.0
    assert "reading new tasks: 40 so far" in stages
