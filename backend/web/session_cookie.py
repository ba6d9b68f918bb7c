"""The cookie of a session: no script reads it, no other site's form sends it."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from backend.settings import Settings
from backend.signing_in import LONGEST


def is_secure(settings: Settings) -> bool:
    """Whether browsers reach the server by https, so that cookies must not go another way."""
    return settings.own_url.startswith("https://")


def given_cookie(settings: Settings) -> str | None:
    """What the browser sent."""
    return request.cookies.get(_name(settings))


def give_cookie(response: Response, settings: Settings, cookie: str) -> None:
    """Let the browser keep it no longer than any session lasts; the server may end it before."""
    response.set_cookie(
        _name(settings),
        cookie,
        max_age=LONGEST,
        path="/",
        secure=is_secure(settings),
        httponly=True,
        samesite="Lax",
    )


def take_cookie(response: Response, settings: Settings) -> None:
    """Let the browser drop it."""
    response.delete_cookie(
        _name(settings), path="/", secure=is_secure(settings), httponly=True, samesite="Lax"
    )


def _name(settings: Settings) -> str:
    """With its prefix, browsers take it by https only, and from no neighbouring host."""
    return "__Host-labelgate" if is_secure(settings) else "labelgate"
