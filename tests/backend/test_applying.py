"""Planning and applying on a store: what is open, what is evidence, what changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from sqlalchemy import update

from backend.applying import apply_policy, propose
from backend.commands.policy import policy as command
from backend.histories import project_history
from backend.store.tables import AnnotationRow
from connectors.annotation_tool import AnnotationToolError
from policies.domain import Outcome, Purpose
from policies.loading import parse_policy, policy_hash
from policies.schema import Policy
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

ACCEPT = {"max_error_rate": 0.2, "confidence": 0.8, "floor": 0.7}
NEVER_A = {**ACCEPT, "never": ["A"]}


def answered(worked: WorkedProject, purpose: Purpose, most: int) -> list[int]:
    chosen = worked.with_purpose(purpose)[:most]
    for task_id in chosen:
        text = worked.server.tasks[task_id].data["text"]
        label = "A" if text.startswith("apples") else "B"
        worked.server.submit(worked.people["sue"], task_id, label)
    return chosen


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """A model serves; control and holdout are answered, and some routed tasks."""
    made = worked_project(tmp_path, worked_policy(auto_accept=ACCEPT))
    made.add(["fruit", "motor"] * 150)
    made.promote(certified=False)
    made.settle()
    return made


def policy_file(folder: Path, policy: Policy) -> Path:
    path = folder / "new.yaml"
    content = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def run(monkeypatch: pytest.MonkeyPatch, worked: WorkedProject, *words: str) -> Result:
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(worked.runtime.settings.data_dir))
    monkeypatch.setenv("LABELGATE_WEBHOOK_SECRET", "the secret")
    return CliRunner().invoke(command, list(words))


def test_training_answers_are_no_evidence(worked: WorkedProject) -> None:
    control = answered(worked, Purpose.CONTROL, 10)
    holdout = answered(worked, Purpose.HOLDOUT, 10)
    routed = answered(worked, Purpose.ROUTED, 10)
    worked.settle()
    found = project_history(worked.runtime, worked.project, worked_policy())
    known = dict(
        zip(found.evidence.candidates.task_ids.tolist(), found.evidence.labels, strict=True)
    )
    assert sorted(known) == sorted(control + holdout)
    assert set(known.values()) == {"A", "B"}
    waiting = found.open.candidates.task_ids.tolist()
    assert not set(waiting) & {*control, *holdout, *routed}
    assert len(waiting) == len(worked.tasks) - 30


def test_the_policy_in_force_changes_nothing(worked: WorkedProject) -> None:
    answered(worked, Purpose.CONTROL, 1_000)
    answered(worked, Purpose.HOLDOUT, 1_000)
    worked.settle()
    accepted = sum(each.outcome is Outcome.ACCEPT for each in worked.decisions().values())
    assert accepted > 0
    in_force = parse_policy(worked.project.policy_text)
    proposal = propose(worked.runtime, worked.project, in_force)
    assert proposal.changed == 0
    audited = proposal.plan.decisions.purposes == Purpose.AUDIT
    assert proposal.plan.accepted + audited.sum() == accepted
    error = proposal.plan.expected_error
    assert (error.value, error.n > 10) == (0.0, True)


def test_what_another_policy_changes(worked: WorkedProject) -> None:
    answered(worked, Purpose.CONTROL, 1_000)
    worked.settle()
    accepted_as = [e.label for e in worked.decisions().values() if e.outcome is Outcome.ACCEPT]
    assert set(accepted_as) == {"A", "B"}
    stricter = worked_policy(auto_accept=NEVER_A)
    assert propose(worked.runtime, worked.project, stricter).changed == accepted_as.count("A")
    same = propose(worked.runtime, worked.project, stricter, stricter)
    assert same.changed == 0


def test_before_the_first_model_everything_goes_to_people(tmp_path: Path) -> None:
    worked = worked_project(tmp_path)
    worked.add(["fruit"] * 20)
    worked.settle()
    proposal = propose(worked.runtime, worked.project, worked_policy())
    assert proposal.changed == 0
    assert proposal.plan.accepted == 0
    assert proposal.plan.expected_error.value is None


def test_a_failed_apply_keeps_the_policy_in_force(worked: WorkedProject, tmp_path: Path) -> None:
    before = worked.project
    path = policy_file(tmp_path, worked_policy(auto_accept=NEVER_A))
    nowhere = type(worked.runtime.settings).model_validate(
        {
            "data_dir": tmp_path,
            "label_studio_url": "http://127.0.0.1:1",
            "label_studio_token": "a" * 40,
            "robot_token": "b" * 40,
            "webhook_secret": "the secret",
        }
    )
    object.__setattr__(worked.runtime, "settings", nowhere)
    with pytest.raises(AnnotationToolError, match="does not answer"):
        apply_policy(worked.runtime, before, path)
    assert worked.project == before


def test_plan_on_the_store_by_command(
    worked: WorkedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(policy_file(tmp_path, worked_policy(auto_accept=ACCEPT)))
    result = run(monkeypatch, worked, "plan", path, "--project", "1", "--json")
    assert result.exit_code == 0, result.output
    body = json.loads(result.stdout)
    assert (body["tasks"], body["changed"]) == (300, 0)
    unknown = run(monkeypatch, worked, "plan", path, "--project", "7")
    assert unknown.exit_code == 1
    assert "project 7 is not connected" in unknown.stderr


def test_apply_asks_and_takes_no_for_an_answer(
    worked: WorkedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(policy_file(tmp_path, worked_policy(auto_accept=NEVER_A)))
    before = worked.project
    result = run(monkeypatch, worked, "apply", path)
    assert result.exit_code == 1
    assert "300 tasks, 0 accepted" in result.output
    assert f"Apply {path} to 'worked'?" in result.output
    assert worked.project == before


def test_apply_what_is_in_force_already(
    worked: WorkedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = worked_policy(auto_accept=ACCEPT)
    result = run(monkeypatch, worked, "apply", str(policy_file(tmp_path, policy)), "--yes")
    assert result.exit_code == 0, result.output
    assert (
        result.stdout == f"policy {policy_hash(policy)[:12]} is in force already: nothing to do\n"
    )


def test_apply_to_a_project_that_is_not_connected(
    worked: WorkedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(policy_file(tmp_path, worked_policy(project="other")))
    result = run(monkeypatch, worked, "apply", path)
    assert result.exit_code == 1
    assert "project = 'other' names no connected project: connected are 'worked'" in result.stderr


def test_apply_is_refused_where_a_test_of_the_file_fails(
    worked: WorkedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = [
        {
            "name": name,
            "prediction": {"label": label, "score": 0.99},
            "expect": {"outcome": "accept"},
        }
        for name, label in (("a sure A is accepted", "A"), ("a sure B is accepted", "B"))
    ]
    policy = worked_policy(auto_accept=NEVER_A, tests=tests)
    before = worked.project
    path = str(policy_file(tmp_path, policy))
    result = run(monkeypatch, worked, "apply", path, "--yes")
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {path}  1 of 2 tests fail, nothing is applied:\n"
        "  a sure A is accepted: outcome is review, not accept\n"
    )
    assert worked.project == before


def test_hours_come_from_the_lead_times_of_each_tiers_people(worked: WorkedProject) -> None:
    control = answered(worked, Purpose.CONTROL, 10)
    worked.settle()
    with worked.runtime.sessions.begin() as session:
        session.execute(update(AnnotationRow).values(lead_time_s=36.0))
    found = propose(worked.runtime, worked.project, worked_policy()).plan
    assert len(control) == 10
    assert found.hours["senior"] == pytest.approx(found.looks["senior"] * 36 / 3600)
    assert found.hours["general"] is None
