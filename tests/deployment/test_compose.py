"""The compose file by the schema of the Compose specification, and by what it promises."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.settings import Settings
from labelgate import COMMANDS

DOCKER = Path(__file__).parents[2] / "docker"
COMPOSE = DOCKER / "compose.yaml"
OURS = {"migrate", "web", "scheduler", "worker"}
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::([-?])([^}]*))?\}")
SETTINGS = {f"LABELGATE_{name.upper()}" for name in Settings.model_fields}


def text() -> str:
    return COMPOSE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services with every default put in, as `docker compose config` shows them."""

    def filled(found: re.Match[str]) -> str:
        return found[3] if found[2] == "-" else f"given-{found[1].lower()}"

    read: dict[str, Any] = yaml.safe_load(VARIABLE.sub(filled, text()))["services"]
    return read


def test_it_is_a_compose_file() -> None:
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema", "--color", "never"),
            *("--builtin-schema", "vendor.compose-spec", COMPOSE),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_example_names_every_variable_and_no_other() -> None:
    example = (DOCKER / ".env.example").read_text(encoding="utf-8")
    named = re.findall(r"^(?:# )?([A-Z0-9_]+)=(.*)$", example, re.MULTILINE)
    used = {name: (kind, value) for name, kind, value in VARIABLE.findall(text())}
    assert {name for name, _ in named} == set(used)
    for name, value in named:
        if used[name][0] == "?":
            assert value == "" or "@" in value, f"{name}: a secret has no default"


def test_what_is_set_is_a_setting(services: dict[str, Any]) -> None:
    for name in OURS:
        given = {key for key in services[name]["environment"] if key.startswith("LABELGATE_")}
        assert given <= SETTINGS


def test_each_process_is_a_command(services: dict[str, Any]) -> None:
    assert {services[name]["command"][0] for name in OURS} == OURS
    assert set(COMMANDS) >= OURS


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_processes_can_write_nothing_but_their_data(
    services: dict[str, Any], name: str
) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["user"] == "10001:10001"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    writable = [each for each in service["volumes"] if not each.endswith(":ro")]
    assert writable == ["labelgate-data:/data"]


def test_the_stores_are_published_nowhere_and_asked_by_those_that_need_them(
    services: dict[str, Any],
) -> None:
    assert yaml.safe_load(text())["networks"]["stores"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert "ports" not in services[name]
        assert services[name]["networks"] == ["stores"]
    assert "networks" not in services["proxy"]
    for name, service in services.items():
        for port in service.get("ports", []):
            assert name == "proxy" or str(port).startswith("127.0.0.1:"), (name, port)


def test_whoever_works_waits_for_the_schema(services: dict[str, Any]) -> None:
    for name in OURS - {"migrate"}:
        waits = services[name]["depends_on"]
        assert waits["migrate"] == {"condition": "service_completed_successfully"}
        assert services[name]["environment"]["LABELGATE_MIGRATE_AT_START"] == "false"


def test_label_studio_is_the_version_that_the_tests_run(services: dict[str, Any]) -> None:
    lock = (DOCKER.parent / "requirements" / "label-studio.txt").read_text(encoding="utf-8")
    locked = re.search(r"^label-studio==(\S+)", lock, re.MULTILINE)
    assert locked is not None
    assert services["label-studio"]["image"].split(":")[1] == locked[1]


def test_each_process_is_looked_at(services: dict[str, Any]) -> None:
    looked_at = set(services) - {"migrate", "proxy", "web"}  # web: by the image itself
    for name in looked_at:
        assert services[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}, name


def test_redis_takes_its_password_from_the_environment(services: dict[str, Any]) -> None:
    """The very command of the service, run by a shell: what reaches redis-server."""
    shell, flag, command = services["redis"]["command"]
    command = command.replace("$$", "$").replace("exec redis-server -", "cat")
    told = subprocess.run(
        [str(shutil.which(shell)), flag, command],
        env={"REDIS_PASSWORD": "abc", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.splitlines()[:3] == ["requirepass abc", 'save ""', "appendonly no"]
