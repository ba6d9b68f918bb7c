"""A share link is opened: its token becomes a cookie at once, and is in no address afterwards."""

from __future__ import annotations

from flask import Blueprint, g, redirect, url_for
from werkzeug.wrappers import Response

from backend.signing_in import begin_visit
from backend.store.share_links import OPEN, ShareLink, link_of_token
from backend.web.access import Visitor
from backend.web.errors import RequestError
from backend.web.session_cookie import give_cookie
from backend.web.state import web
from backend.web.visitors import link_is_over, present_session

blueprint = Blueprint("share", __name__)


@blueprint.get("/share/<token>")
def open_link(token: str) -> Response:
    """To what the link shows, for as long as it holds; whoever sees that already stays who it is.

    Raises ``RequestError`` (404, 410) where there is no such link, or it is over.
    """
    runtime = web().runtime
    with runtime.reads() as session:
        link = link_of_token(session, token)
    if link is None:
        raise RequestError(
            404,
            "no_such_link",
            "there is no such link: check that the address is complete, or ask whoever sent it to "
            "you for another one",
        )
    state = link.state(runtime.now())
    if state != OPEN:
        raise link_is_over(link, state)
    response = redirect(_shown(link), 303)
    if not _sees_it_already(link):
        give_cookie(response, runtime.settings, begin_visit(runtime, link, present_session()))
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _shown(link: ShareLink) -> str:
    if link.project_id is None:
        return url_for("overview.page")
    return url_for("project.page", project_id=link.project_id)


def _sees_it_already(link: ShareLink) -> bool:
    """Whether this browser need not be given the session of the link."""
    visitor: Visitor | None = g.visitor
    if visitor is None:
        return False
    session = present_session()
    if session is not None and session.link is not None:
        return session.link.id == link.id
    return True
