"""A project's answers become the pairs that a file of preferences would hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.preference_records import PreferenceRecordsError, project_pairs
from backend.store.annotators import store_stopped
from backend.store.tables import GoldRow
from backend.synchronisation import synchronise
from policies.judgments import Choice, Judgment, Order, PreferencePair
from tests.fakes.label_studio_server import ROBOT_ID
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

TEXTS = "".join(f'<Text name="{name}" value="${name}"/>' for name in ("prompt", "left", "right"))
PAIRWISE = '<Pairwise name="better" toName="left,right"/>'
RANKER = '<List name="answers" value="$answers"/><Ranker name="rank" toName="answers"/>'


def task(name: str, order: str | None = "ab", **more: Any) -> dict[str, Any]:
    a, b = "A of it", "B of it"
    sides = {"left": b, "right": a} if order == "ba" else {"left": a, "right": b}
    return {"id": name, "prompt": "Why?", "order": order, **sides, **more}


def judged(folder: Path, controls: str, tasks: list[dict[str, Any]]) -> WorkedProject:
    worked = worked_project(folder)
    seen = worked.server.projects[worked.project_id]
    config = f"<View>{TEXTS}{controls}</View>"
    worked.server.projects[worked.project_id] = replace(seen, label_config=config)
    worked.connect(worked_policy(routes=[], auto_accept="never"))
    worked.server.add_tasks(worked.project_id, tasks)
    return worked


def pairs_of(worked: WorkedProject) -> list[PreferencePair]:
    synchronise(worked.runtime, worked.project)
    return project_pairs(worked.runtime, worked.project)


def said(pair: PreferencePair) -> dict[str, Choice]:
    return {each.judge: each.choice for each in pair.judgments if not each.criterion}


def test_the_order_in_the_task_says_which_answer_was_meant_and_where_it_stood(
    tmp_path: Path,
) -> None:
    worked = judged(tmp_path, PAIRWISE, [task("p1", "ab"), task("p2", "ba"), task("p3", None)])
    ann = worked.people["ann"]
    for each in worked.tasks:
        worked.server.submit(ann, each.id, "left")
    first, turned, unknown = pairs_of(worked)
    assert [each.id for each in (first, turned, unknown)] == ["p1", "p2", "p3"]
    assert {(each.response_a, each.response_b) for each in (first, turned)} == {
        ("A of it", "B of it")
    }
    assert first.prompt == "Why?"
    assert first.judgments == (Judgment(judge=str(ann), choice=Choice.A, order=Order.AB),)
    assert turned.judgments == (Judgment(judge=str(ann), choice=Choice.B, order=Order.BA),)
    assert unknown.judgments == (Judgment(judge=str(ann), choice=Choice.A, order=None),)


def test_only_people_who_count_judge_and_each_with_the_newest_word(tmp_path: Path) -> None:
    worked = judged(tmp_path, PAIRWISE, [task("p1"), task("p2")])
    ann, bob, sue = (worked.people[name] for name in ("ann", "bob", "sue"))
    one, other = (each.id for each in worked.tasks)
    worked.server.submit(ann, one, "left")
    worked.server.submit(ann, one, "right")
    worked.server.submit(bob, one, "left")
    worked.server.submit(ROBOT_ID, one, "left")
    worked.server.skip(sue, one)
    worked.server.submit(ROBOT_ID, other, "left")
    (pair,) = pairs_of(worked)
    assert said(pair) == {str(ann): Choice.B, str(bob): Choice.A}
    with worked.runtime.sessions.begin() as session:
        store_stopped(session, worked.project_id, {bob: "gold"}, worked.clock())
    assert said(pairs_of(worked)[0]) == {str(ann): Choice.B}


def test_a_form_that_was_sent_empty_says_nothing_of_the_pair(tmp_path: Path) -> None:
    worked = judged(tmp_path, PAIRWISE, [task("p1")])
    (only,) = worked.tasks
    worked.server.annotate(worked.people["ann"], only, [])
    assert list(said(pairs_of(worked)[0]).values()) == [Choice.NONE]


def test_a_ranking_is_a_judgement_of_every_two_of_its_items(tmp_path: Path) -> None:
    items = [{"id": name, "body": f"answer {name}"} for name in ("c", "a", "b")]
    worked = judged(tmp_path, RANKER, [{"prompt": "Why?", "answers": items, "order": "drawn"}])
    (only,) = worked.tasks
    worked.server.submit(worked.people["sue"], only.id, '{"rank":["b","c","a"]}')
    pairs = {pair.id: pair for pair in pairs_of(worked)}
    base = only.id
    assert set(pairs) == {f"{base}:a:c", f"{base}:b:c", f"{base}:a:b"}
    wins = {name: pair.judgments[0].choice for name, pair in pairs.items()}
    assert wins == {f"{base}:a:c": Choice.B, f"{base}:b:c": Choice.A, f"{base}:a:b": Choice.B}
    # Called A by id, and first on the page by the list: c, a, b.
    orders = {name: pair.judgments[0].order for name, pair in pairs.items()}
    assert orders == {
        f"{base}:a:c": Order.BA,
        f"{base}:b:c": Order.BA,
        f"{base}:a:b": Order.AB,
    }
    assert pairs[f"{base}:a:b"].response_a == "answer a"


def test_a_repeated_ranking_repeats_each_of_its_pairs(tmp_path: Path) -> None:
    items = [{"id": name, "body": name} for name in ("a1", "a2", "a3")]
    first = {"id": "p1", "prompt": "Why?", "answers": items, "order": "drawn"}
    again = first | {"id": "p1:again", "answers": items[::-1], "repeat_of": "p1"}
    worked = judged(tmp_path, RANKER, [first, again])
    for each in worked.tasks:
        worked.server.submit(worked.people["ann"], each.id, '{"rank":["a1","a2","a3"]}')
    pairs = {pair.id: pair for pair in pairs_of(worked)}
    assert pairs["p1:again:a1:a3"].repeat_of == "p1:a1:a3"
    orders = {pairs[name].judgments[0].order for name in ("p1:a1:a3", "p1:again:a1:a3")}
    assert orders == {Order.AB, Order.BA}


def test_several_controls_are_criteria_beside_the_preference(tmp_path: Path) -> None:
    stars = "".join(f'<Rating name="tone_{side}" toName="{side}"/>' for side in ("left", "right"))
    worked = judged(tmp_path, PAIRWISE + stars, [task("p1", "ba")])
    answer = '{"better":"left","tone_left":"2","tone_right":"5"}'
    worked.server.submit(worked.people["ann"], worked.tasks[0].id, answer)
    (pair,) = pairs_of(worked)
    assert [(each.criterion, each.choice) for each in pair.judgments] == [
        ("", Choice.B),
        ("tone", Choice.A),
    ]


def test_gold_is_known_and_its_authors_do_not_judge_it(tmp_path: Path) -> None:
    worked = judged(tmp_path, PAIRWISE, [task("p1", "ba")])
    ann, sue = worked.people["ann"], worked.people["sue"]
    (only,) = worked.tasks
    worked.server.submit(sue, only.id, "left")
    worked.server.submit(ann, only.id, "right")
    synchronise(worked.runtime, worked.project)
    with worked.runtime.sessions.begin() as session:
        session.add(
            GoldRow(
                project_id=worked.project_id,
                task_id=only.id,
                label="left",
                authors=[sue],
                since=worked.clock(),
            )
        )
    (pair,) = pairs_of(worked)
    assert pair.gold is Choice.B
    assert said(pair) == {str(ann): Choice.A}


def test_a_repeat_names_its_pair_once_that_is_judged_and_names_never_come_twice(
    tmp_path: Path,
) -> None:
    tasks = [task("p1"), task("p1/again", "ba", repeat_of="p1"), task("p1"), task("")]
    worked = judged(tmp_path, PAIRWISE, tasks)
    first, repeat, twin, nameless = worked.tasks
    for each in (repeat, twin, nameless):
        worked.server.submit(worked.people["ann"], each.id, "left")
    alone = {pair.id: pair.repeat_of for pair in pairs_of(worked)}
    assert alone == {"p1/again": "p1", "p1": None, str(nameless.id): None}
    worked.server.submit(worked.people["ann"], first.id, "left")
    known = {pair.id: pair.repeat_of for pair in pairs_of(worked)}
    assert known == {
        "p1": None,
        "p1/again": "p1",
        f"p1:{twin.id}": None,
        str(nameless.id): None,
    }


def test_answers_that_an_older_config_gave_their_form_are_left_out(tmp_path: Path) -> None:
    worked = judged(tmp_path, PAIRWISE, [task("p1")])
    worked.server.submit(worked.people["ann"], worked.tasks[0].id, "left")
    synchronise(worked.runtime, worked.project)
    stars = TEXTS + "".join(
        f'<Rating name="tone_{side}" toName="{side}"/>' for side in ("left", "right")
    )
    changed = replace(worked.project, label_config=f"<View>{stars}</View>")
    (pair,) = project_pairs(worked.runtime, changed)
    assert pair.judgments == ()


def test_a_project_that_compares_nothing_says_what_it_would_need(tmp_path: Path) -> None:
    worked = worked_project(tmp_path)
    with pytest.raises(PreferenceRecordsError, match="compares nothing: a Pairwise, a Ranker"):
        project_pairs(worked.runtime, worked.project)
