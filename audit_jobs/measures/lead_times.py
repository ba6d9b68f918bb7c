"""How much time pre-labels save: seconds for a label where one was shown, and where none was."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from audit_jobs.measures.annotators import lead_times
from audit_jobs.measures.corrections import Answers, comparable
from audit_jobs.measures.strata import mean_difference
from policies.domain import BoolArray, Estimate, FloatArray
from policies.intervals import UNKNOWN

# A form that was left open over lunch is no label of two hours: of each tier, times beyond these
# quantiles count as the quantile.
WINSORISED = (0.05, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Median seconds of an answer with and without a shown pre-label, and the throughput gained.

    ``throughput`` is how many times as many labels an hour people give with pre-labels: the ratio
    of geometric means (blind over shown) among answers that are alike in ``within``.
    """

    shown: Estimate
    blind: Estimate
    throughput: Estimate
    within: tuple[str, ...]


def pace(answers: Answers) -> Pace:
    """What a label takes, shown and blind, and the ratio with its 95 % interval.

    Medians are of all answers whose time is known; the ratio compares what is alike, because shown
    tasks are the doubtful ones and take longer. It is of logarithms of winsorised times.
    """
    timed = answers.part(np.isfinite(answers.seconds) & (answers.seconds > 0))
    blind, shown = lead_times(timed.shown.astype(np.int64), timed.seconds, 2)
    if not blind.n or not shown.n:
        return Pace(shown=shown, blind=blind, throughput=UNKNOWN, within=())
    strata, within = comparable(timed)
    apart = mean_difference(strata, timed.shown, _winsorised_logs(timed))
    return Pace(shown=shown, blind=blind, throughput=_faster(apart), within=within)


def pace_by_tier(answers: Answers) -> dict[str, Pace]:
    """The same of each tier that has times."""
    found = {
        name: pace(answers.part(answers.tier == code)) for code, name in enumerate(answers.tiers)
    }
    return {name: each for name, each in found.items() if each.shown.n or each.blind.n}


def _faster(apart: Estimate) -> Estimate:
    """A difference of logarithms, shown less blind, as how many times as fast shown ones are."""

    def ratio(difference: float | None) -> float | None:
        return None if difference is None else math.exp(-difference)

    return Estimate(
        value=ratio(apart.value), low=ratio(apart.high), high=ratio(apart.low), n=apart.n
    )


def _winsorised_logs(timed: Answers) -> FloatArray:
    logs: FloatArray = np.log(timed.seconds)
    for code in np.unique(timed.tier).tolist():
        chosen: BoolArray = timed.tier == code
        least, most = np.quantile(logs[chosen], WINSORISED)
        logs[chosen] = np.clip(logs[chosen], least, most)
    return logs
