"""From what a deployed model hands in to its curve: intake, draw, tasks, people, the job."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from audit_jobs.jobs import JOBS
from backend.store.inference_tasks import INFERENCE_KEY
from backend.store.reports import MONITORING, newest_report
from tests.fakes.deployed_model import VERSION, data_of, hand_in, noted, states
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

OTHER = {"A": "B", "B": "A"}


def report_of(worked: WorkedProject) -> dict[str, object]:
    with worked.runtime.reads() as session:
        found = newest_report(session, worked.project_id, MONITORING)
    assert found is not None
    return found.body


def test_the_curve_of_two_months_is_what_people_found(tmp_path: Path) -> None:
    rules = worked_policy(
        auto_accept="never",
        monitoring={"share": 0.2, "each_class": 30, "slices": ["site"], "baseline": 0.9},
    )
    worked = worked_project(tmp_path, rules)
    source, right = np.random.default_rng(7), {}
    for month, accuracy in ((1, 0.95), (2, 0.8)):
        labels = np.where(source.random(300) < 0.1, "B", "A").tolist()
        ids = hand_in(
            worked,
            labels,
            first=1_000 * month,
            data=[data_of(place, site="xy"[place % 2]) for place in range(300)],
            at=datetime(2026, month, 20, tzinfo=UTC),
        )
        right |= dict(zip(ids, (source.random(300) < accuracy).tolist(), strict=True))
    assert JOBS["inferences"](worked.runtime, worked.project)["placed"] > 100
    worked.settle()
    rows = noted(worked)
    asked = [task for task in worked.tasks if INFERENCE_KEY in task.data]
    unanswered = asked[::10]
    for task in asked:
        name = task.data[INFERENCE_KEY]["id"]
        said = rows[name].predicted
        if task not in unanswered:
            worked.server.submit(
                worked.people["sue"], task.id, said if right[name] else OTHER[said]
            )
    worked.settle()
    told = JOBS["monitoring"](worked.runtime, worked.project)

    body = report_of(worked)
    verified = len(asked) - len(unanswered)
    assert told["verified"] == body["verified"] == verified
    assert (body["drawn"], body["unanswered"], body["answers"]) == (
        len(asked),
        len(unanswered),
        600,
    )
    assert states(worked) == {"passed": 600 - len(asked), "placed": len(asked)}
    assert body["states"] == states(worked) | {"waiting": 0, "drawn": 0, "lost": 0}
    points = [each for each in body["curve"] if each["model_version"] == VERSION]
    assert [(each["period"], each["answers"]) for each in points] == [
        ("2026-01", 300),
        ("2026-02", 300),
    ]
    for month, point in zip((1, 2), points, strict=True):
        answered = [
            row
            for task in asked
            if task not in unanswered
            and (row := rows[task.data[INFERENCE_KEY]["id"]]).at.month == month
        ]
        weights = np.array([1 / row.share for row in answered])
        good = np.array([right[row.inference_id] for row in answered])
        assert point["accuracy"]["value"] == pytest.approx(weights @ good / weights.sum())
        true = np.mean([right[name] for name in rows if rows[name].at.month == month])
        assert point["accuracy"]["value"] == pytest.approx(true, abs=0.08)
    assert len({row.share for row in rows.values()}) > 1  # the rare class is drawn more often
    assert set(body["by_slice"]["site"]) == {"x", "y"}
    assert body["by_class"]["B"]["answers"] == sum(row.predicted == "B" for row in rows.values())


def test_what_drifted_is_drawn_more_often(tmp_path: Path) -> None:
    rules = worked_policy(auto_accept="never", monitoring={"share": 0.1, "each_class": 0})
    worked = worked_project(tmp_path, rules)
    source = np.random.default_rng(8)

    def day(number: int, share_b: float) -> list[str]:
        labels = np.where(source.random(60) < share_b, "B", "A").tolist()
        at = datetime(2026, 1, number, tzinfo=UTC)
        found = hand_in(worked, labels, first=1_000 * number, at=at)
        JOBS["inferences"](worked.runtime, worked.project)
        return found

    for number in range(1, 15):
        day(number, 0.1 if number < 8 else 0.6)
    JOBS["monitoring"](worked.runtime, worked.project)
    assert [each["label"] for each in report_of(worked)["raised"]] == ["B"]
    rows, names = noted(worked), day(15, 0.5)
    rows = noted(worked)
    shares = {rows[name].predicted: rows[name].share for name in names}
    assert shares["A"] == pytest.approx(0.1)
    assert shares["B"] == pytest.approx(0.3, abs=0.01)
