"""How much goes into one request that makes tasks in Label Studio."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import orjson

MOST_TASKS = 1_000
MOST_BYTES = 20_000_000

Item = TypeVar("Item")


def in_requests(
    items: Iterable[Item], data_of: Callable[[Item], dict[str, Any]]
) -> Iterator[list[Item]]:
    """The items in as few requests as a server takes; they are read as they are asked for."""
    chunk: list[Item] = []
    size = 0
    for item in items:
        weight = len(orjson.dumps(data_of(item)))
        if chunk and (len(chunk) == MOST_TASKS or size + weight > MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += weight
    if chunk:
        yield chunk
