"""``labelgate drift`` on files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from click.testing import CliRunner, Result

from labelgate import main


def write(file: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return file


def rows(count: int, shares: Sequence[float], seed: int) -> list[list[object]]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(["refund", "delay", "praise"], count, p=shares)
    price = rng.normal(10, 2, count).round(2)
    words = {"refund": "money back please", "delay": "still no parcel", "praise": "well done"}
    return [
        [f"t{seed}-{at}", f"{words[label]} {rng.integers(9_999)} now", label, price[at]]
        for at, label in enumerate(labels.tolist())
    ]


COLUMNS = ["id", "text", "predicted", "price"]


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["drift", *map(str, words)])


def report(*words: object) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = orjson.loads(result.output)
    return found


def files(folder: Path, shares: Sequence[float]) -> tuple[Path, Path]:
    reference = write(folder / "reference.csv", COLUMNS, rows(600, (0.4, 0.4, 0.2), 1))
    return reference, write(folder / "current.csv", COLUMNS, rows(300, shares, 2))


def test_the_same_traffic_is_no_drift(tmp_path: Path) -> None:
    found = report(*files(tmp_path, (0.4, 0.4, 0.2)))
    assert found["drifted"] is False
    assert found["columns"] == {
        "id": "id",
        "text": "text",
        "predicted": "category",
        "price": "number",
    }
    assert {"name", "test", "p_adjusted", "psi"} <= set(found["features"][0])
    assert found["label_shift"].keys() == {"refund", "delay", "praise"}
    assert found["rows"] == {"reference": 600, "current": 300}


def test_other_shares_of_the_labels_are_drift(tmp_path: Path) -> None:
    found = report(*files(tmp_path, (0.1, 0.1, 0.8)))
    assert found["drifted"] is True
    shift = found["label_shift"]["praise"]
    assert shift["reference"] < 0.3
    assert shift["current"] > 0.7
    by_name = {each["name"]: each for each in found["features"]}
    assert by_name["predicted"]["p_adjusted"] < 0.001
    assert by_name["price"]["p_adjusted"] > 0.05
    output = run(*files(tmp_path, (0.1, 0.1, 0.8)))
    assert output.exit_code == 0
    assert "drifted" in output.output
    assert "Labels that moved most" in output.output


def test_another_label_column_and_none(tmp_path: Path) -> None:
    columns = ["kind", "price"]
    before = write(tmp_path / "a.csv", columns, [["x" if at % 2 else "y", at] for at in range(90)])
    assert report(before, before)["label_shift"] is None
    assert report(before, before, "--label-column", "kind")["label_shift"]["x"]["current"] == 0.5
    result = run(before, before, "--label-column", "typo")
    assert result.exit_code == 1
    assert "has no column 'typo' (it has 'kind', 'price')" in result.output


def test_probabilities_give_the_true_shares(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)

    def table(share: float) -> list[list[object]]:
        truth = rng.random(2_000) < share
        odds = np.exp(2 * (rng.normal(size=2_000) + truth - 0.5) * 0.5)
        p = odds / (1 + odds)
        return [["yes" if value > 0.5 else "no", f"{value:.6f}", f"{1 - value:.6f}"] for value in p]

    columns = ["predicted", "p_yes", "p_no"]
    before = write(tmp_path / "a.csv", columns, table(0.5))
    after = write(tmp_path / "b.csv", columns, table(0.9))
    found = report(before, after)
    assert found["drifted"] is True
    assert found["columns"]["p_yes"] == "probability"
    yes = found["label_shift"]["yes"]
    assert yes["counted"] < 0.75  # what is predicted falls short of the truth
    assert yes["current"] > yes["counted"]
    assert "confidence (largest probability)" in [each["name"] for each in found["features"]]


def test_few_rows_are_not_tested(tmp_path: Path) -> None:
    reference, _ = files(tmp_path, (0.4, 0.4, 0.2))
    few = write(tmp_path / "few.csv", COLUMNS, rows(5, (0.4, 0.4, 0.2), 3))
    found = report(reference, few)
    assert found["drifted"] is False
    assert {each["test"] for each in found["features"]} == {"too few"}
    assert all(each["p_adjusted"] is None for each in found["features"])


def test_files_that_cannot_be_compared_say_why(tmp_path: Path) -> None:
    reference, _ = files(tmp_path, (0.4, 0.4, 0.2))
    nothing = tmp_path / "nothing.csv"
    nothing.write_text("", "utf-8")
    header = write(tmp_path / "header.csv", COLUMNS, [])
    other = write(tmp_path / "other.csv", ["colour"], [["red"]])
    for file, says in (
        (nothing, "is empty"),
        (header, "no rows"),
        (other, "no column in common"),
        (tmp_path / "gone.csv", "cannot be read"),
    ):
        result = run(reference, file)
        assert result.exit_code == 1, result.output
        assert says in result.output
        assert "Traceback" not in result.output


def test_missing_values_and_columns_of_one_file_are_no_trouble(tmp_path: Path) -> None:
    made = rows(300, (0.4, 0.4, 0.2), 4)
    holes = [[each[0], each[1], "" if at % 3 else each[2], "NaN"] for at, each in enumerate(made)]
    before = write(tmp_path / "a.csv", COLUMNS, rows(300, (0.4, 0.4, 0.2), 5))
    after = write(tmp_path / "b.csv", [*COLUMNS, "more"], [[*each, 1] for each in holes])
    found = report(before, after)
    assert found["drifted"] is True
    assert "more" not in found["columns"]
    assert {"price is missing", "predicted"} <= {each["name"] for each in found["features"]}


def test_a_hundred_thousand_rows_take_seconds(tmp_path: Path) -> None:
    few = rows(2_000, (0.4, 0.4, 0.2), 6)
    reference = write(tmp_path / "a.csv", COLUMNS, few)
    current = write(tmp_path / "b.csv", COLUMNS, few * 50)
    started = time.monotonic()
    found = report(reference, current)
    assert time.monotonic() - started < 60  # 6 s on two cores that do nothing else
    assert any("random texts a side" in note for note in found["notes"])
