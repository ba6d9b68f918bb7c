"""Pairs are balanced, connected, drawn once for all; their tasks fit the config that is printed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_jobs.preferences.pairing import Made, PairingError, Plan, design, make_tasks
from connectors.label_studio.comparisons import answers_shown, comparisons_of
from connectors.label_studio.labeling import parse_labeling
from connectors.label_studio.rankings import items_of, shown_order
from connectors.response_files import Responses
from labelgate import main


def prompt_of(name: str, answers: int) -> Responses:
    texts = tuple(f"answer {number} to {name}" for number in range(1, answers + 1))
    return Responses(id=name, prompt=f"prompt {name}", texts=texts, same=0, more={})


def made_of(prompts: int, answers: int, **plan: Any) -> Made:
    return make_tasks([prompt_of(f"p{n}", answers) for n in range(prompts)], Plan(**plan))


@pytest.mark.parametrize("answers", range(2, 16))
def test_every_number_of_pairs_is_connected_and_even(answers: int) -> None:
    for pairs in range(answers - 1, answers * (answers - 1) // 2 + 1):
        found = design(answers, pairs)
        assert len({frozenset(pair) for pair in found}) == len(found) == pairs
        times = Counter(answer for pair in found for answer in pair)
        assert set(times) == set(range(answers))
        assert max(times.values()) - min(times.values()) <= 1
        reached = {0}
        while (
            more := {answer for pair in found if reached & set(pair) for answer in pair} - reached
        ):
            reached |= more
        assert reached == set(range(answers))


@given(
    st.lists(st.integers(1, 7), min_size=1, max_size=12),
    st.none() | st.integers(6, 30),
    st.floats(0, 1),
    st.integers(),
)
@settings(deadline=None)
def test_tasks_are_what_was_asked_for(
    answers: list[int], pairs: int | None, repeats: float, seed: int
) -> None:
    prompts = [prompt_of(str(number), count) for number, count in enumerate(answers)]
    made = make_tasks(prompts, Plan(pairs=pairs, repeats=repeats, seed=seed))
    assert made == make_tasks(prompts, Plan(pairs=pairs, repeats=repeats, seed=seed))
    assert len({task["id"] for task in made.tasks}) == len(made.tasks) == made.pairs + made.repeats
    assert made.repeats == round(repeats * made.pairs)
    assert made.alone == answers.count(1)
    by_id = {task["id"]: task for task in made.tasks}
    for task in made.tasks[made.pairs :]:
        first = by_id[task["repeat_of"]]
        assert (task["left"], task["right"]) == (first["right"], first["left"])
        assert {task["order"], first["order"]} == {"ab", "ba"}
    assert all("repeat_of" not in task for task in made.tasks[: made.pairs])


def test_the_order_names_the_answer_on_the_left() -> None:
    for task in made_of(40, 2, repeats=0).tasks:
        first, second = "answer 1", "answer 2"
        left, right = (first, second) if task["order"] == "ab" else (second, first)
        assert task["left"].startswith(left)
        assert task["right"].startswith(right)


def test_orders_are_a_fair_coin_and_fall_otherwise_with_another_seed() -> None:
    one, other = (made_of(2_000, 2, repeats=0, seed=seed) for seed in (0, 1))
    assert 900 < one.orders["ab"] < 1_100
    first = {task["id"]: task["order"] for task in one.tasks}
    changed = sum(first[task["id"]] != task["order"] for task in other.tasks)
    assert 900 < changed < 1_100


def test_a_prompt_that_is_added_changes_no_other_one() -> None:
    few, more = made_of(20, 4, repeats=0), made_of(30, 4, repeats=0)
    by_id = {task["id"]: task for task in more.tasks}
    assert all(by_id[task["id"]] == task for task in few.tasks)


def test_each_answer_stands_in_two_pairs_where_nothing_is_said() -> None:
    assert made_of(5, 6).shown == Counter({2: 30})
    assert made_of(5, 6, pairs=15).shown == Counter({5: 30})
    assert made_of(5, 6, pairs=9).shown == Counter({3: 30})


def test_too_few_pairs_to_connect_the_answers_are_refused() -> None:
    with pytest.raises(PairingError, match="'p0' has 5 answers: fewer than 4 pairs leave some"):
        made_of(1, 5, pairs=3)
    assert made_of(1, 5, pairs=4).pairs == 4


def test_a_ranking_keeps_its_drawn_order_on_the_page_and_repeats_it_backwards() -> None:
    made = made_of(30, 12, ranking=True, repeats=0.5)
    assert (made.pairs, made.repeats) == (30, 15)
    orders = set()
    for task in made.tasks:
        ids = tuple(items_of(task, "answers"))
        assert shown_order(ids) == ids
        orders.add(ids)
    assert len(orders) > 40
    by_id = {task["id"]: task for task in made.tasks}
    again = made.tasks[-1]
    assert again["answers"] == by_id[again["repeat_of"]]["answers"][::-1]


def run(folder: Path, lines: list[Any], *options: str, out: str = "tasks.jsonl") -> Result:
    file = folder / "answers.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    arguments = ["preferences", "pair", str(file), "--out", str(folder / out), *options]
    return CliRunner().invoke(main, arguments)


LINES = [
    {"id": "q", "prompt": "Why?", "responses": ["a", "b", "a"], "topic": "sky"},
    {"prompt": "How?", "input": "So.", "responses": ["c", "d", "e"]},
    {"prompt": "Who?", "responses": ["f"]},
]


@pytest.mark.parametrize("options", [(), ("--ties",), ("--ranking",)])
def test_the_tasks_fit_the_labelling_config_that_comes_with_them(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    config = tmp_path / "config.xml"
    result = run(tmp_path, LINES, *options, "--json", "--label-config", str(config))
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    labeling = parse_labeling(config.read_text("utf-8"))
    assert told["label_config"] == config.read_text("utf-8")
    assert labeling.left_out == ()
    (comparison,) = comparisons_of(labeling, "prompt")
    tasks = [json.loads(line) for line in (tmp_path / "tasks.jsonl").read_text().splitlines()]
    assert told["tasks"] == len(tasks)
    assert {len(answers_shown(comparison, task)) for task in tasks} <= {2, 3}
    assert {task["prompt"] for task in tasks} == {"Why?", "How?\n\nSo."}
    assert {task.get("topic") for task in tasks} == {"sky", None}


def test_what_was_made_and_what_was_left_out_is_told(tmp_path: Path) -> None:
    result = run(tmp_path, LINES, "--repeats", "0.5")
    assert result.exit_code == 0, result.output
    assert "6 tasks of 2 prompts: 4 asked first and 2 once more" in result.output
    assert "each of 5 answers stands in 1 to 2 of those asked first" in result.output
    assert "1 prompts with one answer" in result.output
    assert "1 answers that are another's text" in result.output
    assert '<Pairwise name="better" toName="left,right"/>' in result.output
    told = json.loads(run(tmp_path, LINES, "--repeats", "0.5", "--json").output)
    config = told.pop("label_config")
    assert config.startswith("<View>")
    orders = told.pop("orders")
    assert sum(orders.values()) == 6
    assert told == {
        "file": str(tmp_path / "tasks.jsonl"),
        "tasks": 6,
        "prompts": 2,
        "pairs": 4,
        "repeats": 2,
        "prompts_with_one_answer": 1,
        "equal_answers": 1,
        "answers_by_pairs": {"1": 2, "2": 3},
        "imported": None,
    }


def test_label_studio_s_page_is_given_one_array_of_tasks(tmp_path: Path) -> None:
    assert run(tmp_path, LINES, out="tasks.json").exit_code == 0
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert all(set(task) == {"data"} for task in tasks)
    lines = run(tmp_path, LINES)
    assert "imports .json alone" in lines.output
    one_by_one = (tmp_path / "tasks.jsonl").read_text().splitlines()
    assert [task["data"] for task in tasks] == [json.loads(line) for line in one_by_one]


@pytest.mark.parametrize(
    ("lines", "options", "said"),
    [
        ([], (), "has no prompts: each line is an object"),
        ([[1]], (), "answers.jsonl:1  holds [1]: each line is an object"),
        ([{"prompt": "a"}], (), ":1  responses = null  must be a list of texts"),
        ([{"prompt": "a", "responses": ["b", 3]}], (), ':1  responses = ["b", 3]  must be a list'),
        ([{"prompt": " ", "responses": ["b"]}], (), ':1  prompt = " "  must be a text'),
        ([{"prompt": "a", "responses": ["b"], "left": 1}], (), ":1  left  is a name that tasks"),
        ([{"prompt": "a", "responses": ["b"]}], (), "has no prompt with two different answers"),
        (
            [{"id": 1, "prompt": "a", "responses": ["b"]}, {"id": "1", "prompt": "a"}],
            (),
            ":2  responses = null",
        ),
        (
            [{"prompt": "a", "responses": ["b", "c"]}, {"id": 1, "prompt": "a", "responses": []}],
            (),
            ":2  id = '1'  stands on line 1 too",
        ),
        (
            [{"id": "\ud800", "prompt": "a", "responses": ["b", "c"]}],
            (),
            ':1  id = "\\ud800"  must be a text or a whole number',
        ),
        (
            [{"prompt": "a", "responses": ["b", "c"], "topic": ["\ud800"]}],
            (),
            ':1  topic = ["\\ud800"]  goes along into the tasks',
        ),
        (
            [{"prompt": "a", "responses": ["b", "c"], "seen": 2**70}],
            (),
            ":1  seen = 1180591620717411303424  goes along",
        ),
        (LINES, ("--ranking", "--ties"), "--ties is for pairs"),
        (LINES, ("--ranking", "--pairs-per-prompt", "3"), "leave out a number of pairs"),
        (LINES, ("--pairs-per-prompt", "1"), "'2' has 3 answers: fewer than 2 pairs"),
        (LINES, ("--repeats", "1.5"), "1.5 is not in the range"),
    ],
)
def test_what_cannot_be_paired_says_where_and_what_to_do(
    tmp_path: Path, lines: list[Any], options: tuple[str, ...], said: str
) -> None:
    result = run(tmp_path, lines, *options)
    assert result.exit_code != 0
    assert said in result.output
    assert not (tmp_path / "tasks.jsonl").exists()


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    before = "".join(json.dumps(each) + "\n" for each in LINES)
    over = run(tmp_path, LINES, out="answers.jsonl")
    config = str(tmp_path / "answers.jsonl")
    beside = run(tmp_path, LINES, "--label-config", config)
    same = run(tmp_path, LINES, "--label-config", str(tmp_path / "tasks.jsonl"))
    assert (over.exit_code, beside.exit_code, same.exit_code) == (2, 2, 2)
    assert "is the file to be read" in over.output
    assert (tmp_path / "answers.jsonl").read_text() == before
    assert not (tmp_path / "tasks.jsonl").exists()


def test_an_output_of_no_known_format_is_refused(tmp_path: Path) -> None:
    result = run(tmp_path, LINES, out="tasks.csv")
    assert result.exit_code == 2
    assert "end it in .jsonl or .json" in result.output


def test_other_fields_of_a_line_do_not_reach_the_tasks_own() -> None:
    prompt = replace(prompt_of("p", 2), more={"topic": "sky"})
    (task,) = make_tasks([prompt], Plan(repeats=0)).tasks
    assert set(task) == {"topic", "id", "prompt", "left", "right", "order"}
