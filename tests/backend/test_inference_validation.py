"""One inference as it may be sent: every form of an answer, and the words for every mistake."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.inferences.answer_forms import answer_text
from backend.inferences.masking import masked, slice_values
from backend.inferences.validation import (
    FIELDS,
    InferencesError,
    IntakeRules,
    intake_rules,
    read_inferences,
)
from backend.store.inferences import Inference
from connectors.inference_data import data_sha256
from connectors.label_studio.answers import result_of
from connectors.label_studio.labeling import parse_labeling
from tests.fakes.inferences import inference
from tests.fakes.web_project import CONFIG, POLICY

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXT = '<Text name="t" value="$text"/>'
CHOICE = '<Choices name="c" toName="t"><Choice value="A"/><Choice value="B"/></Choices>'
CHOICES = CHOICE.replace('"c"', '"s"').replace("toName", 'choice="multiple" toName')
TREE = (
    '<Taxonomy name="tree" toName="t" maxUsages="1" leafsOnly="true"><Choice value="Food">'
    '<Choice value="Fruit"/></Choice><Choice value="Tools"/></Taxonomy>'
)
NUMBER = '<Number name="n" toName="t"/>'
STARS = '<Rating name="r" toName="t" maxRating="5"/>'
BOXES = (
    '<Image name="i" value="$image"/><RectangleLabels name="b" toName="i"><Label value="Cat"/>'
    "</RectangleLabels>"
)
SPANS = '<Labels name="l" toName="t"><Label value="PER"/><Label value="LOC"/></Labels>'


def rules(monitoring: str = "", config: str = CONFIG) -> IntakeRules:
    return intake_rules(f"{POLICY}monitoring: {{{monitoring}}}\n", config)


def read(sent: object, monitoring: str = "") -> Inference:
    (found,) = read_inferences([sent], rules(monitoring), NOW)
    return found


def said(sent: object, monitoring: str = "") -> str:
    with pytest.raises(InferencesError) as caught:
        read_inferences([sent], rules(monitoring), NOW)
    return str(caught.value)


def answered(controls: str, value: object) -> str:
    return answer_text(parse_labeling(f"<View>{TEXT}{controls}</View>"), value)


@pytest.mark.parametrize(
    ("controls", "value", "text"),
    [
        (CHOICE, "B", "B"),
        (CHOICES, ["B", "A", "B"], '["A","B"]'),
        (CHOICES, '["B", "A"]', '["A","B"]'),
        (CHOICES, [], "[]"),
        (TREE, "Food / Fruit", "Food / Fruit"),
        (NUMBER, 3.5, "3.5"),
        (NUMBER, "4.0", "4"),
        (STARS, 4, "4"),
        (STARS, 4.0, "4"),
        (
            SPANS,
            '[{"end":14,"start":9, "labels": ["LOC"]}, {"labels": ["PER"], "start":0,"end":4}]',
            '[{"end":4,"labels":["PER"],"start":0},{"end":14,"labels":["LOC"],"start":9}]',
        ),
        (CHOICE + NUMBER, '{"n": "3.0", "c": "A"}', '{"c":"A","n":"3"}'),
    ],
    ids=str,
)
def test_every_form_of_an_answer_becomes_its_one_text(
    controls: str, value: object, text: str
) -> None:
    assert answered(controls, value) == text
    labeling = parse_labeling(f"<View>{TEXT}{controls}</View>")
    assert answered(controls, text) == text
    assert answered(controls, result_of(labeling, text)) == text


@pytest.mark.parametrize(
    ("controls", "value", "words"),
    [
        (CHOICE, "C", "label 'C' is not a choice of 'c': A, B"),
        (CHOICE, "", "label '' is not a choice of 'c': A, B"),
        (CHOICE, True, "is a bool: send a label, an answer's text, a number"),
        (CHOICE, {"c": "A"}, "is a dict: send a label"),
        (CHOICE, ["A"], "is a list: send a label"),
        (CHOICE, [], "is a result that does not answer 'c'"),
        (CHOICE, [{"from_name": "x"}], "is a result that does not answer 'c'"),
        (CHOICES, ["A", "C"], "label 'C' is not a choice of 's': A, B"),
        (CHOICES, "A", "no answer to 's'"),
        (CHOICES, ["A", 1], "is a list: send a label"),
        (TREE, "Food", "label 'Food' is not a choice of 'tree': Food / Fruit, Tools"),
        (NUMBER, "many", "no answer to 'n'"),
        (STARS, 6, "label '6' is not a choice of 'r'"),
        (SPANS, '[{"start": 0}]', "no answer to 'l'"),
        (CHOICE + NUMBER, '{"q": "A"}', "the config has no control 'q': c, n"),
        (CHOICE + NUMBER, "A", "Expecting value"),
    ],
    ids=str,
)
def test_what_the_config_does_not_offer_is_refused_by_name(
    controls: str, value: object, words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        answered(controls, value)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"id": None}, "id is missing"),
        ({"id": ""}, "id is missing"),
        ({"id": True}, "id = true must be a text or a whole number, not bool"),
        ({"id": 1.5}, "id = 1.5 must be a text or a whole number, not float"),
        ({"id": 2**70}, "id = 1180591620717411303424 must be a text or a whole number, not int"),
        ({"id": "x" * 201}, "has 201 characters: 200 are the most"),
        ({"id": "a\0b"}, r"id = 'a\x00b' holds a zero byte or half a character pair"),
        ({"id": "a\ud83d"}, r"id = 'a\ud83d' holds a zero byte or half a character pair"),
        ({"model_version": None}, "model_version is missing"),
        ({"model_version": 3}, "model_version = 3 must be a text, not int"),
        ({"predicted": None}, "predicted is missing: send what the model answered"),
        ({"predicted": "C"}, "predicted = 'C' cannot be taken: label 'C' is not a choice"),
        ({"predicted": {"a": 1}}, "predicted cannot be taken: is a dict: send a label"),
        ({"score": "0.5"}, "score = '0.5' must be a number or null, not str"),
        ({"score": True}, "score = true must be a number or null, not bool"),
        ({"score": -0.1}, "score = -0.1 must be between 0 and 1, or null"),
        ({"score": 10**400}, "must be between 0 and 1, or null"),
        ({"score": float("nan")}, "score = nan is no number, or null where"),
        ({"at": "yesterday"}, "at = 'yesterday' is no ISO time: send a time such as"),
        ({"at": 1772366400}, "at = 1772366400 is no ISO time: send a time such as"),
        ({"at": "2026-03-01T10:00:00"}, "at = '2026-03-01T10:00:00' has no zone"),
        ({"at": "2026-03-02T12:00:01Z"}, "is more than a day ahead of this server's clock"),
        ({"at": "9999-12-31T23:59:59-12:00"}, "is more than a day ahead"),
        ({"at": "0001-01-01T00:00:00+12:00"}, "is before 1970"),
        ({"data": None}, "data is missing: people need it, because the policy says keep: data"),
        ({"data": "text"}, "data must be an object, not str"),
        ({"data": {"text": "half \ud83d"}}, "data cannot be stored: 'utf-8' codec can't encode"),
        ({"data_sha256": "ABC"}, "data_sha256 = 'ABC' must be the 64 hexadecimal digits"),
        ({"data_sha256": "0" * 64}, "is not that of the data, which is"),
        ({"scroe": 0.5}, "scroe is unknown: did you mean 'score'?"),
        ({"weather": 1}, f"weather is unknown: the fields are {', '.join(FIELDS)}"),
    ],
    ids=str,
)
def test_every_mistake_is_told_by_place_field_value_and_way_out(
    changed: dict[str, Any], words: str
) -> None:
    told = said({**inference(1), **changed})
    assert told.startswith("inferences[0].")
    assert words in told


def test_of_ids_alone_a_hash_must_be_one() -> None:
    assert said(inference(1, data=None, data_sha256=7), "keep: ids") == (
        "inferences[0].data_sha256 = 7 must be the 64 hexadecimal digits of a SHA-256"
    )


def test_a_day_ahead_is_taken_because_clocks_differ() -> None:
    assert read(inference(1, at="2026-03-02T11:59:59Z")).at is not None


def test_what_is_no_object_is_told_by_its_place() -> None:
    assert said([1]) == "inferences[0] is a list, not an object"


def test_all_mistakes_of_an_inference_are_told_at_once() -> None:
    told = said({"predicted": "C", "score": 2}).splitlines()
    assert [line.split(" ")[0] for line in told] == [
        "inferences[0].id",
        "inferences[0].model_version",
        "inferences[0].predicted",
        "inferences[0].score",
        "inferences[0].data",
    ]


def test_masked_slices_stay_masked() -> None:
    assert slice_values(masked({"name": "Ann"}, ["name"]), ["name"]) == {"name": ""}


def test_slices_are_short_texts() -> None:
    data = {"a": "x" * 300, "b": 3, "c": 0.5, "d": None, "e": ["x", 1], "f": False}
    assert slice_values(data, "abcdef") == {
        "a": "x" * 200,
        "b": "3",
        "c": "0.5",
        "d": "",
        "e": '["x",1]',
        "f": "false",
    }


@pytest.mark.parametrize("field", ["id", "model_version"])
@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "a\u2028b", "a\x9bb"])
def test_a_name_that_would_not_stay_in_its_line_or_cell_is_refused(field: str, text: str) -> None:
    assert "holds a line break or another control character" in said(inference(1, **{field: text}))


def test_slices_fit_into_a_key_of_every_database_and_into_a_cell() -> None:
    fields = [f"field{number}" for number in range(10)]
    found = slice_values(dict.fromkeys(fields, "😀" * 300), fields)
    assert list(found) == fields
    assert set(found.values()) == {"\U0001f600" * 15}
    assert slice_values({"a": "\u4e2d" * 300}, "a") == {"a": "\u4e2d" * 200}
    assert slice_values({"a": "x\x1b[2J\ny"}, "a") == {"a": "x [2J y"}


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    sent = inference(1, data={"text": "é", "more": {"b": 1, "a": [1.5, None]}})
    turned = inference(1, data={"more": {"a": [1.5, None], "b": 1}, "text": "é"})
    assert read(sent).data_sha256 == read(turned).data_sha256 == data_sha256(sent["data"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)

PARTS = st.fixed_dictionaries(
    {},
    optional={
        "from_name": st.sampled_from(["c", "s", "tree", "n", "r", "l", "b"]),
        "type": st.sampled_from(["choices", "labels", "rectanglelabels", "number"]) | JSON,
        "value": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "choices": st.just(["A"]) | JSON,
                "number": st.floats() | JSON,
                "rating": st.integers(0, 6) | JSON,
                "taxonomy": st.just([["Food", "Fruit"]]) | JSON,
                "labels": st.just(["PER"]) | JSON,
                "rectanglelabels": st.just(["Cat"]) | JSON,
                "start": st.integers() | JSON,
                "end": st.integers() | JSON,
                "x": st.floats() | JSON,
            },
        ),
        "start": st.integers() | JSON,
        "end": st.integers() | JSON,
        "labels": st.just(["PER"]) | JSON,
    },
)
RESULTS = st.lists(PARTS, max_size=3) | st.dictionaries(st.sampled_from("csnrlb"), JSON)


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([CHOICE, CHOICES, TREE, NUMBER, STARS, SPANS, BOXES, CHOICE + NUMBER + SPANS]),
    JSON | JSON.map(json.dumps) | RESULTS | RESULTS.map(json.dumps),
)
def test_whatever_was_predicted_is_an_answer_or_refused_in_words(
    controls: str, value: object
) -> None:
    try:
        text = answered(controls, value)
    except ValueError:
        return
    assert answered(controls, text) == text


@pytest.mark.parametrize(
    "value",
    ["[" * 100_000, '[{"start": 1e999, "end": 2, "labels": ["PER"]}]', float("inf")],
    ids=["deep", "infinite", "number"],
)
def test_json_of_any_depth_and_size_of_number_is_refused(value: object) -> None:
    for controls in (NUMBER, SPANS, BOXES, CHOICES, CHOICE + NUMBER):
        with pytest.raises(ValueError, match=r"."):
            answered(controls, value)


@settings(deadline=None, max_examples=150)
@given(st.lists(JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)), max_size=4))
def test_whatever_is_sent_is_taken_whole_or_refused_in_words(sent: list[Any]) -> None:
    try:
        found = read_inferences(sent, rules(), NOW)
    except InferencesError as error:
        assert error.count >= len(error.problems) > 0  # noqa: PT017 - both ends are right
    else:
        assert len(found) == len(sent)
