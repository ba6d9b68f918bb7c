"""``labelgate export``: each final label once, traceable, and nothing provisional by accident."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from backend.commands.exports import export
from backend.exporting import export_labels
from backend.store.decisions import current_decisions
from tests.fakes.accepting_project import ACCEPT, accepting_project, accepts, truth
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project


@pytest.fixture
def worked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkedProject:
    made = accepting_project(tmp_path / "data")
    return with_environment(made, monkeypatch)


def with_environment(made: WorkedProject, monkeypatch: pytest.MonkeyPatch) -> WorkedProject:
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(made.runtime.settings.data_dir))
    monkeypatch.setenv("LABELGATE_WEBHOOK_SECRET", "the secret")
    return made


def run(*words: object) -> Result:
    return CliRunner().invoke(export, list(map(str, words)))


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_people_and_frozen_accepts_each_once_and_traceable(
    worked: WorkedProject, tmp_path: Path
) -> None:
    standing, file = accepts(worked), tmp_path / "labels.jsonl"
    result = run(worked.project_id, "--out", file, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    exported = lines(file)
    assert [each["task_id"] for each in exported] == sorted({e["task_id"] for e in exported})
    by_source = {
        source: {e["task_id"] for e in exported if e["source"] == source}
        for source in ("human", "accepted")
    }
    assert by_source["accepted"] == standing
    assert report["freeze"]["tasks"] == report["accepted"] == len(standing)
    assert report["human"] == len(by_source["human"]) > 0
    assert report["open"] == 200 - len(exported)
    assert report["provisional"] == 0
    with worked.runtime.reads() as session:
        ledger = {each.seq: each for each in current_decisions(session, worked.project_id)}
    for each in exported:
        assert each["label"] == truth(worked, each["task_id"])
        entry = ledger[each["decision_seq"]]
        assert (entry.decision.task_id, entry.hash) == (each["task_id"], each["decision_hash"])
        assert (each["model_version"], each["policy_hash"]) == ("v1", worked.project.policy_hash)
        assert each["freeze"] == (1 if each["source"] == "accepted" else None)
        assert each["people"] == (0 if each["source"] == "accepted" else 1)
        assert each["provisional"] is False
        assert each["data"] == {}  # a text is no name


def test_a_preview_freezes_nothing_and_says_what_is_provisional(
    worked: WorkedProject, tmp_path: Path
) -> None:
    standing, file = accepts(worked), tmp_path / "labels.jsonl"
    result = run("worked", "--out", file, "--no-freeze")
    assert result.exit_code == 0, result.output
    assert f"{len(standing)} provisional ones" in result.stdout
    assert {e["task_id"] for e in lines(file) if e["provisional"]} == standing
    assert accepts(worked) == standing


def test_what_is_not_proved_stays_out_and_the_command_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = worked_policy(auto_accept=ACCEPT, control={"share": 0.3})
    worked = with_environment(worked_project(tmp_path / "data", policy), monkeypatch)
    worked.promote(certified=True)
    worked.add(["fruit"] * 40)
    worked.settle()
    file = tmp_path / "labels.jsonl"
    result = run(worked.project_id, "--out", file)
    assert result.exit_code == 0, result.output
    assert lines(file) == []
    assert f"{len(accepts(worked))} accepts stay provisional" in result.stdout
    assert "too few control answers" in result.stdout


def test_csv_has_the_same_and_fields_come_along(worked: WorkedProject, tmp_path: Path) -> None:
    worked.server.add_tasks(
        worked.project_id, [{"text": "apples and pears", "mail_id": "m-1", "lang": "en"}]
    )
    worked.settle()
    run(worked.project_id, "--out", tmp_path / "all.jsonl", "--field", "lang", "--no-freeze")
    run(worked.project_id, "--out", tmp_path / "all.csv", "--field", "lang", "--no-freeze")
    plain = lines(tmp_path / "all.jsonl")
    with (tmp_path / "all.csv").open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert [(row["task_id"], row["label"]) for row in rows] == [
        (str(each["task_id"]), each["label"]) for each in plain
    ]
    assert [json.loads(row["data"]) for row in rows] == [each["data"] for each in plain]
    newest = [each["data"] for each in plain if each["data"]]
    assert newest in ([], [{"mail_id": "m-1", "lang": "en"}])  # empty where it is a control task


def test_a_file_is_whole_or_not_there(worked: WorkedProject, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    file = folder / "labels.jsonl"
    file.write_text("before", encoding="utf-8")
    with pytest.raises(TypeError):
        export_labels(worked.runtime, worked.project, file, fields=3)  # type: ignore[arg-type]  # breaks half-way
    assert [each.name for each in folder.iterdir()] == ["labels.jsonl"]
    assert file.read_text(encoding="utf-8") == "before"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("1", "--out", "labels.xml"), 2, "names no format: end it in .jsonl or .csv"),
        (("1", "--out", "no/such/labels.csv"), 2, "the folder 'no/such' does not exist"),
        (("mail", "--out", "labels.csv"), 1, "no project 'mail' is connected; connected: 1 'work"),
    ],
)
def test_bad_input(worked: WorkedProject, words: tuple[str, ...], code: int, message: str) -> None:
    assert worked.project_id == 1
    result = run(*words)
    assert result.exit_code == code
    assert message in result.stderr
