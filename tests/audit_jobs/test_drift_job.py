"""The drift job on a project that is worked by the real use cases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit_jobs.drift import job as drift
from audit_jobs.drift.reference import LOOKS
from backend.store.alerts import newest_alerts
from backend.store.certificates import valid_certification
from backend.store.drift import drifted_at, raised_slices
from backend.store.reports import DRIFT, newest_report, reports
from backend.store.training import open_requests
from connectors.annotation_tool import AnnotationToolUnavailableError
from policies.domain import Outcome, Purpose
from tests.fakes.worked_project import (
    WORDS,
    WorkedProject,
    worked_policy,
    worked_project,
)

WINDOW = 100


def policy(**changes: Any) -> Any:
    sections: dict[str, Any] = {
        "drift": {"window": WINDOW, "fields": ["source"], "factor": 3.0, "most": 0.5},
        "control": {"share": 0.25, "tier": "senior"},
        "holdout": {"share": 0.25, "tier": "senior"},
        "retrain": {"minimum_labels": 4, "after_annotations": 500},
    }
    return worked_policy(**(sections | changes))


def arrive(
    worked: WorkedProject, kinds: Sequence[str], source: str = "mail", seed: int = 0
) -> list[int]:
    """Tasks of these kinds come in and are synchronised."""
    rng = np.random.default_rng([seed, len(worked.tasks)])
    data = [
        {
            "text": f"{' '.join(rng.permutation(WORDS[kind].split()))} {rng.integers(50)}",
            "source": str(rng.choice([source, "chat"])),
        }
        for kind in kinds
    ]
    ids = worked.server.add_tasks(worked.project_id, data)
    worked.settle()
    return ids


def mixed(count: int, seed: int = 0) -> list[str]:
    drawn = np.random.default_rng(seed).choice(["fruit", "motor"], count)
    return [str(kind) for kind in drawn]


def serving(folder: Path, **changes: Any) -> WorkedProject:
    """400 tasks are known when the model is trained that serves."""
    worked = worked_project(folder, policy(**changes))
    arrive(worked, mixed(400))
    worked.promote()
    worked.settle()
    return worked


def run(worked: WorkedProject) -> dict[str, Any]:
    return drift.run(worked.runtime, worked.project)


def body(worked: WorkedProject) -> dict[str, Any]:
    with worked.runtime.reads() as session:
        report = newest_report(session, worked.project_id, DRIFT)
    assert report is not None
    return report.body


def count_reports(worked: WorkedProject) -> int:
    with worked.runtime.reads() as session:
        return len(reports(session, worked.project_id, DRIFT))


def accepts(worked: WorkedProject) -> int:
    return sum(each.outcome is Outcome.ACCEPT for each in worked.decisions().values())


def answer(worked: WorkedProject, ids: Sequence[int], label: str) -> None:
    for task_id in ids:
        worked.server.submit(worked.people["sue"], task_id, label)
    worked.settle()


def test_without_a_model_there_is_nothing_to_compare(tmp_path: Path) -> None:
    worked = worked_project(tmp_path, policy())
    assert run(worked) == {"state": "no model yet"}


def test_few_new_tasks_are_not_looked_at(tmp_path: Path) -> None:
    worked = serving(tmp_path)
    arrive(worked, mixed(40, 1))
    assert run(worked) == {"state": "nothing new", "new": 40}
    assert count_reports(worked) == 0


def test_the_same_traffic_is_no_drift_and_is_not_looked_at_twice(tmp_path: Path) -> None:
    worked = serving(tmp_path)
    arrive(worked, mixed(WINDOW, 1))
    found = run(worked)
    assert found["drifted"] is False
    assert found["opened"] == []
    report = body(worked)
    assert report["raised"] == []
    assert report["event"] is None
    assert report["reference"]["tasks"] == 400
    assert 150 < report["reference"]["random_part"] < 250
    assert report["window"]["tasks"] == WINDOW
    assert report["false_alarm"]["this_look"] == pytest.approx(0.05 / LOOKS)
    named = {each["name"] for each in report["features"]}
    assert {"predicted label", "confidence", "text: topics", "field source"} <= named
    assert run(worked)["state"] == "nothing new"
    arrive(worked, mixed(WINDOW // LOOKS - 1, 2))
    assert run(worked)["state"] == "nothing new"
    arrive(worked, mixed(1, 3))
    assert run(worked)["drifted"] is False
    assert count_reports(worked) == 2


def test_drift_stops_accepts_raises_a_slice_and_tells_once(tmp_path: Path) -> None:
    worked = serving(tmp_path)
    assert accepts(worked) > 100
    arrive(worked, ["fruit"] * WINDOW)
    found = run(worked)
    assert found["drifted"] is True
    assert len(found["opened"]) == 1
    assert "predicted 'A'" in found["opened"][0]
    raised = body(worked)["raised"]
    assert [(each["label"], each["field"], each["factor"]) for each in raised] == [("A", None, 3.0)]
    worked.settle()
    assert accepts(worked) == 0
    with worked.runtime.reads() as session:
        assert (
            valid_certification(session, worked.project_id, "v1", worked.project.policy_hash)
            is None
        )
        assert drifted_at(session, worked.project_id) is not None
    shift = body(worked)["label_shift"]
    assert shift["A"]["current"] > 0.95
    assert shift["A"]["reference"] < 0.65

    arrive(worked, ["fruit"] * WINDOW)  # it goes on: the alert stands
    again = run(worked)
    assert again["drifted"] is True
    assert again["opened"] == []
    with worked.runtime.reads() as session:
        alerts = newest_alerts(session, worked.project_id)
    assert alerts["drift", "traffic"].opened


def test_a_rise_fades_and_is_gone(tmp_path: Path) -> None:
    worked = serving(tmp_path)
    arrive(worked, ["fruit"] * WINDOW)
    run(worked)
    now = worked.clock()
    with worked.runtime.reads() as session:
        factors = [
            [part.factor for part in raised_slices(session, worked.project_id, time, 14)]
            for time in (now, now + timedelta(days=14), now + timedelta(days=140))
        ]
    assert factors[0] == [pytest.approx(3.0)]
    assert factors[1] == [pytest.approx(2.0)]
    assert factors[2] == []


def test_a_field_that_came_up_is_raised(tmp_path: Path) -> None:
    worked = serving(tmp_path)
    arrive(worked, mixed(WINDOW, 5), source="phone")
    assert run(worked)["drifted"] is True
    raised = body(worked)["raised"]
    assert [(each["field"], each["value"]) for each in raised] == [("source", "phone")]


def test_texts_of_a_kind_never_seen_raise_all_traffic_or_a_label(tmp_path: Path) -> None:
    worked = serving(tmp_path)
    arrive(worked, ["music"] * WINDOW)
    assert run(worked)["drifted"] is True
    assert body(worked)["raised"]
    topics = next(each for each in body(worked)["features"] if each["name"] == "text: topics")
    assert topics["p_adjusted"] < 0.005


def test_a_new_version_has_a_reference_of_its_own(tmp_path: Path) -> None:
    worked = serving(tmp_path)
    arrive(worked, ["fruit"] * WINDOW)
    run(worked)
    worked.promote()
    found = run(worked)
    assert found["opened"] == []
    assert ["v2 serves" in says for says in found["resolved"]] == [True]
    assert run(worked)["state"] == "nothing new"
    arrive(worked, ["fruit"] * WINDOW)  # what v2 was made for
    after = run(worked)
    assert after["drifted"] is False
    assert "since the last drift" in body(worked)["reference"]["what"]
    arrive(worked, ["motor"] * WINDOW)  # what came before is drift to it
    assert len(run(worked)["opened"]) == 1


def test_only_newer_control_answers_certify_after_drift(tmp_path: Path) -> None:
    worked = serving(tmp_path)
    arrive(worked, ["fruit"] * WINDOW)
    run(worked)
    worked.certify("v1")
    found = run(worked)
    assert ["certified anew" in says for says in found["resolved"]] == [True]
    arrive(worked, ["fruit"] * WINDOW)
    assert run(worked)["drifted"] is False  # the reference is the traffic since the drift


def test_traffic_that_comes_back_ends_the_alert(tmp_path: Path) -> None:
    worked = serving(tmp_path)
    arrive(worked, ["fruit"] * WINDOW)
    run(worked)
    arrive(worked, mixed(WINDOW // 2, 7))
    assert run(worked)["resolved"] == []  # the window still holds the tasks that drifted
    arrive(worked, mixed(WINDOW, 8))
    found = run(worked)
    assert len(found["resolved"]) == 1
    with worked.runtime.reads() as session:
        assert drifted_at(session, worked.project_id) is None


def test_a_training_is_asked_for_once_there_are_new_labels(tmp_path: Path) -> None:
    worked = serving(tmp_path)
    ids = arrive(worked, ["fruit"] * WINDOW)
    run(worked)
    assert body(worked)["retrain"]["waits"] is True
    assert run(worked)["state"] == "nothing new"
    answer(worked, ids[:40], "A")
    run(worked)
    assert body(worked)["retrain"]["waits"] is False
    with worked.runtime.reads() as session:
        assert len(open_requests(session, worked.project_id)) == 1
    assert run(worked)["state"] == "nothing new"


def test_accuracy_is_estimated_and_measured(tmp_path: Path) -> None:
    worked = serving(tmp_path)
    ids = arrive(worked, mixed(WINDOW, 1))
    control = [task_id for task_id in ids if task_id in worked.with_purpose(Purpose.CONTROL)]
    answer(worked, control, "A")
    run(worked)
    report = body(worked)
    measured, estimated = report["measured_accuracy"], report["estimated_accuracy"]
    assert measured["n"] == len(control)
    assert measured["value"] < 0.8  # about half of them are B
    assert estimated["n"] == WINDOW
    assert estimated["low"] < estimated["value"] < estimated["high"]


def test_label_studio_that_is_down_breaks_no_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = serving(tmp_path)
    arrive(worked, mixed(WINDOW, 1))

    def down(*_: object) -> None:
        raise AnnotationToolUnavailableError("Label Studio is down")

    monkeypatch.setattr(drift, "look", down)
    assert run(worked) == {"state": "failed", "why": "Label Studio is down"}


def test_tasks_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    worked = serving(tmp_path)
    worked.server.add_tasks(worked.project_id, [{"other": 1}] * 5)
    arrive(worked, mixed(WINDOW - 5, 1))
    run(worked)
    assert body(worked)["unreadable"] == {"reference": 0, "current": 5}
