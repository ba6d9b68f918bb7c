"""``labelgate corrections``: reports in every format, and messages for wrong files."""

from __future__ import annotations

import csv
import gzip
import json
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from labelgate import main

ANSWERS = """id,predicted,label,shown
1,billing,billing,1
2,billing,refund,true
3,refund,refund,TRUE
4,refund,refund,0
5,shipping,shipping,1
6,billing,refund,false
"""


def run(file: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["corrections", str(file), *options])


def report(file: Path, *options: str) -> dict[str, Any]:
    result = run(file, "--json", *options)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "answers.csv"
    made.write_text(ANSWERS, "utf-8")
    return made


def test_json_has_the_rate_the_blind_error_and_the_confusions(file: Path) -> None:
    found = report(file)
    assert (found["rate"]["value"], found["rate"]["n"]) == (0.25, 4)
    assert found["rate"]["low"] < 0.25 < found["rate"]["high"]
    assert (found["blind_error"]["value"], found["blind_error"]["n"]) == (0.5, 2)
    (confusion,) = found["confusions"]
    assert {name: confusion[name] for name in ("from", "to", "count")} == {
        "from": "billing",
        "to": "refund",
        "count": 2,
    }
    # Of the labels that people give to other tasks, half of all and a sixth are left: 3 of 5.
    assert confusion["lift"] == pytest.approx(1 / (4 / 6 / (5 / 6)))
    assert confusion["examples"] == ["2", "6"]
    assert set(found["rate"]) == {"value", "low", "high", "n"}


def test_json_has_the_keys_that_programs_read(tmp_path: Path) -> None:
    made = tmp_path / "answers.csv"
    figure = {"value", "low", "high", "n"}
    keys = {"from", "to", "count", "lift"}
    for shown in ("1", "0"):
        made.write_text(f"id,predicted,label,shown\n1,a,b,{shown}\n2,c,c,{shown}\n", "utf-8")
        found = report(made)
        assert {"rate", "blind_error", "confusions"} <= set(found)
        assert set(found["rate"]) == figure
        assert keys <= set(found["confusions"][0])
        assert found["blind_error"] is None or set(found["blind_error"]) == figure
        assert (found["blind_error"] is None) is (shown == "1")
        assert (found["rate"]["value"] is None) is (shown == "0")
        assert "NaN" not in run(made, "--json").stdout


def test_without_blind_rows_there_is_no_blind_error(tmp_path: Path) -> None:
    made = tmp_path / "shown.csv"
    made.write_text("id,predicted,label,shown\n1,a,b,1\n", "utf-8")
    found = report(made)
    assert found["blind_error"] is None
    assert found["automation_bias"] is None
    made.write_text("id,predicted,label,shown\n1,a,a,0\n", "utf-8")
    found = report(made)
    assert found["rate"] == {"value": None, "low": None, "high": None, "n": 0}
    assert found["blind_error"]["value"] == 0.0


def test_optional_columns_are_used(tmp_path: Path) -> None:
    rows = ["shown,label,predicted,id,tier,reviewer,seconds,score,inclusion_probability,else"]
    for number in range(40):
        shown = number % 2
        rows.append(f"{shown},a,{'ab'[number % 4 == 0]},{number},t,r,{3 + shown},,0.{1 + shown},x")
    made = tmp_path / "all.csv.gz"
    made.write_bytes(gzip.compress("\n".join(rows).encode()))
    found = report(made)
    assert set(found["by_tier"]) == {"t"}
    assert set(found["by_reviewer"]) == {"r"}
    assert found["seconds"]["throughput"]["value"] == pytest.approx(0.75)
    assert found["blind_error"]["value"] == 0.5
    assert "score" not in found["automation_bias"]["within"]


def test_every_format_is_printed_or_written(file: Path, tmp_path: Path) -> None:
    assert "billing" in run(file).output
    text = run(file, "--format", "md").output
    assert "| billing | refund | 2 |" in text
    for name, sign in (("r.html", "<!doctype html>"), ("r.json", "{"), ("r.md", "# Corr")):
        out = tmp_path / name
        assert run(file, "--out", str(out)).output == ""
        assert out.read_text("utf-8").startswith(sign)
    result = run(file, "--out", str(tmp_path / "no" / "r.md"))
    assert result.exit_code == 1
    assert "cannot be written" in result.output


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [name for name, _ in attrs if name in {"src", "href", "onclick", "onerror"}]


def test_labels_are_text_whatever_they_are_called(tmp_path: Path) -> None:
    made = tmp_path / "nasty.csv"
    nasty = "<script>alert(1)</script>|[x](y)"
    made.write_text(f"id,predicted,label,shown\n1,{nasty},<b>,1\n2,c,c,1\n", "utf-8")
    parser = _Tags()
    parser.feed(run(made, "--format", "html").output)
    assert not parser.tags & {"script", "b", "img", "link", "iframe"}
    assert parser.links == []
    rows = run(made, "--format", "md").output
    assert "<script>" not in rows
    assert "\\|\\[x\\]" in rows
    assert run(made).exit_code == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("id,predicted,label\n1,a,b\n", "has no column 'shown'"),
        ("id,predicted,label,shown\n", "has no rows"),
        ("id,predicted,label,shown\n1,a,b,1\n2,a,b,yes\n", ":3  shown = 'yes'  must be 1 or true"),
        ("id,predicted,label,shown\n1,a, ,1\n", ":2  label = ' '  is empty"),
        ("id,predicted,label,shown\n,a,b,1\n", ":2  id = ''  is empty"),
        ("id,predicted,label,shown,score\n1,a,b,1,nan\n", ":2  score = 'nan'  is no finite"),
        ("id,predicted,label,shown,seconds\n1,a,b,1,-3\n", "must not be below 0"),
        (
            "id,predicted,label,shown,inclusion_probability\n1,a,b,1,0\n",
            ":2  inclusion_probability = '0'  must be above 0",
        ),
        ("id,predicted,label,shown,inclusion_probability\n1,a,b,1,\n2,a,b,0,\n", ":3  inclusion"),
    ],
)
def test_a_wrong_file_is_refused_with_line_column_and_way_out(
    tmp_path: Path, text: str, message: str
) -> None:
    made = tmp_path / "wrong.csv"
    made.write_text(text, "utf-8")
    result = run(made, "--json")
    assert result.exit_code == 1
    assert message in result.output
    assert "wrong.csv" in result.output


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["a.csv", "--project", "7"],
        ["a.csv", "--json", "--format", "md"],
        ["a.csv", "--view", "a", "b"],
        ["--project", "7", "--view", "a", "b", "--json"],
    ],
)
def test_options_that_do_not_go_together_are_refused(options: list[str]) -> None:
    assert CliRunner().invoke(main, ["corrections", *options]).exit_code == 2


def test_a_hundred_thousand_rows_take_seconds(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    n = 100_000
    predicted = random.integers(0, 40, n)
    said = np.where(random.random(n) < 0.1, random.integers(0, 40, n), predicted)
    shown, score = random.integers(0, 2, n), random.random(n)
    made = tmp_path / "large.csv"
    with made.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(["id", "predicted", "label", "shown", "score"])
        rows.writerows(zip(range(n), predicted, said, shown, score, strict=True))
    started = time.perf_counter()
    found = report(made)
    assert time.perf_counter() - started < 20
    assert found["answers"] == n
    assert sum(each["count"] for each in found["confusions"]) <= int((predicted != said).sum())
