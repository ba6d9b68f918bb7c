"""The audit job: who counts, what is told apart, what the promise's claim comes to, alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit_jobs.audits import job
from audit_jobs.audits.alerts import AUDITED
from backend.store.alerts import newest_alerts
from backend.store.reports import AUDIT, reports
from backend.store.suspensions import store_suspension
from policies.breaker import Suspension
from policies.domain import Purpose
from policies.schema import Policy
from tests.fakes.worked_project import WorkedProject, text_of, worked_policy, worked_project

OTHER = {"A": "B", "B": "A"}


def policy(*auditors: str, max_error: float = 0.05, **changes: Any) -> Policy:
    tiers = [
        {
            "name": name,
            "reviewers": [f"{person}@example.com" for person in people],
            "cost_per_label": 1.0,
            "daily_capacity": 1_000,
        }
        for name, people in (("general", ("ann", "bob")), ("senior", auditors or ("sue",)))
    ]
    auto = {"max_error_rate": max_error, "confidence": 0.95, "floor": 0.7}
    audit = {"share": 1.0, "most": 1.0, "second_share": 0.0}
    return worked_policy(**({"tiers": tiers, "auto_accept": auto, "audit": audit} | changes))


def project(folder: Path, rules: Policy, tasks: int = 30) -> WorkedProject:
    worked = worked_project(folder, rules)
    worked.people["kim"] = worked.server.add_user("kim@example.com")
    worked.promote()
    data = [
        {"text": text_of("fruit" if number % 2 else "motor", number), "site": number % 3}
        for number in range(tasks)
    ]
    worked.server.add_tasks(worked.project_id, data)
    worked.settle()
    return worked


def answer(worked: WorkedProject, wrong: int = 0, most: int = 10_000) -> list[int]:
    """Sue answers the audits that wait, the first ones otherwise than the model; their ids."""
    decisions = worked.decisions()
    waiting = sorted(worked.with_purpose(Purpose.AUDIT))[:most]
    for place, task_id in enumerate(waiting):
        label = str(decisions[task_id].label)
        worked.server.submit(
            worked.people["sue"], task_id, OTHER[label] if place < wrong else label
        )
    worked.settle()
    return waiting


def run(worked: WorkedProject) -> dict[str, Any]:
    return job.run(worked.runtime, worked.project)


def stored(worked: WorkedProject) -> list[dict[str, Any]]:
    with worked.runtime.reads() as session:
        return [each.body for each in reports(session, worked.project_id, AUDIT)]


def test_before_the_first_answer_everything_is_undefined(tmp_path: Path) -> None:
    worked = project(tmp_path, policy())
    body = run(worked)
    assert (body["audited"], body["failed"], body["failed_in_all"]) == (0, [], 0)
    assert body["pass_rate"] == {"value": None, "low": None, "high": None, "n": 0}
    assert body["by_label"] == body["by_version"] == body["by_score"] == {}
    assert body["unanswered"]["waiting"] == len(worked.with_purpose(Purpose.AUDIT))
    claim = body["claim"]
    assert (claim["audits"], claim["decided"], claim["needed"]) == (0, None, 65)
    assert body["auditor_error"]["reason"] == "no audits yet"
    assert body["second_looks"]["asked"] == 0
    assert "one person alone" in body["second_looks"]["why_none"]


def test_a_project_without_anything_has_a_report_all_the_same(tmp_path: Path) -> None:
    worked = worked_project(tmp_path, worked_policy(auto_accept="never"))
    body = run(worked)
    assert (body["audited"], body["claim"]) == (0, None)


def test_rates_are_told_apart(tmp_path: Path) -> None:
    worked = project(tmp_path, policy(drift={"fields": ["site", "nowhere"]}))
    decisions = worked.decisions()
    audited = answer(worked, wrong=1)
    body = run(worked)
    n = len(audited)
    assert (body["audited"], body["failed"]) == (n, audited[:1])
    assert body["pass_rate"]["value"] == pytest.approx(1 - 1 / n)
    assert body["pass_rate"]["n"] == n
    wrong_label = str(decisions[audited[0]].label)
    assert body["by_label"][wrong_label]["value"] < 1
    assert body["by_label"][OTHER[wrong_label]]["value"] == 1
    for name in ("by_label", "by_version", "by_predictor", "by_policy", "by_score"):
        assert sum(each["n"] for each in body[name].values()) == n
    assert list(body["by_version"]) == ["v1"]
    assert list(body["by_predictor"]) == ["model"]
    assert list(body["by_policy"]) == [worked.project.policy_hash]
    assert set(body["by_slice"]["site"]) == {"0", "1", "2"}
    assert list(body["by_slice"]["nowhere"]) == [""]


def test_chances_weigh_and_only_changes_are_stored(tmp_path: Path) -> None:
    worked = project(tmp_path, policy())
    answer(worked, wrong=2, most=10)
    body = run(worked)
    assert run(worked) == body
    assert stored(worked) == [body]
    assert body["effective_n"] == pytest.approx(body["audited"])
    assert body["pass_rate"]["high"] > body["pass_rate"]["value"] > body["pass_rate"]["low"]


def test_others_answers_are_labels_but_no_audits(tmp_path: Path) -> None:
    worked = project(tmp_path, policy())
    task_id = min(worked.with_purpose(Purpose.AUDIT))
    worked.server.submit(worked.people["ann"], task_id, "A")
    worked.settle()
    body = run(worked)
    assert body["audited"] == 0
    assert body["unanswered"]["answered_by_others"] == 1


def test_the_claim_holds_after_enough_audits_without_an_error(tmp_path: Path) -> None:
    worked = project(tmp_path, policy(max_error=0.2))
    answer(worked, most=13)
    claim = run(worked)["claim"]
    assert (claim["audits"], claim["errors"], claim["needed"]) == (13, 0, 15)
    assert claim["decided"] is None
    answer(worked, most=2)
    claim = run(worked)["claim"]
    assert (claim["audits"], claim["decided"]) == (15, "holds")
    assert alerts(worked) == []


def alerts(worked: WorkedProject) -> list[tuple[str, bool]]:
    with worked.runtime.reads() as session:
        return [(a.name, a.opened) for a in newest_alerts(session, worked.project_id).values()]


def trip(worked: WorkedProject, version: str) -> None:
    suspension = Suspension(
        id=0,
        model_version=version,
        group=("model", None),
        since=worked.clock(),
        statistic=2001.0,
        audits=12,
        errors=6,
        good_until=None,
        why="too many errors",
    )
    with worked.runtime.sessions.begin() as session:
        store_suspension(session, worked.project_id, suspension)


def test_a_broken_promise_is_told_once_and_is_over_with_another_version(tmp_path: Path) -> None:
    worked = project(tmp_path, policy(), tasks=40)
    answer(worked, wrong=6, most=12)
    claim = run(worked)["claim"]
    assert (claim["decided"], claim["audits"], claim["errors"]) == ("broken", 12, 6)
    assert claim["low"] > 0.05
    run(worked)
    assert alerts(worked) == [(AUDITED, True)]
    trip(worked, "v1")
    assert run(worked)["claim"]["audits"] == 12  # as long as it serves they count
    worked.promote()
    worked.settle()
    claim = run(worked)["claim"]
    assert (claim["model_version"], claim["audits"], claim["decided"]) == ("v2", 0, None)
    assert alerts(worked) == [(AUDITED, False)]
    assert run(worked)["audited"] == 12  # the rate over all versions keeps them


def test_audits_of_all_versions_count_together(tmp_path: Path) -> None:
    worked = project(tmp_path, policy(), tasks=40)
    answer(worked, most=12)
    worked.promote()
    worked.settle()
    answer(worked, most=5)
    claim = run(worked)["claim"]
    assert (claim["model_version"], claim["audits"]) == ("v2", 17)


def test_second_auditors_show_how_often_the_first_err(tmp_path: Path) -> None:
    audit = {"share": 1.0, "most": 1.0, "second_share": 1.0}
    worked = project(tmp_path, policy("sue", "kim", audit=audit))
    audited = answer(worked, wrong=3)
    body = run(worked)
    assert body["second_looks"] == {"asked": len(audited), "answered": 0, "why_none": None}
    assert body["auditor_error"]["reason"] == "no second looks yet"
    assert (body["audited"], len(body["failed"])) == (len(audited), 3)  # no label waits for it
    decisions = worked.decisions()
    for place, task_id in enumerate(audited):
        label = str(decisions[task_id].label)
        said = OTHER[label] if place in {0, 1, 5} else label
        worked.server.submit(worked.people["kim"], task_id, said)
    worked.settle()
    body = run(worked)
    assert body["second_looks"]["answered"] == len(audited)
    assert body["auditor_error"]["sensitivity"]["value"] == pytest.approx(2 / 3)
    assert body["auditor_error"]["specificity"]["value"] == pytest.approx(
        (len(audited) - 4) / (len(audited) - 3)
    )
    assert body["corrected_pass_rate"]["value"] == pytest.approx(1 - 3 / len(audited))
    assert set(body["failed"]) == {audited[0], audited[1], audited[5]}  # the second settles


def test_of_many_errors_the_newest_are_named(tmp_path: Path) -> None:
    worked = project(tmp_path, policy(), tasks=300)
    audited = answer(worked, wrong=10_000)
    body = run(worked)
    assert body["failed_in_all"] == len(audited) > job.MOST_FAILED
    assert body["failed"] == audited[-job.MOST_FAILED :]
