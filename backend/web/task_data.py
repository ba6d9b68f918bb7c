"""A task's data for a page: as text, never as markup, and nothing of it is fetched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson

_FOLDED_FROM = 400  # characters: longer values are folded
_MOST = 20_000  # characters of a value that a page shows
_MOST_KEYS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownValue:
    """A value of a task: its text, whether it is folded, cut, and the link that it is, if any."""

    key: str
    text: str
    folded: bool
    cut: int
    href: str | None


def shown_data(data: Mapping[str, object]) -> list[ShownValue]:
    """The task's values in their order; what is no text is shown as JSON.

    >>> [each.href for each in shown_data({"a": "javascript:alert(1)", "b": "https://x.org/i.png"})]
    [None, 'https://x.org/i.png']
    """
    return [_shown(key, value) for key, value in list(data.items())[:_MOST_KEYS]]


def _shown(key: str, value: object) -> ShownValue:
    text = value if isinstance(value, str) else _as_json(value)
    return ShownValue(
        key=key,
        text=text[:_MOST],
        folded=len(text) > _FOLDED_FROM or text.count("\n") > 8,
        cut=max(0, len(text) - _MOST),
        href=_href(value),
    )


def _as_json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _href(value: object) -> str | None:
    """The value where it is an address that a browser may follow; scripts and files are none."""
    if not isinstance(value, str) or any(each.isspace() for each in value):
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme in {"http", "https"} and parts.hostname else None
