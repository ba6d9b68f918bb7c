"""How far people agree on one control, whatever it asks: its figures, and who agrees with whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from audit_jobs.agreement.regions import (
    Agreed,
    agreed_attributes,
    agreed_regions,
    agreed_relations,
)
from audit_jobs.agreement.values import agreed_values, beyond_chance, likeness
from audit_jobs.measures.distances import Level
from audit_jobs.measures.pairs import by_annotators, means
from audit_jobs.measures.resampling import Figures, estimated
from connectors.answers import Answer, Control, Kind
from policies.domain import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class PairAgreement:
    """Two annotators, by their places, and their mean agreement on the tasks both answered."""

    annotators: tuple[int, int]
    agreement: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlAgreement:
    """The figures of one control by name; ``note`` says what could not be measured, and why.

    ``compared`` names the figure that the pairs of annotators are compared by.
    """

    measures: dict[str, Estimate]
    pairs: tuple[PairAgreement, ...]
    compared: str | None = None
    note: str | None = None


def control_agreement(
    control: Control, level: Level = Level.NOMINAL, seed: int = 0
) -> ControlAgreement:
    """Every measure that fits the control, with its interval over tasks.

    Only tasks that two annotators answered count. The same ``seed`` gives the same figures.
    """
    if control.kind is Kind.UNMEASURED:
        note = f"there is no measure for answers of the type {control.type!r}"
        return ControlAgreement(measures={}, pairs=(), note=note)
    control, tasks = of_several(control)
    if not tasks:
        note = "no task was answered by two annotators"
        return ControlAgreement(measures={}, pairs=(), note=note)

    found = agreed(control, len(tasks), seed)
    measures, failure = _corrected(control, level, seed)
    return ControlAgreement(
        measures=estimated(figures_of(found, len(tasks)), len(tasks), seed) | measures,
        pairs=_by_pair(found, len(tasks), seed),
        compared=found.main,
        note=failure,
    )


def of_several(control: Control) -> tuple[Control, list[int]]:
    """The control with the tasks alone that two annotators answered, numbered anew from 0.

    Beside it the number that each of these tasks had.
    """
    answers = answered_twice(control.answers)
    tasks = sorted({answer.task for answer in answers})
    place = {task: index for index, task in enumerate(tasks)}
    numbered = tuple(replace(answer, task=place[answer.task]) for answer in answers)
    texts = {place[task]: text for task, text in control.texts.items() if task in place}
    return replace(control, answers=numbered, texts=texts), tasks


def answered_twice(answers: Sequence[Answer[Any]]) -> list[Answer[Any]]:
    """The answers to tasks that two annotators answered or more, sorted by task."""
    several = Counter(answer.task for answer in answers)
    found = [answer for answer in answers if several[answer.task] > 1]
    return sorted(found, key=lambda answer: (answer.task, answer.annotator))


def agreed(control: Control, tasks: int, seed: int) -> Agreed:
    """The figures that compare answers two by two, of tasks numbered from 0."""
    if control.per_region:
        return agreed_attributes(control.answers, likeness(control.kind))
    if control.kind is Kind.REGIONS:
        return agreed_regions(control, tasks, seed)
    if control.kind is Kind.RELATIONS:
        return agreed_relations(control.answers, tasks, seed)
    return agreed_values(control.kind, control.answers, tasks, seed)


def _corrected(control: Control, level: Level, seed: int) -> tuple[dict[str, Estimate], str | None]:
    """The chance-corrected figures of answers about the whole task, or why there are none."""
    if control.per_region or control.kind in {Kind.REGIONS, Kind.RELATIONS}:
        return {}, None
    try:
        return beyond_chance(control.kind, control.answers, level, seed), None
    except ValueError as error:
        return {}, f"no alpha: {error}"


def figures_of(found: Agreed, tasks: int) -> list[Figures]:
    """All of them, ready to be measured on weighted tasks."""
    of_task = found.answered.tasks[found.pairs.left]
    return [means(found.scores, of_task, tasks), *found.others]


def _by_pair(found: Agreed, tasks: int, seed: int) -> tuple[PairAgreement, ...]:
    figures = by_annotators(found.answered, found.pairs, found.scores[found.main], tasks)
    return tuple(
        PairAgreement(annotators=_places(name), agreement=agreement)
        for name, agreement in estimated([figures], tasks, seed).items()
    )


def _places(name: str) -> tuple[int, int]:
    one, other = name.split()
    return int(one), int(other)
