"""JSON of other programs -> values that every JSON writer here takes again. Pure.

Label Studio's own JSON (Python's) takes numbers of any length, and lists in lists almost without
end. The strict one that writes Labelgate's rows and requests does not: without this, one such task
would stop the synchronisation of its whole project.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

DEEPEST = 100  # levels; orjson writes 254, and what stands around a value takes some of them
TOO_DEEP = f"(nested deeper than {DEEPEST} levels: left out)"
_HALF = re.compile("[\ud800-\udfff]")


def read_json(content: bytes) -> Any:
    """What a body says, read as Python's JSON reads it; no number (NaN, Infinity) is None.

    Raises ``ValueError`` where it is no JSON.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            return json.loads(content.decode(), parse_constant=_nothing)
        except RecursionError as error:
            raise ValueError("nested too deep") from error


def writable(value: Any) -> Any:
    """The value as it is where it can be written; else with what cannot be written replaced.

    Half characters become the replacement character, numbers of more than 64 bits the text of
    their digits, and what is nested too deep ``TOO_DEEP``.

    >>> writable({"a": 10**30, "b": [1]})
    {'a': '1000000000000000000000000000000', 'b': [1]}
    """
    try:
        orjson.dumps(value)
    except TypeError:
        return _replaced(value, 0)
    return value


def _replaced(value: Any, depth: int) -> Any:
    match value:
        case str():
            return _HALF.sub("\ufffd", value)
        case int() if not -(2**63) <= value < 2**64:
            return str(value)
        case dict() | list() if depth == DEEPEST:
            return TOO_DEEP
        case dict():
            return {
                _HALF.sub("\ufffd", str(name)): _replaced(each, depth + 1)
                for name, each in value.items()
            }
        case list():
            return [_replaced(each, depth + 1) for each in value]
    return value


def _nothing(name: str) -> None:
    del name
