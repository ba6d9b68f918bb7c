"""Share links, for admins: which there are, one more, one less, and who made and revoked them."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from backend.accounts import MOST_DAYS, AccountError, WantedLink, share, stop_sharing
from backend.store.acts import newest_acts_of
from backend.store.projects import all_projects
from backend.store.share_links import share_links
from backend.web.access import Role, needs, visitor
from backend.web.errors import RequestError
from backend.web.state import web

blueprint = Blueprint("share_links", __name__, url_prefix="/account/share")

_SHOWN = 100
_DAYS = 7


@blueprint.get("")
@needs(Role.ADMIN)
def page() -> Response:
    """The newest links and their trail."""
    return _page(status=200)


@blueprint.post("")
@needs(Role.ADMIN)
def make() -> Response:
    """A new link. Its address stands on the answer alone, for only its hash is kept."""
    try:
        wanted = _wanted()
        link, address = share(web().runtime, wanted, by=visitor().name)
    except AccountError as error:
        return _page(status=400, problem=str(error))
    return _page(status=200, made=link.id, address=address)


@blueprint.post("/<int:link_id>/revoke")
@needs(Role.ADMIN)
def revoke(link_id: int) -> Response:
    """Take it back, now."""
    try:
        stop_sharing(web().runtime, link_id, by=visitor().name)
    except AccountError as error:
        raise RequestError(404, "no_such_link", str(error)) from error
    return redirect(url_for("share_links.page"), 303)


def _wanted() -> WantedLink:
    """What the form asks for. Raises ``AccountError`` where it is nothing that can be shared."""
    project = request.form.get("project", "")
    with web().runtime.reads() as session:
        connected = {str(each.id) for each in all_projects(session)}
    if project != "all" and project not in connected:
        raise AccountError("choose a project that is connected, or all of them")
    try:
        days = float(request.form.get("days", ""))
    except ValueError:
        raise AccountError(f"days must be a number from 1 to {MOST_DAYS}") from None
    return WantedLink(
        project_id=None if project == "all" else int(project),
        days=days,
        note=request.form.get("note", "").strip(),
    )


def _page(
    status: int, problem: str | None = None, made: int | None = None, address: str | None = None
) -> Response:
    runtime = web().runtime
    with runtime.reads() as session:
        projects = all_projects(session)
        links = share_links(session, _SHOWN)
        acts = newest_acts_of(session, ("share.made", "share.revoked"), _SHOWN)
    page = render_template(
        "share_links.html",
        projects=projects,
        titles={each.id: each.title for each in projects},
        links=links,
        acts=acts,
        problem=problem,
        made=made,
        address=address,
        days=request.form.get("days", str(_DAYS)),
        note=request.form.get("note", "") if problem else "",
        most_days=MOST_DAYS,
        shown=_SHOWN,
        now=runtime.now(),
    )
    return make_response(page, status)
