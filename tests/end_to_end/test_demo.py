"""`labelgate demo` as a newcomer runs it, on a Label Studio of its own."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from audit_jobs.demo.command import _place
from labelgate import main
from tests.end_to_end.stage import text_of

PATIENCE_S = 600.0


def run_demo(folder: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    report = folder / "out.json"
    ended = subprocess.run(
        [sys.executable, "-m", "labelgate", "demo", "--exit", "--json", str(report), *arguments],
        cwd=folder,
        # Settings of a real installation must have no say in the demo.
        env=os.environ | {"LABELGATE_DATABASE_URL": "postgresql://nowhere/none"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return orjson.loads(report.read_bytes()), ended.stdout


@pytest.mark.label_studio
def test_the_demo_plays_digits_and_tells_what_label_studio_says(tmp_path: Path) -> None:
    report, said = run_demo(tmp_path, "--tasks", "60", "--folder", str(tmp_path / "demo"))

    assert report["tasks"] == 60
    assert report["human_labels"] == report["cycles"][-1]["human_labels"] <= 36
    assert report["label_saving"] == pytest.approx(1 - report["human_labels"] / 60)
    for row in report["cycles"]:
        assert set(row) >= {
            "cycle",
            "human_labels",
            "accepted",
            "accepted_error",
            "holdout_accuracy",
            "agreement",
            "audit_pass_rate",
            "model_version",
        }
        assert set(row["holdout_accuracy"]) == {"value", "low", "high", "n"}
    # So few tasks cannot certify 5 % at 95 %: nothing is accepted, and that is said.
    assert report["accepted"] == 0
    assert report["accepted_error"] is None
    assert "Nothing could be certified" in said
    seen = report["label_studio"]
    assert seen["version"] == "1.23.2"
    assert seen["annotations"] == report["human_labels"]
    assert 0 < seen["labeled_tasks"] <= seen["annotations"]
    assert seen["predictions"] > 0


@pytest.mark.label_studio
def test_the_demo_takes_a_users_own_labelled_text(tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    with file.open("w", newline="", encoding="utf-8") as output:
        writer = csv.writer(output)
        writer.writerow(["id", "text", "label"])
        writer.writerows([f"case-{place}", *text_of(place)] for place in range(80))

    report, _ = run_demo(tmp_path, "--data", str(file), "--budget", "0.3")

    assert report["tasks"] == 80
    assert report["human_labels"] == 24
    assert report["label_studio"]["annotations"] == 24


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "has no column id, label, text; it has nothing"),
        (b"id,text\n1,a\n", "has no column label"),
        (b"id,text,label\n1,a,x\n1,b,y\n", "has an id twice"),
        (b"id,text,label\n1,a,x\n2,b,x\n", "has 1 different labels"),
        (b"id,text,label\n1,,x\n2,b,y\n", "cases.csv:2  text is empty"),
        (b"id,text,label\n1,a\n2,b,y\n", "cases.csv:2  has another number of columns"),
        (b"id,text,label\n1,\xff,x\n", "is not UTF-8"),
    ],
)
def test_a_data_file_that_cannot_be_used_is_refused_with_its_line(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    file = tmp_path / "cases.csv"
    file.write_bytes(content)
    result = CliRunner().invoke(main, ["demo", "--data", str(file), "--exit"])
    assert result.exit_code == 1
    assert complaint in result.output
    assert "Traceback" not in result.output


def test_a_missing_data_file_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["demo", "--data", str(tmp_path / "none.csv")])
    assert result.exit_code == 1
    assert "none.csv: No such file" in result.output


def test_a_folder_that_was_named_is_kept_and_another_goes(tmp_path: Path) -> None:
    with ExitStack() as servers:
        kept = _place(tmp_path / "kept", servers)
        gone = _place(None, servers)
        assert kept.is_dir()
        assert gone.is_dir()
    assert kept.is_dir()
    assert not gone.exists()
