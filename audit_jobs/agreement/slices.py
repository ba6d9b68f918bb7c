"""Agreement apart: the routed queue, the random slices, each tier, each week, and the whole.

Of every task the answers that were asked for are compared: the first two, or as many as the policy
asks of a task that is drawn for agreement. A third one comes where two people differ, so counting
it would make the tasks that people disagree on weigh more than they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from audit_jobs.agreement.controls import agreed, control_agreement, figures_of, of_several
from audit_jobs.agreement.values import beyond_chance
from audit_jobs.measures.distances import Level, TooManyCategoriesError
from audit_jobs.measures.ratings import Ratings, ratings_of
from audit_jobs.measures.resampling import estimated
from audit_jobs.measures.weighting import Drawn, Part, nominal_figures, weighted, whole_weights
from connectors.answers import Answer, Control, Kind
from policies.domain import Estimate, Outcome, Purpose
from policies.intervals import UNKNOWN

ROUTED, DRAWN, RANDOM, AUDIT = "routed", "agreement_drawn", "random", "audit"
SLICES: Mapping[str, frozenset[Purpose]] = {
    ROUTED: frozenset({Purpose.ROUTED, Purpose.AGREEMENT}),
    DRAWN: frozenset({Purpose.AGREEMENT}),
    RANDOM: frozenset({Purpose.CONTROL, Purpose.HOLDOUT}),
    AUDIT: frozenset({Purpose.AUDIT}),
}
LABELS = frozenset({Kind.CHOICES, Kind.TAXONOMY, Kind.PAIRWISE})  # label or set of labels a task
MOST_WEEKS = 26
_BY_NUMBER = frozenset({Kind.RATING, Kind.NUMBER, Kind.DATETIME})
_PARTS = {
    Purpose.CONTROL: Part.SLICES,
    Purpose.HOLDOUT: Part.SLICES,
    Purpose.AGREEMENT: Part.REVIEWED,
    Purpose.AUDIT: Part.ACCEPTED,
    Purpose.RECALL: Part.REVIEWED,
}

Figures = dict[str, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What is known of a task beside its answers.

    ``asked`` are the annotators, by their places, whose answers were asked for, ``second_at`` when
    the second of them came. The others are those of the task's decision, None where there is none.
    """

    asked: frozenset[int]
    second_at: datetime
    purpose: Purpose | None
    probability: float | None


def part_of(outcome: Outcome, purpose: Purpose) -> Part:
    """The part of the project's tasks that one with such a decision falls into."""
    if purpose in SLICES[RANDOM]:
        return Part.SLICES
    return Part.ACCEPTED if outcome is Outcome.ACCEPT else Part.REVIEWED


def figures(control: Control) -> Figures:
    """Every figure of the control, as ``control_agreement`` has it, without pairs of people."""
    if not control.per_region and control.kind in LABELS | _BY_NUMBER:
        several, tasks = of_several(control)
        if not tasks:
            return {}
        try:
            return beyond_chance(control.kind, several.answers, Level.NOMINAL, 0)
        except TooManyCategoriesError:
            return {}  # the pooled figures say so in their note
    return control_agreement(control).measures


def by_slice(
    control: Control, placed: Sequence[Placed], names: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """The figures of each slice; what nobody read twice is undefined, under the same ``names``."""
    asked = only_asked(control, placed)
    return {
        name: _plain(figures(of_purposes(asked, placed, purposes)), names)
        for name, purposes in SLICES.items()
    }


def by_tier(
    control: Control, tiers: Mapping[int, str], names: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """The figures of what each tier's people answered, all of it; ``tiers`` by annotator."""
    parts = _split(control, lambda answer: tiers.get(answer.annotator))
    return {
        tier: _plain(figures(parts.get(tier, replace(control, answers=()))), names)
        for tier in dict.fromkeys(tiers.values())
    }


def by_week(
    control: Control, placed: Sequence[Placed], names: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """The figures of the last weeks; a task belongs to the ISO week of its second answer (UTC)."""
    weeks = [f"{year}-W{week:02d}" for year, week, _ in (p.second_at.isocalendar() for p in placed)]
    parts = _split(only_asked(control, placed), lambda answer: weeks[answer.task])
    return {
        str(week): _plain(figures(parts[week]), names)
        for week in sorted(map(str, parts))[-MOST_WEEKS:]
    }


def whole(control: Control, placed: Sequence[Placed], sizes: Mapping[Part, int]) -> dict[str, Any]:
    """An estimate of all decided tasks from those that were drawn at random, and what it rests on.

    ``sizes`` is how many tasks each part of the project has. Tasks that a rule picked say nothing
    of others and are left out.
    """
    asked = only_asked(control, placed)
    random = of_purposes(asked, placed, frozenset(_PARTS))
    several, tasks = of_several(random)
    drawn = [_drawn(placed[task]) for task in tasks]
    weights = whole_weights(drawn, sizes) if tasks else None
    parts = {str(part): sum(each.part is part for each in drawn) for part in Part}
    body: dict[str, Any] = {
        "tasks": {str(part): sizes.get(part, 0) for part in Part},
        "read_twice": parts,
        "measures": {},
        "note": None,
    }
    if weights is None or several.kind is Kind.UNMEASURED:
        body["note"] = _why_unknown(parts, sizes)
        return body
    found = agreed(several, len(tasks), 0)
    every = [weighted(each, weights) for each in figures_of(found, len(tasks))]
    estimates = estimated(every, len(tasks))
    if several.kind in LABELS and not several.per_region:
        try:
            nominal = nominal_figures(ratings_in(several))
            estimates |= estimated([weighted(nominal, weights)], len(tasks))
        except TooManyCategoriesError as error:
            body["note"] = f"no alpha: {error}"
    body["measures"] = {name: each.as_json() for name, each in estimates.items()}
    return body


def only_asked(control: Control, placed: Sequence[Placed]) -> Control:
    """The answers alone that were asked for."""
    answers = (each for each in control.answers if each.annotator in placed[each.task].asked)
    return replace(control, answers=tuple(answers))


def of_purposes(
    control: Control, placed: Sequence[Placed], purposes: frozenset[Purpose]
) -> Control:
    """The answers to tasks that are where they are for one of these purposes."""
    answers = (each for each in control.answers if placed[each.task].purpose in purposes)
    return replace(control, answers=tuple(answers))


def _split(
    control: Control, key_of: Callable[[Answer[Any]], str | None]
) -> dict[str | None, Control]:
    """The control once for each key, with the answers that have it."""
    parts: defaultdict[str | None, list[Answer[Any]]] = defaultdict(list)
    for answer in control.answers:
        parts[key_of(answer)].append(answer)
    return {key: replace(control, answers=tuple(answers)) for key, answers in parts.items()}


def ratings_in(control: Control, *, readable: bool = False) -> Ratings:
    """The answers of a control of labels as ratings; units and raters are named by their places."""
    return ratings_of(
        [str(answer.task) for answer in control.answers],
        [str(answer.annotator) for answer in control.answers],
        [_label(answer.value) if readable else repr(answer.value) for answer in control.answers],
    )


def _label(value: Any) -> str:
    """A label as people read it; sets joined by commas, paths by slashes."""
    if isinstance(value, str):
        return value
    return ", ".join(each if isinstance(each, str) else " / ".join(each) for each in value)


def _drawn(placed: Placed) -> Drawn:
    if placed.purpose is None or placed.probability is None:
        raise ValueError(f"a task without a decision was not drawn: {placed}")
    return Drawn(part=_PARTS[placed.purpose], probability=placed.probability)


def _plain(found: Figures, names: Iterable[str]) -> dict[str, Any]:
    return {name: found.get(name, UNKNOWN).as_json() for name in names}


def _why_unknown(read_twice: Mapping[str, int], sizes: Mapping[Part, int]) -> str:
    missing = [
        str(part)
        for part in (Part.REVIEWED, Part.ACCEPTED)
        if sizes.get(part, 0) > 0 and read_twice[part] == 0
    ]
    if not missing:
        return "no task that was drawn at random has been read by two people"
    return (
        f"of the tasks that are {' and '.join(missing)} none was drawn at random and read by two "
        "people, nor any of the slices: they cannot be estimated"
    )
