"""What is no backup, a damaged, a newer or a hostile one: refused before anything is touched."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import inspect

from backend.backups.archive import BackupError, is_safe, open_archive
from backend.backups.making import make_backup
from backend.backups.restoring import restore_backup
from backend.settings import Settings
from backend.store.engine import make_engine
from labelgate import main
from tests.fakes.databases import NOW, sqlite_database


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A small backup with a model file."""
    here = Settings(data_dir=tmp_path / "here", database_url=f"sqlite:///{tmp_path / 'store.db'}")
    database = sqlite_database(tmp_path)
    database.add_project()
    database.add_tasks(*range(1, 200))
    (here.models_dir / "1").mkdir(parents=True)
    (here.models_dir / "1" / "v1-ab.skops").write_bytes(b"a model " * 500)
    make_backup(here, database.engine, tmp_path / "b.zip", NOW, lambda _: None)
    database.engine.dispose()
    return tmp_path / "b.zip"


def restore(file: Path, folder: Path) -> None:
    there = Settings(data_dir=folder)
    engine = make_engine(there.store_url)
    try:
        restore_backup(there, engine, file, replace=False, told=lambda _: None)
    finally:
        engine.dispose()


def refused(file: Path, folder: Path) -> str:
    """The message; and nothing is there."""
    with pytest.raises(BackupError) as error:
        restore(file, folder)
    engine = make_engine(Settings(data_dir=folder).store_url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    assert [each for each in folder.rglob("*") if each.suffix == ".skops"] == []
    assert str(file) in str(error.value)
    return str(error.value)


def rewritten(
    backup: Path,
    change: Callable[[dict[str, Any]], object],
    renamed: dict[str, str] | None = None,
) -> Path:
    """The same archive with another manifest, and other names of its files."""
    file = backup.with_name("other.zip")
    with zipfile.ZipFile(backup) as old, zipfile.ZipFile(file, "w") as new:
        for each in old.infolist():
            content = old.read(each)
            if each.filename == "manifest.json":
                manifest = json.loads(content)
                change(manifest)
                content = json.dumps(manifest).encode()
            new.writestr((renamed or {}).get(each.filename, each.filename), content)
    return file


def test_what_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"something else")
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as other:
        other.writestr("readme.txt", "hello")
    assert "the backup is damaged" in refused(tmp_path / "x.zip", tmp_path / "a")
    assert "so it is no backup" in refused(tmp_path / "y.zip", tmp_path / "a")
    assert "there is no such file" in refused(tmp_path / "z.zip", tmp_path / "a")


@pytest.mark.parametrize("damages", [40, pytest.param(2_000, marks=pytest.mark.long)])
def test_a_damaged_backup_is_refused_or_restores_the_same(
    backup: Path, tmp_path: Path, damages: int
) -> None:
    """One flipped bit, or an end that is missing: a flip in what nothing reads changes nothing."""
    content, chance = backup.read_bytes(), random.Random(7)  # noqa: S311 - for places alone
    file, harmless = tmp_path / "damaged.zip", []
    for number in range(damages):
        at = chance.randrange(len(content))
        changed = bytearray(content)
        changed[at] ^= 1 << chance.randrange(8)
        file.write_bytes(content[:at] if number % 4 == 0 else changed)
        try:
            with open_archive(file) as archive:
                assert len(list(archive.verify())) == len(archive.manifest.members)
        except BackupError:
            pass  # refused, as it should be
        else:
            harmless.append((number, bytes(changed)))
    assert len(harmless) < damages / 3  # half of so small a file are headers with dates
    assert all(number % 4 for number, _ in harmless), "an end was missing and nothing told"
    for number, unnoticed in harmless[:2]:
        file.write_bytes(unnoticed)
        restore(file, tmp_path / f"restored{number}")


def test_a_newer_format_and_a_newer_schema_are_named(backup: Path, tmp_path: Path) -> None:
    newer = rewritten(backup, lambda manifest: manifest.update(format=2, program="9.9"))
    told = refused(newer, tmp_path / "a")
    assert "format 2 is newer than this program, which knows 1: install the version" in told
    newer = rewritten(backup, lambda manifest: manifest.update(schema="9999"))
    assert "schema '9999' is not known to this version" in refused(newer, tmp_path / "a")


def test_rows_that_the_manifest_does_not_have_are_refused(backup: Path, tmp_path: Path) -> None:
    def one_less(manifest: dict[str, Any]) -> None:
        manifest["tables"]["tasks"]["rows"] -= 1

    def without_a_column(manifest: dict[str, Any]) -> None:
        manifest["tables"]["tasks"]["columns"].pop()

    def of_another_table(manifest: dict[str, Any]) -> None:
        manifest["tables"]["tasks"]["columns"][1] = "anything"

    assert "has 199 rows" in refused(rewritten(backup, one_less), tmp_path / "a")
    told = refused(rewritten(backup, without_a_column), tmp_path / "b")
    assert "its table tasks is not that of schema" in told
    told = refused(rewritten(backup, of_another_table), tmp_path / "c")
    assert "its table tasks is not that of schema" in told


@pytest.mark.parametrize(
    "name",
    [
        "models/../../stolen.skops",
        "models//etc/stolen.skops",
        "/tmp/stolen.skops",  # noqa: S108 - a name that is refused
        "models/1/..\\stolen.skops",
        "models/C:stolen.skops",
        "models/1/.hidden.skops",
        "tables/../x.jsonl",
        "elsewhere/1.skops",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(backup: Path, tmp_path: Path, name: str) -> None:
    def rename(manifest: dict[str, Any]) -> None:
        manifest["members"][name] = manifest["members"].pop("models/1/v1-ab.skops")

    assert not is_safe(name)
    hostile = rewritten(backup, rename, {"models/1/v1-ab.skops": name})
    refused(hostile, tmp_path / "a")
    assert list(tmp_path.rglob("*stolen*")) == []


def test_a_link_in_the_folder_of_models_leads_nowhere(backup: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    models = Settings(data_dir=tmp_path / "a").models_dir
    models.mkdir(parents=True)
    (models / "1").symlink_to(outside)
    assert "leads out of the folder of models" in _told(backup, tmp_path / "a")
    assert list(outside.iterdir()) == []


def test_a_model_file_with_another_content_is_not_overwritten(backup: Path, tmp_path: Path) -> None:
    file = Settings(data_dir=tmp_path / "a").models_dir / "1" / "v1-ab.skops"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"another")
    assert "is there with another content" in _told(backup, tmp_path / "a")
    assert file.read_bytes() == b"another"


def _told(file: Path, folder: Path) -> str:
    with pytest.raises(BackupError) as error:
        restore(file, folder)
    return str(error.value)


def test_the_commands(backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(tmp_path / "new"))
    run = CliRunner().invoke

    restored = run(main, ["restore", str(backup)])
    assert (restored.exit_code, restored.stderr) == (0, "")
    assert "1 model files restored; 0 ledgers hold, 0 entries" in restored.stdout

    again = run(main, ["restore", str(backup)])
    assert again.exit_code == 1
    assert "the database is not empty" in again.stderr

    (tmp_path / "new" / "robot.token").write_text("x")
    made = run(main, ["backup", str(tmp_path / "c.zip")])
    assert made.exit_code == 0
    assert "1 model files" in made.stdout
    assert "not in it, keep it elsewhere: robot.token" in made.stderr
    assert run(main, ["backup", str(tmp_path / "c.zip")]).exit_code == 1

    told = json.loads(run(main, ["restore", "--replace", "--json", str(backup)]).stdout)
    assert told["rows"]["tasks"] == 199
    told = json.loads(run(main, ["backup", "--json", str(tmp_path / "d.zip")]).stdout)
    assert (told["rows"]["tasks"], told["models"], told["missing_models"]) == (199, 1, [])
    with open_archive(tmp_path / "d.zip") as archive:
        assert len(list(archive.verify())) == len(archive.manifest.members)


def test_an_empty_database_is_not_backed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(tmp_path))
    made = CliRunner().invoke(main, ["backup", str(tmp_path / "c.zip")])
    assert made.exit_code == 1
    assert "the database is empty: there is nothing to back up" in made.stderr
    assert not (tmp_path / "c.zip").exists()
