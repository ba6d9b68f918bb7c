"""JSON lines of preference data: pairs of answers and what judges said of them. Reads one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.json_lines import JsonLinesError, read_objects, refuse, shown
from policies.judgments import Choice, Judgment, Order, PreferencePair

PreferenceFileError = JsonLinesError  # under the name of what is read
_NEEDED = "each line is an object with id, prompt, response_a, response_b and judgments"
_CHOICES = "write a, b, tie or none; the answer is named, not its place on the screen"


class _RecordError(ValueError):
    """What is wrong with one line: "FIELD = VALUE  what and what to do"."""


@dataclass(slots=True)
class _Reading:
    """What has been read so far; ``lines`` says on which line each id stands."""

    pairs: list[PreferencePair] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_pairs(path: Path) -> list[PreferencePair]:
    """The pairs of a JSON lines file, UTF-8, gzipped where its name ends in ``.gz``.

    A line is ``{"id", "prompt", "response_a", "response_b", "judgments": {JUDGE: a|b|tie|none}}``
    and may have ``gold``, ``repeat_of`` (the id of the pair that it asks once more) and ``criteria
    {NAME: {JUDGE: choice}}``. A judge's key ends in ``:ab`` or ``:ba`` where it is known which
    answer stood first; a judge who saw both orders has both keys. What is judged by criteria was
    seen in the judge's order of the pair. ``input``, as PandaLM has it, is the second paragraph of
    the prompt: the same instruction on other inputs asks other things. A number or a truth value is
    the text that JSON writes for it. The pair that is repeated may be missing. Other fields are
    left alone.

    Raises
        JsonLinesError: as ``read_objects`` does; nothing in it, an id that comes twice, a missing
            field or a value that is none; the first ten such lines are told.
    """
    reading = _Reading()
    for line, record in read_objects(path, _NEEDED):
        _take(reading, line, record)
    _check_repeats(reading)
    refuse(path, reading.problems)
    if not reading.pairs:
        raise JsonLinesError(f"{path}  has no pairs: {_NEEDED}")
    return reading.pairs


def same_way_round(pair: PreferencePair, repeat: PreferencePair) -> bool | None:
    """Whether ``repeat`` names the answers as ``pair`` does; None where its answers are others."""
    answers = (pair.response_a, pair.response_b)
    if (repeat.response_a, repeat.response_b) == answers:
        return True
    return False if (repeat.response_b, repeat.response_a) == answers else None


def _take(reading: _Reading, line: int, record: Mapping[str, Any]) -> None:
    try:
        pair = _pair(record)
    except _RecordError as error:
        reading.problems.append(f"{line}  {error}")
        return
    if pair.id in reading.lines:
        twice = f"id = {pair.id!r}  stands on line {reading.lines[pair.id]} too"
        reading.problems.append(f"{line}  {twice}: give every pair an id of its own")
        return
    reading.lines[pair.id] = line
    reading.pairs.append(pair)


def _pair(record: Mapping[str, Any]) -> PreferencePair:
    if "judgments" not in record and "judgements" in record:
        raise _RecordError("judgements  is written judgments here: rename the field")
    judgments = _judgments(record.get("judgments"), "judgments")
    more = record.get("input")
    prompt = _text(record, "prompt")
    return PreferencePair(
        id=_id(record.get("id"), "id"),
        prompt=prompt if more in (None, "") else f"{prompt}\n\n{_text(record, 'input')}",
        response_a=_text(record, "response_a"),
        response_b=_text(record, "response_b"),
        judgments=(*judgments, *_by_criterion(record.get("criteria"), judgments)),
        gold=_gold(record.get("gold")),
        repeat_of=None
        if record.get("repeat_of") is None
        else _id(record["repeat_of"], "repeat_of"),
    )


def _by_criterion(criteria: Any, seen: tuple[Judgment, ...]) -> tuple[Judgment, ...]:
    if criteria is None:
        return ()
    if not isinstance(criteria, dict):
        raise _RecordError(f"criteria = {shown(criteria)}  must be {{NAME: {{JUDGE: choice}}}}")
    orders: dict[str, set[Order | None]] = {}
    for each in seen:
        orders.setdefault(each.judge, set()).add(each.order)
    judgments: list[Judgment] = []
    for name, said in criteria.items():
        if not name.strip():
            raise _RecordError("criteria = ''  a criterion needs a name")
        _whole(name, "criteria")
        judgments += _judgments(said, f"criteria.{name}", criterion=name, orders=orders)
    return tuple(judgments)


def _judgments(
    said: Any,
    where: str,
    *,
    criterion: str = "",
    orders: Mapping[str, set[Order | None]] | None = None,
) -> tuple[Judgment, ...]:
    if said is None:
        return ()
    if not isinstance(said, dict):
        raise _RecordError(f"{where} = {shown(said)}  must be {{JUDGE: a, b, tie or none}}")
    judgments = []
    seen: dict[str, set[Order | None]] = {}
    for key, choice in said.items():
        judge, order = _judge(key, where)
        if order is None and orders is not None and len(known := orders.get(judge, set())) == 1:
            (order,) = known
        known = seen.setdefault(judge, set())
        if known and (order is None or order in known or None in known):
            raise _RecordError(
                f"{where}.{key}  {judge!r} judged already: a second time needs the other order, "
                f"as {judge}:ab and {judge}:ba"
            )
        known.add(order)
        judgments.append(
            Judgment(
                judge=judge,
                choice=_choice(choice, f"{where}.{key}"),
                order=order,
                criterion=criterion,
            )
        )
    return tuple(judgments)


def _judge(key: str, where: str) -> tuple[str, Order | None]:
    known = key.endswith((":ab", ":ba"))
    judge, order = (key[:-3], Order(key[-2:])) if known else (key, None)
    if not judge.strip():
        raise _RecordError(f"{where}.{key}  a judge needs a name")
    return _whole(judge, where), order


def _choice(value: Any, where: str) -> Choice:
    try:
        return Choice(value)
    except ValueError:
        raise _RecordError(f"{where} = {shown(value)}  is no choice: {_CHOICES}") from None


def _gold(value: Any) -> Choice | None:
    if value is None or (choice := _choice(value, "gold")) is Choice.NONE:
        return None  # nobody knows what is right
    return choice


def _id(value: Any, name: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise _RecordError(f"{name} = {shown(value)}  must be a text or a whole number: {_NEEDED}")
    return _whole(value, name)


def _text(record: Mapping[str, Any], name: str) -> str:
    if name not in record:
        raise _RecordError(f"{name}  is missing: {_NEEDED}")
    value = record[name]
    if isinstance(value, bool | int | float):
        return json.dumps(value)  # an answer "true" or "42" that lost its quotes on the way
    if not isinstance(value, str):
        raise _RecordError(f"{name} = {shown(value)}  must be a text")
    return _whole(value, name)


def _whole(text: str, where: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        shown = f"{where} = {text[:60]!a}"
        raise _RecordError(f"{shown}  holds half a character: write it anew") from None
    return text


def _check_repeats(reading: _Reading) -> None:
    by_id = {pair.id: pair for pair in reading.pairs}
    for pair in reading.pairs:
        if pair.repeat_of is None or reading.problems:
            continue
        where = f"{reading.lines[pair.id]}  repeat_of = {pair.repeat_of!r}"
        first = by_id.get(pair.repeat_of)  # None: the file is a part of another
        if first is pair:
            reading.problems.append(f"{where}  is the pair itself: name the one that it repeats")
        elif first is not None and same_way_round(first, pair) is None:
            reading.problems.append(f"{where}  has other answers: a repeat asks for the same two")
