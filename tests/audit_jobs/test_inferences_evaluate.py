"""``labelgate inferences evaluate``: the file that it reads, what it refuses, what it tells."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from click.testing import CliRunner, Result

from audit_jobs.monitoring.command import inferences
from audit_jobs.monitoring.files import COLUMNS, read_inferences
from backend.data_files import DataFileError


def write(file: Path, rows: Sequence[Any], *more: str) -> Path:
    text = io.StringIO()
    csv.writer(text).writerows([[*COLUMNS, *more], *rows])
    content = text.getvalue().encode()
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    return file


def run(*arguments: object) -> Result:
    return CliRunner().invoke(inferences, ["evaluate", *map(str, arguments)])


def half_year(
    file: Path,
    *,
    last: float,
    share: float = 0.05,
    a_month: int = 10_000,
    only_verified: bool = False,
) -> tuple[Path, list[float]]:
    """Six months of answers that fall from 95 % to ``last``; the true accuracy of each month."""
    source = np.random.default_rng(52)
    rows, true = [], []
    for month in range(6):
        right = (
            source.random(a_month)
            < 0.95 + (last - 0.95) * (month + np.arange(a_month) / a_month) / 6
        )
        true.append(float(right.mean()))
        verified = source.random(a_month) < share
        for place in range(a_month):
            if only_verified and not verified[place]:
                continue
            day, hour = 1 + place * 28 // a_month, place % 24
            truth = ("A" if right[place] else "B") if verified[place] else ""
            at = f"2026-{month + 1:02d}-{day:02d}T{hour:02d}:00:00Z"
            rows.append([f"{month}-{place}", at, "v1", "A", truth, share, place % 2])
    return write(file, rows, "site"), true


def test_a_fall_is_in_the_curve_and_the_alarm_sounds_before_its_end(tmp_path: Path) -> None:
    file, true = half_year(tmp_path / "answers.csv.gz", last=0.88)
    told = run(file, "--json", "--slice", "site", "--baseline", 0.95)
    assert told.exit_code == 0, told.output
    body = orjson.loads(told.stdout)
    assert body["whole"] is True
    assert (body["answers"], body["period"]) == (60_000, "month")
    points = [each for each in body["curve"] if each["model_version"] is None]
    assert [each["period"] for each in points] == [f"2026-0{month}" for month in range(1, 7)]
    inside = [
        each["accuracy"]["low"] <= value <= each["accuracy"]["high"]
        for each, value in zip(points, true, strict=True)
    ]
    assert sum(inside) >= 5
    decay = body["decay"]["v1"]
    assert decay["alarm"] is True
    assert decay["tripped_at"] < "2026-05"
    assert decay["baseline"] == {"accuracy": 0.95, "held": 0.95, "n": 0}
    assert decay["slope_per_month"]["high"] < 0
    assert set(body["by_slice"]["site"]) == {"0", "1"}
    assert set(body["by_class"]) == {"A"}


def test_its_own_baseline_does_as_well_where_much_is_verified(tmp_path: Path) -> None:
    file, _ = half_year(tmp_path / "answers.csv", last=0.88)
    decay = orjson.loads(run(file, "--json").stdout)["decay"]["v1"]
    assert decay["alarm"] is True
    assert decay["tripped_at"] < "2026-06"
    assert decay["baseline"]["n"] == 200
    assert decay["baseline"]["held"] < decay["baseline"]["accuracy"]
    steady, _ = half_year(tmp_path / "steady.csv", last=0.95)
    assert orjson.loads(run(steady, "--json").stdout)["decay"]["v1"]["alarm"] is False


def test_a_file_of_the_verified_ones_alone_is_not_taken_for_all(tmp_path: Path) -> None:
    file, _ = half_year(tmp_path / "verified.csv", last=0.9, only_verified=True)
    body = orjson.loads(run(file, "--json").stdout)
    assert (body["whole"], body["answers"]) == (False, 0)
    assert body["accuracy"]["high"] - body["accuracy"]["low"] > 0.015
    told = run(file)
    assert "How many answers there were is not known" in " ".join(told.output.split())


def test_all_of_it_verified_leaves_nothing_open(tmp_path: Path) -> None:
    rows = [[place, "2026-01-02", "v1", "A", "A" if place % 10 else "B", 1] for place in range(50)]
    body = orjson.loads(run(write(tmp_path / "all.csv", rows), "--json", "--period", "day").stdout)
    assert body["accuracy"] == {"value": 0.9, "low": 0.9, "high": 0.9, "n": 50}
    assert body["curve"][0]["period"] == "2026-01-02"


def test_the_tables_tell_the_curve_and_the_alarm(tmp_path: Path) -> None:
    file, _ = half_year(tmp_path / "answers.csv", last=0.85, a_month=2_000, share=0.2)
    told = run(file, "--period", "week", "--slice", "site")
    assert told.exit_code == 0, told.output
    for words in ("Accuracy in production", "2026-W01", "Decay", "By site", "What is true"):
        assert words in told.output


def test_labels_are_text_whatever_they_hold(tmp_path: Path) -> None:
    rows = [["1", "2026-01-02", "[v1]", "[red]a[/]", "[red]a[/]", 0.5]]
    told = run(write(tmp_path / "odd.csv", rows))
    assert told.exit_code == 0, told.output
    assert "[red]a[/]" in told.output


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (["", "2026-01-01", "v1", "A", "A", 0.1], ":2  id = ''  is empty"),
        (["1", "yesterday", "v1", "A", "A", 0.1], ":2  at = 'yesterday'  is no time"),
        (["1", "2026-01-01", " ", "A", "A", 0.1], ":2  model_version = ' '  is empty"),
        (["1", "2026-01-01", "v1", "", "A", 0.1], ":2  predicted = ''  is empty"),
        (["1", "2026-01-01", "v1", "A", "A", ""], ":2  share = ''  is no number above 0"),
        (["1", "2026-01-01", "v1", "A", "A", 1.5], ":2  share = '1.5'  is no number above 0"),
        (["1", "2026-01-01", "v1", "A", "A", "nan"], ":2  share = 'nan'  is no number above 0"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, row: list[Any], says: str) -> None:
    told = run(write(tmp_path / "wrong.csv", [row]))
    assert told.exit_code == 1
    assert says in told.output


def test_an_id_twice_missing_columns_and_no_rows_are_refused(tmp_path: Path) -> None:
    row = ["1", "2026-01-01", "v1", "A", "", ""]
    with pytest.raises(DataFileError, match=r":3  id = '1'  stands above already"):
        read_inferences(write(tmp_path / "twice.csv", [row, row]))
    with pytest.raises(DataFileError, match="has no rows"):
        read_inferences(write(tmp_path / "none.csv", []))
    with pytest.raises(DataFileError, match="has no column 'site'"):
        read_inferences(write(tmp_path / "row.csv", [row]), ["site"])
    (tmp_path / "other.csv").write_text("id,at\n1,2026-01-01\n")
    with pytest.raises(DataFileError, match="has no column 'model_version'"):
        read_inferences(tmp_path / "other.csv")


def test_times_are_utc(tmp_path: Path) -> None:
    rows = [
        ["1", "2026-02-01T00:30:00+02:00", "v1", "A", "A", 1],
        ["2", "2026-02-01", "v1", "A", "", ""],
    ]
    found = read_inferences(write(tmp_path / "times.csv", rows))
    assert found.drawn.at.astype(str).tolist() == ["2026-01-31T22:30:00.000000"]
    assert found.given.days.astype(str).tolist() == ["2026-01-31", "2026-02-01"]


def test_two_hundred_thousand_answers_are_no_trouble(tmp_path: Path) -> None:
    rows = [
        [place, "2026-03-01T10:00:00Z", "v1", "A", "A" if place % 50 == 0 else "", 0.02]
        for place in range(200_000)
    ]
    found = read_inferences(write(tmp_path / "many.csv", rows))
    assert (len(found.drawn), int(found.given.counts.sum())) == (4_000, 200_000)
