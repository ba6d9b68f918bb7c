"""From prompts with several answers to a data set: paired, judged in a project, exported."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from audit_jobs.agreement.job import run as measure_agreement
from audit_jobs.preferences.export import Wish, preference_export
from audit_jobs.preferences.export_command import of_project
from audit_jobs.preferences.importing import import_missing
from audit_jobs.preferences.pairing import Plan, make_tasks
from backend.preference_records import project_pairs
from backend.store.reports import AGREEMENT, newest_report
from backend.synchronisation import synchronise
from connectors.label_studio.preference_configs import pairwise_config, ranking_config
from connectors.response_files import Responses
from connectors.trl import Format
from labelgate import main
from policies.judgments import Choice, Order
from tests.fakes.label_studio_server import ROBOT_ID
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

LETTERS = "abcd"  # the earlier, the better


def prompts(count: int) -> list[Responses]:
    return [
        Responses(
            id=f"p{number}",
            prompt=f"prompt {number}",
            texts=tuple(f"{letter} to {number}" for letter in LETTERS),
            same=0,
            more={},
        )
        for number in range(count)
    ]


def project_of(folder: Path, config: str, plan: Plan) -> WorkedProject:
    worked = worked_project(folder)
    seen = worked.server.projects[worked.project_id]
    worked.server.projects[worked.project_id] = replace(seen, label_config=config)
    worked.connect(worked_policy(routes=[], auto_accept="never"))
    worked.server.add_tasks(worked.project_id, make_tasks(prompts(12), plan).tasks)
    return worked


def judge_all(worked: WorkedProject) -> None:
    """Everybody prefers the earlier letter; bob always picks the left."""
    for task in worked.tasks:
        left, right = task.data["left"], task.data["right"]
        better = "left" if left < right else "right"
        said = {"ann": better, "sue": better, "bob": "left"}
        for name, side in said.items():
            answer = json.dumps({"better": side, "even": None}, separators=(",", ":"))
            worked.server.submit(worked.people[name], task.id, answer)
        worked.server.submit(ROBOT_ID, task.id, '{"better":"left","even":null}')


def test_what_was_paired_is_judged_measured_and_exported(tmp_path: Path) -> None:
    worked = project_of(tmp_path, pairwise_config(ties=True), Plan(repeats=0.25))
    judge_all(worked)
    synchronise(worked.runtime, worked.project)
    pairs, source = of_project(worked.runtime, worked.project)
    assert len(pairs) == len(worked.tasks) == 60
    assert {each.order for pair in pairs for each in pair.judgments} == set(Order)
    # Two of three belong to a tier of their own; nobody is named, and the robot is nobody.
    assert source.tiers == (("general", 2), ("senior", 1))
    made = preference_export(pairs, Wish(form=Format.PREFERENCE, holdout=0.25), source)
    rows = [
        json.loads(line)
        for name in ("train.jsonl", "test.jsonl")
        for line in made.contents[name].splitlines()
    ]
    assert len(rows) == 48  # the repeats are the same pairs
    assert all(row["chosen"] < row["rejected"] for row in rows)
    assert {row["judges"] for row in rows} == {3}
    card = made.contents["README.md"].decode()
    assert "By their tier of reviewers: 2 general, 1 senior." in card
    assert "only people's answers were counted" in card
    assert "judges keep the place, not the answer: 0.333" in card
    assert not re.search(r"@|ann|bob|sue\b", card)


def test_a_ranking_of_all_answers_gives_every_pair(tmp_path: Path) -> None:
    worked = project_of(tmp_path, ranking_config(), Plan(ranking=True, repeats=0))
    for task in worked.tasks:
        items = sorted(task.data["answers"], key=lambda item: str(item["body"]))
        answer = json.dumps({"rank": [item["id"] for item in items]}, separators=(",", ":"))
        worked.server.submit(worked.people["ann"], task.id, answer)
    synchronise(worked.runtime, worked.project)
    pairs = project_pairs(worked.runtime, worked.project)
    assert len(pairs) == 12 * 6
    for pair in pairs:
        (said,) = pair.judgments
        better = Choice.A if pair.response_a < pair.response_b else Choice.B
        assert said.choice is better
        assert said.order is not None


def test_agreement_on_rankings_is_measured_in_a_live_project(tmp_path: Path) -> None:
    worked = project_of(tmp_path, ranking_config(), Plan(ranking=True, repeats=0))
    for place, task in enumerate(worked.tasks):
        ids = sorted(item["id"] for item in task.data["answers"])
        turned = [ids[1], ids[0], *ids[2:]] if place % 2 else ids
        for name, order in (("ann", ids), ("bob", turned)):
            answer = json.dumps({"rank": order}, separators=(",", ":"))
            worked.server.submit(worked.people[name], task.id, answer)
    synchronise(worked.runtime, worked.project)
    measure_agreement(worked.runtime, worked.project)
    with worked.runtime.reads() as session:
        report = newest_report(session, worked.project_id, AGREEMENT)
    assert report is not None
    found = report.body["controls"]["rank"]
    assert found["type"] == "ranker"
    # One of six pairs of items is turned in every second task.
    assert found["measures"]["kendall_tau"]["value"] == pytest.approx(5 / 6)
    assert found["measures"]["exact_match"]["value"] == pytest.approx(1 / 2)


def test_tasks_are_imported_once_however_often_that_is_asked_for(tmp_path: Path) -> None:
    worked = project_of(tmp_path, pairwise_config(ties=False), Plan(repeats=0))
    known = len(worked.tasks)
    first = make_tasks(prompts(12), Plan(repeats=0)).tasks
    more = make_tasks(prompts(200), Plan(repeats=0)).tasks
    worked.server.add_tasks(worked.project_id, [{"id": ["not", "ours"]}])
    assert import_missing(worked.tool, worked.project_id, first) == 0
    assert import_missing(worked.tool, worked.project_id, more) == len(more) - known
    assert import_missing(worked.tool, worked.project_id, more) == 0
    ids = [task.data["id"] for task in worked.tasks if isinstance(task.data["id"], str)]
    assert len(ids) == len(set(ids)) == len(more) > 500


def test_a_project_is_exported_by_its_title_though_label_studio_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = project_of(tmp_path, pairwise_config(ties=True), Plan(repeats=0))
    judge_all(worked)
    synchronise(worked.runtime, worked.project)
    for name, value in worked.runtime.settings.process_environment().items():
        monkeypatch.setenv(name, value)
    out = tmp_path / "out"
    asked = ["preferences", "export", "--project", "worked", "--format", "unpaired"]
    result = CliRunner().invoke(main, [*asked, "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "to which tiers its judges belong is not known" in result.stderr
    rows = [json.loads(line) for line in (out / "train.jsonl").read_text("utf-8").splitlines()]
    liked = {row["completion"][0]: row["label"] for row in rows}
    assert (liked["a"], liked["d"]) == (True, False)
    card = (out / "README.md").read_text("utf-8")
    assert "to which tiers its judges belong is not known" in card
    assert "By their tier" not in card
