"""Rows of columns: read from task data, turned into numbers, and chosen on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier

from backend.predictors.errors import TrainingError
from backend.predictors.protocol import Examples, ModelInput, Row
from backend.predictors.tables.choice import (
    fit_table_choice,
    table_choice_as_plain,
    table_choice_from_plain,
)
from backend.predictors.tables.columns import (
    Holds,
    columns_as_plain,
    columns_from_plain,
    days_of,
    fit_columns,
    number_of,
)
from backend.predictors.tables.rows import MAX_CHARACTERS, RowError, row_of, row_of_table
from policies.conditions import ENTROPY, MARGIN
from tests.fakes.model_files import through_file


def customers(rows: int, seed: int = 0) -> tuple[list[ModelInput], list[str]]:
    """Whether a customer leaves: by plan, age (written as text) and the day of joining."""
    rng = np.random.default_rng(seed)
    found: list[ModelInput] = []
    answers = []
    for _ in range(rows):
        plan = str(rng.choice(["basic", "plus", "team"]))
        age, month = int(rng.integers(18, 80)), int(rng.integers(1, 13))
        leaves = (plan == "basic") + (age < 40) + (month > 6) >= 2
        answers.append("leaves" if leaves != (rng.random() < 0.1) else "stays")
        row: dict[str, float | str | bool | None] = {
            "plan": plan if rng.random() > 0.05 else None,
            "age": str(age),
            "joined": f"2026-{month:02}-03",
            "letters": bool(rng.random() < 0.5),
        }
        found.append(row)
    return found, answers


def columns_of(values: list[Any]) -> dict[str, Holds]:
    found = fit_columns([{"x": value} for value in values])
    return {column.name: column.holds for column in found.columns}


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        ([1, 2.5, None], Holds.NUMBER),
        (["1", " 2.5 ", "1,000"], Holds.NUMBER),
        ([True, False, True], Holds.NUMBER),
        ([*range(30), "n/a"], Holds.NUMBER),
        (["2026-01-01", "2026-01-02T10:00:00Z"], Holds.MOMENT),
        (["a", "b", "a", "b"], Holds.CATEGORY),
        ([True, "yes", True, "yes"], Holds.CATEGORY),
        ([1, "two", 1, "two"], Holds.CATEGORY),
    ],
)
def test_what_a_column_holds_is_told_by_its_values(values: list[Any], holds: Holds) -> None:
    assert columns_of(values) == {"x": holds}


def test_what_a_column_does_not_hold_is_missing_and_a_new_category_is_one_of_the_rare() -> None:
    rows: list[Row] = [{"c": "a", "n": 1, "d": "2026-01-01"}] * 2
    rows += [{"c": "b", "n": 2, "d": "2026-02-01"}] * 2
    columns = fit_columns([*rows, {"c": "seldom", "n": 3, "d": None}])
    assert [column.name for column in columns.columns] == ["c", "d", "n"]
    assert columns.categorical == 1
    strange: list[ModelInput] = [{"c": "new", "n": "many", "d": "soon"}, {}, {"c": 3, "n": 10**400}]
    found = columns.encode(strange)
    assert found[:, 0].tolist()[::2] == [0.0, 0.0]
    assert np.isnan(found[:, 1:]).all()
    assert np.isnan(found[1]).all()
    assert columns.encode([]).shape == (0, 3)


def test_thousands_of_categories_become_the_most_frequent_ones_and_the_rest() -> None:
    rows: list[Row] = [{"c": f"c{number % 2500}"} for number in range(5000)]
    (column,) = fit_columns(rows).columns
    assert len(column.categories) == 200
    assert column.numbers(rows).max() == 200.0


def test_columns_that_tell_nothing_are_left_out_or_refused() -> None:
    rows: list[Row] = [
        {"same": 1, "empty": None, "words": f"text {number}", "x": number} for number in range(5)
    ]
    assert [column.name for column in fit_columns(rows).columns] == ["x"]
    with pytest.raises(TrainingError, match=r"columns: 'empty', 'same'"):
        fit_columns([{"same": 1, "empty": " "}] * 3)
    with pytest.raises(TrainingError, match="columns: none"):
        fit_columns([{}, {}])


@settings(max_examples=200)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from("abc"),
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=True, allow_infinity=True)
            | st.text("ab1-. ", max_size=8)
            | st.sampled_from(["2026-01-01", "1", "0001-01-01T00:00+14:00", "x"]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_any_row_of_single_values_is_read_and_columns_survive_their_plain_form(
    rows: list[Row],
) -> None:
    try:
        columns = fit_columns(rows)
    except TrainingError:
        return
    found = columns.encode(list(rows))
    assert found.shape == (len(rows), len(columns.columns))
    assert not np.isinf(found).any()
    assert columns_from_plain(columns_as_plain(columns)) == columns


def test_numbers_and_dates_are_read_strictly() -> None:
    assert [number_of(text) for text in ("1e3", "-.5", "1,23", "٣", "inf", "")] == [
        *(1000.0, -0.5),
        *[None] * 4,
    ]
    assert days_of("20260301") == days_of("2026-03-01")
    assert days_of("2026-13-01") is None
    assert days_of(20260301) is None


def test_a_row_is_the_fields_named_and_what_cannot_be_a_column_is_told() -> None:
    data = {"age": 3, "plan": None, "tags": ["a"], "more": {"x": 1}}
    assert row_of(data, ["age", "plan", "gone"]) == {"age": 3, "plan": None, "gone": None}
    with pytest.raises(RowError, match=r"data\['tags'\] must be .* not a list"):
        row_of(data, ["age", "tags"])
    with pytest.raises(RowError, match="not an object"):
        row_of(data, ["more"])
    with pytest.raises(RowError, match=r"none of the fields 'size' \(it has: 'age'"):
        row_of(data, ["size"])
    with pytest.raises(RowError, match="10,001 characters"):
        row_of({"age": "x" * (MAX_CHARACTERS + 1)}, ["age"])


def test_a_table_is_the_object_under_its_key() -> None:
    assert row_of_table({"t": {"age": 3, "ok": True}}, "t") == {"age": 3, "ok": True}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"t": [1]}, "not a list"),
        ({"t": None}, "not null"),
        ({"u": {}}, "no key 't'"),
        ({"t": {"x": [1]}}, r"data\['t'\]\['x'\]"),
        ({"t": dict.fromkeys(map(str, range(1001)))}, "1,001 columns"),
    ]
    for data, message in wrong:
        with pytest.raises(RowError, match=message):
            row_of_table(data, "t")


def test_rows_are_learned_and_their_score_is_how_often_they_are_right() -> None:
    model = fit_table_choice(Examples.alike(*customers(500)), seed=0)
    rows, answers = customers(2000, seed=1)
    told = model.answers(rows)
    right = told.texts == np.array(answers, object)
    assert model.labels == ("leaves", "stays")
    assert right.mean() > 0.83  # 0.9 is all that can be had
    assert told.scores.mean() == pytest.approx(right.mean(), abs=0.04)
    assert set(told.signals) == {MARGIN, ENTROPY}


def test_rows_of_thirty_columns_are_told_apart_as_well_as_by_scikit_learn_alone() -> None:
    data = load_breast_cancer()
    names = [str(name) for name in data.feature_names]
    rows: list[ModelInput] = [dict(zip(names, map(float, line), strict=True)) for line in data.data]
    answers = np.array([str(data.target_names[code]) for code in data.target], object)
    order = np.random.default_rng(0).permutation(len(rows))
    training, asked = order[:400], order[400:]
    model = fit_table_choice(
        Examples.alike([rows[row] for row in training], answers[training].tolist()), seed=0
    )
    peer = HistGradientBoostingClassifier(random_state=0).fit(
        data.data[training], data.target[training]
    )
    ours = np.mean(model.answers([rows[row] for row in asked]).texts == answers[asked])
    assert ours >= peer.score(data.data[asked], data.target[asked]) - 0.02


def test_the_same_examples_and_seed_give_the_very_same_answers_also_through_a_file() -> None:
    rows, answers = customers(150)
    three = [answer if number % 5 else "asks" for number, answer in enumerate(answers)]
    for said in (answers, three):
        first, second = (fit_table_choice(Examples.alike(rows, said), seed=3) for _ in range(2))
        kept = table_choice_from_plain(through_file(table_choice_as_plain(first)))
        for other in (second, kept):
            assert (other.answers(rows).texts == first.answers(rows).texts).all()
            assert (other.probabilities(rows) == first.probabilities(rows)).all()


def test_weights_decide_between_examples_that_contradict_each_other() -> None:
    rows: list[ModelInput] = [{"x": 1}, {"x": 1}, {"x": 2}, {"x": 2}] * 10
    examples = Examples(
        inputs=rows, answers=["a", "b"] * 20, weights=np.array([9.0, 0.1, 0.1, 9.0] * 10)
    )
    model = fit_table_choice(examples, seed=0)
    assert model.answers([{"x": 1}, {"x": 2}]).texts.tolist() == ["a", "b"]


def test_one_example_a_class_is_enough_and_no_row_gives_no_answer() -> None:
    rows: list[ModelInput] = [{"x": 1}, {"x": 5}, {"x": 9}]
    model = fit_table_choice(Examples.alike(rows, ["a", "b", "c"]), seed=0)
    assert model.probabilities(rows).sum(axis=1) == pytest.approx(np.ones(3))
    assert model.answers([]).texts.shape == (0,)


def test_what_teaches_nothing_and_values_of_another_form_are_refused() -> None:
    with pytest.raises(TrainingError, match="only 'a'"):
        fit_table_choice(Examples.alike([{"x": 1}, {"x": 2}], ["a", "a"]), seed=0)
    with pytest.raises(TrainingError, match="no column"):
        fit_table_choice(Examples.alike([{"x": 1}, {"x": 1}], ["a", "b"]), seed=0)
    model = fit_table_choice(Examples.alike([{"x": 1}, {"x": 2}] * 9, ["a", "b"] * 9), seed=0)
    with pytest.raises(TypeError, match="not a row"):
        model.answers(["a text"])
    plain = table_choice_as_plain(model)
    for key in plain:
        with pytest.raises((KeyError, TypeError, ValueError)):
            table_choice_from_plain({name: plain[name] for name in plain if name != key})
    with pytest.raises(ValueError, match="3 labels"):
        table_choice_from_plain(plain | {"labels": ["a", "b", "c"]})
