"""The job that keeps the curves: on which answers they rest, and when they are measured anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from audit_jobs.job_names import ROUND, STOPS_NOTHING
from audit_jobs.running import run_job
from backend.store.reports import CURVES, Report, newest_report
from policies.domain import MODEL, Purpose
from policies.loading import parse_policy
from policies.sampling import SLICE, draws
from tests.fakes.accepting_project import ACCEPT, accepting_project, answer
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project


def kept(worked: WorkedProject) -> Report | None:
    with worked.runtime.reads() as session:
        return newest_report(session, worked.project_id, CURVES)


def body(worked: WorkedProject) -> dict[str, Any]:
    found = kept(worked)
    assert found is not None
    return found.body


def run(worked: WorkedProject) -> dict[str, Any]:
    return run_job(worked.runtime, "curves", worked.project)


def test_it_runs_in_the_round_after_the_audit_and_stops_nothing() -> None:
    assert ROUND.index("curves") == ROUND.index("audit") + 1
    assert "curves" in STOPS_NOTHING


def test_without_a_model_there_is_nothing_to_measure(tmp_path: Path) -> None:
    worked = worked_project(tmp_path)
    assert run(worked) == {"state": "no model yet"}
    assert kept(worked) is None


def test_the_curve_rests_on_the_control_answers(tmp_path: Path) -> None:
    worked = accepting_project(tmp_path)
    run(worked)
    found = body(worked)
    policy = parse_policy(worked.project.policy_text)
    draw = draws(policy.salt, SLICE, np.array(sorted(worked.server.tasks)))
    answered = int((draw < policy.control.share).sum())
    (group,) = found["groups"]
    (reliable,) = found["reliability"]
    assert found["answers"] == group["answers"] == reliable["n"] == answered > 0
    assert (group["predictor"], group["label"]) == (MODEL, None)
    assert group["max_error_rate"] == ACCEPT["max_error_rate"]
    assert group["points"][-1]["coverage"] == 1.0
    assert group["errors"] == 0
    assert group["cheapest"] is None  # the policy names no cost of an error
    assert reliable["predictor"] == MODEL
    assert sum(each["n"] for each in reliable["bins"]) == answered


def test_it_is_measured_anew_when_answers_came_and_not_before(tmp_path: Path) -> None:
    worked = accepting_project(tmp_path)
    run(worked)
    before = kept(worked)
    worked.clock.forward(60)
    assert run(worked)["state"] == "nothing new"
    assert kept(worked) == before
    worked.add(["fruit", "motor"] * 30)
    worked.settle()
    known = set(worked.with_purpose(Purpose.CONTROL))
    new = [each for each in known if not worked.server.tasks[each].annotations]
    assert new
    answer(worked, new, wrong=True)
    run_job(worked.runtime, "sync", worked.project)
    run(worked)
    after = body(worked)
    assert after["answers"] == (before.body["answers"] if before else 0) + len(new)
    assert after["groups"][0]["errors"] == len(new)


def test_with_a_cost_the_cheapest_threshold_is_marked(tmp_path: Path) -> None:
    worked = accepting_project(tmp_path, cost_of_error=5.0)
    run(worked)
    (group,) = body(worked)["groups"]
    assert group["cheapest"]["value"] == 0.0
    assert group["cheapest"]["threshold"] >= ACCEPT["floor"]


def test_where_nothing_is_ever_accepted_it_shows_what_could_be(tmp_path: Path) -> None:
    worked = accepting_project(tmp_path)
    worked.connect(worked_policy(auto_accept="never", control={"share": 0.3}))
    run(worked)
    (group,) = body(worked)["groups"]
    assert "max_error_rate" not in group
    assert group["points"]


def test_each_group_with_a_promise_has_its_own_curve(tmp_path: Path) -> None:
    worked = accepting_project(tmp_path, each_label=True)
    run(worked)
    groups = body(worked)["groups"]
    assert {group["label"] for group in groups} == {"A", "B"}
    assert sum(group["answers"] for group in groups) == body(worked)["answers"]


def test_a_damaged_model_is_told_and_stops_nothing(tmp_path: Path) -> None:
    worked = accepting_project(tmp_path)
    for path in worked.runtime.settings.models_dir.rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    found = run(worked)
    assert found["state"] == "failed"
    assert "model file" in found["why"]
    assert kept(worked) is None
