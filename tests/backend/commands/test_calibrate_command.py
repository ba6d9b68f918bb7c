from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from backend.commands.calibrate import calibrate
from policies.intervals import exact_upper


def run(file: Path, *options: str, max_error: str = "0.05", confidence: str = "0.95") -> Result:
    promise = ["--max-error", max_error, "--confidence", confidence]
    return CliRunner().invoke(calibrate, [str(file), *promise, *options])


def found(file: Path, *options: str) -> Any:
    result = run(file, "--json", *options)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def write(file: Path, lines: list[str], header: str = "score,correct") -> Path:
    file.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return file


def answers(n: int, *, seed: int = 0) -> list[str]:
    """The surer the model, the rarer its errors."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(3, 1, n)
    right = rng.random(n) > 0.3 * (1 - scores)
    return [f"{score},{int(said)}" for score, said in zip(scores, right, strict=True)]


def test_a_threshold_with_its_evidence(tmp_path: Path) -> None:
    lines = answers(2000)
    report = found(write(tmp_path / "s.csv", lines))
    assert list(report) == ["certified", "threshold", "accepted_share", "error", "labels_needed"]
    assert report["certified"] is True
    rows = [line.split(",") for line in lines]
    taken = [correct for score, correct in rows if float(score) >= report["threshold"]]
    assert report["accepted_share"] == len(taken) / 2000
    assert report["error"]["n"] == len(taken)
    assert report["error"]["value"] == taken.count("0") / len(taken)
    assert report["error"]["high"] >= exact_upper(taken.count("0"), len(taken), 0.95) - 1e-12
    assert report["error"]["high"] <= 0.05
    assert report["labels_needed"] is None


def test_nothing_certified_is_an_answer(tmp_path: Path) -> None:
    report = found(write(tmp_path / "s.csv", ["0.9,1"] * 50 + ["0.2,0"] * 10))
    assert (report["certified"], report["threshold"], report["accepted_share"]) == (False, None, 0)
    assert report["error"] == {"value": None, "low": None, "high": None, "n": 0}
    assert 20 <= report["labels_needed"] <= 200


def test_the_grid_takes_no_look_at_the_answers(tmp_path: Path) -> None:
    lines = answers(500)
    clean = found(write(tmp_path / "a.csv", [line.split(",")[0] + ",1" for line in lines]))
    scores = sorted(float(line.split(",")[0]) for line in lines)
    assert clean["threshold"] == scores[0]  # the loosest threshold of the grid takes all


def test_packed_and_written_otherwise(tmp_path: Path) -> None:
    lines = answers(400)
    plain = found(write(tmp_path / "s.csv", lines))
    words = [line[:-1] + {"0": "False", "1": "TRUE"}[line[-1]] for line in lines]
    text = "\ufeffcorrect,extra,score\r\n" + "\r\n\r\n".join(
        f'{line.split(",")[1]},"a\r\nb",{line.split(",")[0]}' for line in words
    )
    packed = tmp_path / "s.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert found(packed) == plain


def test_per_label_shares_the_budget(tmp_path: Path) -> None:
    # 110 clean answers do for one of two labels (85 needed), 80 do not.
    lines = ["0.9,1,cat"] * 110 + ["0.9,1,[dog]"] * 60
    file = write(tmp_path / "s.csv", lines, "score,correct,label")
    dog, cat = found(file, "--per-label")
    assert (dog["label"], cat["label"]) == ("[dog]", "cat")
    assert (dog["certified"], cat["certified"], cat["threshold"]) == (False, True, 0.9)
    table = run(file, "--per-label").stdout
    assert "[dog]" in table
    assert "not certified" in table


def test_the_table(tmp_path: Path) -> None:
    result = run(write(tmp_path / "s.csv", ["0.9,1"] * 100))
    assert result.exit_code == 0
    assert "At most 5.0% errors, with 95.0% confidence" in result.stdout
    assert "0.9000" in result.stdout
    assert "100.0%" in result.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "FILE  is empty: the columns score, correct are needed, named in the first line"),
        (b"score,correct\n", "FILE  has no rows"),
        (b"score,correct\n0.5,1\n", "FILE:2  is the only row"),
        (b"score,right\n0.5,1\n", "FILE:1  has no column 'correct' (it has 'score', 'right')"),
        (b"score,score,correct\n1,1,1\n", "FILE:1  names the column 'score' twice"),
        (b"score,correct\n.5,1\n\n.5\n", "FILE:4  has 1 values, the first line names 2 columns"),
        (b"score,correct\nnan,1\n.5,1\n", "FILE:2  score = 'nan'  is not a number from 0 to 1"),
        (b"score,correct\n.5,1\n-.1,1\n", "FILE:3  score = '-.1'  is not a number from 0 to 1"),
        (b"score,correct\n97%,1\n.5,1\n", "FILE:2  score = '97%'  is not a number from 0 to 1"),
        (b"score,correct\n.5,yes\n.5,1\n", "FILE:2  correct = 'yes'  is none of 0, 1, true, false"),
        (b"score,correct\n.5,1\n.5,\xe9\n", "FILE:3  byte 0xe9 is not UTF-8"),
        (b"score,correct\n.5,\0\n.5,1\n", "FILE:2  holds a zero byte"),
        (b'score,correct\n.5,"1\n.5,1\n', "FILE:3  is no CSV: unexpected end of data"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(content)
    result = run(file)
    assert result.exit_code == 1
    assert f"Error: {message.replace('FILE', str(file))}" in result.stderr
    assert result.stdout == ""


def test_all_bad_lines_at_once_but_not_too_many(tmp_path: Path) -> None:
    result = run(write(tmp_path / "s.csv", ["2,1"] * 1200 + ["0.5,maybe"]))
    assert result.exit_code == 1
    assert result.stderr.count("score = '2'") == 10
    assert "and 1,191 more lines like these" in result.stderr


def test_a_label_is_needed_for_a_threshold_each(tmp_path: Path) -> None:
    result = run(write(tmp_path / "s.csv", answers(10)), "--per-label")
    assert result.exit_code == 1
    assert "has no column 'label'" in result.stderr
    empty = write(tmp_path / "e.csv", ["0.5,1,a", "0.5,1, "], "score,correct,label")
    assert "e.csv:3  label = ' '  is empty" in run(empty, "--per-label").stderr


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = run(tmp_path / "none.csv")
    assert missing.exit_code == 1
    assert "none.csv  cannot be read: No such file or directory" in missing.stderr
    packed = tmp_path / "s.csv.gz"
    packed.write_bytes(gzip.compress(b"score,correct\n" * 100)[:-9])
    assert "is no whole gzip file" in run(packed).stderr
    packed.write_bytes(b"score,correct\n")
    assert "is no whole gzip file" in run(packed).stderr


@pytest.mark.parametrize(
    ("max_error", "confidence", "message"),
    [
        ("nan", "0.95", "'nan' must lie between 0 and 0.5"),
        ("0", "0.95", "'0' must lie between 0 and 0.5"),
        ("5%", "0.95", "'5%' must lie between 0 and 0.5"),
        ("0.05", "1", "'1' must lie between 0.5 and 1"),
    ],
)
def test_a_promise_that_is_none(
    tmp_path: Path, max_error: str, confidence: str, message: str
) -> None:
    file = write(tmp_path / "s.csv", answers(10))
    result = run(file, max_error=max_error, confidence=confidence)
    assert result.exit_code == 2
    assert message in result.stderr
