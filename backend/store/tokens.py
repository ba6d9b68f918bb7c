"""Tokens: 256 random bits for whoever is given one, and a SHA-256 for the database.

A hash that takes long is for passwords, which people choose; these cannot be guessed. The database
is asked for the hash of what was given, and how far that agrees with a stored one says nothing
about a token.
"""

from __future__ import annotations

import hashlib
import secrets


def new_token(prefix: str) -> str:
    """A new one; by the prefix, scanners of code and logs can tell what leaked."""
    return prefix + secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is kept of it, in hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
