"""The sections of a project's figures, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from backend.figures.accuracy import accuracy_chart
from backend.figures.agreement import agreement_map, people_maps
from backend.figures.audits import breaker_chart, by_label_chart, pass_rate_chart
from backend.figures.corrections import (
    Confusion,
    confused_pairs,
    confusion_map,
    correction_chart,
)
from backend.figures.drift import class_chart, feature_map
from backend.figures.gathered import Gathered
from backend.figures.production import production_chart
from backend.figures.scores import reliability_charts, risk_charts
from backend.figures.six import SixRow, six_rows
from backend.figures.worth import cost_chart, gain_chart, loop_chart


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Charts under one question, in groups that are read together.

    ``name`` is its anchor, and that of what else belongs there.
    """

    name: str
    question: str
    groups: tuple[tuple[Markup, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All figures of a project, ready to be shown."""

    gathered: Gathered
    six: list[SixRow]
    sections: tuple[Section, ...]
    confusions: list[Confusion]
    production: Markup | None


def figures_of(gathered: Gathered) -> Figures:
    """Draw everything."""
    return Figures(
        gathered=gathered,
        six=six_rows(gathered),
        sections=(
            _section(
                "model",
                "Is the model right, and does it know when?",
                (accuracy_chart(gathered), *risk_charts(gathered), *reliability_charts(gathered)),
            ),
            _section(
                "promise",
                "Does the promise hold?",
                (pass_rate_chart(gathered), breaker_chart(gathered), by_label_chart(gathered)),
            ),
            _section(
                "people",
                "What do people change, and do they agree?",
                (correction_chart(gathered), confusion_map(gathered)),
                (agreement_map(gathered),),
                people_maps(gathered),
            ),
            _section(
                "traffic",
                "Does the traffic change?",
                (feature_map(gathered),),
                (class_chart(gathered),),
            ),
            _section(
                "worth",
                "Is it worth it?",
                (gain_chart(gathered), cost_chart(gathered), loop_chart(gathered)),
            ),
        ),
        confusions=confused_pairs(gathered),
        production=production_chart(gathered),
    )


def _section(name: str, question: str, *groups: Sequence[Markup]) -> Section:
    kept = tuple(tuple(each) for each in groups if each)
    return Section(name=name, question=question, groups=kept)
