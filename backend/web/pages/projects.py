"""Which project a page is about."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.store.projects import ConnectedProject, active_project
from backend.web.access import visitor
from backend.web.errors import RequestError


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
