"""Routes against columns of candidates: which tasks a condition matches, all at once.

Answers are three-valued: a condition on what is not known (no answer, no score) neither matches
nor is known not to match, so ``not`` never catches a task by ignorance. A task field that is
missing is known: it equals nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import reduce
from operator import and_, or_

import numpy as np

from policies import patterns
from policies.answer_texts import PATH_SEPARATOR
from policies.conditions import (
    AllOf,
    AnyOf,
    ClassSupport,
    Condition,
    Entropy,
    IntervalWidth,
    LowestRegionScore,
    Margin,
    ModelDisagreement,
    NearDuplicateOf,
    Not,
    Novelty,
    PredictedLabel,
    RandomShare,
    Range,
    RegionCount,
    Score,
    Source,
    TaskField,
    UpstreamDisagreement,
    VersionDisagreement,
    parts_of,
)
from policies.domain import BoolArray, Candidates, FloatArray, IntArray, ObjectArray
from policies.sampling import draws

# Where a condition matches, and where it is known not to.
Verdict = tuple[BoolArray, BoolArray]
_Limited = (
    Score
    | Margin
    | Entropy
    | Novelty
    | LowestRegionScore
    | RegionCount
    | IntervalWidth
    | ClassSupport
    | NearDuplicateOf
)


class Column:
    """Values as codes, so that each of many rules costs one look-up a task."""

    def __init__(self, values: ObjectArray) -> None:
        codes: dict[Hashable, int] = {None: 0}
        keys = (value if type(value) is str else _key(value) for value in values.tolist())
        self._places: IntArray = np.fromiter(
            (codes.setdefault(key, len(codes)) for key in keys), np.int64, len(values)
        )
        self._codes = codes

    @property
    def given(self) -> BoolArray:
        """Which tasks have a value that can equal something."""
        given: BoolArray = self._places != 0
        return given

    def among(self, wanted: Iterable[str | bool | float]) -> BoolArray:
        """Which tasks have one of the wanted values."""
        table = np.zeros(len(self._codes), bool)
        table[[self._codes.get(_key(value), 0) for value in wanted]] = True
        table[0] = False
        found: BoolArray = table[self._places]
        return found

    def where(self, test: Callable[[Hashable], bool]) -> BoolArray:
        """Which tasks have a value that passes the test; each different value is tested once."""
        table = np.fromiter(
            (value is not None and test(value) for value in self._codes), bool, len(self._codes)
        )
        found: BoolArray = table[self._places]
        return found


def mentioning(candidates: Candidates, wanted: Iterable[str]) -> BoolArray:
    """Which answers speak of one of the wanted labels."""
    if candidates.mentions is None:
        return Column(candidates.labels).among(wanted)
    sought = frozenset(wanted)
    found = (not sought.isdisjoint(labels) for labels in candidates.mentions.tolist())
    return np.fromiter(found, bool, len(candidates))


def mentioning_only(candidates: Candidates, known: Iterable[str]) -> BoolArray:
    """Which answers speak of none but these labels; those that are unknown too.

    A node of a taxonomy stands for every path below it, and is itself no answer beside such a path.
    """
    if candidates.mentions is None:
        column = Column(candidates.labels)
        found: BoolArray = ~column.given | column.among(known)
        return found
    allowed = frozenset(known)
    among = (_only(labels, allowed) for labels in candidates.mentions.tolist())
    return np.fromiter(among, bool, len(candidates))


def _only(mentioned: tuple[str, ...], allowed: frozenset[str]) -> bool:
    """Whether each label that nothing mentioned lies below is allowed, or lies below one that is.

    >>> _only(("Food / Fruit", "Food"), frozenset({"Food"}))
    True
    >>> _only(("Food / Fruit", "Food", "Toys"), frozenset({"Food"}))
    False
    """
    if allowed.issuperset(mentioned):
        return True
    below = {
        label: [each for each in mentioned if each.startswith(label + PATH_SEPARATOR)]
        for label in mentioned
    }
    held = {each for label in allowed & below.keys() for each in (label, *below[label])}
    return all(label in held or below[label] for label in mentioned)


def _key(value: object) -> Hashable:
    """What equality means for a task's data: true is not 1; a list or mapping equals nothing."""
    if isinstance(value, bool):
        return ("true" if value else "false",)
    return value if isinstance(value, (str, int, float)) else None


def _text(value: object) -> str | None:
    """A label as task data may hold it; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    whole = isinstance(value, float) and value.is_integer()
    return (f"{value:.0f}" if whole else str(value)).strip() or None


class Signals:
    """Candidates as conditions see them; columns are coded when they are first looked at."""

    def __init__(self, candidates: Candidates, salt: str) -> None:
        self._candidates = candidates
        self._salt = salt
        self._columns: dict[str | None, Column] = {}
        self.score: FloatArray = _within_one(candidates.scores)

    @property
    def labels(self) -> Column:
        """The predicted labels."""
        return self._column(None, self._candidates.labels)

    def mentioning(self, wanted: Iterable[str]) -> BoolArray:
        """Which predicted answers speak of one of these labels."""
        if self._candidates.mentions is None:
            return self.labels.among(wanted)
        return mentioning(self._candidates, wanted)

    def differs(self, name: str) -> Verdict:
        """Where a field of the tasks' data is another label than the predicted one, as text."""
        upstream = [_text(value) for value in self._candidates.fields[name].tolist()]
        pairs = list(zip(self._candidates.labels.tolist(), upstream, strict=True))
        known = np.array([None not in pair for pair in pairs], bool)
        other = np.array([label != said for label, said in pairs], bool)
        return _known(known & other, known)

    def field(self, name: str) -> Column:
        """A field of the tasks' data."""
        return self._column(name, self._candidates.fields[name])

    def signal(self, name: str) -> FloatArray:
        """A figure that came with the model's answers."""
        return self._candidates.signals[name]

    def drawn(self, stream: str, share: float) -> BoolArray:
        """A random share of the tasks; each stream draws on its own."""
        return draws(self._salt, stream, self._candidates.task_ids) < share

    def _column(self, name: str | None, values: ObjectArray) -> Column:
        if name not in self._columns:
            self._columns[name] = Column(values)
        return self._columns[name]


def _within_one(scores: FloatArray) -> FloatArray:
    return np.where((scores >= 0) & (scores <= 1), scores, np.nan)


def verdict(  # noqa: C901, PLR0911 - one return for each kind
    condition: Condition, signals: Signals, path: str
) -> Verdict:
    """Where the condition matches and where it is known not to; ``path`` is its place in the file.

    ``path`` names the stream of random shares, so that two of them draw apart.
    """
    match condition:
        case AllOf() | AnyOf():
            parts = [verdict(part, signals, place) for place, part in parts_of(condition, path)]
            yes, no = (and_, or_) if isinstance(condition, AllOf) else (or_, and_)
            return reduce(yes, (part[0] for part in parts)), reduce(no, (part[1] for part in parts))
        case Not():
            matches, fails = verdict(condition.condition, signals, f"{path}.not")
            return fails, matches
        case PredictedLabel():
            return _known(signals.mentioning(condition.labels), signals.labels.given)
        case Score():
            return _limited(signals.score, condition)
        case Margin() | Entropy() | Novelty() | LowestRegionScore() | RegionCount():
            return _limited(signals.signal(condition.kind), condition)
        case ClassSupport() | NearDuplicateOf() | IntervalWidth():
            return _limited(signals.signal(condition.kind), condition)
        case VersionDisagreement() | ModelDisagreement():
            differs = signals.signal(condition.kind)
            return _known(differs > 0, ~np.isnan(differs))
        case UpstreamDisagreement():
            return signals.differs(condition.field)
        case TaskField() | Source():
            return _known(_field(condition, signals), None)
        case RandomShare():
            return _known(signals.drawn(path, condition.share), None)


def _known(found: BoolArray, known: BoolArray | None) -> Verdict:
    return found, ~found if known is None else known & ~found


def _limited(values: FloatArray, limit: _Limited) -> Verdict:
    known = ~np.isnan(values)
    if isinstance(limit, RegionCount) and limit.range is not None:
        least, most = limit.range.min, limit.range.max
        enough = np.ones(len(values), bool) if least is None else values >= least
        return _known(known & (enough if most is None else enough & (values <= most)), known)
    below = None if isinstance(limit, NearDuplicateOf) else limit.below
    above = None if isinstance(limit, ClassSupport) else limit.above
    if below is not None:
        return _known(values < below, known)
    return _known(values > (np.nan if above is None else above), known)


def _field(condition: TaskField | Source, signals: Signals) -> BoolArray:
    if isinstance(condition, Source):
        return signals.field("source").among(condition.sources)
    column, pattern = signals.field(condition.field), condition.regex
    if pattern is not None:
        return column.where(
            lambda value: isinstance(value, str) and patterns.occurs(pattern, value)
        )
    if condition.range is not None:
        limits = condition.range
        return column.where(lambda value: _inside(value, limits))
    return column.among(condition.values)


def _inside(value: Hashable, limits: Range) -> bool:
    if not isinstance(value, (int, float)):
        return False
    above = limits.min is None or value >= limits.min
    return above and (limits.max is None or value <= limits.max)
