"""A file or a folder is there whole or not at all, and nothing of anybody else's is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.data_files import DataFileError
from backend.output_files import write_file, write_folder


def test_a_file_is_replaced_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_file(file, b"one")
    write_file(file, b"two")
    assert file.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_written_is_told_and_nothing_stays(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"a\.txt  cannot be written: No such file"):
        write_file(tmp_path / "nowhere" / "a.txt", b"one")
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(DataFileError, match="cannot be written"):
        write_file(tmp_path / "a.txt", b"one")
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    folder = tmp_path / "some" / "where"
    write_folder(folder, {"a": b"1", "b": b"2"})
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == {"a": b"1", "b": b"2"}
    assert list(folder.parent.iterdir()) == [folder]


def test_an_empty_folder_is_taken_and_one_with_something_in_it_refused(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    write_folder(folder, {"a": b"1"})
    with pytest.raises(DataFileError, match="is not empty: name a new folder, or say --replace"):
        write_folder(folder, {"a": b"2"})
    assert (folder / "a").read_bytes() == b"1"


def test_what_is_replaced_gives_way_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_folder(folder, {"a": b"1", "b": b"2"})
    write_folder(folder, {"a": b"3"}, replace=True, known=["b"])
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == {"a": b"3"}
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_holds_something_else_never_gives_way(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "diary.txt").write_text("mine")
    with pytest.raises(DataFileError, match=r"holds 'diary\.txt', which no such export writes"):
        write_folder(folder, {"a": b"1"}, replace=True)
    assert (folder / "diary.txt").read_text() == "mine"


def test_a_failure_half_way_keeps_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_folder(folder, {"a": b"1"})
    with pytest.raises(DataFileError, match="cannot be written"):
        write_folder(folder, {"a": b"2", "no/such": b"3"}, replace=True)
    assert (folder / "a").read_bytes() == b"1"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(DataFileError, match="is no folder to write to"):
        write_folder(tmp_path / "out", {"a": b"1"})
