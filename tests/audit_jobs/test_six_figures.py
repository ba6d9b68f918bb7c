"""The six figures: assembled from what jobs measured, and reported in every form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from audit_jobs import cycle
from audit_jobs.agreement import job as agreement
from audit_jobs.audits import job as audit
from audit_jobs.corrections import job as corrections
from audit_jobs.figures import job
from audit_jobs.figures.assembly import SIX, Measured, six_figures
from audit_jobs.figures.report import tables
from backend.store.reports import CYCLE, FIGURES, Report, reports
from backend.store.suspensions import store_suspension
from labelgate import main
from policies.breaker import Suspension
from policies.domain import MODEL
from policies.loops import ClosedLoop
from tests.fakes.accepting_project import accepting_project, answer
from tests.fakes.worked_project import WorkedProject

MONDAY = datetime(2026, 11, 16, 9, tzinfo=UTC)
RATE = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 50}


def report(kind: str, body: dict[str, Any], version: str = "v1", days: int = 0) -> Report:
    made_at = MONDAY + timedelta(days=days)
    return Report(kind=kind, model_version=version, made_at=made_at, body=body)


def measured(**known: Any) -> Measured:
    nothing: dict[str, Any] = {
        "strategies": None,
        "corrections": None,
        "audit": None,
        "agreement": None,
        "agreement_by_version": {},
        "drifts": [],
        "loops": [],
        "trained": {},
        "control": "label",
    }
    return Measured(**(nothing | known))


def test_without_any_measurement_every_figure_is_null() -> None:
    found = six_figures(measured())
    assert all(found["now"][figure] is None for figure in SIX)
    assert (found["weeks"], found["versions"]) == ({}, {})


def test_each_figure_goes_to_its_weeks_and_versions() -> None:
    cycle = {
        "version": "v2",
        "seeds": 1,
        "tests": list(range(40)),
        "accuracy": 0.9,
        "left_out": [
            {"strategy": "random", "labels": 10, "lost": {str(t): [1.0] for t in range(20)}}
        ],
    }
    control = {
        "slices": {"routed": {"krippendorff_alpha": RATE}},
        "weeks": {"2026-W46": {"krippendorff_alpha": RATE}},
    }
    features = [{"name": "words", "p_adjusted": 0.3}, {"name": "length", "p_adjusted": 0.001}]
    features.append({"name": "age", "p_adjusted": None})
    drift = {"drifted": True, "features": features, "false_alarm": {"this_look": 0.005}}
    loop = ClosedLoop(
        version="v1",
        closed_by="v2",
        first_prediction=MONDAY,
        last_label=None,
        started=MONDAY + timedelta(hours=1),
        trained=MONDAY + timedelta(hours=2),
        promoted=MONDAY + timedelta(hours=3),
    )
    found = six_figures(
        measured(
            strategies=report("strategies", {"cycles": [cycle]}),
            corrections=report(
                "corrections",
                {
                    "rate": RATE,
                    "band": "within",
                    "blind_error": None,
                    "weeks": {"2026-W45": {"rate": RATE, "blind_error": None}},
                    "versions": {"v1": {"rate": RATE, "blind_error": RATE}},
                },
            ),
            audit=report(
                "audit",
                {
                    "pass_rate": RATE,
                    "corrected_pass_rate": RATE,
                    "by_version": {"v1": RATE},
                    "by_week": {"2026-W44": RATE},
                },
            ),
            agreement=report("agreement", {"controls": {"label": control}}),
            agreement_by_version={"v2": report("agreement", {"controls": {"label": control}})},
            drifts=[report("drift", drift | {"drifted": False}), report("drift", drift, days=1)],
            loops=[loop],
            trained={"v1": MONDAY - timedelta(days=21), "v2": MONDAY + timedelta(days=7)},
        )
    )
    assert list(found["weeks"]) == ["2026-W44", "2026-W45", "2026-W46", "2026-W47", "2026-W48"]
    assert found["weeks"]["2026-W44"]["audit_pass_rate"] == RATE
    assert found["weeks"]["2026-W45"]["correction_rate"] == RATE
    assert found["weeks"]["2026-W46"]["agreement"] == RATE
    week = found["weeks"]["2026-W47"]
    assert week["loop_seconds"]["total"]["value"] == 3 * 3600
    assert (week["drift"]["looks"], week["drift"]["found"]) == (2, 1)
    assert week["drift"]["features"] == ["length"]
    gain = found["weeks"]["2026-W48"]["gain_per_label"]["strategies"]["random"]
    assert gain["per_label"]["value"] == pytest.approx(0.5 / 10)
    assert gain["verdict"] == "helps"
    first, second = found["versions"]["v1"], found["versions"]["v2"]
    assert (first["audit_pass_rate"], first["blind_error"]) == (RATE, RATE)
    assert first["gain_per_label"] is None
    assert second["agreement"] == RATE
    assert second["gain_per_label"] == found["now"]["gain_per_label"]


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """A project that accepts, and whose people have answered what they were shown."""
    made = accepting_project(tmp_path)
    made.add(["music"] * 20)
    made.settle()
    answer(made, [task.id for task in made.tasks if not task.annotations][:60])
    made.settle()
    return made


def measure(worked: WorkedProject) -> dict[str, Any]:
    for each in (corrections, audit, agreement):
        each.run(worked.runtime, worked.project)
    return job.run(worked.runtime, worked.project)


def run(worked: WorkedProject, monkeypatch: pytest.MonkeyPatch, *options: str) -> Result:
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(worked.runtime.settings.data_dir))
    return CliRunner().invoke(main, ["report", *options])


def test_they_are_kept_once_for_what_was_measured(worked: WorkedProject) -> None:
    assert measure(worked)["state"] == "assembled"
    assert job.run(worked.runtime, worked.project) == {"state": "nothing new"}
    with worked.runtime.reads() as session:
        [stored] = reports(session, worked.project_id, FIGURES)
    assert stored.body["cost"]["cost"] > 0
    assert stored.body["now"]["audit_pass_rate"]["n"] > 0
    [week] = stored.body["weeks"].values()
    assert week["audit_pass_rate"] == stored.body["versions"]["v1"]["audit_pass_rate"]
    assert stored.body["cost"]["labelled"] > 0


def test_the_report_in_every_form(worked: WorkedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    measure(worked)
    trip = Suspension(
        id=0,
        model_version="v1",
        group=(MODEL, None),
        since=MONDAY,
        statistic=2_431.0,
        audits=131,
        errors=6,
        good_until=None,
        why="6 of 131 audits <wrong>",
    )
    with worked.runtime.sessions.begin() as session:
        store_suspension(session, worked.project_id, trip)
    found = orjson.loads(run(worked, monkeypatch, "--project", "worked", "--json").stdout)
    assert set(SIX) <= set(found["now"])
    assert found["incidents"]["suspensions"][0]["why"] == "6 of 131 audits <wrong>"
    assert found["cost"]["labour_by_tier"]
    text = run(worked, monkeypatch, "--project", "worked", "--format", "md").stdout
    assert "## Cost" in text
    assert "rests on. Corrections: the interval reaches across a bound" in text
    assert "6 of 131 audits &lt;wrong>" in text
    assert "## Accuracy over versions" in text
    html = run(worked, monkeypatch, "--project", "worked", "--format", "html").stdout
    assert "6 of 131 audits &lt;wrong&gt;" in html
    assert "<script" not in html
    assert "Incidents" in run(worked, monkeypatch, "--project", "worked").stdout


def test_the_report_says_whether_versions_get_better(worked: WorkedProject) -> None:
    cycle.run(worked.runtime, worked.project)
    with worked.runtime.reads() as session:
        (kept,) = reports(session, worked.project_id, CYCLE)
    assert kept.body["accuracy_trend"]["standing"] == "cannot be said yet"
    happened: dict[str, list[Any]] = {
        "suspensions": [],
        "recalls": [],
        "thresholds": [],
        "alerts": [],
    }
    body = {**job.figures(worked.runtime, worked.project), "incidents": happened}
    assert body["accuracy"]["trend"] == kept.body["accuracy_trend"]
    body["accuracy"]["versions"] = {"v1": RATE}
    (table,) = (each for each in tables(body) if each.heading == "Accuracy over versions")
    assert "cannot be said yet: it takes three versions" in table.says
    assert table.rows[0][0] == "v1"
    older = {name: value for name, value in body.items() if name != "accuracy"}
    assert "Accuracy over versions" not in [each.heading for each in tables(older)]


def test_without_figures_the_report_says_that_nothing_was_measured(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = run(worked, monkeypatch, "--project", "worked", "--format", "md")
    assert "It had not been measured by then." in ended.stdout
    ended = run(worked, monkeypatch, "--project", "worked", "--json", "--format", "md")
    assert "say different things" in ended.stderr
