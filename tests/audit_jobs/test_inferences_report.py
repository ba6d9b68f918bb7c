"""``labelgate inferences report``, and what ``labelgate report`` says of deployed models."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from audit_jobs.documents.tables import markdown
from audit_jobs.figures import job as figures
from audit_jobs.monitoring import job
from audit_jobs.monitoring.tables import in_short, monitoring_tables
from backend.store.reports import MONITORING, newest_report
from labelgate import main
from tests.fakes.production import Answer, add_answers
from tests.fakes.worked_project import WorkedProject, text_of, worked_policy, worked_project

FIRST_DAY = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Forty answers of a deployed model in as many days; the last ten are wrong."""
    rules = worked_policy(
        auto_accept="never",
        monitoring={"share": 0.1, "slices": ["site"], "baseline": 0.95},
    )
    made = worked_project(tmp_path, rules)
    ids = made.server.add_tasks(
        made.project_id, [{"text": text_of("fruit", number)} for number in range(40)]
    )
    with made.runtime.sessions.begin() as session:
        answers = [
            Answer(
                at=FIRST_DAY + timedelta(days=day),
                predicted="A",
                model_version="[red]v1",
                task_id=task_id,
                slices={"site": day % 2},
            )
            for day, task_id in enumerate(ids)
        ]
        add_answers(session, made.project_id, answers)
    for place, task_id in enumerate(ids):
        made.server.submit(made.people["sue"], task_id, "A" if place < 30 else "B")
    made.settle()
    return made


def run(worked: WorkedProject, monkeypatch: pytest.MonkeyPatch, *options: str) -> Result:
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(worked.runtime.settings.data_dir))
    return CliRunner().invoke(main, list(options))


def test_without_a_report_it_says_what_to_do(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = run(worked, monkeypatch, "inferences", "report", "--project", "worked")
    assert told.exit_code == 1
    assert "labelgate jobs run monitoring --project 1" in " ".join(told.output.split())
    both = ("inferences", "report", "--project", "worked", "--json", "--format", "md")
    assert run(worked, monkeypatch, *both).exit_code == 2


def test_the_report_in_every_form(worked: WorkedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    job.run(worked.runtime, worked.project)
    asked = ("inferences", "report", "--project", "worked")
    found = orjson.loads(run(worked, monkeypatch, *asked, "--json").stdout)
    assert found["project"]["title"] == "worked"
    assert "made_of" not in found
    assert found["accuracy"]["value"] == 0.75
    assert [(each["period"], each["model_version"]) for each in found["curve"]] == [
        ("2026-02", None),
        ("2026-02", "[red]v1"),
        ("2026-03", None),
        ("2026-03", "[red]v1"),
    ]
    assert found["decay"]["[red]v1"]["alarm"] is True
    assert found["drift"] is None
    text = run(worked, monkeypatch, *asked, "--format", "md").stdout
    for heading in ("Accuracy in production", "Decay", "By predicted label", "By site"):
        assert f"## {heading}" in text
    assert "40 placed" in text
    told = run(worked, monkeypatch, *asked)
    assert told.exit_code == 0
    assert "[red]v1" in told.stdout


def test_the_loops_report_has_a_short_section(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures.run(worked.runtime, worked.project)
    asked = ("report", "--project", "worked", "--format", "md")
    assert "The deployed model" not in run(worked, monkeypatch, *asked).stdout
    job.run(worked.runtime, worked.project)
    text = run(worked, monkeypatch, *asked).stdout
    assert "## The deployed model" in text
    assert "decayed, most likely since 2026-03-03" in text
    found = orjson.loads(run(worked, monkeypatch, "report", "--project", "worked", "--json").stdout)
    assert found["monitoring"]["verified"] == 40
    assert [each["alert"] for each in found["incidents"]["alerts"]] == ["production_decay"]


def test_drift_is_a_table_too(worked: WorkedProject) -> None:
    job.run(worked.runtime, worked.project)
    with worked.runtime.reads() as session:
        kept = newest_report(session, worked.project_id, MONITORING)
    assert kept is not None
    feature = {
        "name": "site",
        "test": "chi-square",
        "p_adjusted": 1e-9,
        "psi": 0.3,
        "psi_expected": 0.01,
    }
    drift = {"says": "site changed: v1", "features": [feature], "drifted": True}
    text = markdown(monitoring_tables({**kept.body, "drift": drift}), "t")
    assert "| site | chi-square | 1e-09 | 0.300 | 0.010 |" in text
    (short,) = in_short({**kept.body, "drift": drift})
    assert "Drift: site changed: v1." in short.says
    assert list(in_short(None)) == []
