"""A threshold for 100,000 scores: the library's call, and ``labelgate calibrate`` on a file.

There is no peer: MAPIE, which has such a procedure, is no dependency. So the figures are shares of
the limit. Run: ``python -m benchmarks.calibrate``.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from backend.commands.calibrate import calibrate
from benchmarks.results import at_most, finish
from policies.thresholds import certify, grid_from_scores

SCORES = 100_000
LIMIT_S = 1.0
ROUNDS = 5


def seconds(call: Callable[[], object]) -> float:
    """The median of several runs, in seconds of this process' CPU time."""
    taken = []
    for _ in range(ROUNDS):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def main() -> None:
    """Print both figures."""
    rng = np.random.default_rng(0)
    scores = rng.beta(3, 1, SCORES)
    wrong = rng.random(SCORES) < 0.4 * (1 - scores)

    def call() -> None:
        grid = grid_from_scores(
            scores, max_error_rate=0.05, confidence=0.95, n_labelled=SCORES, floor=0.0
        )
        found = certify(
            scores, wrong, grid=grid, max_error_rate=0.05, confidence=0.95, model_version="v1"
        )
        assert found.threshold is not None

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scores.csv"
        lines = (f"{score},{int(not bad)}\n" for score, bad in zip(scores, wrong, strict=True))
        file.write_text("score,correct\n" + "".join(lines), encoding="utf-8")

        def command() -> None:
            options = ["--max-error", "0.05", "--confidence", "0.95", "--json"]
            result = CliRunner().invoke(calibrate, [str(file), *options])
            assert result.exit_code == 0, result.output

        rows = []
        for name, each in (("certify", call), ("labelgate calibrate, file read", command)):
            taken = seconds(each)
            rows.append(
                at_most(
                    name,
                    figure=f"{taken:.3f} s",
                    peer=f"{LIMIT_S:g} s",
                    ratio=taken / LIMIT_S,
                    limit=1.0,
                )
            )
    finish(rows)


if __name__ == "__main__":
    main()
