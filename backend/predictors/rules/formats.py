"""Which format a text has, as a whole: strict, so that a text of a format is one beyond doubt.

Dates are 2026-03-01 (with a time or without), 1.3.2026, 1/3/2026, 3/1/2026, 1 March 2026 and
March 1, 2026; numbers may be signed and grouped, in English or continental writing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from typing import NoReturn
from urllib.parse import urlsplit
from xml.parsers import expat

_LONGEST = 1_000_000
_LONGEST_SHORT = 2_100  # of what stands on one line; a URL may have about so many characters

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)
_NAMED_DAY = re.compile(r"(\d{1,2})\.? ([a-z]{3,9})\.? (\d{4})", re.ASCII)
_NAMED_MONTH = re.compile(r"([a-z]{3,9})\.? (\d{1,2}), (\d{4})", re.ASCII)
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_NUMERIC_DATE = re.compile(r"(\d{1,2})([./])(\d{1,2})\2(\d{4})", re.ASCII)
_NUMBER = re.compile(
    r"[+-]?(?:"
    r"(?:0|[1-9]\d*|[1-9]\d{0,2}(?:,\d{3})+)(?:\.\d+)?"  # 1234.5  1,234.5
    r"|(?:0|[1-9]\d*|[1-9]\d{0,2}(?:\.\d{3})+),\d+"  # 1234,5  1.234,5
    r"|[1-9]\d{0,2}(?:\.\d{3}){2,}"  # 1.234.567
    r"|\.\d+"
    r")(?:[eE][+-]?\d{1,3})?%?",
    re.ASCII,
)
_PHONE = re.compile(r"(?=[+0(]|\d+[ ./-])(?:\+|00)?[(]?\d[\d ()./-]*\d", re.ASCII)
_LIKE_A_DATE = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}", re.ASCII)
_PHONE_DIGITS = range(7, 16)  # E.164 allows 15
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?")
_ENDING = re.compile(r"[^\W\d_]{2,63}|xn--[a-z0-9-]{1,59}", re.IGNORECASE)
_SCHEMES = frozenset({"http", "https", "ftp"})
_FIRST_TAG = re.compile(r"<([A-Za-z][A-Za-z0-9]*)(?=[\s/>])[^<>]*>")
_LAST_TAG = re.compile(r"</([A-Za-z][A-Za-z0-9]*)\s*>$")
_HTML = re.compile(
    "html|head|body|p|div|span|a|b|i|em|strong|ul|ol|li|table|tr|td|th|h[1-6]|br|hr|img|form|"
    "section|article|header|footer|nav|main|pre|code|blockquote|script|style",
    re.IGNORECASE,
)


def format_of(text: str) -> str | None:
    """One of ``policies.automation.FORMATS``, or None.

    >>> format_of(" 2026-02-28 "), format_of("2026-02-30"), format_of("see example.org")
    ('date', None, None)
    """
    whole = text.strip()
    if not whole or len(whole) > _LONGEST:
        return None
    return next((name for name, is_one in _RECOGNISERS if is_one(whole)), None)


def _is_date(text: str) -> bool:
    if len(text) > 40:  # more than the longest month's name or the finest time takes
        return False
    if _ISO.fullmatch(text):
        return _is_moment(text)
    if found := _NUMERIC_DATE.fullmatch(text):
        first, second, year = int(found[1]), int(found[3]), int(found[4])
        american = found[2] == "/" and _is_day(year, first, second)
        return american or _is_day(year, second, first)
    if found := _NAMED_DAY.fullmatch(text.lower()):
        return _is_day(int(found[3]), _month(found[2]), int(found[1]))
    found = _NAMED_MONTH.fullmatch(text.lower())
    return found is not None and _is_day(int(found[3]), _month(found[1]), int(found[2]))


def _is_moment(text: str) -> bool:
    with suppress(ValueError):
        return bool(datetime.fromisoformat(text))
    return False


def _month(name: str) -> int:
    """The number of a month by its English name or the first three letters; 0 where it is none."""
    fits = (place for place, month in enumerate(_MONTHS, 1) if name in (month, month[:3]))
    return next(fits, 0)


def _is_day(year: int, month: int, day: int) -> bool:
    with suppress(ValueError):
        return bool(date(year, month, day))
    return False


def _is_email(text: str) -> bool:
    name, at, host = text.rpartition("@")
    return bool(at) and 1 <= len(name) <= 64 and bool(_NAME.fullmatch(name)) and _is_host(host)


def _is_host(host: str) -> bool:
    *labels, ending = host.split(".")
    inner = bool(labels) and all(_LABEL.fullmatch(label) for label in labels)
    return inner and len(host) <= 253 and bool(_ENDING.fullmatch(ending))


def _is_url(text: str) -> bool:
    if len(text) > _LONGEST_SHORT or any(map(str.isspace, text)) or not text.isprintable():
        return False
    with suppress(ValueError):  # a port that is none, a broken address in brackets
        parts = urlsplit(text)
        known = parts.scheme.lower() in _SCHEMES and parts.port != 0
        return known and (parts.hostname == "localhost" or _is_host(parts.hostname or ""))
    return False


def _is_number(text: str) -> bool:
    return len(text) <= 400 and bool(_NUMBER.fullmatch(text))


def _is_phone(text: str) -> bool:
    if len(text) > 40 or _LIKE_A_DATE.fullmatch(text) or not _PHONE.fullmatch(text):
        return False
    balanced = text.count("(") == text.count(")") <= 1
    return balanced and sum(map(str.isdigit, text)) in _PHONE_DIGITS


def _is_json(text: str) -> bool:
    """An object or a list; plain words and numbers are JSON too, and say nothing."""
    if (text[0], text[-1]) not in {("{", "}"), ("[", "]")}:
        return False
    with suppress(ValueError, RecursionError):
        # Numbers stay text: a long one would be refused, or take quadratic time.
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
        return True
    return False


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _is_html(text: str) -> bool:
    """A page, or a fragment between tags of HTML."""
    if text[:14].lower() == "<!doctype html":
        return ">" in text
    first, last = _FIRST_TAG.match(text), _LAST_TAG.search(text[-80:])
    return all(tag is not None and _HTML.fullmatch(tag[1]) for tag in (first, last))


def _is_xml(text: str) -> bool:
    """Well-formed, without a document type: that could declare entities that expand."""
    if not (text.startswith("<") and text.endswith(">")):
        return False
    parser = expat.ParserCreate()

    def doctype(*declaration: object) -> None:
        del declaration
        raise ValueError("a document type")

    parser.StartDoctypeDeclHandler = doctype
    with suppress(expat.ExpatError, ValueError):
        parser.Parse(text.encode("utf-8"), True)  # noqa: FBT003 - expat takes it by position only
        return True
    return False


# In this order: 1.2.2026 is a date before it is a phone number, <p>x</p> HTML before XML.
_RECOGNISERS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("e-mail", _is_email),
    ("url", _is_url),
    ("date", _is_date),
    ("number", _is_number),
    ("phone", _is_phone),
    ("json", _is_json),
    ("html", _is_html),
    ("xml", _is_xml),
)
