"""``labelgate consensus``: known figures of real votes, files written, messages for people."""

from __future__ import annotations

import csv
import gzip
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from labelgate import main

VOTES = (
    "item,worker,label\n1,ann,yes\n1,bob,yes\n1,cem,no\n2,ann,no\n2,bob,no\n2,cem,no\n"
    "3,ann,yes\n3,bob,no\n"
)
PROBABILITIES = "item,yes,no,maybe\n1,0.7,0.2,0.1\n2,0.1,0.9,0\n3,0.8,0.1,0.1\n9,0.3,0.3,0.4\n"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["consensus", *map(str, arguments)])


def report(*arguments: str | Path) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = orjson.loads(result.stdout)
    return found


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    file = tmp_path / "votes.csv"
    file.write_text(VOTES, encoding="utf-8")
    return file


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("votes_of", "gold", "method", "published", "within"),
    [
        ("rte", "rte_items", "majority", 0.8969, 0.00005),
        ("rte", "rte_items", "dawid-skene", 0.9275, 0.005),
        ("rte", "rte_items", "one-coin", 0.925, 0.0005),
        ("bluebird", "bluebird_gold", "majority", 0.7593, 0.00005),
        ("bluebird", "bluebird_gold", "dawid-skene", 0.8981, 0.005),
        ("bluebird", "bluebird_gold", "one-coin", 0.5833, 0.00005),
        ("face_sentiment", "face_sentiment_gold", "majority", 0.6367, 0.00005),
        ("face_sentiment", "face_sentiment_gold", "dawid-skene", 0.6404, 0.005),
    ],
)
def test_known_figures_of_real_votes(  # noqa: PLR0917 - the columns of the table
    data_folder: Path, votes_of: str, gold: str, method: str, published: float, within: float
) -> None:
    found = report(
        data_folder / f"{votes_of}_votes.csv.gz",
        "--gold",
        data_folder / f"{gold}.csv.gz",
        "--method",
        method,
    )
    accuracy = found["accuracy"]
    assert accuracy["value"] == pytest.approx(published, abs=within)
    assert accuracy["low"] < accuracy["value"] < accuracy["high"]
    assert accuracy["n"] == found["units"] == found["gold"]["items"]
    assert found["gold"]["unknown"] == 0
    assert found["converged"]


@pytest.mark.parametrize(
    ("votes_of", "tied"), [("rte", 65), ("bluebird", 0), ("face_sentiment", 28)]
)
def test_known_numbers_of_ties(data_folder: Path, votes_of: str, tied: int) -> None:
    assert report(data_folder / f"{votes_of}_votes.csv.gz")["tied"] == tied


def test_weights_do_better_than_plain_majority_on_real_votes(data_folder: Path) -> None:
    found = report(
        data_folder / "rte_votes.csv.gz",
        "--gold",
        data_folder / "rte_items.csv.gz",
        "--method",
        "weighted",
    )
    assert found["accuracy"]["value"] > 0.8969 + 0.015


def test_the_report_of_a_small_file(votes: Path, tmp_path: Path) -> None:
    gold = written(tmp_path, "gold.csv", "item,gold\n1,yes\n2,yes\n3,no\n77,no\n")
    found = report(votes, "--gold", gold)
    annotators = found.pop("annotators")
    accuracy = found.pop("accuracy")
    assert found == {
        "method": "majority",
        "units": 3,
        "ratings": 8,
        "raters": 3,
        "dropped": 0,
        "tied": 1,
        "converged": True,
        "gold": {"items": 3, "unknown": 1},
    }
    assert accuracy["value"] == pytest.approx(1.5 / 3)  # the tie counts half
    by_name = {one["annotator"]: one for one in annotators}
    # In item 1 bob and cem differ, so they are no consensus for ann.
    assert by_name["ann"]["agreement_with_consensus"]["n"] == 2
    assert by_name["cem"]["agreement_with_consensus"]["value"] == pytest.approx(1 / 2)
    assert by_name["ann"]["gold"]["value"] == pytest.approx(1 / 3)
    assert annotators == sorted(annotators, key=lambda one: one["quality"])


def test_without_gold_accuracy_is_null(votes: Path) -> None:
    found = report(votes)
    assert found["accuracy"] is None
    assert found["gold"] is None
    assert {one["gold"] for one in found["annotators"]} == {None}


def test_gold_of_other_items_alone_is_a_null_and_says_so(votes: Path, tmp_path: Path) -> None:
    gold = written(tmp_path, "gold.csv", "item,gold\n77,yes\n")
    result = run(votes, "--gold", gold, "--json")
    assert orjson.loads(result.stdout)["accuracy"] == {
        "value": None,
        "low": None,
        "high": None,
        "n": 0,
    }
    assert "none of its items has votes" in result.stderr


def test_a_true_label_that_nobody_gave_makes_everybody_wrong(votes: Path, tmp_path: Path) -> None:
    gold = written(tmp_path, "gold.csv", "item,gold\n2,maybe\n")
    found = report(votes, "--gold", gold)
    assert found["accuracy"]["value"] == 0
    assert found["accuracy"]["n"] == 1


@pytest.mark.parametrize("name", ["labels.csv", "labels.csv.gz"])
def test_out_writes_a_label_and_its_confidence_for_each_item(
    votes: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    assert run(votes, "--out", out).exit_code == 0
    content = out.read_bytes()
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode()
    assert list(csv.DictReader(io.StringIO(text))) == [
        {"item": "1", "label": "yes", "confidence": "0.666667"},
        {"item": "2", "label": "no", "confidence": "1.000000"},
        {"item": "3", "label": "no", "confidence": "0.500000"},
    ]


def test_out_never_takes_the_place_of_what_was_read(votes: Path, tmp_path: Path) -> None:
    result = run(votes, "--out", tmp_path / "." / "votes.csv")
    assert result.exit_code == 2
    assert "give another name" in result.stderr
    assert votes.read_text(encoding="utf-8") == VOTES


def test_out_keeps_names_that_need_quotes(tmp_path: Path) -> None:
    file = written(tmp_path, "votes.csv", 'item,worker,label\n"a, ""b""",w,"é\nü"\n')
    out = tmp_path / "out.csv"
    assert run(file, "--out", out).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert [(row["item"], row["label"]) for row in rows] == [('a, "b"', "é\nü")]


def test_the_same_votes_make_the_same_packed_bytes(votes: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "1.csv.gz", tmp_path / "2.csv.gz"
    run(votes, "--out", one)
    run(votes, "--out", other)
    assert one.read_bytes() == other.read_bytes()


def test_text_shows_every_annotator_and_notes_ties(votes: Path, tmp_path: Path) -> None:
    gold = written(tmp_path, "gold.csv", "item,gold\n1,yes\n")
    result = run(votes, "--gold", gold)
    assert result.exit_code == 0
    for expected in (
        "majority: 3 items, 8 votes of 3 workers",
        "right on gold: 1.000",
        "ann",
        "cem",
    ):
        assert expected in result.stdout
    assert "tied items: 1" in result.stderr


def test_one_worker_alone_is_a_consensus_without_quality(tmp_path: Path) -> None:
    file = written(tmp_path, "votes.csv", "item,worker,label\n1,ann,yes\n2,ann,no\n")
    for method in ("majority", "dawid-skene", "one-coin", "weighted"):
        result = run(file, "--method", method, "--json")
        (annotator,) = orjson.loads(result.stdout)["annotators"]
        assert annotator["quality"] is None
        assert annotator["agreement_with_consensus"]["value"] is None
        assert "No item has votes of two workers" in result.stderr


def test_one_label_only_is_no_problem(tmp_path: Path) -> None:
    file = written(tmp_path, "votes.csv", "item,worker,label\n1,ann,yes\n1,bob,yes\n")
    for method in ("majority", "dawid-skene", "one-coin", "weighted"):
        found = report(file, "--method", method)
        assert {one["agreement_with_consensus"]["value"] for one in found["annotators"]} == {1}


def test_repeated_votes_are_counted(tmp_path: Path) -> None:
    file = written(tmp_path, "votes.csv", VOTES + "1,ann,no\n")
    result = run(file, "--json")
    assert orjson.loads(result.stdout)["dropped"] == 1
    assert "repeated votes left out: 1" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: the columns item, worker, label are needed"),
        ("item,worker,label\n", "has no rows"),
        ("item,annotator,label\n1,ann,yes\n", "has no column 'worker'"),
        ("item,worker,label\n1,ann,\n", "label = ''  is empty"),
        ("item,worker,label\n1,ann\n", "has 2 values"),
    ],
)
def test_votes_that_cannot_be_used_are_refused_with_a_way_out(
    tmp_path: Path, text: str, message: str
) -> None:
    result = run(written(tmp_path, "votes.csv", text), "--json")
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item,label\n1,yes\n", "has no column 'gold'"),
        ("item,gold\n", "has no rows"),
        ("item,gold\n1,\n", "2  gold = ''  is empty"),
        ("item,gold\n1,yes\n1,no\n", "3  gold = 'no'  but a line above says 'yes'"),
    ],
)
def test_gold_that_cannot_be_used_is_refused_with_a_way_out(
    votes: Path, tmp_path: Path, text: str, message: str
) -> None:
    result = run(votes, "--gold", written(tmp_path, "gold.csv", text))
    assert result.exit_code == 1
    assert message in result.stderr


def test_missing_files_and_folders_are_named(votes: Path, tmp_path: Path) -> None:
    for arguments in (
        [tmp_path / "none.csv"],
        [votes, "--gold", tmp_path / "none.csv"],
        [votes, "--out", tmp_path / "no_folder" / "out.csv"],
    ):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "No such file or directory" in result.stderr


def test_crowdlab_hears_the_model_where_the_votes_are_tied(votes: Path, tmp_path: Path) -> None:
    probabilities = written(tmp_path, "model.csv", PROBABILITIES)
    out = tmp_path / "out.csv"
    model = ("--probabilities", probabilities)
    found = report(votes, "--method", "crowdlab", *model, "--out", out)
    labels = {row["item"]: row["label"] for row in csv.DictReader(io.StringIO(out.read_text()))}
    assert labels == {"1": "yes", "2": "no", "3": "yes"}
    assert found["tied"] == 0
    assert all(0 < one["quality"] <= 1 for one in found["annotators"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item,yes\n1,1\n", "has no column 'no'"),
        ("item,yes,no\n1,0.5,0.5\n", "has no line for 2 of 3 rated items, the first is '2'"),
        ("item,yes,no\n1,0.5,0.6\n", "add up to 1.100"),
        ("item,yes,no\n1,2,-1\n", "no = '-1'  is no probability"),
        ("item,yes,no\n1,,1\n", "yes = ''  is no probability"),
        ("item,yes,no\n1,1,0\n1,1,0\n", "item = '1'  is there twice"),
        ("item,yes,no\n", "has no line for 3 of 3 rated items"),
    ],
)
def test_probabilities_that_cannot_be_used_are_refused(
    votes: Path, tmp_path: Path, text: str, message: str
) -> None:
    file = written(tmp_path, "model.csv", text)
    result = run(votes, "--method", "crowdlab", "--probabilities", file)
    assert result.exit_code == 1
    assert message in result.stderr


def test_crowdlab_and_its_probabilities_go_together(votes: Path, tmp_path: Path) -> None:
    assert "go together" in run(votes, "--method", "crowdlab").stderr
    file = written(tmp_path, "model.csv", PROBABILITIES)
    assert "go together" in run(votes, "--probabilities", file).stderr


def test_crowdlab_without_cleanlab_names_the_way_out(votes: Path, tmp_path: Path) -> None:
    """In a process of its own, where the package cannot be found."""
    file = written(tmp_path, "model.csv", PROBABILITIES)
    program = (
        "import importlib.util, sys; found = importlib.util.find_spec; "
        "importlib.util.find_spec = lambda name, *rest: "
        "None if name == 'cleanlab' else found(name, *rest); "
        "from labelgate import main; main()"
    )
    arguments = ["consensus", str(votes), "--method", "crowdlab", "--probabilities", str(file)]
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "pip install 'labelgate[cleanlab]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_crowdlab_refuses_votes_without_overlap(tmp_path: Path) -> None:
    file = written(tmp_path, "votes.csv", "item,worker,label\n1,ann,yes\n2,bob,no\n")
    model = written(tmp_path, "model.csv", "item,yes,no\n1,0.5,0.5\n2,0.5,0.5\n")
    result = run(file, "--method", "crowdlab", "--probabilities", model)
    assert result.exit_code == 1
    assert "take majority" in result.stderr
