"""A campaign of cases against one part: how many there were, how long they took, what they cost.

A case is one input given to the product. It must end within ``DEADLINE_S`` of processor time and
raise nothing but what the part says it raises. Over a campaign the process's memory must stay.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import SearchStrategy

DEADLINE_S = 5.0  # of processor time, so that a busy machine does not end a case
# hypothesis remembers every example of a run, so that none comes twice: short runs forget.
_CASES_AT_ONCE = 500
# What a campaign's second half may add: caches of the product have filled in the first.
_MOST_GROWN_MB = 48.0
_PROPERTY = "fuzz"
SEED_VARIABLE = "LABELGATE_TEST_FUZZ_SEED"  # another whole number: other cases
_FAR_APART = 1_000_000
Input = TypeVar("Input")


class HangError(BaseException):
    """A case took more than ``DEADLINE_S``. No ``Exception``: handlers of those must not eat it."""


@dataclass(slots=True)
class Campaign:
    """The cases so far, what became of them, and the process's memory after each run."""

    name: str
    cases: int = 0
    slowest_s: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    resident_mb: list[float] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @contextlib.contextmanager
    def case(self) -> Iterator[None]:
        """Around one input. Raises ``HangError`` where it does not end in time."""
        self.cases += 1
        before = signal.signal(signal.SIGPROF, _hang)
        signal.setitimer(signal.ITIMER_PROF, DEADLINE_S)
        began = time.process_time()
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)
            self.slowest_s = max(self.slowest_s, time.process_time() - began)

    def explore(
        self, inputs: SearchStrategy[Input], check: Callable[[Input], str], cases: int
    ) -> None:
        """So many inputs, the same in every run; ``check`` says what became of one, or raises."""
        first = int(os.environ.get(SEED_VARIABLE, "0"))
        for number, size in enumerate(_runs(cases), first * _FAR_APART):

            @seed(number)
            @settings(
                max_examples=size,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(inputs)
            def run(value: Any) -> None:
                with self.case():
                    outcome = check(value)
                self.outcomes[outcome] += 1

            run()
            gc.collect()
            self.resident_mb.append(resident_mb())

    def grown_mb(self) -> float:
        """What the second half of the runs has added to the process's memory."""
        return self.resident_mb[-1] - self.resident_mb[len(self.resident_mb) // 2]

    def close(self, request: pytest.FixtureRequest) -> None:
        """Keep the figures for the end of the run. Raises ``AssertionError`` where memory grew."""
        seconds = time.monotonic() - self.started
        figures = {
            "name": self.name,
            "cases": self.cases,
            "seconds": round(seconds, 1),
            "slowest_s": round(self.slowest_s, 3),
            "peak_mb": round(peak_mb()),
            "grown_mb": round(self.grown_mb(), 1),
            "outcomes": dict(self.outcomes.most_common(8)),
        }
        request.node.user_properties.append((_PROPERTY, figures))
        grown = self.grown_mb()
        assert grown < _MOST_GROWN_MB, f"{self.name}: {grown:.0f} MB in the second half: {figures}"


def refused(error: Exception, problems: int = 1) -> str:
    """What became of a case that was refused, which is done in words that can be printed."""
    assert str(error).strip()
    assert str(error).encode(errors="replace")
    assert problems
    return "refused"


def summary(reports: list[pytest.TestReport]) -> list[str]:
    """Lines for the end of a run of tests; none where no campaign was among them."""
    found: list[Any] = [
        value for report in reports for name, value in report.user_properties if name == _PROPERTY
    ]
    lines = [
        f"{each['name']:<34} {each['cases']:>7,} cases {each['seconds']:>7,.1f} s  "
        f"slowest {each['slowest_s']:.2f} s  peak {each['peak_mb']:,} MB  "
        f"grown {each['grown_mb']:+.1f} MB  {each['outcomes']}"
        for each in found
    ]
    if found:
        cases, seconds = (sum(each[key] for each in found) for key in ("cases", "seconds"))
        peak = max(each["peak_mb"] for each in found)
        lines.append(f"{'all':<34} {cases:>7,} cases {seconds:>7,.1f} s  peak {peak:,} MB")
    return lines


def resident_mb() -> float:
    """Memory that the process holds now; where the system does not tell, the most it ever held."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return peak_mb()
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def peak_mb() -> float:
    """The most memory that the process ever held (on Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _runs(cases: int) -> list[int]:
    whole, rest = divmod(cases, _CASES_AT_ONCE)
    return [_CASES_AT_ONCE] * whole + [rest] * bool(rest)


def _hang(_signal: int, _frame: object) -> None:
    raise HangError(f"more than {DEADLINE_S:g} s for one case")
