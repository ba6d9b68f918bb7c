"""Keeping secrets out of what is stored and shown: the lines of a job's log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from backend.secret_files import secret_files
from backend.settings import Settings
from backend.store.engine import database_url

HIDDEN = "[secret]"
# Shorter ones are no secrets, and hiding them would hide half of every line.
_SHORTEST = 4
_CARRIERS = re.compile(
    r"(?P<before>\b(?:Bearer|Basic|Token)\s+|://[^/\s:@]*:)(?P<secret>[^\s@'\"]{4,})"
)


def redactor(settings: Settings) -> re.Pattern[str]:
    """What finds every secret that these settings know, the longest first."""
    found = {each for each in _secrets(settings) if len(each) >= _SHORTEST}
    ordered = sorted(found, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered)) or r"(?!)")


def redacted(text: str, known: re.Pattern[str]) -> str:
    """The text without the known secrets, and without what looks like one in its place.

    >>> redacted("sent Bearer abc.def to https://ann:pass1@host", re.compile(r"(?!)"))
    'sent Bearer [secret] to https://ann:[secret]@host'
    """
    hidden = known.sub(HIDDEN, text)
    return _CARRIERS.sub(lambda match: match["before"] + HIDDEN, hidden)


def _secrets(settings: Settings) -> Iterator[str]:
    for _, value in settings:
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
        elif isinstance(value, dict):
            for each in value.values():
                if isinstance(each, SecretStr):
                    yield each.get_secret_value()
    password = database_url(settings.store_url).password
    if password is not None:
        yield str(password)
    if settings.redis_url is not None:
        yield unquote(urlsplit(settings.redis_url.get_secret_value()).password or "")
    yield from map(_read, secret_files(settings.data_dir))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:  # gone since, or another user's: this process cannot have said it
        return ""
