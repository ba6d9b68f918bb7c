"""Whole numbers in addresses and forms: no larger than the database holds."""

from __future__ import annotations

from flask import Flask, request
from werkzeug.exceptions import NotFound
from werkzeug.routing import IntegerConverter, Map

LARGEST = 2**63 - 1  # of a database's whole numbers
LARGEST_PROJECT_ID = 2**31 - 1  # of Label Studio's own column


class RowNumber(IntegerConverter):
    """The number of a row in an address; where it is larger there is no such page."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=LARGEST)


def register(app: Flask) -> None:
    """Every ``<int:...>`` of a route is the number of a row."""
    app.url_map.converters["int"] = RowNumber


def require_project_number() -> None:
    """Projects have Label Studio's numbers, and PostgreSQL compares them with no larger one."""
    if (request.view_args or {}).get("project_id", 0) > LARGEST_PROJECT_ID:
        raise NotFound


def row_number(text: str) -> int:
    """The number that a field holds; ``ValueError`` where it can be no row's.

    >>> row_number("12")
    12
    """
    number = int(text)
    if not 0 <= number <= LARGEST:
        raise ValueError(text[:20])
    return number
