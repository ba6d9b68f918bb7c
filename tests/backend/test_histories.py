"""Reading a history: every column, every mistake, and ids that draw the same everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.data_files import DataFileError
from backend.histories import read_history, task_numbers
from policies.sampling import SLICE, draws
from tests.fakes.policy_documents import make_policy

HEAD = "id,predicted,score,label"
ROUTES = [{"kind": "task_field", "field": "source", "in": [3, True, "press"], "tier": "senior"}]


def write(folder: Path, text: str) -> Path:
    file = folder / "history.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_all_columns(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        f"{HEAD},tier,lead_time,field.source,margin\n"
        "7,cat,0.9,dog,senior,12.5,3,0.8\n"
        "x,,,,,,true,\n"
        "y,dog,1,,,,010,\n",
    )
    margin = [{"kind": "margin", "below": 0.1, "tier": "senior"}]
    found = read_history(file, [make_policy(routes=ROUTES), make_policy(routes=margin)])
    candidates = found.candidates
    assert candidates.task_ids[0] == 7
    assert candidates.labels.tolist() == ["cat", None, "dog"]
    assert candidates.problems.tolist() == [None, "no prediction in the history", None]
    np.testing.assert_array_equal(candidates.scores, [0.9, np.nan, 1.0])
    assert candidates.fields["source"].tolist() == [3, True, "010"]
    np.testing.assert_array_equal(candidates.signals["margin"], [0.8, np.nan, np.nan])
    assert found.labels.tolist() == ["dog", None, None]
    assert found.tiers.tolist() == ["senior", None, None]
    np.testing.assert_array_equal(found.lead_times, [12.5, np.nan, np.nan])


def test_a_signal_that_the_history_lacks_is_unknown(tmp_path: Path) -> None:
    routes = [{"kind": "entropy", "above": 0.5, "tier": "senior"}]
    found = read_history(write(tmp_path, f"{HEAD}\n1,a,0.9,a\n"), [make_policy(routes=routes)])
    assert np.isnan(found.candidates.signals["entropy"]).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "  is empty: the columns id, predicted, score, label are needed"),
        (f"{HEAD}\n", "  has no rows: one line for each task is needed"),
        ("id,score,label\n", ":1  has no column 'predicted'"),
        (f"{HEAD}\n1,a,93,a\n", ":2  score = '93'  is not a number from 0 to 1: give the model's"),
        (f"{HEAD}\n1,a,nan,a\n", ":2  score = 'nan'  is not a number from 0 to 1"),
        (f"{HEAD}\n1,a,,a\n", ":2  score = ''  is empty, but the model predicted 'a'"),
        (f"{HEAD}\n1,a,1,a\n1,a,1,a\n", ":3  id = '1'  stands on line 2 already"),
        (f"{HEAD}\n,a,1,a\n", ":2  id = ''  is empty: each task needs an id of its own"),
        (f"{HEAD},lead_time\n1,a,1,a,-3\n", ":2  lead_time = '-3'  is not a number from 0 on"),
        (f"{HEAD},lead_time\n1,a,1,a,inf\n", ":2  lead_time = 'inf'  is not a number from 0 on"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(DataFileError) as caught:
        read_history(file, [make_policy(routes=[])])
    assert str(caught.value).startswith(f"{file}{message}")


def test_a_field_that_a_route_looks_at_must_be_there(tmp_path: Path) -> None:
    file = write(tmp_path, f"{HEAD}\n1,a,0.9,a\n")
    with pytest.raises(DataFileError, match=r":1  has no column 'field\.source'"):
        read_history(file, [make_policy(routes=[]), make_policy(routes=ROUTES)])


def test_mistakes_come_in_the_order_of_their_lines(tmp_path: Path) -> None:
    file = write(tmp_path, f"{HEAD}\n1,a,1,a\n1,a,x,a\n2,a,y,a\n")
    with pytest.raises(DataFileError) as caught:
        read_history(file, [make_policy(routes=[])])
    lines = [line.removeprefix(f"{file}:")[:8] for line in str(caught.value).splitlines()]
    assert lines == ["3  score", "3  id = ", "4  score"]


def test_ids_are_numbers_or_hashed() -> None:
    ids = ["7", "-7", "0", "007", "+7", "7.0", "t-1", "\u0667", "9" * 30]
    numbers = task_numbers(ids).tolist()
    assert numbers[:3] == [7, -7, 0]
    assert len(set(numbers)) == len(ids)
    # Fixed for ever: another number would put old histories into other slices.
    assert task_numbers(["t-1"])[0] == 5109822185745755810


def test_the_same_task_draws_the_same_as_in_the_store() -> None:
    number = task_numbers(["12345"])
    assert draws("labelgate", SLICE, number) == draws("labelgate", SLICE, np.array([12345]))


def test_signals_are_read_by_the_names_of_their_kinds(tmp_path: Path) -> None:
    routes = [
        {"kind": "novelty", "above": 0.5, "tier": "senior"},
        {"kind": "version_disagreement", "tier": "senior"},
        {"kind": "region_count", "above": 5, "tier": "senior"},
        {"kind": "upstream_disagreement", "field": "vendor", "tier": "senior"},
    ]
    head = f"{HEAD},novelty,version_disagreement,region_count,field.vendor"
    file = write(tmp_path, f"{head}\n1,a,0.9,a,0.7,1,12,b\n2,a,0.9,a,,0,,\n")
    found = read_history(file, [make_policy(routes=routes)]).candidates
    assert found.fields["vendor"].tolist() == ["b", None]
    for name, values in {
        "novelty": [0.7, np.nan],
        "version_disagreement": [1, 0],
        "region_count": [12, np.nan],
    }.items():
        np.testing.assert_array_equal(found.signals[name], values)
    with pytest.raises(DataFileError, match="novelty = '7'  is not a number from 0 to 1"):
        read_history(write(tmp_path, f"{head}\n1,a,0.9,a,7,1,1,b\n"), [make_policy(routes=routes)])
