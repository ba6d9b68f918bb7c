"""What must hold within and between the routes of a policy, beyond the types of their fields.

As in ``policies.consistency``, the rules read the document as YAML gave it and skip what is
malformed, because wrong types are reported elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies import patterns
from policies.conditions import kind_of
from policies.problems import Issue, Path, at

_FIELD_COMPARISONS = ("equals", "in", "regex", "range")
_LIMITS = ("below", "above")
# The less of these, the surer the answer.
_DOUBTS = ("(entropy)", "(novelty)", "(interval_width)")
_MONOTONE = ("(score)", "(margin)", "(lowest_region_score)", *_DOUBTS)


@dataclass(frozen=True, slots=True)
class _Place:
    """A condition in the document; ``negated`` where an odd number of nots stands around it."""

    path: Path
    values: Mapping[str, Any]
    negated: bool

    @property
    def kind(self) -> str | None:
        return kind_of(self.values)


def route_issues(document: Mapping[str, Any]) -> Iterator[Issue]:
    """Every rule of this module that the document breaks."""
    routes = document.get("routes")
    for index, route in enumerate(routes if isinstance(routes, (list, tuple)) else ()):
        for place in _conditions(route, ("routes", index), negated=False):
            yield from _formed(place)
            if place.kind in _MONOTONE:
                yield from _monotone(place, document)


def condition_issues(value: Any, path: Path) -> Iterator[Issue]:
    """What is wrong with a condition that decides no task: its form alone."""
    for place in _conditions(value, path, negated=False):
        yield from _formed(place)


def conditions_in(value: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The condition and all those inside it, with their places in the document."""
    for place in _conditions(value, path, negated=False):
        yield place.path, place.values


def _formed(place: _Place) -> Iterator[Issue]:
    match place.kind:
        case "(task_field)":
            yield from _one_of(place, _FIELD_COMPARISONS)
            yield from _pattern(place)
            yield from _range(place)
        case "(region_count)":
            yield from _one_of(place, (*_LIMITS, "range"))
            yield from _range(place)
        case kind if kind in _MONOTONE:
            yield from _one_of(place, _LIMITS)


def _conditions(value: Any, path: Path, *, negated: bool) -> Iterator[_Place]:
    if not isinstance(value, Mapping):
        return
    kind = kind_of(value)
    yield _Place(path, value, negated)
    if kind == "(not)":
        yield from _conditions(value.get("not"), (*path, "not"), negated=not negated)
    for key in ("all", "any"):
        inner = value.get(key)
        if kind == f"({key})" and isinstance(inner, (list, tuple)):
            for index, condition in enumerate(inner):
                yield from _conditions(condition, (*path, key, index), negated=negated)


def _one_of(place: _Place, keys: tuple[str, ...]) -> Iterator[Issue]:
    given = [key for key in keys if place.values.get(key) is not None]
    if len(given) != 1:
        listed = ", ".join(repr(key) for key in keys[:-1]) + f" and {keys[-1]!r}"
        has = " and ".join(repr(key) for key in given) or "none"
        yield Issue(place.path, f"needs one of {listed}, and has {has}")


def _pattern(place: _Place) -> Iterator[Issue]:
    pattern = place.values.get("regex")
    wrong = patterns.problem_of(pattern) if isinstance(pattern, str) else None
    if wrong is not None:
        yield Issue((*place.path, "regex"), wrong)


def _range(place: _Place) -> Iterator[Issue]:
    limits = place.values.get("range")
    if not isinstance(limits, Mapping):
        return
    low, high = (_number(limits.get(key)) for key in ("min", "max"))
    if low is None and high is None and not limits.keys() - {"min", "max"}:
        yield Issue((*place.path, "range"), "needs 'min', 'max' or both")
    elif low is not None and high is not None and low > high:
        yield Issue((*place.path, "range", "min"), f"is above max, {high:g}: nothing would match")


def _monotone(place: _Place, document: Mapping[str, Any]) -> Iterator[Issue]:
    """A surer answer must never be sent to people where a less sure one could be accepted.

    Limits of the score under the floor change nothing among the scores that can be accepted.
    """
    surer = "below" if place.kind in _DOUBTS else "above"
    wrong = next(key for key in _LIMITS if (key == surer) != place.negated)
    limit = _number(place.values.get(wrong))
    floor = _number(at(document, ("auto_accept", "floor")))
    if limit is None or document.get("auto_accept") == "never":
        return
    if place.kind == "(score)" and floor is not None and limit < floor:
        return
    right = next(key for key in _LIMITS if key != wrong)
    under = " under 'not'" if place.negated else ""
    yield Issue(
        (*place.path, wrong),
        f"sends surer answers to people{under} while less sure ones may be accepted",
        f"use '{right}'{under}",
    )


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
