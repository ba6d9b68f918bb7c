"""Preference files: what a line may say, and one clear message for every line that is none."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.json_lines import JsonLinesError
from connectors.preference_files import read_pairs, same_way_round
from policies.judgments import Choice, Judgment, Order, PreferencePair


def line(**more: Any) -> dict[str, Any]:
    plain = {"id": "1", "prompt": "Sum up.", "response_a": "short", "response_b": "long"}
    return plain | {"judgments": {"ann": "a"}} | more


def written(folder: Path, *lines: Any, name: str = "pairs.jsonl") -> Path:
    file = folder / name
    text = "".join(each if isinstance(each, str) else json.dumps(each) + "\n" for each in lines)
    content = text.encode()
    file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return file


def read(folder: Path, **more: Any) -> PreferencePair:
    (pair,) = read_pairs(written(folder, line(**more)))
    return pair


def refused(folder: Path, *lines: Any) -> str:
    with pytest.raises(JsonLinesError) as error:
        read_pairs(written(folder, *lines))
    return str(error.value).replace(str(folder / "pairs.jsonl"), "FILE")


def test_a_line_is_a_pair_with_its_judgements(tmp_path: Path) -> None:
    pair = read(tmp_path, judgments={"ann:ab": "a", "bob:ba": "tie", "eve": "none"}, gold="b")
    assert pair == PreferencePair(
        id="1",
        prompt="Sum up.",
        response_a="short",
        response_b="long",
        judgments=(
            Judgment(judge="ann", choice=Choice.A, order=Order.AB),
            Judgment(judge="bob", choice=Choice.TIE, order=Order.BA),
            Judgment(judge="eve", choice=Choice.NONE),
        ),
        gold=Choice.B,
    )


def test_packed_files_marks_empty_lines_and_numbers_as_ids_are_read(tmp_path: Path) -> None:
    file = written(tmp_path, "\ufeff", line(id=7), "\n", line(id=8), name="pairs.jsonl.gz")
    assert [pair.id for pair in read_pairs(file)] == ["7", "8"]


def test_input_is_the_second_paragraph_of_the_prompt(tmp_path: Path) -> None:
    assert read(tmp_path, input="The text.").prompt == "Sum up.\n\nThe text."
    assert read(tmp_path, input="").prompt == "Sum up."


def test_an_answer_that_lost_its_quotes_is_the_text_that_json_writes(tmp_path: Path) -> None:
    pair = read(tmp_path, response_a=True, response_b=42)
    assert (pair.response_a, pair.response_b) == ("true", "42")


def test_a_judge_who_saw_both_orders_has_two_judgements(tmp_path: Path) -> None:
    pair = read(tmp_path, judgments={"ann:ab": "a", "ann:ba": "b"})
    assert [(each.judge, each.order) for each in pair.judgments] == [
        ("ann", Order.AB),
        ("ann", Order.BA),
    ]


def test_only_the_two_orders_are_cut_off_a_judges_name(tmp_path: Path) -> None:
    pair = read(tmp_path, judgments={"team:ann": "a", "x:ab:ba": "b", "ab": "a"})
    assert [(each.judge, each.order) for each in pair.judgments] == [
        ("team:ann", None),
        ("x:ab", Order.BA),
        ("ab", None),
    ]


def test_criteria_were_judged_in_the_order_of_the_pair(tmp_path: Path) -> None:
    pair = read(
        tmp_path,
        judgments={"ann:ba": "a", "bob": "b", "eve:ab": "a", "eve:ba": "a"},
        criteria={"safe": {"ann": "tie", "bob": "a", "eve": "b", "new:ab": "a"}},
    )
    safe = {each.judge: each.order for each in pair.judgments if each.criterion == "safe"}
    assert safe == {"ann": Order.BA, "bob": None, "eve": None, "new": Order.AB}


def test_gold_none_is_no_gold(tmp_path: Path) -> None:
    assert read(tmp_path, gold="none").gold is None
    assert read(tmp_path, gold=None).gold is None


def test_pairs_that_nobody_judged_are_read(tmp_path: Path) -> None:
    record = line()
    del record["judgments"]
    (pair,) = read_pairs(written(tmp_path, record))
    assert pair.judgments == ()


def test_a_repeat_may_name_its_answers_either_way(tmp_path: Path) -> None:
    same = line(id="2", repeat_of="1")
    turned = line(id="3", repeat_of="1", response_a="long", response_b="short")
    # The first pair may stand after its repeats.
    two, three, one = read_pairs(written(tmp_path, same, turned, line()))
    assert same_way_round(one, two) is True
    assert same_way_round(one, three) is False
    other = PreferencePair(id="4", prompt="", response_a="short", response_b="else")
    assert same_way_round(one, other) is None


def test_a_part_of_a_file_may_lack_what_it_repeats(tmp_path: Path) -> None:
    assert read(tmp_path, repeat_of="9").repeat_of == "9"


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ([1], "holds [1]: each line is an object"),
        ("{\n", "is no JSON"),
        ('{"id": 1, "id": 2}\n', "'id' stands twice"),
        (line(id=" "), 'id = " "  must be a text or a whole number'),
        (line(id=True), "id = true  must be"),
        (line(prompt=None), "prompt = null  must be a text"),
        (line(response_a=["x"]), 'response_a = ["x"]  must be a text'),
        (line(input=[1]), "input = [1]  must be a text"),
        (line(response_b="\ud800"), "holds half a character"),
        (line(judgments=["a"]), 'judgments = ["a"]  must be {JUDGE: a, b, tie or none}'),
        (line(judgments={"ann": "left"}), 'judgments.ann = "left"  is no choice: write a, b, tie'),
        (line(judgments={"ann": None}), "judgments.ann = null  is no choice"),
        (line(judgments={":ab": "a"}), "judgments.:ab  a judge needs a name"),
        (line(judgments={"ann": "a", "ann:ab": "b"}), "'ann' judged already"),
        (line(judgments={"ann:ab": "a", "ann": "b"}), "as ann:ab and ann:ba"),
        (line(criteria=[]), "criteria = []  must be {NAME: {JUDGE: choice}}"),
        (line(criteria={" ": {}}), "a criterion needs a name"),
        (line(criteria={"\ud800": {"ann": "a"}}), "criteria = '\\ud800'  holds half a character"),
        (line(criteria={"safe": {"ann": "A"}}), 'criteria.safe.ann = "A"  is no choice'),
        (line(gold="c"), 'gold = "c"  is no choice'),
        (line(repeat_of=1.5), "repeat_of = 1.5  must be"),
        (line(repeat_of="1"), "repeat_of = '1'  is the pair itself"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(tmp_path: Path, record: Any, says: str) -> None:
    message = refused(tmp_path, record)
    assert message.startswith("FILE:1  ")
    assert says in message


def test_a_missing_field_and_the_other_spelling_are_named(tmp_path: Path) -> None:
    record = line(judgements={"ann": "a"})
    del record["judgments"]
    assert "judgements  is written judgments here" in refused(tmp_path, record)
    record = line()
    del record["response_b"]
    assert "FILE:1  response_b  is missing" in refused(tmp_path, record)


def test_an_id_stands_once_and_a_repeat_asks_for_the_same_answers(tmp_path: Path) -> None:
    assert "FILE:2  id = '1'  stands on line 1 too" in refused(tmp_path, line(), line())
    other = line(id="2", repeat_of="1", response_a="else")
    assert "FILE:2  repeat_of = '1'  has other answers" in refused(tmp_path, line(), other)


def test_ten_lines_are_told_and_the_rest_is_counted(tmp_path: Path) -> None:
    message = refused(tmp_path, *(line(id=str(at), gold="x") for at in range(1_012)))
    assert message.count("\n") == 10
    assert message.endswith("and 1,002 more lines like these")


def test_an_empty_file_and_none_at_all_are_refused(tmp_path: Path) -> None:
    assert "FILE  has no pairs: each line is an object" in refused(tmp_path, "\n")
    with pytest.raises(JsonLinesError, match="cannot be read: No such file"):
        read_pairs(tmp_path / "missing.jsonl")


def test_pandalm_is_read_as_it_stands(data_folder: Path) -> None:
    pairs = read_pairs(data_folder / "pandalm_preferences.jsonl.gz")
    assert len(pairs) == 999
    assert len({pair.prompt for pair in pairs}) == 170
    assert {len(pair.judgments) for pair in pairs} == {3}


names = st.text(st.characters(codec="utf-8"), min_size=1).filter(
    lambda name: name.strip() and not name.endswith((":ab", ":ba"))
)
texts = st.text(st.characters(codec="utf-8"))


@settings(deadline=None, max_examples=50)
@given(
    texts=st.tuples(texts, texts, texts),
    said=st.dictionaries(
        names, st.tuples(st.sampled_from(Choice), st.sampled_from([None, *Order]))
    ),
    gold=st.sampled_from([None, Choice.A, Choice.B, Choice.TIE]),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    texts: tuple[str, str, str],
    said: dict[str, tuple[Choice, Order | None]],
    gold: Choice | None,
) -> None:
    keys = {
        name if order is None else f"{name}:{order.value}": choice.value
        for name, (choice, order) in said.items()
    }
    prompt, one, other = texts
    record = line(prompt=prompt, response_a=one, response_b=other, judgments=keys)
    folder = tmp_path_factory.mktemp("pairs")
    (pair,) = read_pairs(written(folder, record | ({} if gold is None else {"gold": gold.value})))
    assert (pair.prompt, pair.response_a, pair.response_b, pair.gold) == (*texts, gold)
    assert {each.judge: (each.choice, each.order) for each in pair.judgments} == said
