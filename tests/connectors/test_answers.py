import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.label_studio.answers import (
    answer_of,
    mentions,
    offers,
    plain_answer,
    result_of,
    scored_answer_of,
)
from connectors.label_studio.labeling import InputKind, Labeling, parse_labeling, single_choice
from policies.answer_texts import (
    RANK,
    controls_text,
    number_text,
    ranking_text,
    regions_text,
    set_text,
    spans_text,
)

LABELING = single_choice("label", "text", InputKind.TEXT, "text", ("A", "B"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
CONTROLS = {
    "choice": '<Choices name="choice" toName="text"><Choice value="A"/><Choice value="B"/>'
    "</Choices>",
    "many": '<Choices name="many" toName="text" choice="multiple"><Choice value="joy"/>'
    '<Choice value="fear"/><Choice value="anger"/></Choices>',
    "tree": '<Taxonomy name="tree" toName="text"><Choice value="Food"><Choice value="Fruit"/>'
    '</Choice><Choice value="Tools"/></Taxonomy>',
    "path": '<Taxonomy name="path" toName="text" maxUsages="1"><Choice value="Food">'
    '<Choice value="Fruit"/></Choice><Choice value="Tools"/></Taxonomy>',
    "stars": '<Rating name="stars" toName="text" maxRating="4"/>',
    "number": '<Number name="number" toName="text"/>',
    "note": '<TextArea name="note" toName="text" required="true"/>',
    "spans": '<Labels name="spans" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>',
    "order": '<Ranker name="order" toName="items"/>',
    "buckets": '<Ranker name="buckets" toName="items"><Bucket name="best"/><Bucket name="rest"/>'
    "</Ranker>",
    "pair": '<Pairwise name="pair" toName="text,other"/>',
    "boxes": '<RectangleLabels name="boxes" toName="image"><Label value="Car"/>'
    '<Label value="Dog"/></RectangleLabels>',
}
COLUMNS = ["order", "best", "rest", "_"]
OBJECTS = (
    '<Text name="text" value="$text"/><Text name="other" value="$other"/>'
    '<Image name="image" value="$image"/><List name="items" value="$items"/>'
)


def labeling_of(*names: str) -> Labeling:
    return parse_labeling(f"<View>{OBJECTS}{''.join(CONTROLS[name] for name in names)}</View>")


spans = st.tuples(st.integers(0, 50), st.integers(1, 20), st.sampled_from(["PER", "LOC"]))
boxes = st.fixed_dictionaries(
    {
        "type": st.just("rectanglelabels"),
        "original_width": st.just(640),
        "original_height": st.just(480),
        "value": st.fixed_dictionaries(
            {
                **{side: st.floats(0, 100) for side in ("x", "y", "width", "height")},
                "rotation": st.just(0),
                "rectanglelabels": st.lists(st.sampled_from(["Car", "Dog"]), max_size=2),
            }
        ),
    }
)
TEXTS: dict[str, st.SearchStrategy[str]] = {
    "choice": st.sampled_from(["A", "B"]),
    "many": st.sets(st.sampled_from(["joy", "fear", "anger"])).map(set_text),
    "tree": st.sets(st.sampled_from(["Food", "Food / Fruit", "Tools"])).map(set_text),
    "path": st.sampled_from(["Food", "Food / Fruit", "Tools"]),
    "stars": st.sampled_from(["1", "2", "3", "4"]),
    "number": st.floats(allow_nan=False, allow_infinity=False).map(number_text),
    "note": st.text(min_size=1).map(str.strip).filter(bool),
    "spans": st.lists(spans).map(
        lambda found: spans_text((start, start + size, name) for start, size, name in found)
    ),
    "order": st.permutations(["a", "b", "10", "_"]).map(lambda ids: ranking_text({RANK: ids})),
    "buckets": st.permutations(["a", "b", "10"]).flatmap(
        lambda ids: st.integers(0, 3).map(
            lambda end: ranking_text({"best": ids[:end], "rest": ids[end:]})
        )
    ),
    "pair": st.sampled_from(["left", "right"]),
    "boxes": st.lists(boxes).map(regions_text),
}


@settings(deadline=None)  # the machine may be busy
@pytest.mark.parametrize("name", CONTROLS)
@given(data=st.data())
def test_an_answer_of_every_kind_comes_back_from_its_result(name: str, data: st.DataObject) -> None:
    labeling = labeling_of(name)
    answer = data.draw(TEXTS[name])
    result = result_of(labeling, answer)
    assert offers(labeling, answer) is None
    assert answer_of(labeling, json.loads(json.dumps(result))) == answer
    assert result_of(labeling, answer) == result
    assert len({item["id"] for item in result}) == len(result)


@settings(deadline=None, max_examples=50)  # the machine may be busy
@given(
    answers=st.fixed_dictionaries(
        {
            name: strategy if name in {"many", "tree", "spans", "boxes"} else strategy | st.none()
            for name, strategy in TEXTS.items()
        }
    )
)
def test_answers_to_several_controls_come_back_together(answers: dict[str, str | None]) -> None:
    labeling = labeling_of(*CONTROLS)
    answer = controls_text(answers)
    if any(value not in {None, "[]"} for value in answers.values()):
        assert answer_of(labeling, result_of(labeling, answer)) == answer
        assert plain_answer(labeling, answer).keys() == {
            name for name, value in answers.items() if value is not None
        }
    else:
        assert answer_of(labeling, []) is None


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.text(min_size=1), min_size=1, unique=True))
def test_a_label_comes_back_from_its_result(labels: list[str]) -> None:
    labeling = single_choice("c", "o", InputKind.IMAGE, "image", tuple(labels))
    results = [result_of(labeling, label) for label in labels]
    assert [answer_of(labeling, result) for result in results] == labels
    assert results == [result_of(labeling, label) for label in labels]


def test_the_result_is_what_label_studio_writes() -> None:
    (region,) = result_of(LABELING, "B")
    assert len(region.pop("id")) == 10
    assert region == {
        "from_name": "label",
        "to_name": "text",
        "type": "choices",
        "value": {"choices": ["B"]},
    }


def test_a_label_that_the_config_does_not_offer_is_refused() -> None:
    with pytest.raises(ValueError, match="'C' is not a choice of 'label': A, B"):
        result_of(LABELING, "C")


@pytest.mark.parametrize(
    "result",
    [
        [],
        ["junk", None, 3],
        [{"from_name": "other", "value": {"choices": ["A"]}}],
        [{"from_name": "label"}],
        [{"from_name": "label", "value": {"choices": []}}],
        [{"from_name": "label", "value": {"choices": ["A", "B"]}}],
        [{"from_name": "label", "value": {"choices": [["A", "B"]]}}],
        [{"from_name": "label", "value": {"choices": "A"}}],
        result_of(LABELING, "A") + result_of(LABELING, "B"),
    ],
)
def test_no_single_answer_is_no_label(result: list[Any]) -> None:
    assert answer_of(LABELING, result) is None


@settings(deadline=None)  # the machine may be busy
@given(st.lists(json_values))
def test_any_list_is_read_without_an_error(result: list[Any]) -> None:
    assert answer_of(LABELING, result) is None


def test_a_label_is_found_beside_other_regions() -> None:
    other = {"from_name": "rating", "type": "rating", "value": {"rating": 4}}
    assert answer_of(LABELING, [other, *result_of(LABELING, "B")]) == "B"


@settings(deadline=None, max_examples=50)  # the machine may be busy
@given(
    st.lists(
        json_values
        | st.fixed_dictionaries(
            {
                "from_name": st.sampled_from(list(CONTROLS)),
                "type": json_values,
                "value": st.dictionaries(
                    st.sampled_from(
                        [
                            "choices",
                            "taxonomy",
                            "rating",
                            "number",
                            "text",
                            "selected",
                            "start",
                            "end",
                            "labels",
                            "x",
                            "rectanglelabels",
                            "ranker",
                        ]
                    ),
                    json_values
                    | st.dictionaries(st.sampled_from(COLUMNS), json_values, max_size=3),
                    max_size=4,
                ),
            }
        ),
        max_size=6,
    )
)
def test_any_list_is_read_for_every_kind_of_control(result: list[Any]) -> None:
    for name in CONTROLS:
        scored_answer_of(labeling_of(name), result)
    answer_of(labeling_of(*CONTROLS), result)


@pytest.mark.parametrize("name", ["many", "tree", "spans", "boxes"])
def test_nothing_marked_is_an_answer_where_several_parts_may_be(name: str) -> None:
    assert answer_of(labeling_of(name), []) == "[]"
    assert result_of(labeling_of(name), "[]") == []


@pytest.mark.parametrize("name", ["choice", "path", "stars", "number", "note", "pair"])
def test_nothing_given_is_no_answer_where_one_is_asked(name: str) -> None:
    assert answer_of(labeling_of(name), []) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stars", {"rating": 0}),
        ("pair", {"selected": "none"}),
        ("number", {"number": None}),
        ("note", {"text": ["  "]}),
        ("path", {"taxonomy": [["Food"], ["Tools"]]}),
    ],
)
def test_an_answer_that_was_taken_back_or_doubled_is_none(name: str, value: dict[str, Any]) -> None:
    result = [{"from_name": name, "type": "x", "value": value}]
    assert answer_of(labeling_of(name), result) is None


@pytest.mark.parametrize(
    ("name", "answer", "problem"),
    [
        ("many", '["joy","grief"]', "label 'grief' is not a choice of 'many'"),
        ("tree", '["Food / Bread"]', "label 'Food / Bread' is not a choice of 'tree'"),
        ("stars", "5", "label '5' is not a choice of 'stars': 1, 2, 3, 4"),
        ("number", "much", "no answer to 'number'"),
        ("number", "inf", "'inf' is no number"),
        ("spans", "PER", "no answer to 'spans'"),
        ("spans", spans_text([(0, 2, "ORG")]), "label 'ORG' is not a choice"),
        ("boxes", '[{"type":"ellipse","value":{}}]', "is 'ellipse', not 'rectanglelabels'"),
        ("boxes", '{"type":1}', "no answer to 'boxes'"),
        ("many", '{"a":1}', "no answer to 'many'"),
    ],
)
def test_what_a_config_does_not_offer_is_said_and_never_written(
    name: str, answer: str, problem: str
) -> None:
    labeling = labeling_of(name)
    assert problem in str(offers(labeling, answer))
    with pytest.raises(ValueError, match=r"is not|no answer|is no number|not 'rect"):
        result_of(labeling, answer)


def test_answers_to_other_controls_are_not_offered() -> None:
    labeling = labeling_of("choice", "many")
    assert offers(labeling, "A") is not None
    assert "no control 'gone'" in str(offers(labeling, controls_text({"gone": "A"})))
    assert offers(labeling, controls_text({"choice": None})) == "no control is answered"
    assert "'C'" in str(offers(labeling, controls_text({"choice": "C", "many": "[]"})))


def test_spans_quote_the_text_they_mark_and_carry_their_scores() -> None:
    labeling = labeling_of("spans")
    answer = spans_text([(0, 3, "PER"), (7, 11, "LOC")])
    result = result_of(labeling, answer, (0.9, 0.4), {"text": "Ann in Rome"})
    assert [(item["value"]["text"], item["score"]) for item in result] == [
        ("Ann", 0.9),
        ("Rome", 0.4),
    ]
    assert scored_answer_of(labeling, list(reversed(result))) == (answer, (0.9, 0.4))
    assert "score" not in result_of(labeling, answer, (0.9,))[0]  # not as many as there are parts


def test_scores_of_several_controls_stand_by_name_and_a_sets_item_has_its_lowest() -> None:
    labeling = labeling_of("spans", "many", "choice")
    answer = controls_text(
        {"spans": spans_text([(0, 1, "PER")]), "many": set_text(["joy", "fear"]), "choice": "A"}
    )
    items = {item["from_name"]: item for item in result_of(labeling, answer, (0.8, 0.7, 0.6))}
    assert (items["many"]["score"], items["spans"]["score"]) == (0.7, 0.6)
    assert "score" not in items["choice"]


def test_controls_that_say_something_of_one_region_share_its_id() -> None:
    config = (
        f'<View>{OBJECTS}<Rectangle name="shape" toName="image"/>'
        '<Labels name="name" toName="image"><Label value="Car"/></Labels></View>'
    )
    labeling = parse_labeling(config)
    place = {"x": 1, "y": 2, "width": 3, "height": 4}
    answer = controls_text(
        {
            "shape": regions_text([{"type": "rectangle", "value": place}]),
            "name": regions_text([{"type": "labels", "value": {**place, "labels": ["Car"]}}]),
        }
    )
    result = result_of(labeling, answer)
    assert len(result) == 2
    assert len({item["id"] for item in result}) == 1
    assert answer_of(labeling, result) == answer


def test_regions_lose_ids_scores_and_quotes_and_are_rounded_and_ordered() -> None:
    box = {"x": 10.00001, "y": 20.0, "width": 30.55556, "height": 5, "rectanglelabels": ["Car"]}
    item = {"from_name": "boxes", "to_name": "image", "type": "rectanglelabels", "value": box}
    other = {**item, "value": {**box, "x": 1}}
    one = [{**item, "id": "a", "score": 0.5, "meta": {"text": ["m"]}}, {**other, "id": "b"}]
    two = [{**other, "id": "c"}, {**item, "id": "d", "value": {**box, "x": 10.000004}}]
    assert answer_of(labeling_of("boxes"), one) == answer_of(labeling_of("boxes"), two)


def test_an_answer_mentions_its_labels_and_those_above_a_path() -> None:
    labeling = labeling_of("choice", "many", "tree", "spans", "boxes", "number")
    box = {"type": "rectanglelabels", "value": {"x": 1, "rectanglelabels": ["Dog"]}}
    answer = controls_text(
        {
            "choice": "A",
            "many": set_text(["joy"]),
            "tree": set_text(["Food / Fruit"]),
            "spans": spans_text([(0, 1, "PER")]),
            "boxes": regions_text([box]),
            "number": "3",
        }
    )
    found = mentions(labeling, answer)
    assert sorted(found) == ["A", "Dog", "Food", "Food / Fruit", "PER", "joy"]
    assert mentions(labeling_of("number"), "3") == ()


def test_a_plain_answer_is_what_other_programs_read() -> None:
    assert plain_answer(labeling_of("number"), "3.5") == 3.5
    assert plain_answer(labeling_of("stars"), "4") == 4
    assert plain_answer(labeling_of("many"), '["joy"]') == ["joy"]
    answer = controls_text({"choice": "A", "many": '["joy"]'})
    assert plain_answer(labeling_of("choice", "many"), answer) == {"choice": "A", "many": ["joy"]}
    assert plain_answer(labeling_of("many"), "an earlier form") == "an earlier form"


def test_a_text_of_spaces_is_no_answer() -> None:
    labeling = parse_labeling(
        '<View><Text name="t" value="$text"/><TextArea name="w" toName="t" required="true"/></View>'
    )
    assert offers(labeling, " ") == "an empty text is no answer to 'w'"
    with pytest.raises(ValueError, match="an empty text"):
        result_of(labeling, " ")
