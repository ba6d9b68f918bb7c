"""``labelgate inferences wanted`` and ``data``: data that comes in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from audit_jobs.monitoring.command import inferences
from backend.commands import inference_data
from backend.leasing import holding
from backend.store.tables import DecisionRow
from connectors.annotation_tool import AnnotationToolUnavailableError
from tests.fakes.deployed_model import data_of, hand_in, noted, run, states
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

DATA = [data_of(number, mail=f"p{number}@x.org") for number in range(4)]


@pytest.fixture
def worked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkedProject:
    """Four drawn inferences whose data only their sender has."""
    section = {"share": 1.0, "each_class": 0, "keep": "ids", "mask": ["mail"]}
    made = worked_project(tmp_path / "data", worked_policy(monitoring=section))
    monkeypatch.setattr(inference_data, "read_settings", lambda: made.runtime.settings)
    monkeypatch.setattr(inference_data, "build_runtime", lambda _: made.runtime)
    hand_in(made, ["A"] * 4, data=DATA)
    run(made)
    return made


def ask(*words: object) -> Result:
    return CliRunner().invoke(inferences, list(map(str, words)))


def written(folder: Path, *records: Any) -> Path:
    file = folder / "data.jsonl"
    file.write_text("\n".join(map(json.dumps, records)) + "\n", encoding="utf-8")
    return file


def test_wanted_prints_an_id_a_line_or_json(worked: WorkedProject) -> None:
    plain = ask("wanted", "--project", worked.project_id)
    assert (plain.exit_code, plain.stdout) == (0, "req-0\nreq-1\nreq-2\nreq-3\n")
    found = ask("wanted", "--project", "worked", "--json")
    assert json.loads(found.stdout) == {"wanted": ["req-0", "req-1", "req-2", "req-3"]}


def test_data_makes_tasks_of_what_is_wanted_masked_and_held_to_its_hash(
    worked: WorkedProject, tmp_path: Path
) -> None:
    file = written(
        tmp_path,
        {"id": "req-0", "data": DATA[0]},
        {"id": "req-1", "data": DATA[1] | {"text": "another"}},
        {"id": "unheard of", "data": {}},
    )
    result = ask("data", file, "--project", "worked", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "lines": 3,
        "not_wanted": 1,
        "placed": 1,
        "lost": 1,
        "wanted": 2,
    }
    (task,) = worked.tasks
    assert (task.data["text"], task.data["mail"]) == (DATA[0]["text"], "")
    why = str(noted(worked)["req-1"].why)
    assert why.startswith("the file gave other data than the model was sent: its SHA-256 is ")


def test_a_file_may_be_repeated_and_what_was_lost_for_its_data_is_taken_when_it_is_right(
    worked: WorkedProject, tmp_path: Path
) -> None:
    wrong = written(tmp_path, *({"id": f"req-{n}", "data": {"text": "no"}} for n in range(4)))
    assert ask("data", wrong, "--project", "worked").exit_code == 0
    assert states(worked) == {"lost": 4}
    right = written(tmp_path, *({"id": f"req-{n}", "data": DATA[n]} for n in range(4)))
    result = ask("data", right, "--project", "worked")
    assert result.stdout == (
        "4 of 4 became tasks, 0 are lost, 0 were not wanted; 0 still wait for their data\n"
    )
    again = ask("data", right, "--project", "worked")
    assert again.stdout == (
        "0 of 4 became tasks, 0 are lost, 4 were not wanted; 0 still wait for their data\n"
    )
    assert len(worked.tasks) == 4
    assert states(worked) == {"placed": 4}
    worked.settle()
    with worked.runtime.reads() as session:
        rows = session.query(DecisionRow).filter(DecisionRow.rule == "monitoring").all()
    assert {row.reason for row in rows} == {
        "drawn to verify deployed: 2026-02 (100.0% of answers like it)"
    }


def test_a_wrong_line_is_named_and_nothing_is_placed(worked: WorkedProject, tmp_path: Path) -> None:
    file = written(tmp_path, {"id": "req-0", "data": DATA[0]}, {"id": "req-1"})
    result = ask("data", file, "--project", "worked")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {file}:2  data is missing: a JSON object ")
    assert worked.tasks == []


def test_while_the_scheduler_places_the_command_says_so(
    worked: WorkedProject, tmp_path: Path
) -> None:
    file = written(tmp_path, {"id": "req-0", "data": DATA[0]})
    with holding(worked.runtime, f"inferences {worked.project_id}"):
        result = ask("data", file, "--project", "worked")
    assert result.exit_code == 1
    assert "the scheduler places inferences of this project just now" in result.stderr


def test_a_project_that_is_not_connected_is_named(worked: WorkedProject) -> None:
    result = ask("wanted", "--project", "other")
    assert result.exit_code == 1
    assert f"connected: {worked.project_id} 'worked'" in result.stderr


def test_one_that_was_lost_becomes_one_task_though_the_command_was_cut_off(
    worked: WorkedProject, tmp_path: Path
) -> None:
    wrong = written(tmp_path, *({"id": f"req-{n}", "data": {"text": "no"}} for n in range(4)))
    assert ask("data", wrong, "--project", "worked").exit_code == 0
    right = written(tmp_path, *({"id": f"req-{n}", "data": DATA[n]} for n in range(4)))
    down = AnnotationToolUnavailableError("Label Studio is down")
    worked.tool.fail_next("import_tasks", down, afterwards=True)
    assert ask("data", right, "--project", "worked").exit_code == 3
    assert ask("data", right, "--project", "worked").exit_code == 0
    assert states(worked) == {"placed": 4}
    assert len(worked.tasks) == 4
    assert {row.why for row in noted(worked).values()} == {None}
