"""What of an inference's data is kept: fields that the policy masks are blank. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from policies.answer_texts import json_text

_LONGEST_SLICE = 200  # characters: a slice is a group of answers, not a text


def masked(data: Mapping[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """The data with the values of these fields blank, as it may be stored or shown.

    >>> masked({"text": "hello", "name": "Ann"}, ["name"])
    {'text': 'hello', 'name': ''}
    """
    return {key: "" if key in fields else value for key, value in data.items()}


def slice_values(data: Mapping[str, Any], fields: Sequence[str]) -> dict[str, str]:
    """The values of the slice fields as texts; "" where the data has none.

    >>> slice_values({"country": "DE", "paid": True}, ["country", "paid", "device"])
    {'country': 'DE', 'paid': 'true', 'device': ''}
    """
    return {field: _text(data.get(field)) for field in fields}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return (value if isinstance(value, str) else json_text(value))[:_LONGEST_SLICE]
