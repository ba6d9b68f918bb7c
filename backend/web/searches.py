"""A search of the ledger as an address says it, and what is wrong with it, field by field."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from backend.store.decision_conditions import Asked, Order, Place, Wanted
from backend.web.numbers import LARGEST
from policies.domain import Outcome, Purpose

ROWS = 50
# What an address may say; the other keys of a query string are none of this page's.
FIELDS = (
    "task",
    "label",
    "human",
    "differs",
    "outcome",
    "purpose",
    "tier",
    "rule",
    "score_from",
    "score_to",
    "model",
    "policy",
    "since",
    "until",
    "history",
    "sort",
    "from_seq",
    "to_seq",
)
PLACES = ("after", "before")
_SHORTEST_HASH = 6
_ONE_DAY = timedelta(days=1)
Value = TypeVar("Value")


class BadValueError(ValueError):
    """A field holds what it cannot mean; the message stands beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """``values`` are as they were typed, ``problems`` by field; a bad field asks for nothing."""

    values: dict[str, str]
    problems: dict[str, str]
    asked: Asked

    @property
    def filtered(self) -> bool:
        """Whether anything but the order is asked for."""
        return bool(self.values.keys() - {"sort", "history", "from_seq", "to_seq"})

    def link(self, **changes: object) -> dict[str, str]:
        """The query of the same search with changes, from its first page; None leaves a field out.

        What could not be read is left out: an address that is passed on says what was shown.
        """
        kept = {
            name: value
            for name, value in self.values.items()
            if name in FIELDS and name not in self.problems
        }
        changed = {name: None if value is None else str(value) for name, value in changes.items()}
        merged: dict[str, str | None] = {**kept, **changed}
        return {name: value for name, value in merged.items() if value is not None}


def read_search(query: Mapping[str, str], policies: Sequence[str]) -> Search:
    """The search that a query string asks for; ``policies`` are the hashes of all known ones."""
    values = {
        name: query[name].strip() for name in (*FIELDS, *PLACES) if query.get(name, "").strip()
    }
    reader = _Reader(values)
    wanted = Wanted(
        task_id=reader.read("task", _whole),
        label=reader.read("label", _text),
        human=reader.read("human", _text),
        differs=reader.read("differs", _yes) or False,
        outcome=reader.read("outcome", lambda text: Outcome(_one_of(text, list(Outcome)))),
        purpose=reader.read("purpose", lambda text: Purpose(_one_of(text, list(Purpose)))),
        tier=reader.read("tier", _text),
        rule=reader.read("rule", _text),
        model_version=reader.read("model", _text),
        policies=reader.read("policy", lambda text: _policies(text, policies)),
        score_from=reader.read("score_from", _number),
        score_to=reader.read("score_to", _number),
        since=reader.read("since", _start),
        until=reader.read("until", _end),
        first_seq=reader.read("from_seq", _whole),
        last_seq=reader.read("to_seq", _whole),
        current=(reader.read("history", lambda text: _one_of(text, ["now", "all"])) or "now")
        == "now",
    )
    order = Order(reader.read("sort", lambda text: _one_of(text, list(Order))) or Order.NEWEST)
    asked = Asked(
        wanted=_consistent(wanted, reader.problems),
        order=order,
        after=reader.read("after", lambda text: _place(text, order)),
        before=reader.read("before", lambda text: _place(text, order)),
        limit=ROWS,
    )
    if asked.after is not None and asked.before is not None:
        asked = replace(asked, before=None)
    return Search(values=values, problems=reader.problems, asked=asked)


def place_text(seq: int, score: float | None, order: Order) -> str:
    """A place as an address says it; ``read_search`` reads it back."""
    return f"{score!r}~{seq}" if order is Order.SCORE else str(seq)


class _Reader:
    """Reads one field after the other, and notes what is wrong with each."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.problems: dict[str, str] = {}

    def read(self, name: str, meaning: Callable[[str], Value]) -> Value | None:
        """What the field means; None where it is empty or cannot be read."""
        text = self._values.get(name)
        if text is None:
            return None
        try:
            return meaning(text)
        except BadValueError as error:
            self.problems[name] = str(error)
            return None


def _consistent(wanted: Wanted, problems: dict[str, str]) -> Wanted:
    """The upper end of a range that ends before it begins asks for nothing."""
    low, high = wanted.score_from, wanted.score_to
    if low is not None and high is not None and low > high:
        problems["score_to"] = f"is below {low:g}, where the range begins: it is left out"
        wanted = replace(wanted, score_to=None)
    if wanted.since is not None and wanted.until is not None and wanted.since >= wanted.until:
        problems["until"] = "is before the time from which on is searched: it is left out"
        wanted = replace(wanted, until=None)
    return wanted


def _text(text: str) -> str:
    if "\0" in text:
        raise BadValueError("holds a character that nothing is named with")
    return text


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise BadValueError(f"must be a whole number, not {_shown(text)}: it is left out")
    if len(text) > 19 or int(text) > LARGEST:
        raise BadValueError("is larger than any number here: it is left out")
    return int(text)


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise BadValueError(
            f"must be a number such as 0.85, not {_shown(text)}: it is left out"
        ) from None
    return found


def _one_of(text: str, known: Sequence[str]) -> str:
    if text not in known:
        listed = ", ".join(known)
        raise BadValueError(f"must be one of {listed}, not {_shown(text)}: it is left out")
    return text


def _yes(text: str) -> bool:
    return _one_of(text, ["yes"]) == "yes"


def _policies(text: str, known: Sequence[str]) -> tuple[str, ...]:
    if len(text) < _SHORTEST_HASH:
        raise BadValueError(f"give at least {_SHORTEST_HASH} characters of the hash: left out")
    found = tuple(each for each in known if each.startswith(text.lower()))
    if not found:
        raise BadValueError(f"no policy that was in force has a hash of {_shown(text)}: left out")
    return found


def _moment(text: str) -> tuple[datetime, timedelta]:
    """The time, and how long what the text names lasts: a day, or a moment."""
    try:
        if len(text) == len("2026-03-01"):
            return datetime.combine(date.fromisoformat(text), time(), UTC), _ONE_DAY
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadValueError(
            f"must be a day or a time such as 2026-03-01 or 2026-03-01T14:30, "
            f"not {_shown(text)}: it is left out"
        ) from None
    aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return aware, timedelta()


def _start(text: str) -> datetime:
    return _in_range(_moment(text)[0], timedelta())


def _end(text: str) -> datetime:
    return _in_range(*_moment(text))


def _in_range(moment: datetime, later: timedelta) -> datetime:
    try:
        return (moment + later).astimezone(UTC)
    except OverflowError:
        raise BadValueError("is a time that no clock shows: it is left out") from None


def _place(text: str, order: Order) -> Place:
    """Where another page ended; a place of the other order is none."""
    try:
        if order is Order.NEWEST:
            return Place(seq=_whole(text))
        score, _, seq = text.partition("~")
        return Place(seq=_whole(seq), score=_number(score))
    except BadValueError:
        raise BadValueError(
            "this address does not say which page is meant: the first one is shown"
        ) from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
