"""``labelgate agreement``: reports, pages, and messages for files that cannot be measured."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from labelgate import main

VOTES = (
    "item,worker,label\n1,ann,yes\n1,bob,yes\n2,ann,no\n2,bob,yes\n3,ann,no\n3,bob,no\n3,bob,yes\n"
)
EXPORT = json.dumps(
    [
        {
            "id": task,
            "data": {"text": "a"},
            "annotations": [
                {
                    "id": 10 * task + person,
                    "completed_by": person,
                    "was_cancelled": False,
                    "result": [
                        {
                            "id": f"r{task}{person}",
                            "from_name": "mood",
                            "to_name": "text",
                            "type": "choices",
                            "value": {"choices": [label]},
                        }
                    ],
                }
                for person, label in enumerate(labels, start=1)
            ],
        }
        for task, labels in enumerate((("up", "up"), ("up", "down"), ("down", "down")), start=1)
    ]
)


def run(file: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["agreement", str(file), *options])


def report(file: Path, *options: str) -> dict[str, Any]:
    result = run(file, "--json", *options)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    file = tmp_path / "votes.csv"
    file.write_text(VOTES)
    return file


def written(folder: Path, content: str, name: str = "votes.csv") -> Path:
    file = folder / name
    file.write_text(content)
    return file


def test_a_report_of_votes(votes: Path) -> None:
    found = report(votes)
    assert list(found) == [
        "units",
        "ratings",
        "raters",
        "dropped",
        "measures",
        "annotators",
        "pairs",
    ]
    assert (found["units"], found["ratings"], found["raters"], found["dropped"]) == (3, 6, 2, 1)
    assert list(found["measures"]) == [
        "raw_agreement",
        "krippendorff_alpha",
        "fleiss_kappa",
        "gwet_ac1",
    ]
    assert found["measures"]["raw_agreement"]["value"] == pytest.approx(2 / 3)
    assert found["measures"]["krippendorff_alpha"]["value"] == pytest.approx(4 / 9)
    for measure in found["measures"].values():
        assert list(measure) == ["value", "low", "high", "n"]
        assert measure["low"] < measure["value"] < measure["high"]
        assert measure["n"] == 3
    assert [each["rater"] for each in found["annotators"]] == ["ann", "bob"]
    assert found["annotators"][0]["ratings"] == 3
    assert found["annotators"][0]["agreement"]["value"] == pytest.approx(2 / 3)
    (pair,) = found["pairs"]
    assert (pair["raters"], pair["n"]) == (["ann", "bob"], 3)
    assert pair["raw_agreement"]["value"] == pytest.approx(2 / 3)
    assert pair["cohen_kappa"]["value"] == pytest.approx(0.4)


def test_tables_name_what_was_dropped(votes: Path) -> None:
    result = run(votes)
    assert result.exit_code == 0
    assert "3 items, 6 votes, 2 workers" in result.output
    assert "1 repeated votes" in result.output
    assert "krippendorff_alpha" in result.output
    assert "ann and bob" in result.output


def test_a_packed_file_says_the_same(votes: Path, tmp_path: Path) -> None:
    packed = tmp_path / "votes.csv.gz"
    packed.write_bytes(gzip.compress(VOTES.encode()))
    assert report(packed) == report(votes) == report(votes, "--format", "votes")


@pytest.mark.parametrize("level", ["ordinal", "interval", "ratio"])
def test_numbers_get_the_figures_of_their_level(tmp_path: Path, level: str) -> None:
    rows = [(item, rater, (3 * item + rater) % 7 + item) for item in range(9) for rater in range(3)]
    lines = "".join(f"{item},w{rater},{label}\n" for item, rater, label in rows)
    found = report(written(tmp_path, "item,worker,label\n" + lines), "--level", level)
    assert set(found["measures"]) == {
        *("raw_agreement", "krippendorff_alpha", "fleiss_kappa", "gwet_ac1", "gwet_ac2"),
        *("icc_1_1", "icc_2_1", "icc_3_1", "icc_1_k", "icc_2_k", "icc_3_k"),
    }
    assert all(pair["weighted_kappa"]["value"] is not None for pair in found["pairs"])


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        (["1,ann,yes", "2,ann,no"], "one worker only, 'ann'"),
        (["1,ann,yes", "1,ann,no"], "one worker only, 'ann'"),
        (["1,ann,yes", "2,bob,no"], "no item has votes of two workers"),
        (["1,ann,yes", "1,bob,yes", "2,ann,yes", "2,bob,yes"], "one label only, 'yes'"),
    ],
)
def test_undefined_is_null_and_says_why(tmp_path: Path, lines: Sequence[str], note: str) -> None:
    file = written(tmp_path, "\n".join(["item,worker,label", *lines]))
    found = report(file)
    nothing = {"value": None, "low": None, "high": None}
    for name in ("krippendorff_alpha", "fleiss_kappa", "gwet_ac1"):
        assert found["measures"][name].items() >= nothing.items()
    if "one label" not in note:
        assert found["measures"]["raw_agreement"] == nothing | {"n": 0}
        assert found["annotators"][0]["agreement"] == nothing | {"n": 0}
        assert found["pairs"] == []
    else:
        assert found["measures"]["raw_agreement"]["value"] == 1
        assert found["pairs"][0]["cohen_kappa"] == nothing | {"n": 2}
    page = tmp_path / "page.html"
    result = run(file, "--html", str(page))
    assert note in " ".join(result.output.split())
    assert note.replace("'", "&#39;") in page.read_text()


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", [], "votes.csv  is empty: the columns item, worker, label are needed"),
        ("item,worker,label\n", [], "votes.csv  has no rows"),
        (
            "item,user,label\n1,a,x\n",
            [],
            "votes.csv:1  has no column 'worker' (it has 'item', 'user'",
        ),
        ("item,worker,label\n1,a,x\n2,b\n", [], "votes.csv:3  has 2 values"),
        ("item,worker,label\n1,a,x\n\n2,b,\n", [], "votes.csv:4  label = ''  is empty: leave out"),
        ("item,worker,label\n1, ,x\n", [], "votes.csv:2  worker = ' '  is empty"),
        (
            "item,worker,label\n1,a,3\n1,b,NaN\n",
            ["--level", "interval"],
            "votes.csv:3  label = 'NaN'  is no finite number: give a number, or",
        ),
        (
            "item,worker,label\n1,a,low\n1,b,3\n",
            ["--level", "ordinal"],
            "votes.csv:2  label = 'low'  is no finite number",
        ),
        (
            "item,worker,label\n1,a,3\n1,b,-3\n",
            ["--level", "ratio"],
            "votes.csv:3  label = '-3'  is below zero",
        ),
        ("[1, 2]", [], "votes.csv"),
        ("item,worker,label\n1,a,x\n", ["--format", "label-studio"], "votes.csv"),
        (EXPORT, ["--format", "votes"], "votes.csv"),
    ],
)
def test_a_file_that_cannot_be_measured(
    tmp_path: Path, content: str, options: Sequence[str], message: str
) -> None:
    result = run(written(tmp_path, content), *options)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = run(tmp_path / "none.csv")
    assert result.exit_code == 1
    assert "none.csv  cannot be read: No such file" in result.output


def test_an_unknown_format_or_level(votes: Path) -> None:
    for option in ("--format", "--level"):
        result = run(votes, option, "parquet")
        assert result.exit_code == 2
        assert "'parquet' is not one of" in result.output


def test_too_many_labels(tmp_path: Path) -> None:
    lines = "".join(
        f"{item},{worker},{2 * item + place}\n"
        for item in range(150)
        for place, worker in enumerate("ab")
    )
    file = written(tmp_path, "item,worker,label\n" + lines)
    assert report(file)["measures"]["raw_agreement"]["value"] == 0
    result = run(file, "--level", "ordinal")
    assert result.exit_code == 1
    assert "votes.csv  300 different labels are too many for the ordinal level" in result.output


def test_an_export_is_known_by_how_it_begins(tmp_path: Path) -> None:
    file = written(tmp_path, " " + EXPORT, "export.txt")
    found = report(file)
    assert found["tasks"] == 3
    assert found == report(file, "--format", "label-studio")
    assert found["controls"]["mood"]["type"] == "choices"
    assert found["controls"]["mood"]["measures"]["krippendorff_alpha"]["value"] == pytest.approx(
        4 / 9
    )
    page = tmp_path / "page.html"
    result = run(file, "--html", str(page))
    assert result.exit_code == 0
    assert "mood (choices)" in result.output
    assert "mood (choices)" in page.read_text()


class Page(HTMLParser):
    """The tags of a page and where its attributes point."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.pointers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.pointers += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_the_page_is_whole_in_itself_and_escapes_every_value(tmp_path: Path) -> None:
    evil = "<script>alert('x')</script>"
    lines = [
        f'{item},{evil}{worker},"{evil}{item * worker % 3}"'
        for item in range(9)
        for worker in (1, 2)
    ]
    file = written(tmp_path, "\n".join(["item,worker,label", *lines]))
    html = tmp_path / "page.html"
    assert run(file, "--html", str(html)).exit_code == 0
    text = html.read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert "script" not in page.tags
    assert page.pointers == []
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text
    assert page.tags.count("svg") == 3  # all, each worker, each label
    assert page.tags.count("rect") == 4 + 2 + 3
    assert page.tags.count("figure") == 5  # workers two by two, and labels that are mixed up
    assert page.tags.count("table") == 5  # and the numbers of each drawing
    assert evil not in text


def test_a_page_that_cannot_be_written(votes: Path, tmp_path: Path) -> None:
    result = run(votes, "--html", str(tmp_path / "none" / "page.html"))
    assert result.exit_code == 1
    assert "cannot be written" in result.output


def test_a_real_file(data_folder: Path, tmp_path: Path) -> None:
    html = tmp_path / "rte.html"
    found = report(data_folder / "rte_votes.csv.gz", "--html", str(html))
    assert found["measures"]["krippendorff_alpha"]["value"] == pytest.approx(0.2415, abs=5e-5)
    assert (found["units"], found["ratings"], found["raters"]) == (800, 8_000, 164)
    assert len(found["annotators"]) == 164
    assert "the 60 with most votes of 164" in html.read_text()
