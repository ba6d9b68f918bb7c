"""What benchmarks hand over: rows, RESULTS.md, and an exit code that tells of broken limits."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from benchmarks.__main__ import BENCHMARKS, chosen, run
from benchmarks.results import (
    ROWS_VARIABLE,
    Row,
    asserted,
    at_least,
    at_most,
    finish,
    read,
    told,
    written,
)
from benchmarks.results_page import Benchmark, Outcome, keep, kept, page

FOLDER = Path(__file__).parents[2] / "benchmarks"
SLOW = at_most("one task", figure="3 ms", peer="bare route 1 ms", ratio=3.0, limit=2.0)
FAST = at_least("1,000 tasks", figure="9/s", peer="label-studio-ml 3/s", ratio=3.0, limit=2.0)

OUTCOME = Outcome(
    benchmark=BENCHMARKS[0],
    rows=[SLOW, FAST],
    seconds=60.0,
    processor_s=9.0,
    began=datetime(2026, 11, 29, tzinfo=UTC),
    load="0.5",
)


def test_a_limit_holds_up_to_itself_and_no_further() -> None:
    ratios = (1.99, 2.0, 2.01)
    most = [at_most("x", figure="", peer="", ratio=ratio, limit=2.0).held for ratio in ratios]
    least = [at_least("x", figure="", peer="", ratio=ratio, limit=2.0).held for ratio in ratios]
    assert (most, least) == ([True, True, False], [False, True, True])


def test_rows_survive_their_file(tmp_path: Path) -> None:
    of_numpy = np.float64(0.5)
    rows = [
        *(SLOW, FAST, told("memory", figure="3 MB"), asserted("equal", figure="no", held=False)),
        at_most("half", figure="", peer="", ratio=of_numpy, limit=np.float64(1.0)),
        asserted("alike", figure="", held=cast("bool", of_numpy < 1)),
    ]
    (tmp_path / "rows").write_bytes(written(rows))
    assert read(tmp_path / "rows") == rows
    assert read(tmp_path / "never written") == []


@pytest.mark.parametrize(("rows", "code"), [([FAST], 0), ([FAST, SLOW], 1)])
def test_finish_hands_over_and_tells_of_a_broken_limit(
    rows: list[Row], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROWS_VARIABLE, str(tmp_path / "rows"))
    with pytest.raises(SystemExit) as ended:
        finish(rows)
    assert ended.value.code == code
    assert read(tmp_path / "rows") == rows


def test_a_benchmark_that_crashes_is_a_limit_not_held(tmp_path: Path) -> None:
    outcome = run(Benchmark(name="no_such_module", title=""), tmp_path, quick=True)
    assert [row.held for row in outcome.rows] == [False]


def test_the_page_names_the_machine_and_what_is_not_held() -> None:
    shown = page(BENCHMARKS[:2], [OUTCOME])
    assert "| Processor | " in shown
    assert f"Not measured here yet: {BENCHMARKS[1].name}." in shown
    assert "2026-11-29 at load 0.5: 60 s, 9 s of the processor" in shown
    assert "Limits not held: predict (one task)." in shown
    assert "| one task | 3 ms | bare route 1 ms | 3 | at most 2 | **no** |" in shown
    assert "| 1,000 tasks | 9/s | label-studio-ml 3/s | 3 | at least 2 | yes |" in shown


def test_what_one_left_is_kept_until_it_runs_again_and_another_machine_s_is_not_told(
    tmp_path: Path,
) -> None:
    keep(replace(OUTCOME, rows=[]), tmp_path)
    keep(OUTCOME, tmp_path)
    assert kept(BENCHMARKS, tmp_path) == [OUTCOME]
    place = tmp_path / f"{OUTCOME.benchmark.name}.json"
    place.write_text(place.read_text().replace("cores", "kernels"))
    assert kept(BENCHMARKS, tmp_path) == []


def test_every_benchmark_of_the_list_is_a_module_and_an_unknown_name_is_refused() -> None:
    assert all(find_spec(f"benchmarks.{benchmark.name}") for benchmark in BENCHMARKS)
    assert [each.name for each in chosen(["decide", "predict"])] == ["predict", "decide"]
    with pytest.raises(SystemExit, match="no benchmark nonsense; there are: predict"):
        chosen(["nonsense"])


def test_the_exit_code_reaches_make() -> None:
    command = [sys.executable, "-m", "benchmarks", "nonsense"]
    ended = subprocess.run(command, cwd=FOLDER.parent, capture_output=True, check=False)
    assert ended.returncode == 1
    assert b"no benchmark nonsense" in ended.stderr
