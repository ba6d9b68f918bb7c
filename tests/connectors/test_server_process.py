from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from connectors.label_studio.installation import LocalLabelStudioError, cache_folder
from connectors.label_studio.local_server import prepare_data, start_label_studio
from tests.fakes import label_studio_program


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of our own with its cache; the real one is met in test_local_server."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "bin"
    folder.mkdir()
    source = Path(label_studio_program.__file__).read_text(encoding="utf-8")
    for name, text in (
        ("python", "#!/bin/sh\necho 1.23.2\n"),
        ("label-studio", f"#!{sys.executable}\n{source}"),
    ):
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder / "label-studio"


def _starts(program: Path) -> list[int]:
    return [int(line) for line in (program.parent / "starts").read_text().split()]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_server_that_moved_to_another_port_is_stopped_and_another_port_tried(
    program: Path, tmp_path: Path
) -> None:
    prepare_data(program)
    (program.parent / "moves").touch()
    with start_label_studio(tmp_path / "run", executable=program) as server:
        assert httpx.get(f"{server.url}/health", trust_env=False).status_code == 200
        migrated, moved, running = _starts(program)
        assert (_lives(migrated), _lives(moved), _lives(running)) == (False, False, True)
        assert running == server.pid
    assert not _lives(running)


def test_a_wanted_port_is_not_replaced_by_another(program: Path, tmp_path: Path) -> None:
    with start_label_studio(tmp_path / "run", executable=program) as server:
        port = server.port
    (program.parent / "moves").touch()
    with pytest.raises(LocalLabelStudioError, match=f"port {port} "):
        start_label_studio(tmp_path / "run", port=port, executable=program)
    assert not any(map(_lives, _starts(program)))


def test_a_server_that_ends_is_an_error_with_its_last_words(program: Path, tmp_path: Path) -> None:
    prepare_data(program)
    (program.parent / "fails").touch()
    with pytest.raises(LocalLabelStudioError, match=r"ended with 1; .*\n.*no space left on device"):
        start_label_studio(tmp_path / "run", executable=program)


def test_a_failed_migration_leaves_nothing_half_made(program: Path) -> None:
    (program.parent / "fails").touch()
    with pytest.raises(LocalLabelStudioError, match="no space left"):
        prepare_data(program)
    assert [path.suffix for path in cache_folder().iterdir()] == [".lock"]
    (program.parent / "fails").unlink()
    assert prepare_data(program).is_dir()


def test_what_a_crash_left_is_removed(program: Path) -> None:
    template = prepare_data(program)
    template.rename(template.with_name(f"{template.name}.draft-crashed"))
    assert prepare_data(program) == template
    assert not list(cache_folder().glob("*.draft-*"))


def test_two_at_once_migrate_once(program: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(prepare_data, [program, program])
    assert first == second
    assert len(_starts(program)) == 1


def test_the_callers_environment_stays_out(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_DB", "default")
    with start_label_studio(tmp_path / "run", executable=program) as server:
        environ = Path(f"/proc/{server.pid}/environ")
        if not environ.exists():
            pytest.skip("this system has no /proc to look at")
        variables = environ.read_bytes()
    assert b"LABEL_STUDIO_BASE_DATA_DIR=" in variables
    assert b"DJANGO_DB" not in variables
