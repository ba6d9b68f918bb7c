"""``labelgate certificates``: the evidence in force, and a void that holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from backend.commands.certificates import certificates
from backend.store.certificates import void_certifications
from policies.domain import Purpose
from policies.promises import AutoAccept, least_answers
from tests.fakes.accepting_project import ACCEPT, accepting_project, accepts, answer
from tests.fakes.worked_project import WorkedProject, worked_policy


@pytest.fixture
def worked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkedProject:
    made = accepting_project(tmp_path)
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(made.runtime.settings.data_dir))
    monkeypatch.setenv("LABELGATE_WEBHOOK_SECRET", "the secret")
    return made


def run(*words: object) -> Result:
    return CliRunner().invoke(certificates, list(map(str, words)))


def listed(worked: WorkedProject) -> list[dict[str, Any]]:
    result = run(worked.project_id, "--json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)["certificates"]
    return found


def void(worked: WorkedProject) -> None:
    """What the command does, by the project's own clock."""
    with worked.runtime.sessions.begin() as session:
        void_certifications(session, worked.project_id, "the mails changed", worked.clock())


def test_the_evidence_is_listed(worked: WorkedProject) -> None:
    (each,) = listed(worked)
    assert (each["predictor"], each["label"], each["model_version"]) == ("model", None, "v1")
    assert each["threshold"] >= 0.7
    assert each["bound"] <= each["max_error_rate"] == 0.2
    assert (each["errors"], each["n"]) == (0, each["n"])
    assert 0 < each["n"] <= each["control_answers"]
    assert 0 < each["grid_size"] <= 64
    assert each["since"] <= each["until"]
    assert each["policy_hash"] == worked.project.policy_hash
    words = run("worked").stdout
    assert "1 valid certificates" in words
    assert f"0 errors in {each['n']}" in words


def test_a_void_sends_everything_to_people_and_holds(worked: WorkedProject) -> None:
    assert accepts(worked)
    result = run(worked.project_id, "--void", "--why", "the mails changed", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["voided"], len(report["certificates"])) == (True, 1)
    worked.settle()
    assert listed(worked) == []
    assert not accepts(worked)
    worked.settle()  # the answers that certified it are still there, and prove nothing any more
    assert listed(worked) == []
    # Another text of the policy is no way round it.
    worked.connect(worked_policy(9_999, auto_accept=ACCEPT, control={"share": 0.3}))
    worked.settle()
    assert listed(worked) == []


def test_answers_after_the_void_certify_it_again(worked: WorkedProject) -> None:
    void(worked)
    worked.add(["fruit", "motor"] * 60)
    worked.settle()
    wait = 2 * least_answers(AutoAccept.model_validate(ACCEPT))
    control = worked.with_purpose(Purpose.CONTROL)
    assert len(control) > wait
    answer(worked, control[: wait - 1])
    worked.settle()
    assert listed(worked) == []
    answer(worked, control[wait - 1 : wait])
    worked.settle()
    (again,) = listed(worked)
    assert again["control_answers"] == wait
    assert accepts(worked)


def test_a_new_version_rests_on_all_answers(worked: WorkedProject) -> None:
    (before,) = listed(worked)
    void(worked)
    worked.promote(certified=False)
    worked.settle()
    (after,) = listed(worked)
    assert after["model_version"] == "v2"
    assert after["control_answers"] == before["control_answers"]


def test_what_is_replaced_is_not_withdrawn(worked: WorkedProject) -> None:
    worked.connect(worked_policy(9_999, auto_accept=ACCEPT, control={"share": 0.3}))
    worked.settle()  # certified anew under the other policy, on the same answers
    (each,) = listed(worked)
    assert each["policy_hash"] == worked.project.policy_hash


@pytest.mark.parametrize("words", [["--void"], ["--why", "so"], ["--void", "--why", " "]])
def test_a_void_needs_its_reason(worked: WorkedProject, words: list[str]) -> None:
    result = run(worked.project_id, *words)
    assert result.exit_code == 2
    assert "--void needs --why TEXT" in result.stderr
    assert listed(worked)
