from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest

from connectors.label_studio.installation import (
    LocalLabelStudioError,
    cache_folder,
    find_executable,
    installed_version,
)
from connectors.label_studio.local_server import start_label_studio
from tests.running_label_studio import RunningLabelStudio


def _whoami(url: str, token: str) -> httpx.Response:
    headers = {"Authorization": f"Token {token}"}
    return httpx.get(f"{url}/api/current-user/whoami", headers=headers, trust_env=False)


def test_a_missing_install_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABELGATE_LABEL_STUDIO_BIN", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalLabelStudioError, match="make label-studio"):
        find_executable()


def test_a_wrong_path_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELGATE_LABEL_STUDIO_BIN", str(tmp_path / "nothing"))
    with pytest.raises(LocalLabelStudioError, match=r"LABELGATE_LABEL_STUDIO_BIN = .*nothing"):
        find_executable()


def test_an_unfinished_install_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABELGATE_LABEL_STUDIO_BIN", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    program = cache_folder() / "label-studio-1.23.2-0123" / "venv" / "bin" / "label-studio"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    with pytest.raises(LocalLabelStudioError):
        find_executable()
    (cache_folder() / "label-studio-1.23.2-0123" / "ready").touch()
    assert find_executable() == program


def test_a_program_without_its_python_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "label-studio"
    program.touch(mode=0o755)
    with pytest.raises(LocalLabelStudioError, match="cannot read the version"):
        installed_version(program)


def test_the_session_server_is_ours(label_studio: RunningLabelStudio) -> None:
    answer = _whoami(label_studio.url, label_studio.token)
    assert answer.status_code == 200
    assert answer.json()["email"] == "admin@example.com"


def test_users_and_projects_of_the_session_server_are_new(
    label_studio: RunningLabelStudio,
) -> None:
    first, token = label_studio.new_user("ann")
    second, _ = label_studio.new_user("ann")
    assert first != second
    assert _whoami(label_studio.url, token).json()["id"] == first
    assert label_studio.project("pair", "<View/>") != label_studio.project("pair", "<View/>")


@pytest.mark.label_studio
def test_data_survives_a_kill_and_a_restart_on_the_same_port(tmp_path: Path) -> None:
    with start_label_studio(tmp_path) as first:
        headers = {"Authorization": f"Token {first.token}"}
        made = httpx.post(
            f"{first.url}/api/projects/", headers=headers, json={"title": "kept"}, trust_env=False
        )
        first.kill()
        assert first.process.poll() is not None
    with start_label_studio(tmp_path, port=first.port) as second:
        assert second.url == first.url
        kept = httpx.get(
            f"{second.url}/api/projects/{made.json()['id']}", headers=headers, trust_env=False
        )
        assert kept.json()["title"] == "kept"
    with pytest.raises(httpx.TransportError):
        _whoami(second.url, second.token)


@pytest.mark.label_studio
def test_a_taken_port_is_an_error_and_not_another_port(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LocalLabelStudioError, match=f"port {port} .*taken"):
            start_label_studio(tmp_path, port=port)


@pytest.mark.label_studio
def test_secrets_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    with start_label_studio(tmp_path) as server:
        assert server.token not in repr(server)
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
        for secret in (".env", "labelgate-admin.json"):
            assert (tmp_path / "data" / secret).stat().st_mode & 0o777 == 0o600
