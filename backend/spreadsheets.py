"""Values for CSV that people open in spreadsheets, which calculate what looks like a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

# OWASP, "CSV Injection", and the full-width forms that spreadsheets of East Asia take too.
_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - those are the full-width forms
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def cell(value: Any) -> Any:
    """A value for a cell: text that a spreadsheet would calculate gets an apostrophe before it.

    Spreadsheets do not show it, and whoever reads the file by program finds it where a text begins
    so; a text that is a plain number is none of them.

    >>> cell("=1+2"), cell(-0.5), cell("-0.5"), cell("-0.5+1"), cell(None)
    ("'=1+2", -0.5, '-0.5', "'-0.5+1", '')
    """
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        value = " | ".join(map(str, value))
    if not isinstance(value, str) or not value.startswith(_FORMULA_STARTS):
        return value
    return value if _NUMBER.fullmatch(value) else f"'{value}"


def csv_line(values: Iterable[Any], end: str = "\n") -> str:
    r"""A line of CSV, each value as a ``cell``.

    With a line end of its own the standard library leaves a lone carriage return unquoted, and what
    stands behind it is read as the first cell of another line.

    >>> csv_line(["a\r=1+2", 3])
    '"a\r=1+2",3\n'
    """
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\r\n").writerow([cell(each) for each in values])
    return line.getvalue().removesuffix("\r\n") + end
