"""Run all benchmarks, or those named, each in a process of its own, and write RESULTS.md.

What each left is kept in ``measured/``, and the page is made of all that is there: one may be run
anew alone. A limit that is not held does not stop the others; the exit code at the end is 1. The
quick form takes fewer rounds and smaller sizes and keeps nothing, for a look while one works.
Run: ``python -m benchmarks [--quick] [NAME ...]``.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import load
from benchmarks.results import QUICK_VARIABLE, ROWS_VARIABLE, Row, line_of, read
from benchmarks.results_page import Benchmark, Outcome, keep, kept, page

RESULTS = Path(__file__).parent / "RESULTS.md"
MEASURED = Path(__file__).parent / "measured"
DATA_VARIABLE = "LABELGATE_DATA"
PATIENCE_S = 3_600.0


BENCHMARKS = (
    Benchmark(name="predict", title="`/predict` beside a bare Flask route"),
    Benchmark(name="ml_backend.speed", title="`/predict` beside label-studio-ml"),
    Benchmark(name="ml_backend.cases", title="Case by case beside label-studio-ml"),
    Benchmark(name="ml_backend.storm", title="A storm of webhooks beside label-studio-ml"),
    Benchmark(name="webhooks", title="Webhooks while a retrain runs"),
    Benchmark(name="inferences", title="Inferences a second"),
    Benchmark(name="inference_sampling", title="Shares of what deployed models answered"),
    Benchmark(name="delivery", title="Delivery beside Label Studio's bulk routes"),
    Benchmark(name="prelabel", title="Pre-labelling a whole project"),
    Benchmark(name="serving_memory", title="Memory of a serving process"),
    Benchmark(name="training", title="`/predict` while a trainer works"),
    Benchmark(name="decide", title="A million decisions"),
    Benchmark(name="calibrate", title="A threshold for 100,000 scores"),
    Benchmark(name="agreement", title="Agreement beside krippendorff"),
    Benchmark(name="agreement_peers", title="Agreement beside krippendorff, statsmodels and nltk"),
    Benchmark(name="structured_agreement", title="Agreement of boxes beside a plain loop"),
    Benchmark(name="consensus", title="Consensus of 4,000,000 ratings"),
    Benchmark(name="consensus_peers", title="Consensus beside crowd-kit"),
    Benchmark(name="thresholds", title="Thresholds beside MAPIE"),
    Benchmark(name="loop_quality", title="What the loop saves at its promise", needs_data=True),
    Benchmark(name="agreement_job", title="The agreement job"),
    Benchmark(name="corrections", title="The corrections job"),
    Benchmark(name="rounds", title="A round of jobs on 100,000 tasks"),
    Benchmark(name="growth", title="How time and memory grow with the rows"),
    Benchmark(name="workers", title="Workers that share one large project"),
    Benchmark(name="pages", title="Pages on a million decisions"),
    Benchmark(name="scale", title="1,000 projects on PostgreSQL: rows, and a model"),
    Benchmark(name="text_models", title="The text model beside scikit-learn", needs_data=True),
    Benchmark(name="multilabel", title="Sets of labels beside one-vs-rest", needs_data=True),
    Benchmark(name="spans", title="Spans beside the most frequent tag", needs_data=True),
)


def run(benchmark: Benchmark, folder: Path, *, quick: bool) -> Outcome:
    """One benchmark, its print shown as it comes; a crash is a row that is not held."""
    place = folder / f"{benchmark.name}.jsonl"
    environment = os.environ | {ROWS_VARIABLE: str(place), QUICK_VARIABLE: "1" if quick else ""}
    began, load_before = datetime.now(UTC), load()
    started, before = time.monotonic(), _children_s()
    process = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{benchmark.name}"],
        env=environment,
        start_new_session=True,
    )
    try:
        end = f"ended with {process.wait(PATIENCE_S)}"
    except subprocess.TimeoutExpired:
        end = f"did not end in {PATIENCE_S / 60:.0f} minutes"
    finally:
        _end_group(process)
    rows = read(place)
    if end != "ended with 0" and all(row.held for row in rows):
        rows.append(Row(name="the run", figure=end, limit="ends", held=False))
    return Outcome(
        benchmark=benchmark,
        rows=rows or [Row(name="all limits of the module", figure="held")],
        seconds=time.monotonic() - started,
        processor_s=_children_s() - before,
        began=began,
        load=load_before,
    )


def _children_s() -> float:
    """Processor seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End what the benchmark started and left: servers of one that crashed or hung."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
    except ProcessLookupError:
        return
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def chosen(names: Sequence[str]) -> Sequence[Benchmark]:
    """Those named, in the order of the list; all where none is named."""
    unknown = set(names) - {benchmark.name for benchmark in BENCHMARKS}
    if unknown:
        known = ", ".join(benchmark.name for benchmark in BENCHMARKS)
        raise SystemExit(f"no benchmark {', '.join(sorted(unknown))}; there are: {known}")
    return [each for each in BENCHMARKS if not names or each.name in names]


def main() -> None:
    """Run, write RESULTS.md after each in its full form, and end with 1 for a broken limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="these alone")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller sizes")
    asked = parser.parse_args()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        for benchmark in chosen(asked.names):
            print(f"\n== {benchmark.name}: {benchmark.title}", flush=True)
            if benchmark.needs_data and not os.environ.get(DATA_VARIABLE):
                print(f"not run: set {DATA_VARIABLE} to the folder of data sets")
                continue
            outcomes.append(run(benchmark, Path(folder), quick=asked.quick))
            if not asked.quick:
                keep(outcomes[-1], MEASURED)
                RESULTS.write_text(page(BENCHMARKS, kept(BENCHMARKS, MEASURED)), encoding="utf-8")
    broken = [
        replace(row, name=f"{each.benchmark.name}: {row.name}")
        for each in outcomes
        for row in each.rows
        if not row.held
    ]
    print("\n" + ("\n".join(line_of(row) for row in broken) or "all limits are held"))
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
