"""Snapshots: fresh within a second, whole, and there when the database is not."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from backend.predictors.embedded import EmbeddedPredictor
from backend.predictors.errors import ArtifactError
from backend.serving import ProjectNotConnectedError, Snapshots
from backend.store.certificates import store_certification
from backend.store.projects import mark_disconnected
from policies.domain import Certificate, Certification, Estimate
from policies.loading import parse_policy, policy_hash
from tests.fakes.web_project import POLICY, WebProject, web_project


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    project = web_project(tmp_path)
    project.connect()
    return project


@pytest.fixture
def snapshots(project: WebProject) -> Snapshots:
    return Snapshots(project.runtime)


def count_statements(project: WebProject) -> list[str]:
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    event.listen(project.runtime.sessions.kw["bind"], "before_cursor_execute", note)
    return statements


def break_database(project: WebProject) -> None:
    def fail(*_arguments: object) -> None:
        raise OperationalError("SELECT", {}, Exception("database is locked"))

    event.listen(project.runtime.sessions.kw["bind"], "before_cursor_execute", fail)


def test_an_unknown_project_is_told_how_to_connect(snapshots: Snapshots) -> None:
    with pytest.raises(ProjectNotConnectedError, match="labelgate connect --project 7"):
        snapshots.get(7)


def test_within_a_second_the_database_is_not_asked(
    project: WebProject, snapshots: Snapshots
) -> None:
    first = snapshots.get(1)
    statements = count_statements(project)
    project.clock.forward(0.9)
    assert snapshots.get(1) is first
    assert statements == []
    project.clock.forward(0.2)
    snapshots.get(1)
    assert statements


def test_what_did_not_change_is_not_loaded_again(project: WebProject, snapshots: Snapshots) -> None:
    project.promote("v1")
    old = snapshots.get(1)
    project.clock.forward(2)
    new = snapshots.get(1)
    assert new.predictor is old.predictor
    assert new.policy is old.policy


def test_a_new_policy_keeps_the_model(project: WebProject, snapshots: Snapshots) -> None:
    project.promote("v1")
    old = snapshots.get(1)
    project.connect(policy=POLICY.replace("stakes: low", "stakes: sensitive"))
    project.clock.forward(2)
    new = snapshots.get(1)
    assert new.policy.stakes == "sensitive"
    assert isinstance(old.predictor, EmbeddedPredictor)
    assert isinstance(new.predictor, EmbeddedPredictor)
    assert new.predictor.controls is old.predictor.controls  # the file was not read again


def test_a_new_version_changes_model_and_certificate_together(
    project: WebProject, snapshots: Snapshots
) -> None:
    project.promote("v1")
    with project.runtime.sessions.begin() as session:
        digest = policy_hash(parse_policy(POLICY))
        store_certification(
            session,
            1,
            Certification(model_version="v1", certificates=(certificate("v1"),)),
            digest,
            project.clock(),
        )
    old = snapshots.get(1)
    assert old.certified is not None
    assert old.certified.certification.model_version == "v1"
    project.promote("v2")
    project.clock.forward(2)
    new = snapshots.get(1)
    assert (new.model_version, new.certified) == ("v2", None)
    assert new.predictor is not None
    assert new.predictor.version == "v2"
    assert old.model_version == "v1", "a request that runs keeps what it took"


def test_a_clock_that_was_set_back_does_not_freeze_it(
    project: WebProject, snapshots: Snapshots
) -> None:
    snapshots.get(1)
    project.promote("v1")
    project.clock.forward(-3600)
    assert snapshots.get(1).model_version == "v1"


def test_a_disconnected_project_is_not_served(project: WebProject, snapshots: Snapshots) -> None:
    snapshots.get(1)
    with project.runtime.sessions.begin() as session:
        mark_disconnected(session, 1, project.clock())
    project.clock.forward(2)
    with pytest.raises(ProjectNotConnectedError):
        snapshots.get(1)


def test_without_the_database_the_old_snapshot_serves(
    project: WebProject, snapshots: Snapshots
) -> None:
    project.promote("v1")
    old = snapshots.get(1)
    break_database(project)
    project.clock.forward(2)
    assert snapshots.get(1) is old
    with pytest.raises(OperationalError):
        Snapshots(project.runtime).get(1)


def test_without_the_new_models_file_the_old_version_serves(
    project: WebProject, snapshots: Snapshots
) -> None:
    project.promote("v1")
    snapshots.get(1)
    model = project.promote("v2")
    (project.runtime.settings.models_dir / model.path).unlink()
    project.clock.forward(2)
    assert snapshots.get(1).model_version == "v1"
    with pytest.raises(ArtifactError):
        Snapshots(project.runtime).get(1)


def test_while_one_thread_refreshes_the_others_go_on(
    project: WebProject, snapshots: Snapshots
) -> None:
    project.promote("v1")
    old = snapshots.get(1)
    asked, go_on = threading.Event(), threading.Event()

    def hold(*_arguments: object) -> None:
        asked.set()
        assert go_on.wait(30)

    project.promote("v2")
    event.listen(project.runtime.sessions.kw["bind"], "before_cursor_execute", hold, once=True)
    project.clock.forward(2)
    found: list[str] = []
    refresher = threading.Thread(target=lambda: found.append(snapshots.get(1).model_version))
    refresher.start()
    try:
        assert asked.wait(30)
        assert snapshots.get(1) is old  # at once, while the other one still waits
    finally:
        go_on.set()
        refresher.join(30)
    assert found == ["v2"]


def certificate(version: str) -> Certificate:
    return Certificate(
        model_version=version,
        max_error_rate=0.1,
        confidence=0.9,
        threshold=0.8,
        accepted_share=0.5,
        error=Estimate(value=0.01, low=None, high=0.05, n=100),
        errors=1,
        control_answers=100,
        grid=(0.8,),
        labels_needed=None,
    )


def test_the_watch_follows_a_promotion_that_no_request_asks_about(
    project: WebProject, snapshots: Snapshots
) -> None:
    project.promote("v1")
    old = snapshots.get(1)
    stop = threading.Event()
    watcher = snapshots.watch(stop)
    project.promote("v2")
    deadline = time.monotonic() + 60
    # The clock stands still, so no request looks for changes itself.
    while (new := snapshots.get(1)) is old or new.model_version != "v2":
        assert time.monotonic() < deadline
    stop.set()
    watcher.join(60)
    assert not watcher.is_alive()
    assert old.model_version == "v1"


def test_while_a_version_loads_requests_are_answered_and_other_projects_too(
    project: WebProject, snapshots: Snapshots
) -> None:
    project.promote("v1")
    project.connect(2)
    snapshots.get(1)
    project.promote("v2")
    project.clock.forward(2)
    with snapshots._lock(1):  # as the thread that loads v2 holds it
        assert snapshots.get(1).model_version == "v1"
        assert snapshots.get(2).model is None
    assert snapshots.get(1).model_version == "v2"


def test_the_watch_outlives_whatever_goes_wrong(
    project: WebProject, snapshots: Snapshots, caplog: pytest.LogCaptureFixture
) -> None:
    snapshots.get(1)
    with project.runtime.sessions.begin() as session:
        mark_disconnected(session, 1, project.clock())
    stop = threading.Event()
    watcher = snapshots.watch(stop)
    deadline = time.monotonic() + 60
    with caplog.at_level("INFO"):
        while "serving.disconnected" not in caplog.text:
            assert time.monotonic() < deadline
    assert watcher.is_alive()
    stop.set()
    watcher.join(60)
    with pytest.raises(ProjectNotConnectedError):
        snapshots.get(1)
