"""The agreement job on a worked project: slices apart, nothing read twice, alerts once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import event

from audit_jobs.agreement import job as agreement
from audit_jobs.agreement.exports import export_report
from audit_jobs.rounds import run_round
from audit_jobs.running import run_job
from audit_jobs.schedule import forget
from backend.store.alerts import open_alerts
from backend.store.reports import AGREEMENT, ALERT, reports
from backend.store.tables import GoldRow
from labelgate import main
from policies.domain import Purpose
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

OTHER = {"A": "B", "B": "A"}


def made(folder: Path, **changes: Any) -> WorkedProject:
    """A project without a model: everything outside the slices goes to the general tier."""
    wanted: dict[str, Any] = {
        "auto_accept": "never",
        "agreement": {"share": 1.0, "overlap": 2, "minimum_alpha": 0.5},
        "control": {"share": 0.2},
    }
    worked = worked_project(folder, worked_policy(**(wanted | changes)))
    worked.add(["fruit", "motor"] * 40)
    run_round(worked.runtime, worked.project)
    return worked


def truth(worked: WorkedProject, task_id: int) -> str:
    return "A" if "apples" in worked.server.tasks[task_id].data["text"] else "B"


def answer(worked: WorkedProject, task_id: int, *, differ: bool = False) -> None:
    """Ann says what is true, and so does bob, unless they are to differ."""
    label = truth(worked, task_id)
    worked.server.submit(worked.people["ann"], task_id, label)
    worked.server.submit(worked.people["bob"], task_id, OTHER[label] if differ else label)


def measured(worked: WorkedProject) -> dict[str, Any]:
    run_job(worked.runtime, "sync", worked.project)
    run_job(worked.runtime, "agreement", worked.project)
    return bodies(worked, AGREEMENT)[-1]


def bodies(worked: WorkedProject, kind: str) -> list[dict[str, Any]]:
    with worked.runtime.reads() as session:
        return [each.body for each in reports(session, worked.project_id, kind)]


@contextmanager
def statements(worked: WorkedProject) -> Iterator[list[str]]:
    """What the database is asked."""
    engine = worked.runtime.reads.kw["bind"]
    said: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        said.append(statement)

    event.listen(engine, "before_cursor_execute", listen)
    try:
        yield said
    finally:
        event.remove(engine, "before_cursor_execute", listen)


def test_the_routed_queue_and_the_random_slices_are_apart(tmp_path: Path) -> None:
    worked = made(tmp_path)
    queue = worked.with_purpose(Purpose.AGREEMENT)
    random = [*worked.with_purpose(Purpose.CONTROL), *worked.with_purpose(Purpose.HOLDOUT)]
    for task_id in random:
        answer(worked, task_id)
    for place, task_id in enumerate(queue):
        answer(worked, task_id, differ=place % 2 == 0)
    body = measured(worked)
    control = body["controls"]["label"]
    assert control["slices"]["random"]["raw_agreement"]["value"] == 1
    assert control["slices"]["random"]["raw_agreement"]["n"] == len(random)
    assert control["slices"]["routed"]["raw_agreement"]["value"] == pytest.approx(0.5, abs=0.02)
    assert control["slices"]["routed"] == control["slices"]["agreement_drawn"]
    assert control["slices"]["audit"]["krippendorff_alpha"] == {
        "value": None,
        "low": None,
        "high": None,
        "n": 0,
    }
    assert body["slices"] == {
        "routed": len(queue),
        "agreement_drawn": len(queue),
        "random": len(random),
        "audit": 0,
    }
    # Everything was read: the slices stand for their number, the queue for the rest of the tasks.
    whole = control["whole"]["measures"]["raw_agreement"]["value"]
    parts = control["slices"]
    pooled = (
        len(random) * parts["random"]["raw_agreement"]["value"]
        + len(queue) * parts["routed"]["raw_agreement"]["value"]
    ) / (len(random) + len(queue))
    assert whole == pytest.approx(pooled)
    assert control["whole"]["tasks"] == {
        "slices": len(random),
        "reviewed": len(queue),
        "accepted": 0,
    }


def test_what_was_accepted_and_read_by_nobody_is_not_estimated(tmp_path: Path) -> None:
    worked = worked_project(
        tmp_path, worked_policy(agreement={"share": 0.5}, audit={"share": 0.01})
    )
    worked.promote()
    worked.add(["fruit", "motor", "music"] * 20)
    run_round(worked.runtime, worked.project)
    for task_id in worked.with_purpose(Purpose.AGREEMENT):
        answer(worked, task_id)
    whole = measured(worked)["controls"]["label"]["whole"]
    assert whole["measures"] == {}
    assert whole["tasks"]["accepted"] > 0
    assert "accepted none was drawn at random and read by two" in whole["note"]


def test_a_third_answer_that_settles_a_quarrel_does_not_count_in_the_slices(
    tmp_path: Path,
) -> None:
    worked = made(tmp_path)
    first, second, *_ = worked.with_purpose(Purpose.AGREEMENT)
    answer(worked, first)
    answer(worked, second, differ=True)
    worked.server.submit(worked.people["sue"], second, truth(worked, second))
    control = measured(worked)["controls"]["label"]
    assert control["slices"]["routed"]["raw_agreement"]["value"] == 0.5
    assert control["measures"]["raw_agreement"]["value"] == 0.5  # 2 of 4 pairs
    assert control["tiers"]["general"]["raw_agreement"]["value"] == 0.5
    assert control["tiers"]["senior"]["raw_agreement"]["n"] == 0


def test_the_pooled_figures_are_those_of_an_export(tmp_path: Path) -> None:
    worked = made(tmp_path)
    for place, task in enumerate(worked.tasks[:30]):
        answer(worked, task.id, differ=place % 7 == 0)
        if place % 5 == 0:
            worked.server.submit(worked.people["sue"], task.id, "A")
    body = measured(worked)
    export = [
        {
            "id": task.id,
            "data": task.data,
            "annotations": [
                {"id": each.id, "completed_by": each.user_id, "result": each.result}
                for each in task.annotations
            ],
        }
        for task in worked.tasks
    ]
    file = tmp_path / "export.json"
    file.write_text(json.dumps(export), "utf-8")
    expected = export_report(file, "nominal")["controls"]["label"]
    found = body["controls"]["label"]
    for name in ("measures", "pairs", "compared_by"):
        if name == "pairs":
            assert sorted(found[name], key=str) == sorted(expected[name], key=str)
        else:
            assert found[name] == expected[name]
    assert body["krippendorff_alpha"] == expected["measures"]["krippendorff_alpha"]


def test_where_nothing_changed_nothing_is_read(tmp_path: Path) -> None:
    worked = made(tmp_path)
    for task_id in worked.with_purpose(Purpose.AGREEMENT)[:10]:
        answer(worked, task_id)
    measured(worked)
    kept = len(bodies(worked, AGREEMENT))
    worked.tool.calls.clear()
    project = worked.project
    with statements(worked) as said:
        assert agreement.run(worked.runtime, project) == {
            "state": "nothing new",
            "answers": 20,
        }
    assert worked.tool.calls == []
    assert not any("annotations.result" in statement for statement in said)
    assert len([statement for statement in said if statement.startswith("SELECT")]) == 2
    assert len(bodies(worked, AGREEMENT)) == kept

    edited = next(task for task in worked.tasks if task.annotations)
    worked.server.edit(worked.people["bob"], edited.annotations[1].id, "B")
    changed = measured(worked)
    assert len(bodies(worked, AGREEMENT)) == kept + 1
    worked.server.delete_annotation(edited.annotations[1].id)
    run_job(worked.runtime, "reconcile", worked.project)
    assert measured(worked)["tasks"] == changed["tasks"] - 1


def test_of_many_answers_a_hundredth_or_an_hour_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = made(tmp_path)
    queue = worked.with_purpose(Purpose.AGREEMENT)
    answer(worked, queue[0])
    measured(worked)
    kept = len(bodies(worked, AGREEMENT))
    monkeypatch.setattr(agreement, "AT_ONCE", 3)
    monkeypatch.setattr(agreement, "NEW_SHARE", 2.0)
    answer(worked, queue[1])
    measured(worked)
    assert len(bodies(worked, AGREEMENT)) == kept  # 2 new of 2: less than twice as many
    worked.clock.forward(3_700)
    assert measured(worked)["tasks"] == 2
    for task_id in queue[2:6]:
        answer(worked, task_id)
    assert measured(worked)["tasks"] == 6  # 8 new of 4


def test_an_alert_opens_once_and_is_over_once(tmp_path: Path) -> None:
    worked = made(tmp_path)
    queue = worked.with_purpose(Purpose.AGREEMENT)
    for task_id in queue[:12]:
        answer(worked, task_id, differ=True)
    body = measured(worked)
    (alert,) = body["alerts"]
    assert (alert["about"], alert["certainty"], alert["minimum"]) == ("label", "certain", 0.5)
    assert alert["alpha"] == body["controls"]["label"]["slices"]["routed"]["krippendorff_alpha"]
    guideline = body["controls"]["label"]["guideline"]
    assert guideline["pairs"][0]["labels"] == ["A", "B"]
    assert set(guideline["pairs"][0]["examples"]) <= set(queue[:12])
    (opened,) = bodies(worked, ALERT)
    assert (opened["alert"], opened["about"], opened["state"]) == ("agreement", "label", "opened")

    answer(worked, queue[12], differ=True)
    measured(worked)
    assert len(bodies(worked, ALERT)) == 1
    for task_id in queue[13:]:
        answer(worked, task_id)
    for task_id in queue[:13]:
        bobs = worked.server.tasks[task_id].annotations[1]
        worked.server.edit(worked.people["bob"], bobs.id, truth(worked, task_id))
    body = measured(worked)
    assert body["alerts"] == []
    assert body["controls"]["label"]["guideline"] is None
    assert [each["state"] for each in bodies(worked, ALERT)] == ["opened", "resolved"]
    assert "reaches the policy's minimum of 0.5" in bodies(worked, ALERT)[-1]["says"]
    with worked.runtime.reads() as session:
        assert open_alerts(session, worked.project_id) == {}


def test_an_alert_is_over_when_the_policy_asks_for_no_minimum_any_more(tmp_path: Path) -> None:
    worked = made(tmp_path)
    for task_id in worked.with_purpose(Purpose.AGREEMENT)[:12]:
        answer(worked, task_id, differ=True)
    measured(worked)
    worked.connect(worked_policy(auto_accept="never", agreement={"share": 1.0}))
    assert measured(worked)["alerts"] == []
    assert bodies(worked, ALERT)[-1]["says"] == "label: the policy has no minimum any more"


def test_a_few_quarrels_are_no_alert(tmp_path: Path) -> None:
    worked = made(tmp_path)
    first, second, *_ = worked.with_purpose(Purpose.AGREEMENT)
    answer(worked, first, differ=True)
    answer(worked, second)
    body = measured(worked)
    assert body["controls"]["label"]["standing"] == "unknown"
    assert bodies(worked, ALERT) == []


def test_weeks_are_those_of_the_second_answer(tmp_path: Path) -> None:
    worked = made(tmp_path)
    first, second, *_ = worked.with_purpose(Purpose.AGREEMENT)
    worked.server.submit(worked.people["ann"], first, "A")  # 1 March 2026: Sunday of week 9
    worked.clock.forward(86_400)
    worked.server.submit(worked.people["bob"], first, "A")
    worked.clock.forward(7 * 86_400)
    answer(worked, second, differ=True)
    weeks = measured(worked)["controls"]["label"]["weeks"]
    assert {week: each["raw_agreement"]["value"] for week, each in weeks.items()} == {
        "2026-W10": 1,
        "2026-W11": 0,
    }


def test_people_are_told_apart_by_their_numbers(tmp_path: Path) -> None:
    worked = made(tmp_path)
    for place, task_id in enumerate(worked.with_purpose(Purpose.AGREEMENT)):
        answer(worked, task_id)
        if place % 4 > 1:
            continue
        worked.server.submit(worked.people["sue"], task_id, OTHER[truth(worked, task_id)])
    body = measured(worked)
    people = {each["annotator"]: each for each in body["annotators"]}
    ann, bob, sue = (str(worked.people[name]) for name in ("ann", "bob", "sue"))
    assert {name: each["tier"] for name, each in people.items()} == {
        ann: "general",
        bob: "general",
        sue: "senior",
    }
    found = body["controls"]["label"]["people"]
    scores = {each["annotator"]: each["with_consensus"]["value"] for each in found["annotators"]}
    assert scores[sue] == 0
    agreeing = {
        frozenset(each["annotators"]): each["agreement"]["value"]
        for each in body["controls"]["label"]["pairs"]
    }
    assert agreeing == {
        frozenset({ann, bob}): 1,
        frozenset({ann, sue}): 0,
        frozenset({bob, sue}): 0,
    }
    assert {frozenset(each["annotators"]) for each in found["disagreeing_pairs"]} == {
        frozenset({ann, sue}),
        frozenset({bob, sue}),
    }
    assert {each["annotator"] for each in found["annotator_confusions"]} == {sue}
    assert b"@" not in orjson.dumps(body)


def test_tasks_read_twice_for_doubt_do_not_speak_for_the_queue(tmp_path: Path) -> None:
    worked = made(tmp_path, agreement={"share": 0.4, "overlap": 2, "minimum_alpha": 0.5})
    for task_id in worked.with_purpose(Purpose.AGREEMENT):
        answer(worked, task_id)
    for task_id in worked.with_purpose(Purpose.ROUTED):
        answer(worked, task_id, differ=True)
    control = measured(worked)["controls"]["label"]
    slices = control["slices"]
    assert slices["agreement_drawn"]["krippendorff_alpha"]["value"] == 1
    assert slices["routed"]["krippendorff_alpha"]["value"] < 0.5
    assert (control["standing"], control["judged_by"]) == ("fine", "agreement_drawn")
    assert control["whole"]["measures"]["krippendorff_alpha"]["value"] == 1
    assert bodies(worked, ALERT) == []


def test_gold_tasks_belong_to_no_slice(tmp_path: Path) -> None:
    worked = made(tmp_path)
    gold, other, *_ = worked.with_purpose(Purpose.AGREEMENT)
    answer(worked, gold, differ=True)
    answer(worked, other)
    now = worked.clock()
    with worked.runtime.sessions.begin() as session:
        row = GoldRow(project_id=worked.project_id, task_id=gold, label="A", authors=[], since=now)
        session.add(row)
    control = measured(worked)["controls"]["label"]
    assert control["measures"]["raw_agreement"]["value"] == 0.5
    assert control["slices"]["routed"]["raw_agreement"] == {
        **control["slices"]["routed"]["raw_agreement"],
        "value": 1,
        "n": 1,
    }


def test_of_a_day_long_gone_the_last_report_is_kept(tmp_path: Path) -> None:
    worked = made(tmp_path)
    for task_id in worked.with_purpose(Purpose.AGREEMENT)[:3]:
        answer(worked, task_id)
        measured(worked)
    worked.clock.forward(3 * 86_400)
    forget(worked.runtime)
    assert [body["tasks"] for body in bodies(worked, AGREEMENT)] == [3]


def test_a_person_who_answers_twice_is_one_person(tmp_path: Path) -> None:
    worked = made(tmp_path)
    first, second, *_ = worked.with_purpose(Purpose.AGREEMENT)
    answer(worked, first)
    for label in ("A", "B"):
        worked.server.submit(worked.people["ann"], second, label)
    body = measured(worked)
    assert (body["tasks"], body["units"]) == (1, 1)


def run_command(worked: WorkedProject, monkeypatch: pytest.MonkeyPatch, *options: str) -> Result:
    for name, value in worked.runtime.settings.process_environment().items():
        monkeypatch.setenv(name, value)
    return CliRunner().invoke(main, ["agreement", *options])


def test_the_command_shows_the_last_report_of_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = made(tmp_path)
    name = str(worked.project_id)
    queue = worked.with_purpose(Purpose.AGREEMENT)
    for task_id in queue[:12]:
        answer(worked, task_id, differ=True)
    body = measured(worked)
    printed = run_command(worked, monkeypatch, "--project", name, "--json")
    assert printed.exit_code == 0, printed.output
    assert json.loads(printed.stdout) == body

    page = tmp_path / "page.html"
    shown = run_command(worked, monkeypatch, "--project", "worked", "--html", str(page))
    assert shown.exit_code == 0, shown.output
    said = " ".join(shown.stdout.split())
    assert "12 tasks read by two people or more, 24 answers, 2 annotators" in said
    assert "is certain to be under the policy's minimum of 0.5" in said
    assert f"such as {', '.join(map(str, queue[:5]))}" in said
    html = page.read_text("utf-8")
    for part in ("routed queue", "whole, estimated", "2026-W", "two by two", "are mixed up on 12"):
        assert part in html
    for foreign in ("<script", "src=", "http", "@import"):
        assert foreign not in html


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--project", "nothing"), "no project 'nothing' is connected"),
        ((), "give a FILE, or --project with a connected project"),
        (("votes.csv", "--project", "worked"), "give a FILE, or --project"),
        (("--project", "worked", "--level", "ordinal"), "are about a FILE, not about --project"),
        (("--project", "worked"), "has no agreement report yet"),
    ],
)
def test_what_cannot_be_shown_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], said: str
) -> None:
    worked = worked_project(tmp_path)
    result = run_command(worked, monkeypatch, *options)
    assert result.exit_code != 0
    assert said in " ".join(result.output.split())


def test_the_predicted_control_is_found_where_another_type_shares_its_name(
    tmp_path: Path,
) -> None:
    worked = made(tmp_path)
    first, second, *_ = worked.with_purpose(Purpose.AGREEMENT)
    answer(worked, first)
    task = worked.server.tasks[second]
    rating = {"from_name": "label", "to_name": "text", "type": "rating", "value": {"rating": 3}}
    for name in ("ann", "bob"):
        worked.server.annotate(worked.people[name], task, [rating])
    body = measured(worked)
    assert set(body["controls"]) == {"label (choices)", "label (rating)"}
    assert (body["units"], body["raw_agreement"]["value"]) == (1, 1)
