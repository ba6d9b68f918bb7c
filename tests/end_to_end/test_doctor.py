"""``labelgate doctor`` against a real Label Studio: a sound installation, and broken ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from backend.bootstrap import build_runtime
from backend.connecting import wiring_of
from backend.diagnosis.examination import examine
from backend.diagnosis.findings import Finding, Verdict
from backend.settings import Settings
from connectors.label_studio.connection import Connection
from connectors.label_studio.events import SECRET_HEADER
from connectors.label_studio.local_server import start_label_studio
from connectors.label_studio.provisioning import WEBHOOK_ACTIONS
from connectors.label_studio.rehearsal import TITLE
from connectors.label_studio.task_lists import listed
from tests.end_to_end.policies_on_stage import write_policy
from tests.end_to_end.stage import Stage, make_stage
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import until


@pytest.fixture(scope="module")
def stage(
    label_studio: RunningLabelStudio, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """A connected project that serves; nothing is wrong with it."""
    folder = tmp_path_factory.mktemp("doctor")
    with (
        make_stage(label_studio, folder, 6) as made,
        made.running("serve", folder / "serve.log"),
    ):
        until(made.healthy, "labelgate serve answers")
        policy = write_policy(made, folder / "policy.yaml", after=1000)
        made.command("connect", "--project", str(made.project_id), "--policy", str(policy))
        until(lambda: _round_of(made), "the first round has begun")
        yield made


def test_a_sound_installation_has_nothing_that_failed(stage: Stage) -> None:
    told = json.loads(stage.command("doctor", "--deep", "--json"))

    failed = [each for each in told["findings"] if each["verdict"] == "failed"]
    assert failed == []
    assert told["ok"]
    passed = {(each["topic"], each["check"]) for each in told["findings"] if _is_ok(each)}
    project = stage.project_id
    assert passed >= {
        ("settings", "safe binding"),
        ("data folder", "private"),
        ("database", "schema"),
        ("database", "integrity"),
        ("ledger", f"project {project}"),
        ("scheduler", f"project {project}"),
        ("Label Studio", "version"),
        ("Label Studio", "clock"),
        ("tokens", "robot is its own user"),
        ("tokens", "rights of the admin"),
        ("address", "webhooks allowed"),
        ("address", "ML backends allowed"),
        ("connection", f"ML backend of project {project}"),
        ("connection", f"webhook of project {project}"),
        ("webhook delivery", "sent by ourselves"),
        ("rehearsal", "webhook of Label Studio"),
        ("rehearsal", "accept it as the robot"),
        ("rehearsal", "throw-away project"),
    }


def test_the_throw_away_project_is_gone_and_no_event_waits(stage: Stage) -> None:
    admin = stage.label_studio.admin
    titles = [row["title"] for row in listed(admin, "/api/projects/", {"include": "id,title"})]

    assert not [title for title in titles if title.startswith(TITLE.format(""))]
    with stage.runtime.reads() as session:
        waiting = session.scalar(
            text("SELECT count(*) FROM events WHERE project_id IS NULL AND handled_at IS NULL")
        )
    assert waiting == 0


def test_what_people_read_names_verdicts_and_counts(stage: Stage) -> None:
    said = stage.command("doctor")

    assert f"ok          webhook of project {stage.project_id}: " in said
    assert " 0 failed" in said


def test_a_webhook_that_somebody_deleted_is_missed(stage: Stage) -> None:
    project = stage.project
    stage.client.delete(f"/api/webhooks/{project.webhook_id}/")
    try:
        found = _finding(stage.settings, f"webhook of project {project.id}")
    finally:
        stage.label_studio.admin.once("POST", "/api/webhooks/", _webhook(stage))

    assert found.verdict is Verdict.FAILED
    assert "none is registered" in found.saw
    assert found.fix == f"labelgate connect --project {project.id} --policy FILE"


def test_a_secret_that_the_server_does_not_have_is_found_in_both_ways(stage: Stage) -> None:
    settings = _but(stage.settings, webhook_secret="another")

    assert "not the present one" in _finding(settings, f"webhook of project {stage.project_id}").saw
    assert "refuses our secret" in _finding(settings, "sent by ourselves").saw


def test_a_server_with_another_database_is_told_from_one_that_does_not_run(
    stage: Stage, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    secret = (stage.settings.data_dir / "webhook.secret").read_text(encoding="utf-8").strip()
    settings = _but(stage.settings, data_dir=other, webhook_secret=secret)
    build_runtime(settings).sessions.kw["bind"].dispose()

    assert "works with another one" in _finding(settings, "sent by ourselves").saw
    nobody = _finding(_but(settings, port=1), "sent by ourselves")
    assert nobody.verdict is Verdict.FAILED
    assert "cannot be reached from here" in nobody.saw


def test_a_wrong_token_is_refused_and_nothing_is_concluded_from_it(stage: Stage) -> None:
    found = list(examine(_but(stage.settings, label_studio_token="0" * 40)))

    token = _of(found, "admin token")
    assert token.verdict is Verdict.FAILED
    assert "Invalid token" in token.saw
    assert "export LABELGATE_LABEL_STUDIO_TOKEN=" in (token.fix or "")
    assert _of(found, "webhooks allowed").verdict is Verdict.NOT_CHECKED


def test_the_admin_as_robot_is_refused(stage: Stage) -> None:
    settings = _but(stage.settings, robot_token=stage.label_studio.token)

    found = _finding(settings, "robot is its own user")

    assert found.verdict is Verdict.FAILED
    assert "both tokens are of admin@example.com" in found.saw


def test_an_old_schema_is_named_and_left_as_it_is(stage: Stage, tmp_path: Path) -> None:
    settings = _but(stage.settings, data_dir=tmp_path)
    runtime = build_runtime(settings)
    with runtime.sessions.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    runtime.sessions.kw["bind"].dispose()

    found = list(examine(settings))

    assert _of(found, "schema").verdict is Verdict.FAILED
    assert "schema 0001, this program works with" in _of(found, "schema").saw
    again = _of(list(examine(settings)), "schema")
    assert again == _of(found, "schema")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A Label Studio that refuses local addresses, as it does out of the box; URL and token."""
    folder = tmp_path_factory.mktemp("guarded")
    guards = {"SSRF_PROTECTION_ENABLED": "true", "ML_BLOCK_LOCAL_IP": "true"}
    with start_label_studio(folder, settings=guards) as server:
        yield server.url, server.token


def test_guards_against_local_addresses_are_told_with_their_variables(
    guarded: tuple[str, str], tmp_path: Path
) -> None:
    url, token = guarded
    found = list(
        examine(Settings(data_dir=tmp_path, label_studio_url=url, label_studio_token=token))
    )

    assert "SSRF_PROTECTION_ENABLED=false" in (_of(found, "webhooks allowed").fix or "")
    assert "ML_BLOCK_LOCAL_IP=false" in (_of(found, "ML backends allowed").fix or "")
    assert "127.0.0.0/8" in _of(found, "webhooks allowed").saw


def test_a_legacy_token_that_the_organization_turned_off_is_told(
    guarded: tuple[str, str], tmp_path: Path
) -> None:
    """The last of this server: nobody gets in with its token afterwards."""
    url, token = guarded
    admin = Connection(url, token, setting="LABELGATE_LABEL_STUDIO_TOKEN")
    rules = {"api_tokens_enabled": True, "legacy_api_tokens_enabled": False}
    admin.once("POST", "/api/jwt/settings", rules)
    admin._http.close()

    found = _finding(
        Settings(data_dir=tmp_path, label_studio_url=url, label_studio_token=token), "admin token"
    )

    assert found.verdict is Verdict.FAILED
    assert "the organization has legacy tokens turned off" in found.saw
    assert "Personal Access Token" in (found.fix or "")


def _round_of(stage: Stage) -> bool:
    with stage.runtime.reads() as session:
        return bool(session.scalar(text("SELECT count(*) FROM job_runs WHERE job = 'sync'")))


def _is_ok(finding: dict[str, Any]) -> bool:
    return bool(finding["verdict"] == "ok")


def _finding(settings: Settings, check: str) -> Finding:
    return _of(list(examine(settings)), check)


def _of(found: list[Finding], check: str) -> Finding:
    (finding,) = (each for each in found if each.check == check)
    return finding


def _but(settings: Settings, **changed: Any) -> Settings:
    return Settings(
        **{name: getattr(settings, name) for name in settings.model_fields_set} | changed
    )


def _webhook(stage: Stage) -> dict[str, Any]:
    wiring = wiring_of(stage.settings)
    return {
        "project": stage.project_id,
        "url": wiring.webhook_url,
        "headers": {SECRET_HEADER: wiring.webhook_secret},
        "send_payload": True,
        "send_for_all_actions": False,
        "actions": WEBHOOK_ACTIONS,
    }
