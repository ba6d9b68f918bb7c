"""What of an inference's data is kept: fields that the policy masks are blank. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from policies.answer_texts import json_text

_LONGEST_SLICE = 200  # characters: a slice is a group of answers, not a text
# Bytes of all slices of an answer: they are part of a key, and PostgreSQL's have 2,700 at most.
_LARGEST_SLICES = 600


def masked(data: Mapping[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """The data with the values of these fields blank, as it may be stored or shown.

    >>> masked({"text": "hello", "name": "Ann"}, ["name"])
    {'text': 'hello', 'name': ''}
    """
    return {key: "" if key in fields else value for key, value in data.items()}


def slice_values(data: Mapping[str, Any], fields: Sequence[str]) -> dict[str, str]:
    """The values of the slice fields as texts; "" where the data has none.

    They are names of groups in tables and keys: long ones are cut, and what is not printable in
    them is a space.

    >>> slice_values({"country": "DE", "paid": True}, ["country", "paid", "device"])
    {'country': 'DE', 'paid': 'true', 'device': ''}
    """
    values = {field: _text(data.get(field)) for field in fields}
    if sum(map(len, values.values())) * 4 <= _LARGEST_SLICES:  # a character has 4 bytes at most
        return values
    coded = {field: value.encode() for field, value in values.items()}
    if sum(map(len, coded.values())) <= _LARGEST_SLICES:
        return values
    most = max(_LARGEST_SLICES // len(values), 1)
    return {field: value[:most].decode(errors="ignore") for field, value in coded.items()}


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = (value if isinstance(value, str) else json_text(value))[:_LONGEST_SLICE]
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else " " for each in text)
