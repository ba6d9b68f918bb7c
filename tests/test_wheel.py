from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built offline by the backend that pyproject names, from the tree as it stands."""
    folder = tmp_path_factory.mktemp("wheel")
    _run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        folder,
    )
    return next(folder.glob("labelgate-*.whl"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an empty environment that has the wheel, and sees the locked packages.

    A path in a .pth file is put on sys.path, but .pth files inside it are not read: the editable
    install of this tree stays out of sight.
    """
    place = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "-qq"]
    _run([*pip, "--no-index", "--no-deps", wheel], place)
    site = sysconfig.get_path("purelib", vars={"base": str(place), "platbase": str(place)})
    (Path(site) / "locked.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return place / "bin"


def _run(command: list[str | Path], folder: Path, code: int = 0) -> str:
    ended = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout


def test_the_wheel_holds_the_packages_with_their_data(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in held if ".dist-info/" not in name}
    assert tops == {"policies", "connectors", "backend", "audit_jobs", "labelgate.py"}
    wanted = {
        str(file.relative_to(ROOT))
        for pattern in (
            "policies/presets/*.yaml",
            "backend/store/migrations/script.py.mako",
            "backend/store/migrations/versions/*.py",
            "backend/charts/templates/*.html",
            "backend/web/templates/**/*.html",
            "backend/web/static/*",
            "*/py.typed",
        )
        for file in ROOT.glob(pattern)
    }
    for place in (
        "policies/presets/",
        "migrations/versions/",
        "charts/templates/",
        "web/templates/",
        "web/static/",
        "py.typed",
    ):
        assert any(place in name for name in wanted), f"the tree has nothing under {place}"
    assert wanted <= held


def test_the_wheel_runs_from_another_folder(installed: Path, tmp_path: Path) -> None:
    code = "import policies; print(policies.__file__)"
    where = _run([installed / "python", "-c", code], tmp_path)
    assert where.startswith(str(installed.parent)), "the test must look at the wheel, not the tree"
    assert "Usage: labelgate" in _run([installed / "labelgate", "--help"], tmp_path)


def test_the_installed_wheel_checks_a_policy(installed: Path, tmp_path: Path) -> None:
    code = "import pathlib, policies; print(pathlib.Path(policies.__file__).parent / 'presets')"
    presets = Path(_run([installed / "python", "-c", code], tmp_path).strip())
    checked = sorted(presets.glob("*.yaml"))
    assert checked
    said = _run([installed / "labelgate", "policy", "check", *checked], tmp_path)
    assert said.count("is fine") == len(checked)
    broken = tmp_path / "broken.yaml"
    broken.write_text("tiers: 3\n", encoding="utf-8")
    _run([installed / "labelgate", "policy", "check", broken], tmp_path, code=1)
