"""The evidence pack of a period: every form, every chapter, and what is not known."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import event, text

from audit_jobs.agreement import job as agreement
from audit_jobs.audits import job as audit
from audit_jobs.corrections import job as corrections
from audit_jobs.curves import job as curves
from audit_jobs.documents import pdf
from audit_jobs.documents.pack import page
from audit_jobs.evidence.chapters import pack_of
from audit_jobs.evidence.gathering import evidence
from audit_jobs.evidence.people import reviewers_of
from audit_jobs.evidence.period import between
from audit_jobs.figures import job as figures
from audit_jobs.running import run_job
from backend.store.acts import Act, record_act
from labelgate import main
from policies.loading import parse_policy
from tests.fakes.accepting_project import accepting_project, accepts, answer
from tests.fakes.worked_project import WorkedProject

HOSTILE = "<b>why</b> | `x` & =1+1"


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    made = accepting_project(tmp_path)
    answer(made, [task.id for task in made.tasks if not task.annotations][:30])
    made.settle()
    for each in (corrections, audit, agreement, figures, curves):
        each.run(made.runtime, made.project)
    return made


def run(worked: WorkedProject, monkeypatch: pytest.MonkeyPatch, *options: str) -> Result:
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(worked.runtime.settings.data_dir))
    return CliRunner().invoke(main, ["report", "--project", "worked", *options])


def body_of(worked: WorkedProject, *, named: bool = False) -> dict[str, Any]:
    reviewers = reviewers_of(worked.runtime, worked.project, named=named)
    with worked.runtime.reads() as session:
        return evidence(session, worked.project, between(None, None, worked.clock()), reviewers)


def test_it_says_what_was_promised_and_what_proved_it(worked: WorkedProject) -> None:
    body = body_of(worked)
    (policy,) = body["policies"]
    assert policy["promise"] == {
        "max_error_rate": 0.2,
        "confidence": 0.8,
        "audit_share": parse_policy(worked.project.policy_text).audit.share,
        "audit_tier": "senior",
    }
    (certificate,) = body["certificates"]
    assert "so at most 20.0% are wrong with 80.0% certainty" in certificate["in_words"]
    assert certificate["ended_at"] is None
    assert [each["version"] for each in body["models"]] == ["v1"]


def test_oversight_adds_up(worked: WorkedProject) -> None:
    found = body_of(worked)["oversight"]
    assert found["tasks"] == len(worked.tasks)
    labelled = {task.id for task in worked.tasks if any(a.user_id > 1 for a in task.annotations)}
    assert found["without_a_person"] == len(accepts(worked))
    assert sum(each["share"] for each in found["people"]) == pytest.approx(1)
    (sue,) = found["people"]
    assert (sue["user_id"], sue["tier"], sue["name"]) == (worked.people["sue"], "senior", None)
    assert sue["tasks"] == sum(each["seen"] for each in found["decisions"]) <= len(labelled)


def test_an_audit_that_nobody_has_answered_is_no_look_of_a_person(worked: WorkedProject) -> None:
    before = body_of(worked)["oversight"]["without_a_person"]
    with worked.runtime.sessions.begin() as session:
        session.execute(
            text("UPDATE decisions SET purpose = 'audit' WHERE task_id = :task"),
            {"task": min(accepts(worked))},
        )
    found = body_of(worked)["oversight"]
    waiting = [each for each in found["decisions"] if each["purpose"] == "audit"]
    assert sum(each["tasks"] - each["seen"] for each in waiting) == 1
    assert found["without_a_person"] == before


def test_people_are_named_only_where_it_is_asked_for(worked: WorkedProject) -> None:
    assert body_of(worked, named=True)["oversight"]["people"][0]["name"] == "sue@example.com"


def test_without_label_studio_numbers_must_do(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABELGATE_LABEL_STUDIO_TOKEN", raising=False)
    told = run(worked, monkeypatch, "--format", "md")
    assert told.exit_code == 0, told.stderr
    assert "Label Studio could not be asked who is in a tier" in told.stdout
    assert f"| user {worked.people['sue']} | unknown |" in told.stdout


def test_a_time_before_everything_is_empty_and_says_so(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = run(worked, monkeypatch, "--period", "2025", "--format", "md")
    assert told.exit_code == 0, told.stderr
    for says in (
        "nothing was decided in this time",
        "Nothing has been audited by then.",
        "It had not been measured by then.",
        "No task had been labelled by two people by then.",
        "There was no model by then.",
        "None was valid in this time.",
        "Nobody labelled.",
    ):
        assert says in told.stdout, says
    found = orjson.loads(run(worked, monkeypatch, "--period", "2025", "--json").stdout)
    assert found["ledger"]["last_of_period"] is None
    assert found["ledger"]["entries"] > 0


def test_a_ledger_that_was_changed_is_said_first_of_all(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    with worked.runtime.sessions.begin() as session:
        session.execute(text("UPDATE decisions SET score = 0.99 WHERE seq = 7"))
    told = run(worked, monkeypatch, "--format", "md").stdout
    assert "**Ledger**: BROKEN at entry 7" in told.split("## ")[0]


def test_acts_and_labels_are_text_in_every_form(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    act = Act(
        project_id=worked.project_id,
        who="<admin>",
        what="model.rolled_back",
        detail={"why": HOSTILE},
        at=worked.clock(),
    )
    with worked.runtime.sessions.begin() as session:
        record_act(session, act)
    html = run(worked, monkeypatch, "--format", "html").stdout
    assert "&lt;admin&gt;" in html
    assert "why: &lt;b&gt;why&lt;/b&gt; | `x` &amp; =1+1" in html
    assert "<b>" not in html
    told = run(worked, monkeypatch, "--format", "md").stdout
    assert "&lt;b>why&lt;/b> \\| \\`x\\` &amp; =1+1" in told


def test_the_page_stands_on_its_own(worked: WorkedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    html = run(worked, monkeypatch, "--format", "html").stdout
    assert html.count("<h1>") == 1
    for forbidden in ("<script", "src=", "@import", "http://", "https://", "<link", "style="):
        assert forbidden not in html
    assert html.count("url(") == html.count("url(#")  # its own patterns alone
    numbers = re.findall(r'<h2 id="chapter-(\d+)">', html)
    assert numbers == [str(number + 1) for number in range(len(numbers))]
    assert html.count('href="#chapter-') == len(numbers)
    pack = pack_of(body_of(worked), "for ever")
    assert all(each.says for each in pack.chapters)
    assert all(f"<dt>{word}</dt>" in html for word in pack.words)


CHART = re.compile(r'<figure class="chart([^"]*)" id="([^"]+)">(.*?)</figure>', re.DOTALL)


def charts(html: str) -> dict[str, str]:
    """The charts that are drawn, by name."""
    return {name: markup for kind, name, markup in CHART.findall(html) if "empty" not in kind}


def test_what_tables_say_is_drawn_beside_them(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = body_of(worked)
    html = run(worked, monkeypatch, "--format", "html").stdout
    drawn = charts(html)
    chapters = html.split('<h2 id="chapter-')[1:]
    places = {name: number for number, each in enumerate(chapters, 1) for name in charts(each)}
    assert places == {
        "risk-0": 1,
        "reliability-0": 1,
        "oversight": 2,
        "audits": 3,
        "corrections": 4,
    }
    (certificate,) = body["certificates"]
    assert f"certified: {certificate['evidence']['threshold']:.3f}" in drawn["risk-0"]
    assert "promised at most: 20 %" in drawn["risk-0"]
    assert f"{body['scores']['answers']:,} answers of the control slice" in drawn["risk-0"]
    seen = sum(each["seen"] for each in body["oversight"]["decisions"])
    assert f"at {seen} of {body['oversight']['tasks']} tasks" in drawn["oversight"]
    assert "promised at least: 80 %" in drawn["audits"]
    (week,) = body["weeks"]
    assert week in drawn["corrections"]
    for form in ("md", "json"):
        assert "<svg" not in run(worked, monkeypatch, "--format", form).stdout


def measured(tmp_path: Path, change: dict[str, Any]) -> dict[str, str]:
    """The charts of a body in which something is otherwise."""
    made = accepting_project(tmp_path)
    for each in (corrections, audit, figures, curves):
        each.run(made.runtime, made.project)
    return charts(page(pack_of(body_of(made) | change, "for ever")))


def rate(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.1, "high": value + 0.05, "n": 40}


def test_audits_are_drawn_with_every_promise_of_the_time(tmp_path: Path) -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    promises = [
        {"max_error_rate": share, "confidence": 0.9, "audit_share": 0.1, "audit_tier": "senior"}
        for share in (0.2, 0.1, 0.1, 0.05, 0.02)
    ]
    common = {"hash": "0" * 64, "text": "", "decisions": 1, "last": at, "unreadable": None}
    change = {
        "audits": {
            "as_of": at,
            "audited": 80,
            "failed_in_all": 8,
            "pass_rate": rate(0.9),
            "corrected_pass_rate": None,
            "unanswered": {},
            "by_label": {},
            "by_week": {"2026-W01": rate(0.8), "2026-W02": rate(0.9)},
        },
        "policies": [
            {**common, "promise": each, "first": at + timedelta(days=number)}
            for number, each in enumerate(promises)
        ],
    }
    drawn = measured(tmp_path, change)["audits"]
    assert "from 80 % at 2026-W01 to 90 % at 2026-W02" in drawn
    for says in (
        "promised at least, from 2026-01-06: 90 %",
        "promised at least, from 2026-01-08: 95 %",
        "promised at least, from 2026-01-09: 98 %",
    ):
        assert says in drawn
    assert "1 earlier promises are not drawn." in drawn
    assert "from 2026-01-05" not in drawn


def test_versions_are_drawn_with_the_moments_at_which_they_began_to_serve(tmp_path: Path) -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    versions = [
        {
            "version": f"v{number}",
            "trained_at": at,
            "holdout_accuracy": rate(0.7 + number / 20),
            "verdict": None,
            "examples": None,
            "sha256": "0" * 64,
            "served": [{"at": at, "on_the_word_of": "gate", "why": "better"}] * (number % 2),
        }
        for number in range(1, 4)
    ]
    drawn = measured(tmp_path, {"models": versions})["accuracy"]
    assert "3 points, from 75 % at v1 to 85 % at v3" in drawn
    assert "Marked: began to serve: v1; began to serve: v3." in drawn


def test_a_pack_draws_its_own_time_and_not_what_came_later(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    period = f"{worked.clock():%Y-%m}"
    before = charts(run(worked, monkeypatch, "--period", period, "--format", "html").stdout)
    worked.clock.forward(60 * 24 * 3600)
    worked.add(["fruit", "motor"] * 30)
    worked.settle()
    answer(worked, [task.id for task in worked.tasks if not task.annotations][:40], wrong=True)
    run_job(worked.runtime, "sync", worked.project)
    for each in (corrections, figures, curves):
        each.run(worked.runtime, worked.project)
    now = charts(run(worked, monkeypatch, "--format", "html").stdout)
    assert now["risk-0"] != before["risk-0"]
    assert now["corrections"] != before["corrections"]
    assert charts(run(worked, monkeypatch, "--period", period, "--format", "html").stdout) == {
        **before,
    }
    later = f"{worked.clock():%Y-%m}"
    alone = charts(run(worked, monkeypatch, "--period", later, "--format", "html").stdout)
    assert len(re.findall(r"2026-W\d\d", before["corrections"])) > 0
    assert not set(re.findall(r"2026-W\d\d", before["corrections"])) & set(
        re.findall(r"2026-W\d\d", alone["corrections"])
    )
    assert "the tables hold those before, too" in alone["corrections"]
    earlier = run(worked, monkeypatch, "--period", "2025", "--format", "html").stdout
    assert charts(earlier) == {}
    assert "Not measured by then" in earlier


def test_a_proof_that_had_ended_is_not_drawn(tmp_path: Path) -> None:
    made = accepting_project(tmp_path)
    curves.run(made.runtime, made.project)
    body = body_of(made)
    (certificate,) = body["certificates"]
    ended = {**certificate, "ended_at": body["scores"]["as_of"], "ended_because": "drift"}
    drawn = charts(page(pack_of(body | {"certificates": [ended]}, "for ever")))
    assert "certified" not in drawn["risk-0"]
    drawn = charts(page(pack_of(body, "for ever")))
    assert "certified" in drawn["risk-0"]


def test_a_program_that_cannot_draw_gets_a_page_without_charts(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "weasyprint"
    program.write_text("#!/bin/sh\n/bin/cp $1 $2\n", encoding="utf-8")  # what it was given
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    out = tmp_path / "pack.pdf"
    told = run(worked, monkeypatch, "--out", str(out))
    assert told.exit_code == 0, told.stderr
    given = out.read_text(encoding="utf-8")
    assert "Charts are left out" in given
    assert "<svg" not in given
    assert "Charts are left out" not in run(worked, monkeypatch, "--format", "html").stdout


def test_the_same_period_gives_the_same_hash(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = orjson.loads(run(worked, monkeypatch, "--period", "2026-03", "--json").stdout)
    worked.add(["fruit"] * 5)
    worked.clock.forward(60 * 24 * 3600)
    worked.settle()
    later = orjson.loads(run(worked, monkeypatch, "--period", "2026-03", "--json").stdout)
    assert later["ledger"]["head"] != first["ledger"]["head"]
    assert later["ledger"]["last_of_period"] == first["ledger"]["last_of_period"]
    assert later["oversight"]["decisions"] == first["oversight"]["decisions"]


def test_two_ways_to_name_a_time_are_one_too_many(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = run(worked, monkeypatch, "--period", "2026", "--since", "2026-01-01")
    assert told.exit_code == 2
    assert "say different things" in told.stderr
    told = run(worked, monkeypatch, "--period", "soon")
    assert told.exit_code == 2
    assert "names no period" in told.stderr


@pytest.mark.skipif(
    pdf.converter() is None and os.environ.get("CI", "").lower() != "true",
    reason="nothing here makes a PDF: install chromium or weasyprint",
)
def test_a_pdf_is_made_where_a_converter_is_installed(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "pack.pdf"
    told = run(worked, monkeypatch, "--out", str(out))
    assert told.exit_code == 0, told.stderr
    assert out.read_bytes().startswith(b"%PDF-")


def test_without_a_converter_there_is_a_way_out(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told = run(worked, monkeypatch, "--out", str(tmp_path / "pack.pdf"))
    assert told.exit_code == 1
    assert "install weasyprint, Chromium or LibreOffice, or write --out FILE.html" in told.stderr
    assert not (tmp_path / "pack.pdf").exists()


def test_a_converter_that_fails_is_told_with_what_it_said(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\necho no fonts here >&2\nexit 3\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    told = run(worked, monkeypatch, "--out", str(tmp_path / "pack.pdf"))
    assert told.exit_code == 1
    assert "made no PDF (no fonts here)" in told.stderr
    told = run(worked, monkeypatch, "--format", "pdf")
    assert told.exit_code == 2
    assert "a PDF needs a file" in told.stderr


def test_no_table_is_gone_through_for_each_decision(worked: WorkedProject) -> None:
    """Of a million decisions and thousands of labels that did not end in a quarter of an hour."""
    engine = worked.runtime.sessions.kw["bind"]
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    event.listen(engine, "before_cursor_execute", note)
    try:
        body_of(worked)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        plans = [
            str(row.detail)
            for statement, values in asked
            if statement.startswith("SELECT")
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    assert any("annotations" in each for each in plans)
    beside = [each for each in plans if each.endswith("LEFT-JOIN")]
    # Checking the ledger looks each entry's task up by its key: one row, not a table.
    assert [each for each in beside if "(project_id=? AND task_id=?)" not in each] == []


def test_a_policy_that_no_longer_loads_leaves_the_report(worked: WorkedProject) -> None:
    with worked.runtime.sessions.begin() as session:
        session.execute(text("UPDATE policies SET text = 'stakes: dear'"))
    body = body_of(worked)
    assert body["policies"][0]["unreadable"] is not None
    assert body["oversight"]["tiers_known"] is False
