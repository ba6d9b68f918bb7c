"""The evidence pack of a period: every form, every chapter, and what is not known."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from audit_jobs.agreement import job as agreement
from audit_jobs.audits import job as audit
from audit_jobs.corrections import job as corrections
from audit_jobs.documents import pdf
from audit_jobs.evidence.chapters import pack_of
from audit_jobs.evidence.gathering import evidence
from audit_jobs.evidence.people import reviewers_of
from audit_jobs.evidence.period import between
from audit_jobs.figures import job as figures
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
    for each in (corrections, audit, agreement, figures):
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
    for forbidden in ("<script", "src=", "@import", "url(", "http://", "https://", "<link"):
        assert forbidden not in html
    numbers = re.findall(r'<h2 id="chapter-(\d+)">', html)
    assert numbers == [str(number + 1) for number in range(len(numbers))]
    assert html.count('href="#chapter-') == len(numbers)
    pack = pack_of(body_of(worked), "for ever")
    assert all(each.says for each in pack.chapters)
    assert all(f"<dt>{word}</dt>" in html for word in pack.words)


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
    pdf.converter() is None, reason="nothing here makes a PDF: install chromium or weasyprint"
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
