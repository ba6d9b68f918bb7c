"""``labelgate audit``: plan, evaluate and monitor on files; messages for people."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from click.testing import CliRunner, Result

from labelgate import main

HEADER = "id,label,passed,inclusion_probability\n"
AUDITS = (
    HEADER
    + "".join(f"{place},spam,{int(place > 2)},0.5\n" for place in range(1, 21))
    + "".join(f"{place},ham,{'no' if place == 21 else 'YES'},0.05\n" for place in range(21, 61))
)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["audit", *map(str, arguments)])


def report(*arguments: str | Path) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = orjson.loads(result.stdout)
    return found


def written(folder: Path, text: str, name: str = "audits.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def refused(*arguments: str | Path) -> str:
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return result.output


def test_plan_says_the_sizes_of_no_error_and_of_up_to_five() -> None:
    found = report("plan", "--max-error", "0.02", "--confidence", "0.95")
    assert found["sample_size"] == 149
    assert found["if_errors"] == [
        {"errors": 1, "sample_size": 236},
        {"errors": 2, "sample_size": 313},
        {"errors": 3, "sample_size": 386},
        {"errors": 4, "sample_size": 456},
        {"errors": 5, "sample_size": 523},
    ]
    tight = report("plan", "--max-error", "0.01", "--confidence", "0.95")
    assert tight["sample_size"] == 299


def test_plan_knows_how_few_were_accepted() -> None:
    options = ("plan", "--max-error", "0.02", "--confidence", "0.95", "--accepted", "100")
    found = report(*options)
    assert found["sample_size"] == 63
    assert [each["sample_size"] for each in found["if_errors"]] == [87, 99, None, None, None]
    assert "none: too many are wrong" in run(*options).output


def test_plan_for_people() -> None:
    result = run("plan", "--max-error", "0.005", "--confidence", "0.95")
    assert result.exit_code == 0
    assert "At most 0.5%" in result.output
    assert "598" in result.output


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--max-error", "0", "--confidence", "0.95"), "between 0 and 0.5"),
        (("--max-error", "nan", "--confidence", "0.95"), "between 0 and 0.5"),
        (("--max-error", "0.02", "--confidence", "95"), "between 0.5 and 1"),
        (("--max-error", "0.02", "--confidence", "0.95", "--accepted", "0"), "x>=1"),
        (("--confidence", "0.95"), "--max-error"),
    ],
)
def test_plan_refuses_what_makes_no_claim(options: tuple[str, ...], says: str) -> None:
    result = run("plan", *options)
    assert result.exit_code == 2
    assert says in result.output


def test_evaluate_weighs_each_audit_by_its_chance(tmp_path: Path) -> None:
    found = report("evaluate", written(tmp_path, AUDITS))
    # 40 spam of which 36 pass, 800 ham of which 780 do.
    assert found["pass_rate"]["value"] == pytest.approx(816 / 840)
    assert found["pass_rate"]["n"] == 60
    assert found["effective_n"] == pytest.approx(840**2 / (20 * 4 + 40 * 400))
    low, high = found["pass_rate"]["low"], found["pass_rate"]["high"]
    assert 0.8 < low < 816 / 840 < high < 1
    assert list(found["by_label"]) == ["ham", "spam"]
    assert found["by_label"]["spam"]["value"] == pytest.approx(0.9)
    assert set(found["by_label"]["spam"]) == {"value", "low", "high", "n"}
    assert found["by_label"]["ham"]["n"] == 40


def test_evaluate_for_people(tmp_path: Path) -> None:
    result = run("evaluate", written(tmp_path, AUDITS.replace("spam", "[b]spam[/b]")))
    assert result.exit_code == 0
    assert "97.14% (" in result.output
    assert "60 audits say as much as 44 drawn with equal chances" in result.output
    assert "[b]spam[/b]" in result.output


def test_verdicts_are_read_in_all_their_spellings(tmp_path: Path) -> None:
    spellings = ("1", "true", " Yes ", "TRUE", "0", "false", "No", "FALSE")
    rows = "".join(f"{i},a,{text},1\n" for i, text in enumerate(spellings))
    assert report("evaluate", written(tmp_path, HEADER + rows))["pass_rate"]["value"] == 0.5


def test_more_columns_in_any_order_packed(tmp_path: Path) -> None:
    text = "passed,note,inclusion_probability,label,id\n1,x,0.5,a,1\n0,,0.5,a,2\n\n"
    file = tmp_path / "audits.csv.gz"
    file.write_bytes(gzip.compress(text.encode()))
    assert report("evaluate", file)["pass_rate"]["value"] == 0.5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        (HEADER, "has no rows"),
        ("id,label,passed\n1,a,1\n", "has no column 'inclusion_probability'"),
        (HEADER + "1,a,1,0\n", ":2  inclusion_probability = '0'  is no number above 0"),
        (HEADER + "1,a,1,1.01\n", ":2  inclusion_probability = '1.01'"),
        (HEADER + "1,a,1,nan\n", ":2  inclusion_probability = 'nan'"),
        (HEADER + "1,a,1,\n", ":2  inclusion_probability = ''"),
        (HEADER + "1,a,1,0.5\n2,a,maybe,0.5\n", ":3  passed = 'maybe'  is none of 1, 0"),
        (HEADER + "1,a,1,0.5\n1,a,0,0.5\n", ":3  id = '1'  stands above already"),
        (HEADER + " ,a,1,0.5\n", ":2  id = ' '  is empty"),
        (HEADER + "1,,1,0.5\n", ":2  label = ''  is empty"),
        (HEADER + "1,a,1\n", ":2  has 3 values"),
    ],
)
def test_evaluate_names_line_column_and_value(tmp_path: Path, text: str, says: str) -> None:
    output = refused("evaluate", written(tmp_path, text))
    assert says in output
    assert "audits.csv" in output


def test_of_many_wrong_lines_the_first_ten_are_shown(tmp_path: Path) -> None:
    rows = "".join(f"{place},a,?,0.5\n" for place in range(30))
    output = refused("evaluate", written(tmp_path, HEADER + rows))
    assert output.count("passed = '?'") == 10
    assert "and 20 more lines" in output


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for command in (("evaluate",), ("monitor", "--max-error", "0.02")):
        assert "cannot be read" in refused(*command, tmp_path / "none.csv")


def stream(passed: list[bool]) -> str:
    return "passed\n" + "".join(f"{int(each)}\n" for each in passed)


def test_monitor_trips_where_the_error_rate_rises(tmp_path: Path) -> None:
    file = written(tmp_path, stream([True] * 300 + [False] * 10))
    found = report("monitor", file, "--max-error", "0.02")
    assert found["tripped_at"] == 304  # counted from 1: the fourth wrong one
    assert found["changed_at"] == 301
    assert found["statistic"] >= 2_000
    result = run("monitor", file, "--max-error", "0.02")
    assert "Tripped at audit 304" in result.output
    assert "from audit 301 on" in result.output


def test_monitor_is_quiet_while_the_promise_holds(tmp_path: Path) -> None:
    file = written(tmp_path, stream(([True] * 99 + [False]) * 20))
    found = report("monitor", file, "--max-error", "0.02")
    assert found["tripped_at"] is None
    assert found["changed_at"] is None
    assert 0 < found["statistic"] < 2_000
    assert "Not tripped" in run("monitor", file, "--max-error", "0.02").output


def test_monitor_with_a_lower_threshold_trips_sooner(tmp_path: Path) -> None:
    file = written(tmp_path, stream([True] * 100 + [False] * 10))
    found = report("monitor", file, "--max-error", "0.02", "--threshold", "200")
    assert found["tripped_at"] == 102
    assert 200 <= found["statistic"] < 2_000


def test_monitor_weighs_audits_where_chances_are_given(tmp_path: Path) -> None:
    """Every tenth audit is wrong, but only of labels that are audited a hundred times as often."""
    rows = [("1", "0.01")] * 1 + [("1", "1")] * 8 + [("0", "1")]
    text = "".join(f"{passed},{chance}\n" for passed, chance in rows * 60)
    weighted = written(tmp_path, "passed,inclusion_probability\n" + text)
    assert report("monitor", weighted, "--max-error", "0.02")["tripped_at"] is None
    plain = written(tmp_path, "passed,chance\n" + text, "plain.csv")
    assert report("monitor", plain, "--max-error", "0.02")["tripped_at"] is not None
    # Equal chances are like none.
    even = "passed,inclusion_probability\n" + "1,0.05\n" * 200 + "0,0.05\n" * 9
    found = report("monitor", written(tmp_path, even, "even.csv"), "--max-error", "0.02")
    bare = stream([True] * 200 + [False] * 9)
    expected = report("monitor", written(tmp_path, bare, "bare.csv"), "--max-error", "0.02")
    assert found["tripped_at"] == expected["tripped_at"]
    assert found["statistic"] == pytest.approx(expected["statistic"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("passed\n", "has no rows"),
        ("wrong\n1\n", "has no column 'passed'"),
        ("passed\n1\n2\n", ":3  passed = '2'  is none of 1, 0"),
        ("passed,inclusion_probability\n1,2\n", ":2  inclusion_probability = '2'"),
        ('passed\n"1\n', "is no CSV"),
    ],
)
def test_monitor_names_line_column_and_value(tmp_path: Path, text: str, says: str) -> None:
    assert says in refused("monitor", written(tmp_path, text), "--max-error", "0.02")


@pytest.mark.parametrize("threshold", ["1", "0", "-5", "nan", "inf", "many"])
def test_monitor_refuses_a_threshold_that_is_none(tmp_path: Path, threshold: str) -> None:
    file = written(tmp_path, stream([True]))
    result = run("monitor", file, "--max-error", "0.02", "--threshold", threshold)
    assert result.exit_code == 2
    assert "must lie between" in result.output


def test_hundreds_of_thousands_of_audits_are_no_trouble(tmp_path: Path) -> None:
    source = np.random.default_rng(1)
    count = 300_000
    passed, labels = source.random(count) > 0.005, source.integers(0, 20, count)
    chances = np.array(["0.05", "0.2", "0.5"], object)[source.integers(0, 3, count)]
    lines = (
        f"{place},label {label},{int(each)},{chance}\n"
        for place, (label, each, chance) in enumerate(zip(labels, passed, chances, strict=True))
    )
    file = written(tmp_path, HEADER + "".join(lines))
    assert report("evaluate", file)["pass_rate"]["n"] == count
    assert report("monitor", file, "--max-error", "0.02")["audits"] == count
