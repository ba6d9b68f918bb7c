"""``labelgate inferences token`` and ``import``: what they print, refuse and keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from backend.commands import inferences
from backend.commands.inferences import said_of
from backend.inferences import file_import
from backend.inferences.file_import import Imported
from labelgate import main
from tests.fakes.inferences import bearer, inference, kept, monitored_project
from tests.fakes.web_project import WebProject

AGAIN = "correct the file and import it again, what is known is not doubled"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WebProject:
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(file_import, "_BATCH", 10)
    return monitored_project(tmp_path)


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["inferences", *map(str, words)])


def jsonl(folder: Path, *sent: dict[str, Any]) -> Path:
    file = folder / "answers.jsonl"
    file.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in sent))
    return file


def test_a_new_token_is_printed_once_and_opens(project: WebProject) -> None:
    result = run("token", "--project", "web")
    assert result.exit_code == 0, result.output
    (token,) = result.stdout.split()
    assert "shown this once" in result.stderr
    client = project.client()
    answer = client.post("/v1/inferences", json=inference(1), headers=bearer(token))
    assert answer.status_code == 202
    other = json.loads(run("token", "--project", 1, "--json").stdout)
    assert other["project"] == 1
    assert other["token"] != token
    client.post("/v1/inferences", json=inference(2), headers=bearer(other["token"]))
    assert len(kept(project)) == 2


def test_all_tokens_are_taken_back(project: WebProject) -> None:
    tokens = [run("token", "--project", 1).stdout.strip() for _ in range(2)]
    assert run("token", "--project", 1, "--revoke").stdout == "2 tokens are valid no more\n"
    result = run("token", "--project", 1, "--revoke", "--json")
    assert json.loads(result.stdout) == {"project": 1, "revoked": 0}
    client = project.client()
    for token in tokens:
        answer = client.post("/v1/inferences", json=inference(1), headers=bearer(token))
        assert answer.status_code == 401


@pytest.mark.parametrize("words", [("token",), ("import", "x.jsonl")])
def test_a_project_that_is_not_connected_is_named(
    project: WebProject, words: tuple[str, ...]
) -> None:
    del project
    result = run(*words, "--project", "other")
    assert result.exit_code == 1
    assert result.output == "Error: no project 'other' is connected; connected: 1 'web'\n"


def test_a_file_is_taken_in_and_again_without_doubling(project: WebProject, tmp_path: Path) -> None:
    file = jsonl(tmp_path, *map(inference, range(25)))
    result = run("import", file, "--project", "web")
    assert (result.exit_code, result.output) == (
        0,
        "25 inferences read: 25 stored, 0 known\n",
    )
    jsonl(tmp_path, *map(inference, range(24)), inference(24, score=0.1), inference(25))
    assert run("import", file, "--project", "web").output == (
        "26 inferences read: 1 stored, 24 known, 1 in conflict: another content came under the "
        "same id before, and stays\nin conflict: req-24\n"
    )
    result = run("import", file, "--project", "web", "--json")
    assert json.loads(result.stdout) == {
        "project": 1,
        "received": 26,
        "stored": 0,
        "known": 25,
        "conflicts": 1,
        "conflicting": ["req-24"],
    }
    assert [row["inference_id"] for row in kept(project)] == [f"req-{each}" for each in range(26)]


def test_a_csv_is_kept_as_what_is_posted(project: WebProject, tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text(
        "id,predicted,score,model_version,at,text\n"
        "req-1,B,0.75,2026-02,2026-03-01T10:00:00Z,text 1\n"
    )
    assert run("import", file, "--project", 1).exit_code == 0
    (imported,) = kept(project)
    token = run("token", "--project", 1).stdout.strip()
    response = project.client().post("/v1/inferences", json=inference(1), headers=bearer(token))
    assert orjson.loads(response.data)["known"] == 1
    assert imported["data"] == {"text": "text 1"}


def test_a_mistake_is_told_by_line_and_what_is_before_stays(
    project: WebProject, tmp_path: Path
) -> None:
    sent = [*map(inference, range(12)), inference(12, score=7), inference(13, predicted="C")]
    file = jsonl(tmp_path, *sent)
    result = run("import", file, "--project", "web")
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"Error: {file}:13  score = 7 must be between 0 and 1, or null where the model gives none",
        f"{file}:14  predicted = 'C' cannot be taken: label 'C' is not a choice of 'label': A, B",
        f"the 10 records before are stored: {AGAIN}",
    ]
    assert len(kept(project)) == 10
    jsonl(tmp_path, *map(inference, range(14)))
    assert run("import", file, "--project", 1).output == (
        "14 inferences read: 4 stored, 10 known\n"
    )


def test_a_broken_line_is_told_with_what_is_stored(project: WebProject, tmp_path: Path) -> None:
    file = jsonl(tmp_path, *map(inference, range(12)))
    file.write_bytes(file.read_bytes() + b"{")
    result = run("import", file, "--project", "web")
    assert result.exit_code == 1
    assert f"Error: {file}:13  is no JSON: " in result.output
    assert "\nthe 10 records before are stored: " in result.output
    file.write_bytes(b"{")
    assert "\nnothing is stored: correct the file" in run("import", file, "--project", 1).output
    assert len(kept(project)) == 10


def test_who_stops_it_is_told_that_it_goes_on(
    project: WebProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(inferences, "import_file", stopped)
    result = run("import", jsonl(tmp_path), "--project", 1)
    assert result.exit_code == 130
    assert "the same command goes on where it was" in result.stderr
    assert kept(project) == []


def test_more_conflicts_than_are_named_are_counted() -> None:
    found = Imported(received=12, conflicts=12, conflicting=tuple("abcdefghij"))
    assert said_of(found).endswith("\nin conflict: a, b, c, d, e, f, g, h, i, j, ...")
