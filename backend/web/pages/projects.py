"""Which project a page is about, and the way from one to another."""

from __future__ import annotations

from flask import Blueprint, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from backend.store.projects import ConnectedProject, active_project, project_titles
from backend.web.access import Role, needs, visitor
from backend.web.errors import RequestError
from backend.web.numbers import row_number
from backend.web.state import web

blueprint = Blueprint("projects", __name__)


@blueprint.get("/projects")
@needs(Role.VIEWER, for_all=True)
def chosen() -> Response:
    """To the project that was chosen in the header of a page; without one to the start page."""
    project_id = request.args.get("project", type=row_number)
    if project_id is None:
        return redirect(url_for("overview.page"))
    with web().runtime.reads() as session:
        shown_project(session, project_id)
    return redirect(url_for("project.page", project_id=project_id))


@blueprint.app_template_global("project_choices")
def project_choices() -> list[tuple[int, str]]:
    """Number and title of every project that the visitor may see, by title."""
    with web().runtime.reads() as session:
        titles = project_titles(session)
    seen = [(number, title) for number, title in titles.items() if visitor().sees(number)]
    return sorted(seen, key=lambda each: (each[1].casefold(), each[0]))


def shown_project(session: Session, project_id: int) -> ConnectedProject:
    """The connected project of this number, if the visitor may see it.

    Raises ``RequestError`` (404) where there is none, and where it is none of the visitor's: who
    may not see a project is not told that it exists.
    """
    project = active_project(session, project_id)
    if project is None or not visitor().sees(project_id):
        raise RequestError(
            404,
            "no_such_project",
            f"no project {project_id} is connected: the start page lists those that are, and "
            "`labelgate connect` adds one",
        )
    return project
