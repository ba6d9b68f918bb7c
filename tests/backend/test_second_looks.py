"""Second auditors: errors and a share of the passes are asked once more, and no label waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from backend.extra_audits import draw_extra
from backend.slices import LabelledSlices, labelled_slices
from backend.store.freezes import EXPORT
from backend.store.promise_tables import FreezeRow
from backend.store.tables import TaskRow
from policies.domain import Purpose
from policies.loading import parse_policy
from policies.schema import Policy
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

OTHER = {"A": "B", "B": "A"}


def policy(*auditors: str, tiers: int = 2, **audit: Any) -> Policy:
    """Every accept is audited by the top tier, or with three ``tiers`` by the one below it."""
    groups = [("general", ("ann", "bob")), ("domain", auditors), ("senior", ("sue",))]
    if tiers == 2:
        groups = [("general", ("ann", "bob")), ("senior", auditors)]
    made = [
        {
            "name": name,
            "reviewers": [f"{person}@example.com" for person in people],
            "cost_per_label": 1.0,
            "daily_capacity": 1_000,
        }
        for name, people in groups
    ]
    tier = "domain" if tiers == 3 else "senior"
    return worked_policy(tiers=made, audit={"share": 1.0, "tier": tier, "most": 1.0, **audit})


def project(folder: Path, rules: Policy) -> WorkedProject:
    worked = worked_project(folder, rules)
    for name in ("kim", "lee", "mia"):
        worked.people[name] = worked.server.add_user(f"{name}@example.com")
    worked.promote()
    worked.add(["fruit"] * 20)
    worked.settle()
    return worked


def say(worked: WorkedProject, task_id: int, **words: str | None) -> None:
    for person, label in words.items():
        if label is None:
            worked.server.skip(worked.people[person], task_id)
        else:
            worked.server.submit(worked.people[person], task_id, label)
    worked.settle()


def stands(worked: WorkedProject, task_id: int) -> tuple[str | None, str | None, bool]:
    with worked.runtime.reads() as session:
        row = session.get_one(TaskRow, (worked.project_id, task_id))
        return row.escalated_to, row.settled_label, row.wants_reader


def slices(worked: WorkedProject) -> LabelledSlices:
    with worked.runtime.reads() as session:
        rules = parse_policy(worked.project.policy_text)
        return labelled_slices(session, worked.project, rules)


def audit_view(worked: WorkedProject) -> list[int]:
    view = worked.project.views["Audit"]
    return [task.id for task in worked.tool.tasks_in_view(worked.project_id, view)]


def one_audit(worked: WorkedProject) -> tuple[int, str]:
    task_id = min(worked.with_purpose(Purpose.AUDIT))
    return task_id, str(worked.decisions()[task_id].label)


def test_a_found_error_is_asked_of_a_second_auditor_and_stays_the_label(tmp_path: Path) -> None:
    worked = project(tmp_path, policy("sue", "kim", second_share=0.0))
    task_id, label = one_audit(worked)
    say(worked, task_id, sue=OTHER[label])
    assert stands(worked, task_id) == (None, OTHER[label], True)
    assert task_id in audit_view(worked)
    assert worked.shown(task_id) == [("labelgate: Audit", False)]  # as blind as the first
    assert worked.server.tasks[task_id].overlap == 2
    assert slices(worked).training[task_id] == OTHER[label]  # nobody waits for the second
    say(worked, task_id, kim=OTHER[label])
    assert stands(worked, task_id) == (None, OTHER[label], False)
    assert task_id not in audit_view(worked)


def test_of_the_passes_a_share_is_asked_once_more(tmp_path: Path) -> None:
    worked = project(tmp_path, policy("sue", "kim", second_share=0.5))
    decisions = worked.decisions()
    audits = worked.with_purpose(Purpose.AUDIT)
    for task_id in audits:
        worked.server.submit(worked.people["sue"], task_id, str(decisions[task_id].label))
    worked.settle()
    twice = [task_id for task_id in audits if stands(worked, task_id)[2]]
    assert 0 < len(twice) < len(audits)
    assert set(audit_view(worked)) == set(twice)
    assert set(slices(worked).training) >= set(audits)
    worked.settle()
    assert [task_id for task_id in audits if stands(worked, task_id)[2]] == twice


def test_without_a_second_auditor_nothing_is_asked(tmp_path: Path) -> None:
    worked = project(tmp_path, policy("sue", second_share=1.0))
    task_id, label = one_audit(worked)
    say(worked, task_id, sue=OTHER[label])
    assert stands(worked, task_id)[2] is False
    assert slices(worked).training[task_id] == OTHER[label]


def test_nobody_outside_the_tier_starts_a_second_look(tmp_path: Path) -> None:
    worked = project(tmp_path, policy("sue", "kim", second_share=1.0))
    task_id, label = one_audit(worked)
    say(worked, task_id, ann=OTHER[label])
    assert stands(worked, task_id) == (None, OTHER[label], False)


def test_two_auditors_who_differ_get_a_third(tmp_path: Path) -> None:
    worked = project(tmp_path, policy("sue", "kim", "lee", second_share=0.0))
    task_id, label = one_audit(worked)
    say(worked, task_id, sue=OTHER[label])
    say(worked, task_id, kim=label)
    assert stands(worked, task_id) == (None, OTHER[label], True)  # the first answer stands
    assert worked.server.tasks[task_id].overlap == 3
    say(worked, task_id, lee=label)
    assert stands(worked, task_id) == (None, label, False)


def test_without_a_third_the_top_tiers_newest_answer_settles(tmp_path: Path) -> None:
    worked = project(tmp_path, policy("sue", "kim", second_share=0.0))
    task_id, label = one_audit(worked)
    say(worked, task_id, sue=OTHER[label])
    say(worked, task_id, kim=label)
    assert stands(worked, task_id) == (None, label, False)


def test_without_a_third_below_the_top_the_next_tier_settles(tmp_path: Path) -> None:
    worked = project(tmp_path, policy("kim", "lee", tiers=3, second_share=0.0))
    task_id, label = one_audit(worked)
    say(worked, task_id, kim=OTHER[label])
    assert stands(worked, task_id) == (None, OTHER[label], True)
    say(worked, task_id, lee=label)
    assert stands(worked, task_id)[0] == "senior"
    say(worked, task_id, sue=label)
    assert stands(worked, task_id) == (None, label, False)


@pytest.mark.parametrize("second", [None, "edit"])
def test_a_skip_and_an_edit_end_in_a_label(tmp_path: Path, second: str | None) -> None:
    worked = project(tmp_path, policy("sue", "kim", second_share=0.0))
    task_id, label = one_audit(worked)
    say(worked, task_id, sue=OTHER[label])
    if second is None:
        say(worked, task_id, kim=None)
        assert stands(worked, task_id)[1:] == (OTHER[label], False)
    else:
        first = worked.server.tasks[task_id].annotations[-1].id
        worked.server.edit(worked.people["sue"], first, label)
        worked.settle()
        assert stands(worked, task_id)[1:] == (label, False)


def test_an_audit_of_what_was_frozen_is_looked_at_again_too(tmp_path: Path) -> None:
    few: dict[str, Any] = {"share": 0.01, "most": 0.01, "per_label": 0, "second_share": 0.0}
    worked = project(tmp_path, policy("sue", "kim", **few))
    with worked.runtime.sessions.begin() as session:
        freeze = FreezeRow(
            project_id=worked.project_id,
            number=1,
            model_version="v1",
            policy_hash=worked.project.policy_hash,
            evidence={},
            answers=0,
            left_control=[],
            tasks=20,
            why=EXPORT,
            frozen_at=worked.clock(),
        )
        session.add(freeze)
        session.flush()
        session.execute(update(TaskRow).values(freeze_id=freeze.id))
    assert draw_extra(worked.runtime, worked.project, 5).frozen == 5
    worked.settle()
    chosen = worked.with_purpose(Purpose.AUDIT)[0]
    say(worked, chosen, sue="B")  # an error
    assert stands(worked, chosen) == (None, "B", True)
    say(worked, chosen, kim="B")
    assert stands(worked, chosen) == (None, "B", False)
