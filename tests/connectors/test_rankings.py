from typing import Any

import pytest

from connectors.label_studio.answer_words import answer_words
from connectors.label_studio.answers import answer_of, mentions, offers, plain_answer, result_of
from connectors.label_studio.labeling import parse_labeling
from connectors.label_studio.rankings import items_of, shown_order
from policies.answer_texts import RANK, ranking_text

LIST = '<List name="items" value="$items"/>'
ORDER = parse_labeling(f'<View>{LIST}<Ranker name="best" toName="items"/></View>')
BUCKETS = parse_labeling(
    f'<View>{LIST}<Ranker name="r" toName="items"><Bucket name="good"/><Bucket name="bad"/>'
    "</Ranker></View>"
)


def result(name: str, ranker: Any) -> list[dict[str, Any]]:
    value = {"ranker": ranker}
    return [{"from_name": name, "to_name": "items", "type": "ranker", "value": value}]


def test_an_order_stands_under_the_control_s_name_and_reads_the_same_whatever_that_is() -> None:
    said = result("best", {"best": ["b", "a"]})
    assert answer_of(ORDER, said) == '{"rank":["b","a"]}'
    (item,) = result_of(ORDER, '{"rank":["b","a"]}')
    assert item["value"] == {"ranker": {"best": ["b", "a"]}}


def test_what_was_left_in_the_list_is_part_of_no_answer() -> None:
    picked = result("r", {"_": ["c", "a"], "good": ["b"]})
    assert answer_of(BUCKETS, picked) == '{"bad":[],"good":["b"]}'
    nothing = result("r", {"_": ["a", "b", "c"]})
    assert answer_of(BUCKETS, nothing) == '{"bad":[],"good":[]}'


@pytest.mark.parametrize(
    "ranker",
    [{"best": []}, {"best": "ab"}, {"best": [1, 2]}, {"best": ["a", "a"]}, {"other": ["a"]}, ["a"]],
)
def test_a_ranker_that_says_nothing_readable_is_no_answer(ranker: Any) -> None:
    assert answer_of(ORDER, result("best", ranker)) is None
    assert answer_of(ORDER, []) is None


def test_two_rankings_by_one_control_are_no_answer() -> None:
    assert answer_of(ORDER, result("best", {"best": ["a", "b"]}) * 2) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"top":["a"]}', "'best' has no bucket 'top': rank"),
        ('{"rank":[]}', "an order of no items is no answer to 'best'"),
        ("{}", "an order of no items is no answer to 'best'"),
        ('["a"]', "not a ranking"),
        ('{"rank":["a","a"]}', "names an item twice"),
        ('{"rank":[1]}', "not a ranking"),
        ("b > a", "no answer to 'best'"),
    ],
)
def test_a_text_that_is_no_ranking_of_the_control_is_refused(text: str, problem: str) -> None:
    assert problem in str(offers(ORDER, text))


def test_a_ranking_speaks_of_no_label_and_reads_in_words_and_in_plain_values() -> None:
    order, buckets = ranking_text({RANK: ["b", "a"]}), ranking_text({"good": ["b"], "bad": []})
    assert mentions(ORDER, order) == ()
    assert answer_words(ORDER, order) == "b > a"
    assert answer_words(BUCKETS, buckets) == "good: b / bad: none"
    assert plain_answer(ORDER, order) == {"rank": ["b", "a"]}
    assert answer_words(ORDER, "an older answer") == "an older answer"


def test_the_page_shows_numbers_first_and_in_their_order() -> None:
    assert shown_order(["a3", "a1", "a2"]) == ("a3", "a1", "a2")
    assert shown_order(["3", "1", "2"]) == ("1", "2", "3")
    # Not the way that a place in an array is written, or too large for one: names like others.
    assert shown_order(["01", "2", "4294967295", "-1"]) == ("2", "01", "4294967295", "-1")


def test_items_are_read_by_id_and_what_is_none_is_left_out() -> None:
    data = {"items": [{"id": "b", "body": "x"}, {"id": 7}, {"body": "no id"}, "text", {"id": True}]}
    assert list(items_of(data, "items")) == ["b", "7"]
    assert items_of({}, "items") == items_of({"items": "none"}, "items") == {}
