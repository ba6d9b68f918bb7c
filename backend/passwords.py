"""Passwords: what is kept of them, and whether one is right. Only the standard library.

Kept is ``scrypt$LOG2_OF_N$R$P$SALT$KEY``, the last two in base64: whoever reads the database has to
guess, and each guess takes the memory and the time that the first three say.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
import unicodedata
from dataclasses import dataclass

LEAST, MOST = 12, 1000  # characters; without the upper end a sender decides how long it takes
_SALT_BYTES = 16
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What a guess takes: ``128 * 2**log2_n * r`` bytes, that often read as ``p`` says."""

    log2_n: int
    r: int
    p: int


# 32 MB, three times: one of the equal choices of OWASP's Password Storage Cheat Sheet, the one
# that a small machine can bear while it also answers Label Studio.
EFFORT = Effort(log2_n=15, r=8, p=3)
_ONE_AT_A_TIME = threading.Lock()  # so that many who guess at once do not fill the memory


def kept(password: str) -> str:
    """What to keep of a password, under a salt of its own."""
    effort = EFFORT
    salt = secrets.token_bytes(_SALT_BYTES)
    key = _key(password, salt, effort)
    numbers = (effort.log2_n, effort.r, effort.p)
    return "$".join(["scrypt", *map(str, numbers), _text(salt), _text(key)])


def is_right(stored: str | None, given: str) -> bool:
    """Whether ``given`` is the password that ``stored`` was kept of; never where there is none.

    A key is derived in any case, so that the time taken does not say whether there is a password.
    """
    effort, salt, key = _parts(stored)
    derived = _key(given, salt, effort)
    right = hmac.compare_digest(derived, key)
    return right and stored is not None and len(given) <= MOST


def problem_of(name: str, password: str) -> str | None:
    """Why a new password is refused, with what is asked for; None where it is taken."""
    if not LEAST <= len(password) <= MOST:
        return (
            f"a password has {LEAST} to {MOST:,} characters, this one {len(password):,}: several "
            "words in a row are easy to keep in mind"
        )
    if not password.isprintable():
        return "a password holds no line breaks or other characters that cannot be seen"
    if password.casefold() in {name.casefold(), name.casefold() * 2} or len(set(password)) < 4:
        return "a password is neither the name nor the same few characters again and again"
    return None


def _key(password: str, salt: bytes, effort: Effort) -> bytes:
    # Keyboards differ in whether an accent is a character of its own.
    said = unicodedata.normalize("NFC", password[:MOST]).encode("utf-8", "replace")
    size = 128 * 2**effort.log2_n * effort.r
    with _ONE_AT_A_TIME:
        return hashlib.scrypt(
            said,
            salt=salt,
            n=2**effort.log2_n,
            r=effort.r,
            p=effort.p,
            maxmem=2 * size,
            dklen=_KEY_BYTES,
        )


def _parts(stored: str | None) -> tuple[Effort, bytes, bytes]:
    """What was kept; something that fits no password where nothing was, or nothing readable."""
    nothing = EFFORT, bytes(_SALT_BYTES), bytes(_KEY_BYTES)
    if stored is None:
        return nothing
    try:
        _, log2_n, r, p, salt, key = stored.split("$")
        effort = Effort(log2_n=int(log2_n), r=int(r), p=int(p))
        return effort, base64.b64decode(salt), base64.b64decode(key)
    except (ValueError, binascii.Error):
        return nothing


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
