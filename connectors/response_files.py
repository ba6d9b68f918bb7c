"""JSON lines of prompts with several answers each: what pairs are made of. Reads one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from connectors.json_lines import JsonLinesError, read_objects, refuse, shown

_NEEDED = 'each line is an object with a text "prompt" and a list of texts "responses"'
# What tasks are given beside the fields that come along.
OWN_FIELDS = ("id", "prompt", "left", "right", "order", "repeat_of", "answers")
_READ = ("id", "prompt", "input", "responses")


@dataclass(frozen=True, slots=True, kw_only=True)
class Responses:
    """A prompt with its answers, each text once; ``more`` are the other fields of its line.

    ``same`` counts the answers that were another's text.
    """

    id: str
    prompt: str
    texts: tuple[str, ...]
    same: int
    more: dict[str, Any]


def read_responses(path: Path) -> list[Responses]:
    """The prompts of a JSON lines file, gzipped where its name ends in ``.gz``, with their answers.

    A line is ``{"prompt": TEXT, "responses": [TEXT, ...]}`` and may have an ``id``; without one it
    is called by its line. ``input``, as instruction data have it, is the second paragraph of the
    prompt. Equal answers are one. All other fields go along into the tasks.

    Raises
        JsonLinesError: as ``read_objects`` does; an id that comes twice, a field that is missing or
            of another type, one that tasks use for themselves, no prompt at all.
    """
    found: list[Responses] = []
    lines: dict[str, int] = {}
    problems: list[str] = []
    for line, record in read_objects(path, _NEEDED):
        try:
            made = _responses(line, record)
        except ValueError as error:
            problems.append(f"{line}  {error}")
            continue
        if made.id in lines:
            problems.append(
                f"{line}  id = {made.id!r}  stands on line {lines[made.id]} too: give every prompt "
                "an id of its own"
            )
            continue
        lines[made.id] = line
        found.append(made)
    refuse(path, problems)
    if not found:
        raise JsonLinesError(f"{path}  has no prompts: {_NEEDED}")
    return found


def _responses(line: int, record: Mapping[str, Any]) -> Responses:
    given = record.get("responses")
    if not isinstance(given, list) or not all(_is_text(each) for each in given):
        raise ValueError(f"responses = {shown(given)}  must be a list of texts: {_NEEDED}")
    for name in OWN_FIELDS:
        if name in record and name not in _READ:
            raise ValueError(f"{name}  is a name that tasks use for themselves: rename the field")
    more = {name: value for name, value in record.items() if name not in _READ}
    for name, value in more.items():
        if not _can_be_written({name: value}):
            raise ValueError(
                f"{name} = {shown(value)}  goes along into the tasks, and holds half a character "
                "or a number of more than 64 bits: write it anew, or as a text"
            )
    texts = tuple(dict.fromkeys(given))
    return Responses(
        id=_id(line, record.get("id")),
        prompt=_prompt(record),
        texts=texts,
        same=len(given) - len(texts),
        more=more,
    )


def _id(line: int, value: Any) -> str:
    if value is None:
        return str(line)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if _is_text(value):
        return str(value)
    raise ValueError(f"id = {shown(value)}  must be a text or a whole number")


def _prompt(record: Mapping[str, Any]) -> str:
    prompt, more = record.get("prompt"), record.get("input")
    if not _is_text(prompt):
        raise ValueError(f"prompt = {shown(prompt)}  must be a text: {_NEEDED}")
    if more in (None, ""):
        return str(prompt)
    if not _is_text(more):
        raise ValueError(f"input = {shown(more)}  must be a text")
    return f"{prompt}\n\n{more}"


def _can_be_written(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:  # what Python's JSON reads and no other one writes
        return False
    return True


def _is_text(value: Any) -> bool:
    """Whether a page can show the value: a text that is not empty, and whole Unicode."""
    if not isinstance(value, str) or not value.strip():
        return False
    return not any("\ud800" <= letter <= "\udfff" for letter in value)
